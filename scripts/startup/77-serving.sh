# shellcheck shell=bash
# Kubelets' serving certificates, signed by the cluster. Kubernetes signs what is
# approved and approves none itself: whoever has a node's credential could ask for
# another machine's address. So each master approves what Compute Engine's DNS agrees with.

# approve_kubelets starts the unit that does, on each master: it needs no hakube, no
# pod and no leader, since to approve twice is to approve.
approve_kubelets() {
	if [[ $SIGN_KUBELETS != true ]]; then return; fi
	put "$RUN/approve-domain" <<<"$(internal_domain "$PROJECT")"
	put "$RUN/approve-project" <<<"$PROJECT"
	put /usr/local/sbin/hakube-approve 0755 <<-'END'
		#!/usr/bin/env bash
		# Approves requests for kubelets' serving certificates whose name and address are
		# those of the machine that asks. All others are left alone, and said in the journal.
		domain=$(</run/hakube/approve-domain) project=$(</run/hakube/approve-project)
		declare -A tries
		export LC_ALL=C

		as_admin() { kubectl --kubeconfig /etc/kubernetes/admin.conf --server https://127.0.0.1:443 --request-timeout "${limit:-20s}" "$@"; }

		# address NODE prints the address Compute Engine has for the machine. A Node says
		# itself in which zone it is; in another one there is no machine of the name. Machines
		# of a project with global names have no others.
		address() {
			local id zone ip name
			id=$(as_admin get node "$1" -o 'jsonpath={.spec.providerID}') || return 1
			zone=${id#"gce://$project/"} zone=${zone%"/$1"}
			[[ $id == "gce://$project/$zone/$1" && $zone =~ ^[a-z0-9-]+$ ]] || return 1
			for name in "$1.$zone.$domain." "$1.$domain."; do
				read -r ip _ < <(getent ahostsv4 "$name")
				if [[ -n $ip ]]; then
					echo "$ip"
					return
				fi
			done
			return 1
		}

		no() {
			((${tries[$name]:-0} > 1)) || echo "$name is not approved: $*"
			return 1
		}

		# judge NAME succeeds when nothing is left to do about a request.
		judge() {
			local name=$1 node ip text said request
			said=$(as_admin get csr "$name" --ignore-not-found -o 'jsonpath={.spec.signerName}|{.spec.username}|{.spec.groups}|{.status.conditions[*].type}|{.spec.request}') || return 1
			[[ -n $said ]] || return 0
			[[ $said =~ ^kubernetes\.io/kubelet-serving\|system:node:([a-z0-9]([-a-z0-9]*[a-z0-9])?)\|([^|]*)\|([^|]*)\|([A-Za-z0-9+/=]+)$ ]] || { no "no node asks for it"; return 1; }
			node=${BASH_REMATCH[1]} request=${BASH_REMATCH[5]}
			[[ -z ${BASH_REMATCH[4]} ]] || return 0 # decided
			[[ ${BASH_REMATCH[3]} == *'"system:nodes"'* ]] || { no "who asks is not of system:nodes"; return 1; }
			text=$(base64 -d <<<"$request" | openssl req -verify -noout -text -subject -nameopt RFC2253 2>/dev/null) || { no "it is no signed request"; return 1; }
			[[ $'\n'$text$'\n' == *$'\n'"subject=CN=system:node:$node,O=system:nodes"$'\n'* ]] || { no "its subject is not $node"; return 1; }
			text=$(sed -n '/X509v3 Subject Alternative Name:/{n;s/^ *//;s/ *$//;p}' <<<"$text")
			ip=$(address "$node") || { no "Compute Engine's DNS has no address for $node"; return 1; }
			[[ $text == "DNS:$node, IP Address:$ip" ]] || { no "it is for $text, and the machine is DNS:$node, IP Address:$ip"; return 1; }
			as_admin certificate approve "$name"
		}

		# A request that is not approved is looked at again: every two seconds at first, since
		# its Node may be a moment younger, and then for ten minutes, since DNS may not answer.
		# After a quarter of an hour a kubelet makes another one.
		while true; do
			pause=20
			for name in "${!tries[@]}"; do ((tries[$name] > 10)) || pause=2; done
			code=0
			read -r -t "$pause" name || code=$? # behind an if that did not hold it would be 0
			if ((code == 0)); then
				tries[$name]=1
				judge "$name" && unset "tries[$name]"
				continue
			fi
			((code > 128)) || exit 0 # the watch has ended; systemd begins it again
			for name in "${!tries[@]}"; do
				tries[$name]=$((tries[$name] + 1))
				if judge "$name" || ((tries[$name] > 40)); then unset "tries[$name]"; fi
			done
		done < <(limit=0 as_admin get csr --field-selector spec.signerName=kubernetes.io/kubelet-serving --watch -o 'jsonpath={.metadata.name}{"\n"}')
	END
	put /etc/systemd/system/hakube-approve.service <<-'END'
		[Unit]
		Description=approves kubelets' serving certificates
		StartLimitIntervalSec=0

		[Service]
		ExecStart=/usr/local/sbin/hakube-approve
		Restart=always
		RestartSec=5
	END
	systemctl daemon-reload
	systemctl restart --no-block hakube-approve.service
}
