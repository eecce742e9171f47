package machine

import (
	"os"
	"path/filepath"

	specs "github.com/opencontainers/runtime-spec/specs-go" // the types of config.json

	"hakube/gce/emulator"
)

// A device is a data disk as its machine sees it.
type device struct {
	name         string // of the attachment: /dev/disk/by-id/google-<name>
	major, minor int64
}

// initScript is what a machine does before systemd.
//
// Volumes that kubelet mounts must show up in running pods, wherever they are:
// systemd makes every mount shared, but not in a container, and runc's
// rootfsPropagation reaches only some.
//
// With a writable /sys systemd waits 90 s for udev to tell of a device that
// fstab or a mount unit names, and there is no udev; and the guest agent sets
// the host's block device schedulers. Read-only, systemd starts mount units at
// once and leaves out devices in fstab. Only this one mount is meant: cgroups
// and the sysfs of privileged pods stay writable.
//
// Some settings of the kernel are the host's, and a node ends or complains when
// it cannot set them: kubelet the first six (its setupKernelTunables), the
// startup script the others. It sets copies of its own; the kernel goes by the host's.
//
// A pod in a user namespace (hostUsers: false) may mount a /proc only where one
// is that nothing lies on (mount_too_revealing of the kernel): so there is one
// more, below an empty directory that covers it.
const initScript = `mount --make-rshared / && mount -o remount,bind,ro /sys || exit
for s in vm/overcommit_memory vm/panic_on_oom kernel/panic kernel/panic_on_oops kernel/keys/root_maxkeys kernel/keys/root_maxbytes \
	fs/inotify/max_user_instances fs/inotify/max_user_watches; do
	[ -e /proc/sys/$s ] || continue
	copy=/run/kernel/$s
	mkdir -p ${copy%/*} && cat /proc/sys/$s >$copy && mount --bind $copy /proc/sys/$s || exit
done
mkdir /run/kernel/proc && mount -t proc proc /run/kernel/proc && mount -t tmpfs -o ro,size=4k none /run/kernel || exit
exec /sbin/init`

// ociSpec describes the machine to runc. Every choice is one that systemd or
// Kubernetes needs: see the comments.
func ociSpec(m emulator.Machine, bootDisk, netns string) (*specs.Spec, error) {
	caps, err := capabilities()
	if err != nil {
		return nil, err
	}
	mode := os.FileMode(0o660)
	// Not bound but made: the kernel's log, which kubelet reads for OOM kills.
	devices := []specs.LinuxDevice{{Path: "/dev/kmsg", Type: "c", Major: 1, Minor: 11, FileMode: &mode}}
	namespaces := []specs.LinuxNamespace{
		{Type: specs.PIDNamespace}, {Type: specs.IPCNamespace}, {Type: specs.UTSNamespace},
		{Type: specs.MountNamespace}, {Type: specs.CgroupNamespace},
		{Type: specs.NetworkNamespace, Path: netns},
	}
	return &specs.Spec{
		Version:  "1.0.2",
		Hostname: m.Name,
		Root:     &specs.Root{Path: "rootfs"},
		Process: &specs.Process{
			Args: []string{"/bin/sh", "-c", initScript},
			Cwd:  "/",
			Env: []string{
				"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
				"container=hakube", // systemd then leaves devices and consoles alone
			},
			Capabilities: &specs.LinuxCapabilities{Bounding: caps, Effective: caps, Permitted: caps},
		},
		Mounts: mounts(bootDisk),
		Linux: &specs.Linux{
			Namespaces:  namespaces,
			CgroupsPath: filepath.Join(cgroupOf(machineID(m.ID)), "machine"),
			Devices:     devices,
			// Privileged pods get "all devices" from the runtime inside, which
			// it can only give if this cgroup has them. The fence above says no.
			Resources:     &specs.LinuxResources{Devices: []specs.LinuxDeviceCgroup{{Allow: true, Access: "rwm"}}},
			Seccomp:       systemCalls(),
			MaskedPaths:   maskedPaths,
			ReadonlyPaths: readonlyPaths,
		},
	}, nil
}

func mounts(bootDisk string) []specs.Mount {
	list := []specs.Mount{
		{Destination: "/proc", Type: "proc", Source: "proc"},
		{Destination: "/dev", Type: "tmpfs", Source: "tmpfs", Options: []string{"nosuid", "strictatime", "mode=755", "size=1m"}},
		{Destination: "/dev/pts", Type: "devpts", Source: "devpts", Options: []string{"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"}},
		{Destination: "/dev/shm", Type: "tmpfs", Source: "shm", Options: []string{"nosuid", "noexec", "nodev", "mode=1777"}},
		{Destination: "/dev/mqueue", Type: "mqueue", Source: "mqueue", Options: []string{"nosuid", "noexec", "nodev"}},
		{Destination: "/sys", Type: "sysfs", Source: "sysfs", Options: []string{"nosuid", "noexec", "nodev"}},
		{Destination: "/sys/fs/cgroup", Type: "cgroup", Source: "cgroup", Options: []string{"nosuid", "noexec", "nodev", "relatime"}},
		{Destination: "/run", Type: "tmpfs", Source: "tmpfs", Options: []string{"nosuid", "nodev", "mode=755"}},
		{Destination: "/dev/ttyS0", Type: "bind", Source: filepath.Join(bootDisk, "serial"), Options: []string{"bind", "rw"}},
	}
	for _, name := range plainDirs {
		list = append(list, specs.Mount{
			Destination: "/var/lib/" + name, Type: "bind", Source: filepath.Join(bootDisk, name),
			// Cut off from the host's mount before init shares it within the machine.
			Options: []string{"rbind", "rw", "rprivate"},
		})
	}
	return list
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
