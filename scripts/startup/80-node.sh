# shellcheck shell=bash
# A node: joins once, with a token that can only ask for a node's certificate.

JOIN=$RUN/join.yaml

write_join() {
	{
		cat <<-END
			apiVersion: kubeadm.k8s.io/v1beta4
			kind: JoinConfiguration
			discovery:
			  bootstrapToken:
			    token: "$JOIN_TOKEN"
			    apiServerEndpoint: $ADDRESS:443
			    caCertHashes: ["$CA_HASH"]
			  tlsBootstrapToken: "$JOIN_TOKEN"
			timeouts:
			  discovery: 2m
		END
		node_registration
	} | put "$JOIN" 0600
}

api_answers() { curl -sk -m 5 -o /dev/null "https://$ADDRESS:443/livez"; }

# join tries for a quarter of an hour. A node that was made again under its old
# name is refused until its predecessor is seen to be gone, and one whose token was
# exchanged for another one meanwhile (hakube rotate join-token) has that in its metadata.
join() {
	local limit=$((SECONDS + 900))
	wait_until 900 "the API at $ADDRESS answers" api_answers
	until kubeadm join --config "$JOIN"; do
		((SECONDS < limit)) || die "$(last_line)" # kubeadm's own words
		rm -f /etc/kubernetes/pki/ca.crt /etc/kubernetes/bootstrap-kubelet.conf
		sleep 5
		JOIN_TOKEN=$(md instance/attributes/hakube-join-token)
		write_join
	done
}

# has_joined: the kubelet has its own kubeconfig and certificate.
has_joined() {
	[[ -s /etc/kubernetes/kubelet.conf && -s /var/lib/kubelet/config.yaml && -s /var/lib/kubelet/kubeadm-flags.env ]]
}

run_node() {
	start_fetching containerd runc cni kubeadm kubelet
	step "setting up the network" set_up_network
	step "installing containerd" start_runtime
	step "fetching kubelet" need kubelet
	if has_joined; then
		systemctl start kubelet.service
	else
		step "fetching kubeadm" need kubeadm
		write_join
		step joining join
		trust_pinned
	fi
	step "waiting for the kubelet" wait_until 120 "the kubelet is healthy" kubelet_is_healthy
}
