// Package etcdtest is the model guest: a machine in this process that answers
// what hakube asks of a machine, and refuses everything else in words.
//
// A [World] is the machines that know each other, as those of one VPC do. A
// machine boots from model disks (JSON files), reads its metadata over the
// metadata protocol, does what hakube's startup-script would come to, and
// reports it in the guest attribute hakube/phase. Nothing here opens a socket:
// [Guest.Dial] is the way to its ports.
//
//   - 22: sshd. The host key is made with the boot disk; users are those of the
//     metadata ssh-keys, read at each login; root is not let in. The one command
//     it knows is `sudo -n bash -s -- args`, and of the scripts on stdin those
//     named etcd-status, admin-kubeconfig and diagnose (and [Options.Scripts]).
//   - 443 on a master whose control plane was started: the Kubernetes API, see
//     api.go for what it does, and kubeapi for what it serves.
//   - all other ports refuse; a machine that is stopped does not answer at all.
//
// Masters have etcd members in two rings, with etcd's rules on quorum, whose
// data is on the persistent disk master-pd. Changes are written when they are
// acknowledged, so a killed process loses none.
//
// A cluster may be founded as one that has been used ([Used]): members that join it,
// or come back after long, are sent its data as a whole, and etcd's rule on proposals
// keeps them mute until the ring agrees on something, see snapshot.go.
//
// What fails in machines is done to a guest: its etcd, its API server, its network
// and its disks, see inject.go.
//
// What is not modelled: the firewall between machines (they reach each other if
// they are not cut off), time (certificates and tokens expire by the real
// clock, but kubelets are believed dead at once), and pods other than CoreDNS's, but that
// they are there until they are evicted.
package etcdtest
