# shellcheck shell=bash disable=SC2034,SC2154,SC2317
# revive-api gets the API server of a master going that hangs or is not ready, the
# least thing first: its process is ended, which the kubelet starts again; then the
# kubelet is, too. Prints {"ready":true}, or {"ready":false} when both did not help.
# Nothing happens to one that is ready.
ready=false

ready_within() {
	local limit=$((SECONDS + $1))
	until api_is_ready; do
		((SECONDS < limit)) || return 1
		sleep 0.5
	done
}

# end_api_server ends the process, also one that is stopped or does not listen.
end_api_server() {
	local try
	for signal in TERM KILL; do
		pkill "-$signal" -x kube-apiserver || return 0
		for ((try = 0; try < 2 * SHUTDOWN_DELAY + 10; try++)); do
			grep -qsx kube-apiserver /proc/[0-9]*/comm || return 0
			sleep 0.5
		done
	done
}

revive_api() {
	[[ -e $STATE/founded ]] || die "this machine is no master yet"
	if ready_within 5; then
		ready=true
		return
	fi
	write_kubeadm
	end_api_server
	restore_control_plane # a kubelet that was stopped, or a control plane that was retired
	if ! ready_within 90; then
		end_api_server
		systemctl restart containerd.service kubelet.service
		ready_within 90 || return 0
	fi
	ready=true
}
answer_with revive_api </dev/null
printf '{"ready":%s}\n' "$ready"
exit
