# shellcheck shell=bash disable=SC2034,SC2154,SC2317
# join-control-plane makes a prepared machine, whose members vote in both rings, a
# master. Prints {"joined":true} when its own API server is ready. On a master
# that is one it makes sure that the control plane runs.
join() {
	if [[ -e $STATE/founded ]]; then
		write_kubeadm
		restore_control_plane
		wait_until 240 "the API server is ready" api_is_ready
		has_upgraded
	else
		ON_FAILURE=prepared
		phase joining
		join_control_plane
	fi
	phase running "$LAST_WORD"
}
answer_with join </dev/null
printf '{"joined":true}\n'
exit
