# shellcheck shell=bash
# A master that joins a cluster: it prepares all it can alone and waits. hakube
# makes it a learner in each ring, then a voter, and only then a control plane,
# by scripts over ssh that are made of the functions here.

# is_to_join: a disk that was a member of a ring decides over the metadata. Were
# a cluster founded on it, the ring would lose a voter for good.
is_to_join() { [[ $START == join || -s $STATE/ring-main || -s $STATE/ring-events ]]; }

# prepare_to_join PULL. Members of before come first: a machine that was made
# again may be what its rings lack for quorum. It waits for the images, so that
# nothing that could fail for lack of a network is left for the time after
# quorum has come to count on it.
prepare_to_join() {
	local ring
	step "fetching etcd" need etcd
	write_etcd_unit
	for ring in main events; do
		if [[ -s $STATE/ring-$ring ]]; then
			make_etcd_pki
			step "starting etcd" start_ring "$ring"
		fi
	done
	step "fetching kubelet" need kubelet
	need kubectl
	step "pulling images" wait "$1"
	has_images || kubeadm config images pull --config "$KUBEADM"
	END=prepared
}

# has_keys: kube-version is what import-keys writes last.
has_keys() { [[ -s $ETCD_PKI/ca.key && -s $STATE/kube-version ]]; }

# join_ring RING MEMBER_ID MEMBERS [again] starts the member that hakube has made
# this machine in a ring. Data of another id are of an attempt that was taken back;
# etcd would not start with them. Those of a master are put aside, and only when it
# is to join again. The newest list of members is kept: it counts until the member
# has data.
join_ring() {
	local was=''
	has_keys || die "this machine has no keys of the cluster yet"
	[[ ! -s $STATE/ring-$1 ]] || was=$(head -n 1 "$STATE/ring-$1")
	if [[ $was != "$2" ]]; then
		[[ ! -e $STATE/founded || ${4:-} == again ]] || die "this master's member of ring $1 is ${was:-the first one}, not $2, and its data are not thrown away"
		systemctl stop "etcd@$1.service" 2>/dev/null || true
		[[ ! -e $STATE/founded ]] || put_aside "$DISK/etcd/$1"
		rm -rf "$DISK/etcd/$1"
	fi
	printf '%s\n%s\n' "$2" "$3" | put "$STATE/ring-$1"
	# Last: with it and without ring-RING a boot would found a second ring.
	[[ ! -e $STATE/founded || -d $DISK/etcd/$1/member ]] || put "$STATE/again-$1" <<<"$2"
	fetch_version
	make_etcd_pki
	write_etcd_unit
	start_ring "$1"
}

# put_aside DIRECTORY renames it, for people to look at, if there is anything in it.
put_aside() {
	local n=1
	[[ -n $(find "$1" -mindepth 1 -print -quit 2>/dev/null) ]] || return 0
	while [[ -e $1.was-$n ]]; do n=$((n + 1)); done
	mv "$1" "$1.was-$n"
	say "what was in $1 is in $1.was-$n"
}

# fetch_version gets the cluster's version of Kubernetes if the machine has
# prepared another one, whose number its metadata held.
fetch_version() {
	local name
	if [[ /usr/local/bin/kubelet -ef $STORE/kubelet-$KUBE_VERSION/kubelet ]]; then return; fi
	start_fetching kubeadm kubelet kubectl
	for name in kubeadm kubelet kubectl; do need "$name"; done
	write_kubeadm
	kubeadm config images pull --config "$KUBEADM"
}

# join_control_plane makes what found_control_plane makes of a first master, from
# the cluster's own authorities, without asking any other machine: it depends
# neither on the API's address nor on whom a balancer sends there. Certificates
# and kubeconfigs of an attempt that was cut may be halves of a pair, so they are
# made anew; that takes a second.
join_control_plane() {
	has_keys || die "this machine has no keys of the cluster yet"
	wait_until 60 "the members of both rings vote" members_vote
	rm -f "$DISK"/kubernetes/pki/{apiserver,apiserver-kubelet-client,front-proxy-client}.{crt,key} "$DISK"/kubernetes/*.conf
	write_kubeadm
	kubeadm init phase certs all --config "$KUBEADM"
	kubeadm init phase kubeconfig all --config "$KUBEADM"
	as_exchanged
	printf '%s\n' "$IP" | put "$STATE/address"
	forget_super_admin
	sync -f "$DISK"
	kubeadm init phase control-plane all --config "$KUBEADM"
	kubeadm init phase kubelet-start --config "$KUBEADM"
	wait_until 240 "the API server is ready" api_is_ready
	approve_kubelets
	mark_node
	kubeadm init phase kubelet-finalize enable-client-cert-rotation --config "$KUBEADM"
	put "$STATE/served" <<<"$CLUSTER_ID"
	sync -f "$DISK"
	put "$STATE/founded" <<<"$CLUSTER_ID"
}

# mark_node waits for a master's Node and marks it as one, as kubeadm does.
mark_node() {
	wait_until 120 "the node is registered" as_admin get node "$NAME" -o name
	as_admin taint node "$NAME" --overwrite node-role.kubernetes.io/control-plane=:NoSchedule
	as_admin label node "$NAME" --overwrite node-role.kubernetes.io/control-plane= node.kubernetes.io/exclude-from-external-load-balancers=
}
