# shellcheck shell=bash disable=SC2034,SC2154,SC2317
# register-node makes a master's Node again when somebody has deleted it: a kubelet
# makes it only when it starts. Prints {"registered":true}. Nothing else on the machine
# ends by that, and nothing is restarted where there is a Node.
register_node() {
	[[ -e $STATE/founded ]] || die "this machine is no master yet"
	as_admin get node "$NAME" -o name || systemctl restart kubelet.service
	mark_node
}
answer_with register_node </dev/null
printf '{"registered":true}\n'
exit
