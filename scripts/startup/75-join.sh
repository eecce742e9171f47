# shellcheck shell=bash
# A master that joins a cluster: it prepares all it can alone and waits. hakube
# makes it a learner in each ring, then a voter, and only then a control plane,
# by scripts over ssh that are made of the functions here.

# prepare_to_join PULL waits for the images too: nothing that could fail for lack
# of a network is left for the time after quorum has come to count on it.
prepare_to_join() {
	local ring
	step "fetching kubelet" need kubelet
	need kubectl
	need etcd
	step "pulling images" wait "$1"
	write_etcd_unit
	for ring in main events; do
		if [[ -s $STATE/ring-$ring ]]; then # a reboot on the way
			make_etcd_pki
			start_ring "$ring"
		fi
	done
	END=prepared
}

# join_ring RING MEMBER_ID MEMBERS starts the member that hakube has made this
# machine in a ring. Data of another id are of an attempt that was taken back;
# etcd would not start with them.
join_ring() {
	local was=''
	[[ -s $ETCD_PKI/ca.key ]] || die "there are no keys on this machine yet"
	[[ ! -s $STATE/ring-$1 ]] || was=$(head -n 1 "$STATE/ring-$1")
	if [[ $was != "$2" ]]; then
		[[ ! -e $STATE/founded ]] || die "this master's member of ring $1 is ${was:-the first}, not $2; its data are not thrown away"
		systemctl stop "etcd@$1.service" 2>/dev/null || true
		rm -rf "$DISK/etcd/$1"
		printf '%s\n%s\n' "$2" "$3" | put "$STATE/ring-$1"
	fi
	make_etcd_pki
	write_etcd_unit
	start_ring "$1"
}

# join_control_plane makes what found_control_plane makes of a first master, from
# the cluster's own authorities, without asking any other machine: it depends
# neither on the API's address nor on whom a balancer sends there.
join_control_plane() {
	wait_until 60 "both etcd rings serve" etcd_serves
	if [[ -s $STATE/kube-version ]]; then KUBE_VERSION=$(<"$STATE/kube-version"); fi
	find "$DISK/kubernetes" -type f -empty -delete # of an attempt whose power failed
	write_kubeadm
	kubeadm init phase certs all --config "$KUBEADM"
	kubeadm init phase kubeconfig all --config "$KUBEADM"
	printf '%s\n' "$IP" | put "$STATE/address"
	sync -f "$DISK"
	kubeadm init phase control-plane all --config "$KUBEADM"
	kubeadm init phase kubelet-start --config "$KUBEADM"
	wait_until 240 "the API server is ready" api_is_ready
	wait_until 120 "the node is registered" as_admin get node "$NAME" -o name
	as_admin taint node "$NAME" --overwrite node-role.kubernetes.io/control-plane=:NoSchedule
	as_admin label node "$NAME" --overwrite node-role.kubernetes.io/control-plane= node.kubernetes.io/exclude-from-external-load-balancers=
	put "$STATE/served" <<<"$CLUSTER_ID"
	sync -f "$DISK"
	put "$STATE/founded" <<<"$CLUSTER_ID"
}

# retire ends a control plane in order: an API server that is told to stop tells
# its clients, and they find another master. It is put aside, not thrown away:
# a removal that is not gone through with is undone by a reboot.
retire() {
	mkdir -p "$DISK/kubernetes/retired"
	find /etc/kubernetes/manifests/ -name 'kube-*.yaml' -exec mv {} "$DISK/kubernetes/retired/" \;
	wait_until 60 "the API server has ended" api_is_gone
	systemctl stop kubelet.service
}

unretire() {
	[[ -d $DISK/kubernetes/retired ]] || return 0
	mkdir -p /etc/kubernetes/manifests
	find "$DISK/kubernetes/retired/" -name 'kube-*.yaml' -exec mv {} /etc/kubernetes/manifests/ \;
	rmdir "$DISK/kubernetes/retired"
}

api_is_gone() { ! (exec 3<>/dev/tcp/127.0.0.1/443) 2>/dev/null; }

# answer_with FUNCTION [ARG...] is a script over ssh: one after the other with the
# startup-script, all output in the log, the reason of a failure on stderr. Its
# caller prints the answer.
answer_with() {
	mkdir -p "$RUN"
	exec 9>>"$RUN/startup.lock"
	flock -w 300 9 || die "the startup-script does not come to an end"
	touch "$LOG"
	exec 4>&1 5>&2 >>"$LOG" 2>&1
	STEP_LINE=$(($(wc -l <"$LOG") + 1))
	trap 'code=$?; ((code == 0)) || last_line >&5; exit "$code"' EXIT
	read_metadata
	"$@"
	trap - EXIT
	exec 1>&4 2>&5 9>&-
}
