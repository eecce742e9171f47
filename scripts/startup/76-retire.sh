# shellcheck shell=bash
# A master that leaves.

# hand_over RING gives the lead to another voter: a leader that is removed costs
# the ring an election, one that hands over costs nothing. etcd lists members and
# does not say who of them lives, so they are tried one after the other. It is a
# courtesy and fails nothing.
hand_over() {
	local own leader others to
	read -r own leader < <(etcd_ctl "$1" endpoint status -w fields 2>/dev/null |
		awk '$1 == "\"MemberID\"" { id = $3 } $1 == "\"Leader\"" { leader = $3 } END { print id, leader }')
	[[ -n $own && $own == "$leader" ]] || return 0
	mapfile -t others < <(etcd_ctl "$1" member list -w simple |
		awk -F ', ' -v own="$(printf '%x' "$own")" '$1 != own && $2 == "started" && $6 == "false" { print $1 }')
	for to in "${others[@]}"; do
		if etcd_ctl "$1" move-leader "$to"; then return; fi
	done
	say "no other member took the lead of ring $1"
}

# retire ends a control plane in order: an API server that is told to stop tells
# its clients, and they find another master. It is put aside, not thrown away:
# a removal that is not gone through with is undone by a reboot.
retire() {
	if [[ -d $DISK/kubernetes/manifests ]]; then
		mkdir -p "$DISK/kubernetes/retired"
		find "$DISK/kubernetes/manifests" -name 'kube-*.yaml' -exec mv {} "$DISK/kubernetes/retired/" \;
	fi
	wait_until 60 "the control plane has ended" control_plane_has_ended
	systemctl stop kubelet.service
}

unretire() {
	[[ -d $DISK/kubernetes/retired ]] || return 0
	mkdir -p "$DISK/kubernetes/manifests"
	find "$DISK/kubernetes/retired" -name 'kube-*.yaml' -exec mv {} "$DISK/kubernetes/manifests/" \;
	rmdir "$DISK/kubernetes/retired"
}

# control_plane_has_ended looks for processes, since the API server closes its
# port before it has answered all it was asked. The kernel cuts names at 15 letters;
# pgrep takes no longer patterns either.
control_plane_has_ended() { ! grep -qsxE 'kube-(apiserver|controller|scheduler)' /proc/[0-9]*/comm; }
