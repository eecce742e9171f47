#!/usr/bin/env bash
# hakube: etcd-member
#
# Changes who is in a ring, through this master's own member:
#
#   add RING PEER_URL    as a learner, which gets all data and has no vote
#   promote RING ID      gives a learner a vote
#   remove RING ID
#   lead RING ID         hands the lead to a voter, if this master's member has it
#   agree RING ID        changes nothing: the ring agrees on one more entry of its
#                        log, which a member that follows then has as well
#
# Prints {"error":""}, or what etcd said against it: an error here is etcd's
# answer, not a failure of the script. Whoever asks reads the list afterwards.
set -euo pipefail
export PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C
PKI=/mnt/disks/master-pd/etcd/pki
declare -A PORT=([main]=2379 [events]=4002)

refuse() {
	printf '%s\n' "$*" >&2
	exit 1
}

(($# == 3)) || refuse "usage: add|promote|remove|lead|agree RING PEER_URL|ID"
[[ -n ${PORT[$2]:-} ]] || refuse "there is no ring $2"
[[ -s $PKI/client.key ]] || refuse "this machine has no etcd certificates"

ctl() {
	etcdctl --endpoints="https://127.0.0.1:${PORT[$1]}" --cacert="$PKI/ca.crt" --cert="$PKI/client.crt" --key="$PKI/client.key" \
		--dial-timeout=2s --command-timeout=8s "${@:2}"
}

case $1 in
# Members that join have no name before they start; etcdctl wants one and throws it away.
add) command=(member add joining --learner --peer-urls="$3") ;;
promote) command=(member promote "$3") ;;
remove) command=(member remove "$3") ;;
lead) command=(move-leader "$3") ;;
agree) command=(alarm list) ;; # goes through the log, as a question only (etcd, v3_server.go: Alarm)
*) refuse "there is no action $1" ;;
esac

error=''
said=$(ctl "$2" "${command[@]}" 2>&1) || error=$(tail -n 1 <<<"$said")
error=${error#Error: } # etcdctl's word
error=${error//\\/\\\\}
printf '{"error":"%s"}\n' "$(tr '[:cntrl:]' ' ' <<<"${error//\"/\\\"}" | sed 's/ *$//')"
