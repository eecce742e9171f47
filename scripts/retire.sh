# shellcheck shell=bash disable=SC2154,SC2317
# retire SECONDS ends a master that leaves: it lets connections drain, gives the
# lead of both rings to others, and ends its API server in order. The members
# stay until they are removed through another master. Prints {"retired":true}.
SECONDS_TO_DRAIN=${1:-0}

ctl() {
	etcdctl --endpoints="https://127.0.0.1:${CLIENT_PORT[$1]}" --cacert="$ETCD_PKI/ca.crt" --cert="$ETCD_PKI/client.crt" --key="$ETCD_PKI/client.key" \
		--dial-timeout=2s --command-timeout=5s "${@:2}"
}

# hand_over RING: a leader that is removed costs an election, one that hands over
# costs nothing. It is a courtesy and fails nothing.
hand_over() {
	local own leader to
	read -r own leader < <(ctl "$1" endpoint status -w fields 2>/dev/null | awk '$1 == "\"MemberID\"" { id = $3 } $1 == "\"Leader\"" { leader = $3 } END { print id, leader }') || return 0
	[[ -n $own && $own == "$leader" ]] || return 0
	to=$(ctl "$1" member list -w simple 2>/dev/null | awk -F ', ' -v own="$(printf '%x' "$own")" '$1 != own && $2 == "started" && $6 == "false" { print $1; exit }')
	[[ -n $to ]] || return 0
	ctl "$1" move-leader "$to" || say "ring $1 was not handed over"
}

leave() {
	if [[ -e /etc/kubernetes/manifests/kube-apiserver.yaml ]]; then sleep "$SECONDS_TO_DRAIN"; fi
	hand_over main
	hand_over events
	retire
}
answer_with leave </dev/null
printf '{"retired":true}\n'
exit
