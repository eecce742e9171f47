package image

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"slices"
	"strings"
)

// suite is the Debian release behind the image family debian-12.
const suite = "bookworm"

// packages is what the image has beyond Debian's essential packages: what is in
// Google's debian-12 image by its recipe, as far as a machine here meets it. What is
// not there, nftables and conntrack, is not here: a script that wants them finds out.
var packages = []string{
	"systemd", "systemd-sysv", "dbus", "openssh-server", "google-guest-agent", "sudo",
	"ca-certificates", "curl", "jq", "less", "netbase", "tar", "xz-utils",
	"netplan.io", "systemd-resolved", "systemd-timesyncd", "unattended-upgrades",
	"iproute2", "iptables", "socat", "ethtool", "iputils-ping",
	"kmod", "procps", "e2fsprogs", "util-linux", "mount",
	"age", // not in Google's, where a master asks Debian for it when a backup is made: here it reaches no Debian
}

// dpkgOptions keep documentation out (a third of the size) and leave out the
// fsync per file: an image half written is thrown away anyway.
var dpkgOptions = []string{
	"path-exclude=/usr/share/man/*",
	"path-exclude=/usr/share/doc/*",
	"path-include=/usr/share/doc/*/copyright",
	"path-exclude=/usr/share/locale/*",
	"force-unsafe-io",
}

// masks are the units that cannot work in a container, would change the
// host's kernel, or only cost time at boot.
var masks = []string{
	// Consoles: there is no terminal.
	"getty.target", "console-getty.service", "getty-static.service",
	"systemd-ask-password-console.path", "systemd-ask-password-wall.path", "systemd-initctl.socket",
	// Settings and file systems of the whole kernel.
	"dev-hugepages.mount", "proc-sys-fs-binfmt_misc.automount", "systemd-binfmt.service",
	"sys-fs-fuse-connections.mount", "sys-kernel-config.mount", "sys-kernel-debug.mount", "sys-kernel-tracing.mount",
	"systemd-modules-load.service", "kmod-static-nodes.service", "systemd-pstore.service",
	"systemd-random-seed.service", "systemd-journald-audit.socket",
	// Who is logged in: nobody reads it. (There are no sessions: libpam-systemd is not
	// there, which would have each ssh command wait for one. logind itself has to be,
	// since it tells programs that the machine goes down.)
	"systemd-update-utmp.service", "systemd-update-utmp-runlevel.service",
	// Housekeeping of disks and packages that a short-lived machine has no use for.
	"apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer", "fstrim.timer",
	"e2scrub_all.timer", "e2scrub_reap.service",
	"unattended-upgrades.service", // without the timers there is none to wait for; a machine would go down three seconds later
}

// enabled are the units of ours, with the target that wants them.
var enabled = map[string]string{"serial-console.service": "sysinit.target", "google-guest-agent-manager.service": "multi-user.target"}

// emptied are files of Debian's that set what belongs to the whole kernel.
// A link to /dev/null in /etc hides the file of the same name in /usr/lib.
var emptied = []string{"/etc/sysctl.d/50-pid-max.conf", "/etc/sysctl.d/99-protect-links.conf"}

// directories are there even when empty: drop-ins, so that scripts need no
// case for that, and the kernel modules that kube-proxy wants to see.
var directories = []string{"/etc/hakube/kubelet.conf.d", "/etc/hakube/containerd.d", "/lib/modules"}

// removed are files that must differ between machines, or must not run there.
var removed = []string{
	"/etc/ssh/ssh_host_*", "/etc/machine-id", "/var/lib/dbus/machine-id", "/etc/hostname",
	"/etc/systemd/system/multi-user.target.wants/google-guest-agent.service", // Debian's is five years older than Google's: see files
	"/etc/apt/apt.conf.d/99mmdebstrap", "/var/lib/systemd/random-seed", "/var/log/*.log",
}

// resolvConf is where /etc/resolv.conf leads, as in Google's image: to what
// systemd-resolved was told by the network, not to its own stub.
const resolvConf = "../run/systemd/resolve/resolv.conf"

// accountNumbers are those of users that somebody makes on a machine. A number is an
// identity too, and the host's are the machine's: Debian's range begins with 1000,
// so the host's first user could signal, trace and so become the administrator of
// every machine. No user of a host is in this range: it is above Debian's and
// systemd's, and below those of containers (subuid).
var accountNumbers = map[string]string{"UID_MIN": "70000", "UID_MAX": "99999", "GID_MIN": "70000", "GID_MAX": "99999"}

// ownNumbers sets them in the text of login.defs.
func ownNumbers(loginDefs string) string {
	var out strings.Builder
	for line := range strings.Lines(loginDefs) {
		if f := strings.Fields(line); len(f) == 2 && accountNumbers[f[0]] != "" {
			line = f[0] + "\t" + accountNumbers[f[0]] + "\n"
		}
		out.WriteString(line)
	}
	return out.String()
}

// files are laid over the tree as they are.
//
//go:embed all:files
var files embed.FS

// A host is what the image must know about the kernel it will run on.
type host struct {
	cgroup1       bool // the resource controllers are on cgroup v1
	noSysResource bool // CAP_SYS_RESOURCE is missing: no process may lower its oom_score_adj
}

// settings are the files that depend on the host.
func (h host) settings() map[string]string {
	out := map[string]string{}
	// A machine sees the host's file system. What others keep there is nothing a kubelet
	// could make less by evicting pods and removing images.
	kubelet := []string{"imageGCHighThresholdPercent: 100", "evictionHard:", "  memory.available: 100Mi", "  nodefs.available: 0%",
		"  nodefs.inodesFree: 0%", "  imagefs.available: 0%", "  imagefs.inodesFree: 0%"}
	var proxy []string
	if h.cgroup1 {
		kubelet = append(kubelet, "failCgroupV1: false")
	}
	// nf_conntrack_max can be read but not written in a network namespace:
	// 0 makes kube-proxy leave both alone.
	proxy = append(proxy, "conntrack:", "  maxPerCore: 0", "  min: 0")
	if h.noSysResource {
		kubelet = append(kubelet, "oomScoreAdj: 0")
		proxy = append(proxy, "oomScoreAdj: 0")
		out["/etc/hakube/containerd.d/10-host.toml"] = "version = 3\n\n" +
			"[plugins.'io.containerd.cri.v1.runtime']\n  restrict_oom_score_adj = true\n"
	}
	out["/etc/hakube/kubelet.conf.d/10-host.conf"] = "apiVersion: kubelet.config.k8s.io/v1beta1\n" +
		"kind: KubeletConfiguration\n" + strings.Join(kubelet, "\n") + "\n"
	out["/etc/hakube/kube-proxy.conf"] = strings.Join(proxy, "\n") + "\n"
	return out
}

// hash names an image: equal recipes on equal hosts make equal images.
func (h host) hash() string {
	sum := sha256.New()
	fmt.Fprintln(sum, suite, packages, dpkgOptions, masks, emptied, directories, removed, accountNumbers, resolvConf)
	for _, unit := range sorted(enabled) {
		fmt.Fprintln(sum, unit, enabled[unit])
	}
	settings := h.settings()
	for _, name := range sorted(settings) {
		fmt.Fprintf(sum, "%s %q\n", name, settings[name])
	}
	// Walking an embedded tree cannot fail.
	_ = fs.WalkDir(files, "files", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := files.ReadFile(name)
		fmt.Fprintf(sum, "%s %q\n", name, text)
		return err
	})
	return hex.EncodeToString(sum.Sum(nil))[:16]
}

func sorted(m map[string]string) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
