# shellcheck shell=bash
# The control plane, by kubeadm on our etcd.

KUBEADM=$RUN/kubeadm.yaml

# write_kubeadm. kubeadm always makes a bootstrap token and the rules for
# nodes' tokens in one phase; the token here is of no group that may do anything,
# and found_control_plane deletes it. hakube makes the tokens nodes join with.
write_kubeadm() {
	if [[ $AUDIT == true ]]; then write_audit_policy; fi
	{
		cat <<-END
			apiVersion: kubeadm.k8s.io/v1beta4
			kind: InitConfiguration
			bootstrapTokens:
			- token: hkinit.$(openssl rand -hex 8)
			  ttl: 1h
			  groups: ["system:bootstrappers:hakube-init"]
			localAPIEndpoint:
			  advertiseAddress: $IP
			  bindPort: 443
			timeouts:
			  kubernetesAPICall: 4m # how long its API server may take to start; a minute is little for one busy processor
		END
		node_registration
		cat <<-END
			---
			apiVersion: kubeadm.k8s.io/v1beta4
			kind: ClusterConfiguration
			clusterName: "$CLUSTER_NAME"
			kubernetesVersion: $KUBE_VERSION
			controlPlaneEndpoint: $ADDRESS:443
			encryptionAlgorithm: ECDSA-P256
			certificateValidityPeriod: 87600h
			networking:
			  podSubnet: $POD_RANGE
			  serviceSubnet: $SERVICE_RANGE
			  dnsDomain: "$DNS_DOMAIN"
			etcd:
			  external:
			    endpoints: ["https://127.0.0.1:2379"]
			    caFile: /etc/kubernetes/pki/etcd/ca.crt
			    certFile: /etc/kubernetes/pki/apiserver-etcd-client.crt
			    keyFile: /etc/kubernetes/pki/apiserver-etcd-client.key
			apiServer:
			  certSANs: ["$ADDRESS", "$IP", "127.0.0.1", "localhost", "$NAME", "$FQDN"]
			  extraArgs:
			  - name: etcd-servers-overrides
			    value: /events#https://127.0.0.1:4002
			  - name: shutdown-delay-duration
			    value: ${SHUTDOWN_DELAY}s
			  - name: shutdown-watch-termination-grace-period # without, it waits a minute for watches to end
			    value: 2s
		END
		api_server_options
		cat <<-END
			controllerManager:
			  extraArgs:
			  - name: allocate-node-cidrs
			    value: "false"
			  - name: profiling
			    value: "false"
		END
		if [[ -s $DISK/kubernetes/pki/ca-signing.crt ]]; then
			printf '  - name: cluster-signing-cert-file\n    value: %s\n' "${SIGNING#*=}"
		fi
		cat <<-END
			scheduler:
			  extraArgs:
			  - name: profiling
			    value: "false"
			---
			apiVersion: kubelet.config.k8s.io/v1beta1
			kind: KubeletConfiguration
			cgroupDriver: systemd
			clusterDNS: ["$DNS_IP"]
			failSwapOn: false
			serializeImagePulls: false
			serverTLSBootstrap: $SIGN_KUBELETS # nodes have it from the cluster, which has who approves
			---
			apiVersion: kubeproxy.config.k8s.io/v1alpha1
			kind: KubeProxyConfiguration
			mode: nftables
			clusterCIDR: $POD_RANGE
			# Google asks whether a node has pods of a Service (externalTrafficPolicy Local) at the
			# balancer's address, where nobody listens who listens at the node's first address only.
			nodePortAddresses: [0.0.0.0/0]
		END
		if [[ -f /etc/hakube/kube-proxy.conf ]]; then cat /etc/hakube/kube-proxy.conf; fi
	} | put "$KUBEADM" 0600
}

# pull_images fetches what the control plane runs while etcd starts. At a reboot
# it is there, and a registry that is away must not delay anything.
pull_images() {
	if has_images; then return; fi
	kubeadm config images pull --config "$KUBEADM" || say "images are pulled again later"
}

has_images() {
	local name have
	have=$(ctr --namespace k8s.io images list -q)$'\n' || return 1
	for name in kube-apiserver kube-controller-manager kube-scheduler kube-proxy; do
		[[ $have == *"/$name:$KUBE_VERSION"$'\n'* ]] || return 1
	done
}

api_is_ready() {
	curl -fsS -m 5 -o /dev/null --cacert /etc/kubernetes/pki/ca.crt https://127.0.0.1:443/readyz 2>/dev/null
}

# Who makes a ring this master's alone (force-ring) knows that the others are gone.
api_is_ready_with_others() {
	[[ ! -e $RUN/alone ]] || die "the API server is ready: it was waited for no longer, since the others are gone"
	api_is_ready
}

