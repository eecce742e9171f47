// Package local is the embedded GCE as a program on this machine: a daemon
// that serves the Compute Engine API of package emulator on loopback, with
// machines behind it.
//
// Real machines (Linux, root) are made of the packages below this one: image
// (the guest's root file system), machine (the OCI runtime and disks), vpc
// (the network namespace all of them live in), dns and mirror. This package
// puts them together as an [emulator.Backend]. Model machines are given to
// [Serve] from outside and run anywhere.
//
// Who may come in is decided in one place, the gate in front of the daemon's
// handler: by the token of the state directory (token.go), or for the page in a
// browser by a cookie (visitors.go). What machines find in their network without
// a token, metadata and mirror, listens inside that network only.
//
// All state is below one directory, see [Dir]; everything left in the kernel
// bears a name that begins with hakube, so that Reset finds it when no daemon
// lives.
package local
