// Package machine runs the machines of the embedded GCE: each is a Debian root
// file system (package image) that boots systemd in a container of runc's, with
// the network namespace its caller made and the disks the API attached.
//
// It owns everything of a machine but its network, in one directory and under
// names that a later process finds even when this one was killed:
//
//	<dir>/disks/<disk>/        a boot disk: upper and work of the overlay on the
//	                           image, containerd and kubelet (bind mounts, since
//	                           an overlay cannot lie on an overlay), serial, and
//	                           image, a link to the root file system below
//	<dir>/disks/<disk>.img     a data disk: a sparse file, on a loop device while
//	                           its machine runs
//	<dir>/run/machines/<id>/   of a running machine: machine.json, OCI bundle,
//	                           mounted root
//	<dir>/run/runc/<id>/       runc's own state
//	/hakube/<id>               its cgroup, in every hierarchy; the machine sees and
//	                           owns the one below it
//
// where <disk> and <id> are the API's numbers in base 36. Machines outlive the
// process that started them: a Host of a later process adopts them.
//
// What is not as on Google: CPU and memory are not limited to the machine type,
// all machines share the host, each with the weight of its CPUs among them; the
// size of a boot disk is not enforced; the kernel, its modules and its global
// sysctls are the host's; the clock is the host's.
//
// Root on a machine gets no more of the host than a node needs: the devices of
// package fence and its own disks, no settings but its namespaces', no
// capability to load modules, boot, set the clock or do raw I/O, and none of the
// calls in confine_linux.go. It keeps CAP_SYS_ADMIN, without which neither
// systemd nor a container runtime works, and so it can mount what the kernel
// makes up: a /sys to write to, a /proc with its sysrq-trigger, debugfs,
// binfmt_misc, devtmpfs. Against somebody who means it a machine is no boundary.
//
// What stays changed on the host: fs.inotify.max_user_instances and
// max_user_watches are raised if they were lower.
//
// The package may import image, fence and the value types of gce/emulator,
// nothing else of ours.
package machine
