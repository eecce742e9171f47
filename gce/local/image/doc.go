// Package image makes the root file system that the machines of the embedded
// GCE boot: Debian 12 as mmdebstrap builds it from the host's own Debian
// mirror, by the recipe of Google's image, cached under the hash of ours: netplan,
// systemd-networkd and resolved, no nftables, unattended-upgrades (whose timers are
// masked), the network's part of Google's guest configuration. Its udev rules are left
// out, there being no udev.
//
// Debian's guest agent is five years older than Google's: only what runs startup-scripts
// is taken of it. In the place of the rest are three small programs (files/usr) that do
// what today's agent was seen to do, where that matters to who is tested on it: accounts
// that lose their keys under OS Login, routes that come back only after a minute, a
// plugin that outlives a restart of its unit. apt asks the mirror for the archives this
// host uses ([Archive]); Google's own source is there and cannot be reached.
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
// are removed so that the agent makes new ones on each machine.
//
// The package must not import anything of ours.
package image
