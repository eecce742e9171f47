# shellcheck shell=bash
# Pods' network: addresses of the machine's own alias range, routed by the VPC.
# No overlay, no bridge: each pod hangs on a veth with a host route (CNI ptp, as
# GKE does it), so pods of one machine talk through netfilter like all others and
# no br_netfilter is needed.

# release_alias_range keeps the guest agent from adding the alias range to the
# local routing table, which would swallow all packets to pods.
release_alias_range() {
	local config=/etc/default/instance_configs.cfg
	touch "$config"
	if ! without_alias_claims "$config" | cmp -s - "$config"; then
		without_alias_claims "$config" | put "$config"
		restart_agent
	fi
	keep_pods_reachable
}

# restart_agent: agents since 20250901 do this work in a plugin that may outlive a
# restart of their unit, and have a command of its own for it; those before have not.
restart_agent() {
	if command -v ggactl_plugin >/dev/null && ggactl_plugin coreplugin restart; then return; fi
	systemctl try-restart google-guest-agent.service || say "the guest agent was not restarted"
	systemctl try-restart google-guest-agent-manager.service 2>/dev/null || true
}

# without_alias_claims FILE prints the agent's settings with that one changed.
without_alias_claims() {
	sed '/^\[IpForwarding\]/,/^\[/{/^ip_aliases/d}; s/^\[IpForwarding\].*/[IpForwarding]\nip_aliases = false/' "$1"
	grep -q '^\[IpForwarding\]' "$1" || printf '[IpForwarding]\nip_aliases = false\n'
}

# keep_pods_reachable starts a unit that takes the route away whenever it is there.
# An agent that did not hear of its new settings adds it again each minute, and
# nothing of Kubernetes would notice: the Node stays Ready, its pods are not reached.
keep_pods_reachable() {
	put "$RUN/pod-range" 0600 <<<"$POD_CIDR"
	put /usr/local/sbin/hakube-pod-route 0755 <<-'END'
		#!/usr/bin/env bash
		# Looks at once, at each change of a route to the pods' range, and every ten seconds.
		range=$(</run/hakube/pod-range)
		pause=0.1
		ip -4 monitor route | while true; do
			read -r -t "$pause" line
			code=$?
			pause=10
			((code == 0 || code > 128)) || exit 1 # the monitor has ended
			[[ $code != 0 || $line == *"$range"* ]] || continue
			ip -4 route del local "$range" table local 2>/dev/null && echo "took away the local route to $range, which swallowed what is sent to pods"
		done
	END
	put /etc/systemd/system/hakube-pod-route.service <<-'END'
		[Unit]
		Description=keeps what is sent to pods from this machine itself

		[Service]
		ExecStart=/usr/local/sbin/hakube-pod-route
		Restart=always
		RestartSec=2
	END
	systemctl daemon-reload
	systemctl restart hakube-pod-route.service
}

# write_cni: the MTU of pods must follow the VPC's 1460. State of the addresses
# is kept in /run: after a boot no pod of before lives.
write_cni() {
	put /etc/cni/net.d/10-hakube.conflist <<-END
		{
		  "cniVersion": "1.0.0",
		  "name": "hakube",
		  "plugins": [
		    {
		      "type": "ptp",
		      "mtu": $MTU,
		      "ipMasq": false,
		      "ipam": {
		        "type": "host-local",
		        "dataDir": "/run/cni-ipam",
		        "ranges": [[{"subnet": "$POD_CIDR"}]],
		        "routes": [{"dst": "0.0.0.0/0"}]
		      }
		    },
		    {"type": "portmap", "capabilities": {"portMappings": true}, "backend": "iptables"}
		  ]
		}
	END
}

# guard_pods loads chains of our own, before the first pod of this boot runs, with
# iptables (on nf_tables), which Google's image has and nft it has not:
# - The metadata server has the machine's identity and hakube's join token. What
#   is forwarded to it comes from pods; they get DNS and nothing else. Pods on
#   the host's network are not forwarded and still reach it.
# - Google translates only the machine's primary address to its external one, so
#   pods leave the VPC under that. Inside they keep their own address.
# A chain that is named is emptied first, and each table is changed at once.
guard_pods() {
	iptables-restore --noflush --wait 30 <<-END
		*filter
		:HAKUBE-METADATA - [0:0]
		-A HAKUBE-METADATA -p udp --dport 53 -j ACCEPT
		-A HAKUBE-METADATA -p tcp --dport 53 -j ACCEPT
		-A HAKUBE-METADATA -j REJECT
		COMMIT
		*nat
		:HAKUBE-PODS - [0:0]
		-A HAKUBE-PODS -d 10.0.0.0/8 -j RETURN
		-A HAKUBE-PODS -d 172.16.0.0/12 -j RETURN
		-A HAKUBE-PODS -d 192.168.0.0/16 -j RETURN
		-A HAKUBE-PODS -d $POD_RANGE -j RETURN
		-A HAKUBE-PODS -j MASQUERADE
		COMMIT
	END
	first_rule iptables filter FORWARD -d 169.254.169.254 -j HAKUBE-METADATA
	first_rule iptables nat POSTROUTING -s "$POD_CIDR" -o "$NIC" -j HAKUBE-PODS
	first_rule ip6tables filter FORWARD -d fd20:ce::254 -j REJECT
}

# first_rule PROGRAM TABLE CHAIN RULE... puts a rule before all others, once.
first_rule() {
	"$1" -w 30 -t "$2" -C "${@:3}" 2>/dev/null || "$1" -w 30 -t "$2" -I "${@:3}"
}

# keep_address_here makes the API's address every master's own, for good. kubeadm
# goes there while it founds the cluster, and a balancer may not lead here yet. What
# a balancer sends comes under it too; the guest agent has a route for that, which a
# restart of systemd-networkd takes away and the agent brings back a minute later.
# This one stays, since lo is no link of networkd's: the API does not go dark when
# systemd is upgraded. Metric 100 leaves room for the agent's beside it. And whatever
# on a master asks for the API is answered by its own, as on Google behind a balancer.
keep_address_here() {
	ip -4 route replace local "$ADDRESS/32" dev lo table local metric 100
}

set_up_network() {
	release_alias_range
	write_cni
	guard_pods
	[[ $ROLE != master ]] || keep_address_here
}
