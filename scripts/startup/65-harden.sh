# shellcheck shell=bash
# What whoever answers for a cluster looks for beside what kubeadm sets up: who did
# what, secrets that a copied disk does not give away, pods that cannot starve the
# machine. Each can be left out (hakube-audit and the others in the metadata).

AUDIT_POLICY=/etc/kubernetes/audit-policy.yaml
AUDIT_LOGS=$DISK/audit                          # the boot disk goes with its machine
ENCRYPTION=/etc/kubernetes/pki/encryption.yaml  # of the cluster: export-keys has it

# write_audit_policy: who changed what, and who read a secret, without the bodies.
# What the cluster's own parts ask and renew all the time would be nine lines in ten.
write_audit_policy() {
	put "$AUDIT_POLICY" 0600 <<-'END'
		apiVersion: audit.k8s.io/v1
		kind: Policy
		omitStages: [RequestReceived]
		rules:
		- level: Metadata
		  resources:
		  - group: ""
		    resources: [secrets, serviceaccounts/token]
		- level: None
		  resources:
		  - group: coordination.k8s.io
		    resources: [leases]
		  - group: ""
		    resources: [events]
		  - group: events.k8s.io
		    resources: [events]
		- level: None
		  verbs: [get, list, watch]
		  userGroups: ["system:nodes", "system:serviceaccounts:kube-system"]
		- level: None
		  verbs: [get, list, watch]
		  users: ["system:kube-controller-manager", "system:kube-scheduler", "system:apiserver"]
		- level: None
		  verbs: [patch, update]
		  userGroups: ["system:nodes"]
		  resources:
		  - group: ""
		    resources: [nodes/status, pods/status]
		- level: None
		  nonResourceURLs: ["/healthz*", "/livez*", "/readyz*", "/version", "/openapi*"]
		- level: Metadata
	END
}

# encryption_config NAME SECRET... prints what the API server encrypts Secrets with: it
# writes with the first key and reads with each.
encryption_config() {
	cat <<-'END'
		apiVersion: apiserver.config.k8s.io/v1
		kind: EncryptionConfiguration
		resources:
		- resources: [secrets]
		  providers:
		  - secretbox:
		      keys:
	END
	printf '      - name: %s\n        secret: %s\n' "$@"
	echo '  - identity: {} # reads what was written before there was a key'
}

# make_encryption_key is for the founder. Another master has it from that one; where
# none has it, secrets are in etcd as they are, and stay so.
make_encryption_key() {
	if [[ $ENCRYPT_SECRETS != true || -s $ENCRYPTION ]]; then return; fi
	encryption_config key1 "$(openssl rand -base64 32)" | put "$ENCRYPTION" 0600
}

# api_server_options prints what is added to the API server's extraArgs, indented as
# they stand, and the volumes that takes.
api_server_options() {
	cat <<-'END'
		  - name: profiling
		    value: "false"
	END
	if [[ -s $ENCRYPTION ]]; then
		cat <<-END
			  - name: encryption-provider-config
			    value: $ENCRYPTION
			  - name: encryption-provider-config-automatic-reload # each minute: another key costs no start
			    value: "true"
		END
	fi
	if [[ $SIGN_KUBELETS == true ]]; then
		cat <<-'END'
			  - name: kubelet-certificate-authority
			    value: /etc/kubernetes/pki/ca.crt
		END
	fi
	if [[ $AUDIT != true ]]; then return; fi
	cat <<-END
		  - name: audit-policy-file
		    value: $AUDIT_POLICY
		  - name: audit-log-path
		    value: /var/log/kubernetes/audit/audit.log
		  - name: audit-log-maxage # days
		    value: "30"
		  - name: audit-log-maxbackup
		    value: "9"
		  - name: audit-log-maxsize # MB: with the one that is written, 1 GB in all
		    value: "100"
		  extraVolumes:
		  - name: audit-policy
		    hostPath: $AUDIT_POLICY
		    mountPath: $AUDIT_POLICY
		    readOnly: true
		    pathType: File
		  - name: audit-logs
		    hostPath: $AUDIT_LOGS
		    mountPath: /var/log/kubernetes/audit
		    pathType: DirectoryOrCreate
	END
}

# warn_of_pods has the API server warn whoever makes a pod in `default` that breaks
# out of what any pod needs. It refuses nothing.
warn_of_pods() {
	if [[ $POD_SECURITY != true ]]; then return; fi
	as_admin label namespace default --overwrite pod-security.kubernetes.io/warn=baseline
}

# forget_super_admin: kubeadm needs it once, and its certificate is of a group that no
# rule can be taken from.
forget_super_admin() { rm -f /etc/kubernetes/super-admin.conf; }

# reserved MEMORY_MIB CPUS prints "MIB MILLICPUS": what GKE keeps from pods on a machine
# of the size (cloud.google.com/kubernetes-engine/docs/concepts/plan-node-sizes).
reserved() {
	local memory=$1 cpus=$2 mib=255 milli=0 size share rest
	if ((memory >= 1024)); then
		mib=0 rest=$memory
		while read -r size share; do
			if ((rest <= 0)); then break; fi
			((size < rest)) || size=$rest
			mib=$((mib + size * share / 100)) rest=$((rest - size))
		done <<<$'4096 25\n4096 20\n8192 10\n114688 6\n1000000000 2'
	fi
	rest=$cpus
	while read -r size share; do # share is of a core, in tenths of a thousandth
		if ((rest <= 0)); then break; fi
		((size < rest)) || size=$rest
		milli=$((milli + size * share)) rest=$((rest - size))
	done <<<$'1 600\n1 100\n2 50\n1000000 25'
	echo "$mib $((milli / 10))"
}

# write_kubelet_limits. A quarter of what is kept is for the system; files of an image
# come after this one and overrule it.
write_kubelet_limits() {
	local mib milli
	{
		cat <<-'END'
			apiVersion: kubelet.config.k8s.io/v1beta1
			kind: KubeletConfiguration
			podPidsLimit: 4096
		END
		if [[ $PROTECT_KERNEL == true ]] && kernel_as_wanted >&2; then echo "protectKernelDefaults: true"; fi
		# Google waits 30 s for a machine that it preempts: what is left is for the rest of
		# the machine. Masters have their own order of ending (45-runtime.sh).
		if [[ $ROLE == node && $GRACEFUL == true ]]; then
			cat <<-'END'
				shutdownGracePeriod: 25s
				shutdownGracePeriodCriticalPods: 10s
			END
		fi
		if [[ $RESERVE == true ]]; then
			read -r mib milli < <(reserved "$(awk '/^MemTotal:/ { print int($2 / 1024) }' /proc/meminfo)" "$(nproc)")
			cat <<-END
				kubeReserved:
				  memory: $((mib - mib / 4))Mi
				  cpu: $((milli - milli / 4))m
				systemReserved:
				  memory: $((mib / 4))Mi
				  cpu: $((milli / 4))m
			END
		fi
	} | put /etc/hakube/kubelet.conf.d/00-hakube.conf
}
