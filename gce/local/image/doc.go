// Package image makes the root file system that the machines of the embedded
// GCE boot: Debian 12 as mmdebstrap builds it from the host's own Debian
// mirror, with Google's guest agent, cached under the hash of its recipe.
//
// It owns what has to differ from Google's debian-12 image because a machine
// here is a container that shares the host's kernel. Guest scripts know none
// of it: they only pick up drop-ins where those directories exist, and on a
// machine at Google they do not.
//
//	/etc/hakube/kubelet.conf.d/*.conf  a directory for kubelet's --config-dir:
//	    failCgroupV1: false where the host has cgroup v1, oomScoreAdj: 0 where
//	    the host lacks CAP_SYS_RESOURCE. May be empty.
//	/etc/hakube/containerd.d/*.toml    for the imports of containerd's config:
//	    restrict_oom_score_adj, where the host lacks CAP_SYS_RESOURCE. May be empty.
//	/etc/hakube/kube-proxy.conf        lines to add to the KubeProxyConfiguration:
//	    conntrack sizes of 0, since those belong to the whole kernel, and oomScoreAdj: 0.
//
// Besides, units that cannot work in a container or would change the host's
// kernel are masked (see masks), sysctl files of global settings are emptied,
// the unit serial-console copies the journal to /dev/ttyS0, and ssh host keys
// are removed so that the guest agent makes new ones on each machine.
//
// The package must not import anything of ours.
package image
