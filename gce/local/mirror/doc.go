// Package mirror holds what machines of the embedded GCE fetch from the
// internet: Kubernetes, etcd, containerd, runc, CNI plugins and container
// images, under their official names and with checksums in their official form,
// so that startup scripts need to know nothing of it but a prefix.
//
// With internet the artefacts are the official ones, checked against their
// published checksums. Without, they are built from the Go modules that the
// directories below build/ pin by version and checksum, and from Debian's
// packages. Either way they are made once, into a cache keyed by what they are
// made from. Images of addons are made when one is asked for, Kubernetes' own
// tests and their images when it is said, and so Kubernetes itself once more under another
// number, for tests of upgrades. nginx and busybox, for trying a cluster, always come from Debian.
//
// What is built here differs from the official artefacts in this: the images
// have no distroless base but what each program needs (see recipes), archives
// hold only the programs a machine uses, file times are those of the epoch, and
// nothing is signed. The names, the versions and how they are started are the
// same.
//
// The package may import gce/local/image, for Debian's packages, and nothing
// else of ours.
package mirror
