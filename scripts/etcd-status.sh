#!/usr/bin/env bash
# hakube: etcd-status
#
# Prints what this master's own members know about both rings, as one line of
# JSON on stdout:
#
#   {"rings":{"main":{"id":"8e9e05c52164694d","learner":false,"index":456,
#     "members":[{"id":"8e9e05c52164694d","name":"kubernetes-master",
#     "peerURLs":["https://…:2380"],"learner":false}],"leader":"8e9e05c52164694d",
#     "healthy":true,"revision":123,"error":""},"events":{…}}}
#
# id and learner are this machine's own member, index the newest entry it has
# applied. healthy means that the ring just agreed on something through it, which
# a learner cannot say. A ring without quorum is told from the member's own copy,
# healthy false and the reason in error. Changes nothing.
set -euo pipefail
export PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C
PKI=/mnt/disks/master-pd/etcd/pki

# ctl PORT ARG... asks the member behind the client port.
ctl() {
	etcdctl --endpoints="https://127.0.0.1:$1" --cacert="$PKI/ca.crt" --cert="$PKI/client.crt" --key="$PKI/client.key" \
		--dial-timeout=2s --command-timeout=5s "${@:2}"
}

# json TEXT prints TEXT as a JSON string: what etcd says, on one line.
json() {
	local text=${1//\\/\\\\}
	text=${text//\"/\\\"}
	printf '"%s"' "$(tr '[:cntrl:]' ' ' <<<"$text" | sed 's/ *$//')"
}

# members prints the JSON of a member list in etcdctl's fields format.
members() {
	awk '
		function flush() {
			if (id != "") printf "%s{\"id\":\"%s\",\"name\":%s,\"peerURLs\":[%s],\"learner\":%s}", comma, id, name, urls, learner
			if (id != "") comma = ","
			id = ""; urls = ""
		}
		$1 == "\"ID\"" { flush(); id = $3 }
		$1 == "\"Name\"" { name = $3 }
		$1 == "\"PeerURL\"" { urls = urls (urls == "" ? "" : ",") $3 }
		$1 == "\"IsLearner\"" { learner = $3 }
		END { flush() }'
}

# field NAME prints a value of etcdctl's fields format.
field() { awk -v name="\"$1\"" '$1 == name { print $3; exit }'; }

# hex NUMBER prints a member's id as etcd shows it, nothing for none.
hex() { [[ ${1:-0} == 0 ]] || printf '%x' "$1"; }

# ring PORT prints one ring's JSON.
ring() {
	local list='' leader='' revision=0 healthy=false error='' status='' id='' learner='' index=''
	if status=$(ctl "$1" --command-timeout=2s endpoint status -w fields 2>&1); then
		leader=$(hex "$(field Leader <<<"$status")")
		id=$(hex "$(field MemberID <<<"$status")")
		revision=$(field Revision <<<"$status")
		index=$(field RaftAppliedIndex <<<"$status")
		learner=$(field IsLearner <<<"$status")
		if list=$(ctl "$1" member list -w fields --hex 2>&1); then
			healthy=true
		else
			error=$(tail -n 1 <<<"$list")
			list=$(ctl "$1" member list -w fields --hex --consistency=s 2>/dev/null) || list=''
		fi
	else # it does not run: asking more would take its time
		error=$(tail -n 1 <<<"$status")
	fi
	printf '{"id":"%s","learner":%s,"index":%s,"members":[%s],"leader":"%s","healthy":%s,"revision":%s,"error":%s}' \
		"$id" "${learner:-false}" "${index:-0}" "$(members <<<"$list")" "$leader" "$healthy" "${revision:-0}" "$(json "$error")"
}

[[ -s $PKI/client.key ]] || {
	echo "this machine has no etcd certificates" >&2
	exit 1
}
exec 3< <(ring 4002) # both at once: each may take seconds to say that it does not run
printf '{"rings":{"main":%s,"events":%s}}\n' "$(ring 2379)" "$(cat <&3)"
