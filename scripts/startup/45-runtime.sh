# shellcheck shell=bash
# containerd, and the kubelet's unit. Both are started by this script at every
# boot and not by systemd, so no pod runs before its network is guarded and no
# master before its disk is there.

# SHUTDOWN_DELAY is for how many seconds an API server that is told to end goes on
# serving, not ready, so that the balancer sends nobody to it when it closes its port:
# longer than its health check takes to find out (cluster/balancer.go).
SHUTDOWN_DELAY=10

write_units() {
	local seconds=8
	put /etc/systemd/system/containerd.service <<-'END'
		[Unit]
		Description=containerd
		After=network-online.target local-fs.target

		[Service]
		Type=notify
		ExecStart=/usr/local/bin/containerd
		Delegate=yes
		KillMode=process
		Restart=always
		RestartSec=2
		LimitNOFILE=1048576
		LimitNPROC=infinity
		TasksMax=infinity
		OOMScoreAdjust=-999
	END
	# The drop-in directory must exist; what else is in it belongs to the image.
	mkdir -p /etc/hakube/kubelet.conf.d
	write_kubelet_limits
	write_credential_provider
	put /etc/systemd/system/kubelet.service <<-'END'
		[Unit]
		Description=kubelet
		Wants=containerd.service
		After=containerd.service network-online.target

		[Service]
		Environment="KUBELET_KUBECONFIG_ARGS=--bootstrap-kubeconfig=/etc/kubernetes/bootstrap-kubelet.conf --kubeconfig=/etc/kubernetes/kubelet.conf"
		Environment=KUBELET_CREDENTIALS_ARGS=
		EnvironmentFile=-/var/lib/kubelet/kubeadm-flags.env
		ExecStart=/usr/local/bin/kubelet --config=/var/lib/kubelet/config.yaml --config-dir=/etc/hakube/kubelet.conf.d $KUBELET_KUBECONFIG_ARGS $KUBELET_CREDENTIALS_ARGS $KUBELET_KUBEADM_ARGS
		Restart=always
		RestartSec=2
		KillMode=process
		OOMScoreAdjust=-999
	END
	# At shutdown a container has 8 s, not systemd's 90 that Google does not wait
	# for; on a master as long as the API server takes to end (SHUTDOWN_DELAY), for
	# which it needs its etcd and the network. runc makes scopes without default
	# dependencies: nothing else would end them before systemd's last act.
	[[ $ROLE != master ]] || seconds=$((SHUTDOWN_DELAY + 15))
	put /etc/systemd/system/cri-containerd-.scope.d/hakube.conf <<-END
		[Unit]
		Conflicts=shutdown.target
		Before=shutdown.target
		After=network.target etcd@main.service etcd@events.service

		[Scope]
		TimeoutStopSec=$seconds
	END
	systemctl daemon-reload
}

# write_containerd: with a mirror every registry's names are asked of it first.
write_containerd() {
	put /etc/containerd/config.toml <<-END
		version = 3
		imports = ["/etc/hakube/containerd.d/*.toml"]

		[plugins."io.containerd.cri.v1.images".pinned_images]
		  sandbox = "registry.k8s.io/pause:$PAUSE_VERSION"

		[plugins."io.containerd.cri.v1.images".registry]
		  config_path = "/etc/containerd/certs.d"

		[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
		  runtime_type = "io.containerd.runc.v2"

		[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
		  SystemdCgroup = true
	END
	if [[ -n $MIRROR ]]; then
		put /etc/containerd/certs.d/_default/hosts.toml <<-END
			[host."$MIRROR/v2"]
			  capabilities = ["pull", "resolve"]
			  override_path = true
		END
	else
		rm -rf /etc/containerd/certs.d/_default
	fi
}

start_runtime() {
	local name
	for name in containerd runc; do need "$name"; done
	need cni /opt/cni/bin
	write_containerd
	write_units
	systemctl start containerd.service
}

# node_registration prints kubeadm's nodeRegistration, indented as it stands in
# both its documents. Checks left out, because they cannot matter here:
#   NumCPU, Mem         the operator chose the machine's size
#   SystemVerification  wants the kernel's build configuration, which cloud and
#                       container images need not carry; kubelet checks for itself
#   Port-*, FileAvailable-*, DirAvailable-*  what a run that was cut has left;
#                       kubeadm keeps what is valid
node_registration() {
	cat <<-END
		nodeRegistration:
		  name: $NAME
		  criSocket: unix:///run/containerd/containerd.sock
		  imagePullPolicy: IfNotPresent
		  imagePullSerial: false
		  ignorePreflightErrors:
		  - NumCPU
		  - Mem
		  - SystemVerification
		  - Port-443
		  - Port-10250
		  - Port-10257
		  - Port-10259
		  - FileAvailable--etc-kubernetes-manifests-kube-apiserver.yaml
		  - FileAvailable--etc-kubernetes-manifests-kube-controller-manager.yaml
		  - FileAvailable--etc-kubernetes-manifests-kube-scheduler.yaml
		  - FileAvailable--etc-kubernetes-kubelet.conf
		  - FileAvailable--etc-kubernetes-bootstrap-kubelet.conf
		  - FileAvailable--etc-kubernetes-pki-ca.crt
		  kubeletExtraArgs:
		  - name: node-ip
		    value: $IP
		  - name: provider-id
		    value: gce://$PROJECT/$ZONE/$NAME
		  - name: node-labels
		    value: topology.kubernetes.io/zone=$ZONE,topology.kubernetes.io/region=$REGION,node.kubernetes.io/instance-type=$MACHINE_TYPE${ACCELERATOR:+,cloud.google.com/gke-accelerator=$ACCELERATOR}${NODE_LABELS:+,$NODE_LABELS}${POOL:+,hakube/pool=$POOL}
	END
	# From the start as well: what comes later is too late for pods that are waiting.
	if [[ -n ${NODE_TAINTS:-} ]]; then
		cat <<-END
			  - name: register-with-taints
			    value: $NODE_TAINTS
		END
	fi
	if [[ $ROLE == master ]]; then
		# From the start: a pod that is scheduled before kubeadm or join_control_plane
		# come to it would stay on the master.
		cat <<-END
			  - name: register-with-taints
			    value: node-role.kubernetes.io/control-plane=:NoSchedule
		END
	fi
}

kubelet_is_healthy() { curl -fsS -m 5 -o /dev/null http://127.0.0.1:10248/healthz 2>/dev/null; }
