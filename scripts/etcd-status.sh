#!/usr/bin/env bash
# hakube: etcd-status
#
# Prints what this master's own members know about both rings, as one line of
# JSON on stdout:
#
#   {"rings":{"main":{"id":"8e9e05c52164694d","learner":false,"index":456,
#     "bytes":67108864,"members":[{"id":"8e9e05c52164694d","name":"kubernetes-master",
#     "peerURLs":["https://…:2380"],"learner":false}],"leader":"8e9e05c52164694d",
#     "healthy":true,"revision":123,"error":""},"events":{…}}}
#
# id and learner are this machine's own member, index the newest entry it has
# applied, bytes what it has on disk: one that joins takes no questions before it
# has the ring's data, and these grow until then. healthy means that the ring just agreed on something through it, which
# a learner cannot say. A ring without quorum is told from the member's own copy,
# healthy false and the reason in error; of an etcd that takes no questions error
# has what its unit does and its last complaint. Changes nothing.
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

# bytes RING prints how much its member has on disk.
bytes() { du -sb "${PKI%/pki}/$1" 2>/dev/null | cut -f 1; }

# silence RING ERROR prints ERROR, and why its member takes no questions as far as
# systemd and its journal know: "its etcd is activating, restarted 0 times: failed to
# publish …: too many requests".
silence() {
	local state='' restarts='' word=''
	state=$(systemctl show "etcd@$1.service" -p ActiveState --value 2>/dev/null) || true
	restarts=$(systemctl show "etcd@$1.service" -p NRestarts --value 2>/dev/null) || true
	word=$(journalctl --no-pager -q -o cat -n 30 -u "etcd@$1.service" 2>/dev/null |
		grep -E '"level":"(warn|error|fatal|panic)"|^panic:' | tail -n 1 |
		sed -E 's/.*"msg":"([^"]*)".*"error":"(([^"\\]|\\.)*)".*/\1: \2/; s/^\{.*"msg":"([^"]*)".*/\1/; s/\\"/"/g' | cut -c 1-200) || true
	printf '%s' "$2${state:+; its etcd is $state, restarted ${restarts:-0} times}${word:+: $word}"
}

# ring RING PORT prints one ring's JSON.
ring() {
	local list='' leader='' revision=0 healthy=false error='' status='' id='' learner='' index='' size=''
	size=$(bytes "$1") || true
	if status=$(ctl "$2" --command-timeout=2s endpoint status -w fields 2>&1); then
		leader=$(hex "$(field Leader <<<"$status")")
		id=$(hex "$(field MemberID <<<"$status")")
		revision=$(field Revision <<<"$status")
		index=$(field RaftAppliedIndex <<<"$status")
		learner=$(field IsLearner <<<"$status")
		if list=$(ctl "$2" member list -w fields --hex 2>&1); then
			healthy=true
		else
			error=$(tail -n 1 <<<"$list")
			list=$(ctl "$2" member list -w fields --hex --consistency=s 2>/dev/null) || list=''
		fi
	else # it does not run: asking more would take its time
		error=$(silence "$1" "$(tail -n 1 <<<"$status")")
	fi
	printf '{"id":"%s","learner":%s,"index":%s,"bytes":%s,"members":[%s],"leader":"%s","healthy":%s,"revision":%s,"error":%s}' \
		"$id" "${learner:-false}" "${index:-0}" "${size:-0}" "$(members <<<"$list")" "$leader" "$healthy" "${revision:-0}" "$(json "$error")"
}

[[ -s $PKI/client.key ]] || {
	echo "this machine has no etcd certificates" >&2
	exit 1
}
exec 3< <(ring events 4002) # both at once: each may take seconds to say that it does not run
printf '{"rings":{"main":%s,"events":%s}}\n' "$(ring main 2379)" "$(cat <&3)"
