# shellcheck shell=bash disable=SC2034,SC2154,SC2317
# revive-etcd starts those members of this master that do not run and have data.
# Prints what came of it, as one line of JSON:
#
#   {"disk":true,"rings":{"main":{"state":"runs","error":""},"events":{…}}}
#
# disk tells whether the data disk can be read and written. A ring's state is
#
#   none    it is no master yet, and has not been told to join that ring
#   runs    its etcd runs, whether or not it reaches the others
#   lost    its data are gone
#   ends    its etcd ends each time it is started: error has its last word
#
# No data are touched.
declare -A ring_state=([main]=none [events]=none) ring_error=()
writable=false

# restarts RING is how often systemd has started it again.
restarts() { systemctl show "etcd@$1.service" -p NRestarts --value; }

# last_word RING is what etcd said last that is no mere information.
last_word() {
	journalctl --no-pager -q -o cat -n 50 -u "etcd@$1.service" |
		grep -E '"level":"(fatal|panic|error)"|^panic:' | tail -n 1 |
		sed -E 's/.*"msg":"([^"]*)".*"error":"(([^"\\]|\\.)*)".*/\1: \2/; s/\\"/"/g' | cut -c 1-300
}

revive_ring() {
	local limit=$((SECONDS + 20))
	if systemctl -q is-active "etcd@$1.service"; then
		ring_state[$1]=runs
		return
	fi
	if [[ ! -e $STATE/founded && ! -s $STATE/ring-$1 ]]; then return; fi
	if [[ -e $STATE/founded && ! -d $DISK/etcd/$1/member && ! -e $STATE/again-$1 ]]; then
		ring_state[$1]=lost
		return
	fi
	make_etcd_pki
	write_etcd_unit
	start_fetching etcd # nothing, if it is there
	need etcd
	systemctl reset-failed "etcd@$1.service" 2>/dev/null || true
	start_ring "$1"
	# Without the others it never says that it is ready, but it does not end.
	until systemctl -q is-active "etcd@$1.service" || (($(restarts "$1") > 1 || SECONDS >= limit)); do sleep 0.5; done
	ring_state[$1]=runs
	if (($(restarts "$1") > 1)); then
		ring_state[$1]=ends
		ring_error[$1]=$(last_word "$1") || true
	fi
}

revive_etcd() {
	if ! mountpoint -q "$DISK" || ! touch "$STATE/.probe" || ! rm "$STATE/.probe"; then return; fi
	writable=true
	revive_ring main
	revive_ring events
}

# quoted TEXT prints it as a JSON string.
quoted() {
	local text=${1//\\/\\\\}
	text=${text//\"/\\\"}
	printf '"%s"' "$(tr '[:cntrl:]' ' ' <<<"$text" | sed 's/ *$//')"
}

answer_with revive_etcd </dev/null
printf '{"disk":%s,"rings":{"main":{"state":"%s","error":%s},"events":{"state":"%s","error":%s}}}\n' "$writable" \
	"${ring_state[main]}" "$(quoted "${ring_error[main]:-}")" "${ring_state[events]}" "$(quoted "${ring_error[events]:-}")"
exit
