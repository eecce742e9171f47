# shellcheck shell=bash disable=SC2154,SC2317
# retire SECONDS ends a master that leaves: it lets connections drain, gives the
# lead of both rings to others, and ends its control plane in order. The members
# stay until they are removed through another master. Prints {"retired":true}.
leave() {
	# An API server with a delay of its own drains by itself, those made before have none.
	if [[ -e $DISK/kubernetes/manifests/kube-apiserver.yaml ]] && ! grep -q shutdown-delay-duration "$DISK/kubernetes/manifests/kube-apiserver.yaml"; then sleep "$1"; fi
	hand_over main
	hand_over events
	retire
}
[[ ${1:-} =~ ^[0-9]+$ ]] || die "usage: retire SECONDS"
answer_with leave "$1" </dev/null
printf '{"retired":true}\n'
exit
