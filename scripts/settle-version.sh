# shellcheck shell=bash disable=SC2154,SC2317
# settle-version VERSION brings what kubeadm keeps in the cluster to the version of this
# master, once all masters are of it: what kubelets that join get, CoreDNS, kube-proxy, and last
# kubeadm's own configuration, which tells that it was done. Rules of join tokens are made
# with a cluster only.
# Prints {"settled":"VERSION"}.
settle() {
	local ip
	[[ $(<"$STATE/kube-version") == "$1" ]] || die "this master is of $(<"$STATE/kube-version"), not of $1"
	write_kubeadm
	kubeadm init phase upload-config kubelet --config "$KUBEADM"
	kubeadm init phase addon kube-proxy --config "$KUBEADM"
	ip=$(as_admin get service -n kube-system kube-dns -o 'jsonpath={.spec.clusterIP}')
	if [[ $ip == "$(tenth "$SERVICE_RANGE")" ]]; then
		kubeadm init phase addon coredns --config "$KUBEADM"
	else # kubeadm would give its Service another address, which nothing may: the program alone
		as_admin set image -n kube-system deployment/coredns "coredns=$(kubeadm config images list --config "$KUBEADM" | grep /coredns)"
	fi
	kubeadm init phase upload-config kubeadm --config "$KUBEADM"
}

# tenth RANGE prints the tenth address of a range, as kubeadm counts.
tenth() {
	local a b c d bits n
	IFS=./ read -r a b c d bits <<<"$1"
	n=$((((a << 24 | b << 16 | c << 8 | d) & (0xffffffff << (32 - bits))) + 10))
	printf '%d.%d.%d.%d' $((n >> 24 & 255)) $((n >> 16 & 255)) $((n >> 8 & 255)) $((n & 255))
}

[[ ${1:-} =~ ^v[0-9]+\.[0-9]+\.[0-9]+[0-9A-Za-z.+-]*$ && $# == 1 ]] || die "usage: settle-version VERSION"
[[ -s $STATE/founded ]] || die "this machine is no master of a cluster"
answer_with settle "$1" </dev/null
printf '{"settled":"%s"}\n' "$1"
exit
