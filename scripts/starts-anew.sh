# shellcheck shell=bash disable=SC2154,SC2317

# Who reads a certificate or a key only when it starts, as the kernel names it, and where it
# says that it is well.
declare -A STARTED=([kube-controller]=10257 [kube-scheduler]=10259)

# has_started NAME OLD... tells whether a process of that name is well that is none of the
# old ones.
has_started() {
	local pid
	for pid in $(pgrep -x "$1"); do
		[[ " ${*:2} " != *" $pid "* ]] || return 1
	done
	[[ -n ${pid:-} ]] && curl -fsSk -m 5 -o /dev/null "https://127.0.0.1:${STARTED[$1]}/healthz" 2>/dev/null
}

# start_anew NAME... ends the processes, one after the other, and the kubelet starts them:
# there are others on other masters, and of one master pods go on meanwhile.
start_anew() {
	local name pids
	for name; do
		mapfile -t pids < <(pgrep -x "$name")
		if ((${#pids[@]} > 0)); then kill "${pids[@]}" || true; fi
		wait_until 180 "$name has started with what is new" has_started "$name" "${pids[@]}"
	done
}
