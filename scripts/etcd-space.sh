#!/usr/bin/env bash
# hakube: etcd-space
#
# Has a ring take writes again, a part at a time, through this master's own member:
#
#   compact RING     the ring forgets all that was before its newest revision
#   defragment RING  the member gives back what is free inside its file; it answers
#                    nobody meanwhile
#   disarm RING      the ring forgets its alarms, whoever raised them
#   restart RING     the member ends, and is started again
#
# Prints {"error":""}, or what etcd said against it, as etcd-member does. Each may be
# done again: what has been done already is no error.
set -euo pipefail
export PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C
PKI=/mnt/disks/master-pd/etcd/pki
declare -A PORT=([main]=2379 [events]=4002)

refuse() {
	printf '%s\n' "$*" >&2
	exit 1
}

(($# == 2)) || refuse "usage: compact|defragment|disarm|restart RING"
[[ -n ${PORT[$2]:-} ]] || refuse "there is no ring $2"
[[ -s $PKI/client.key ]] || refuse "this machine has no etcd certificates"

# ctl LIMIT ARG... asks the member. Gigabytes take their time.
ctl() {
	etcdctl --endpoints="https://127.0.0.1:${PORT[$RING]}" --cacert="$PKI/ca.crt" --cert="$PKI/client.crt" --key="$PKI/client.key" \
		--dial-timeout=2s --command-timeout="$1" "${@:2}"
}

# compact waits until the member itself is through with it (physical).
compact() {
	local status revision said
	status=$(ctl 5s endpoint status -w fields) || return
	revision=$(awk '$1 == "\"Revision\"" { print $3; exit }' <<<"$status")
	said=$(ctl 10m compaction --physical "$revision" 2>&1) && return
	[[ $said == *"required revision has been compacted"* ]] || {
		printf '%s\n' "$said"
		return 1
	}
}

RING=$2
case $1 in
compact) command=(compact) ;;
defragment) command=(ctl 10m defrag) ;;
disarm) command=(ctl 8s alarm disarm) ;;
restart) command=(systemctl restart --no-block "etcd@$2.service") ;;
*) refuse "there is no action $1" ;;
esac

error=''
said=$("${command[@]}" 2>&1) || error=$(tail -n 1 <<<"$said")
error=${error#Error: } # etcdctl's word
error=${error//\\/\\\\}
printf '{"error":"%s"}\n' "$(tr '[:cntrl:]' ' ' <<<"${error//\"/\\\"}" | sed 's/ *$//')"
