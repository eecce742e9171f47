# shellcheck shell=bash disable=SC2154,SC2317
# settle-address ADDRESS brings what a restored cluster tells of its API up to the address that
# it has here: what kube-proxy and whoever joins ask, and last kubeadm's own configuration, which
# tells that it was done. This master's Node is marked as one, since those of before were left
# out of the data. Prints {"settled":"ADDRESS"}.
settle() {
	[[ $ADDRESS == "$1" ]] || die "this master was made for the address $ADDRESS, not for $1"
	write_kubeadm
	kubeadm init phase addon kube-proxy --config "$KUBEADM"
	tell_nodes
	mark_node
	kubeadm init phase upload-config kubeadm --config "$KUBEADM"
}

# tell_nodes has those that join find the API and whom to trust, as kubeadm does. Kubernetes
# signs it for each token that there is.
tell_nodes() {
	put "$RUN/cluster-info" <<-END
		apiVersion: v1
		clusters:
		- cluster:
		    certificate-authority-data: $(base64 -w 0 "$DISK/kubernetes/pki/ca.crt")
		    server: https://$ADDRESS:443
		  name: ""
		contexts: null
		current-context: ""
		kind: Config
		preferences: {}
		users: null
	END
	as_admin create configmap cluster-info -n kube-public --from-file=kubeconfig="$RUN/cluster-info" --dry-run=client -o yaml >"$RUN/cluster-info.yaml"
	as_admin apply --server-side --force-conflicts --field-manager=hakube -f "$RUN/cluster-info.yaml"
}

[[ ${1:-} =~ ^[0-9]+(\.[0-9]+){3}$ && $# == 1 ]] || die "usage: settle-address ADDRESS"
[[ -s $STATE/founded ]] || die "this machine is no master of a cluster"
answer_with settle "$1" </dev/null
printf '{"settled":"%s"}\n' "$1"
exit
