// Package fence keeps root on a real machine from devices and kernel settings
// of the host. Root in a container without a user namespace mounts a fresh
// /proc and writes to its own control group, so masked paths and the devices
// of a cgroup do not hold it. (A user namespace would, but in one no disk can be
// mounted, and a master has its data on a disk.)
//
// The fence is two BPF programs on a control group above the machine's own,
// which nothing inside can name, and leaves to nobody below it: one is asked
// whenever a device is opened, mounted or made, one whenever a setting of
// /proc/sys is written, by whatever mount. They last as long as the control
// group does, also when the daemon dies.
//
// The package imports nothing of ours.
package fence