# clear_half_founding takes away what a founding that was cut has left and that
# the next one could not go on with. A ring whose first start was cut has a log
# without entries and never elects itself; a certificate that was being written
# is an empty file. Both were before the API server first started: the rings'
# data counts only once `served` is there, and found_control_plane has all
# certificates on the disk before it starts anything.
clear_half_founding() {
	[[ ! -e $STATE/founded ]] || return 0
	if [[ -n $(find "$DISK/kubernetes/pki" -type f -empty -print -quit 2>/dev/null) ]]; then
		say "the founding of the control plane was cut, beginning again"
		rm -rf "$STATE/served" "$DISK"/kubernetes/* "$DISK"/kubelet-pki/* "$ETCD_PKI"
	fi
	if [[ ! -e $STATE/served ]]; then
		systemctl stop kubelet.service etcd@main.service etcd@events.service 2>/dev/null || true
		rm -rf "$DISK/etcd/main" "$DISK/etcd/events"
	fi
	# These kubeadm makes again.
	find "$DISK/kubernetes" -maxdepth 1 -name '*.conf' -empty -delete
}

# found_control_plane can be run again wherever it was cut: kubeadm keeps the
# certificates and kubeconfigs it finds, and sets its objects anew.
found_control_plane() {
	local ip
	wait_until 120 "both etcd rings serve" etcd_serves
	kubeadm init phase certs all --config "$KUBEADM"
	kubeadm init phase kubeconfig all --config "$KUBEADM"
	make_encryption_key
	write_kubeadm # with the key
	sync -f "$DISK"
	put "$STATE/served" <<<"$CLUSTER_ID"
	kubeadm init --config "$KUBEADM" --skip-token-print
	ip=$(as_admin get service -n kube-system kube-dns -o 'jsonpath={.spec.clusterIP}')
	if [[ $ip != "$DNS_IP" ]]; then # kubeadm knows only the tenth address of the range
		as_admin get service -n kube-system kube-dns -o yaml | sed "s/\b$ip\b/$DNS_IP/; /resourceVersion\|uid:/d" >"$RUN/kube-dns.yaml"
		as_admin replace --force -f "$RUN/kube-dns.yaml"
	fi
	as_admin delete secret -n kube-system bootstrap-token-hkinit --ignore-not-found
	warn_of_pods
	forget_super_admin
	printf '%s\n' "$KUBE_VERSION" | put "$STATE/kube-version"
	sync -f "$DISK"
	put "$STATE/founded" <<<"$CLUSTER_ID"
}

# restore_control_plane starts what the disk holds. On a new boot disk the
# kubelet's settings are written again, its identity is on the disk.
restore_control_plane() {
	unretire
	fit_manifests
	if [[ -s /var/lib/kubelet/config.yaml && -s /var/lib/kubelet/kubeadm-flags.env ]]; then
		systemctl start kubelet.service
	else
		kubeadm init phase kubelet-start --config "$KUBEADM"
	fi
}

# fit_manifests makes those of the control plane anew on a machine that brings another
# version, as kubeadm does in an upgrade; also of one that goes back to what the disk has,
# after an upgrade that did not come to its end. Those of before are kept.
fit_manifests() {
	local has dir=$DISK/kubernetes/manifests
	upgrades || return 0
	has=$(sed -n 's/^ *image: .*kube-apiserver:\([^ ]*\)$/\1/p' "$dir/kube-apiserver.yaml" 2>/dev/null) || true
	[[ $has != "$KUBE_VERSION" ]] || return 0
	say "the control plane was of ${has:-no version that its manifest tells} and is of $KUBE_VERSION"
	if [[ -d $dir && ! -e $STATE/manifests-$has ]]; then cp -a "$dir" "$STATE/manifests-$has"; fi
	kubeadm init phase control-plane all --config "$KUBEADM"
}

# has_upgraded notes what the control plane is of by now, the boot disk last.
has_upgraded() {
	upgrades || return 0
	printf '%s\n' "$KUBE_VERSION" | put "$STATE/kube-version"
	sync -f "$DISK"
	put "$STORE/upgraded" <<<"$KUBE_VERSION"
}

# follow_address: a machine made again may have another internal address. Files
# are edited, not made again, since an operator may have changed them.
follow_address() {
	local old pattern
	[[ ! -s $STATE/address ]] || old=$(<"$STATE/address")
	if [[ -n ${old:-} && $old != "$IP" ]]; then
		say "the internal address was $old and is $IP"
		pattern=${old//./\\.}
		find "$DISK/kubernetes" -maxdepth 2 \( -name '*.conf' -o -path '*/manifests/*.yaml' \) -exec sed -i "s/\b$pattern\b/$IP/g" {} +
		sed -i "s/\b$pattern\b/$IP/g" /var/lib/kubelet/kubeadm-flags.env 2>/dev/null || true
		rm -f "$DISK"/kubernetes/pki/apiserver.{crt,key}
		kubeadm init phase certs apiserver --config "$KUBEADM"
		as_exchanged
	fi
	printf '%s\n' "$IP" | put "$STATE/address"
}

# as_admin asks this master's own API server.
as_admin() { kubectl --kubeconfig /etc/kubernetes/admin.conf --server https://127.0.0.1:443 "$@"; }

run_master() {
	local pull
	step "mounting the disk" mount_disk
	keep_backups
	start_fetching containerd runc cni kubeadm etcd kubelet kubectl
	step "setting up the network" set_up_network
	step "installing containerd" start_runtime
	step "fetching kubeadm" need kubeadm
	write_kubeadm
	pull_images 9>&- &
	pull=$!
	if [[ ! -e $STATE/founded ]] && is_to_join; then
		prepare_to_join "$pull"
		return
	fi
	clear_half_founding
	put_new_certificates
	step "starting etcd" start_etcd
	step "fetching kubelet" need kubelet
	need kubectl
	follow_address
	if [[ -e $STATE/founded ]]; then
		step "control plane" restore_control_plane
	else
		step "pulling images" wait "$pull"
		step "control plane" found_control_plane
	fi
	step "waiting for the API server" wait_until 300 "the API server is ready" api_is_ready_with_others
	has_upgraded
	approve_kubelets
	wait "$pull" || true
}
