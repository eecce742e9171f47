// Package cluster makes a Kubernetes cluster on Compute Engine and takes it
// away again. It is the middle of hakube: above it cmd/hakube, which alone
// prints, exits and reads the command line; below it gce (Compute Engine),
// replicate (masters, over ssh) and scripts (what machines run). It never
// learns whether it talks to Google or to the embedded GCE.
//
// A map for newcomers, in the order to read:
//
//   - settings.go, values.go: the variables, which are kube-up's; config.go
//     loads them and problems.go judges them, all at once and offline; strangers.go
//     says which other variables are slips, and kubeup_table.go what becomes of kube-up's.
//   - unset.go: what each variable means that nobody set; recall.go reads it back from
//     what is there, birth.go writes down what a cluster is begun with, empty.go judges
//     what is set and empty, smaller.go tells of nodes that go.
//   - names.go: every name that is ever given, and the mark that says whose
//     an object is. spec.go: the settings with every gap filled.
//   - items.go: THE list, on one screen: what is made, in which order and why.
//     Up and down are this list; package plan walks it.
//   - cluster.go, run.go: Up, Down and the two previews around the list;
//     mode.go: what each of them can mean. preflight.go and preflight_*.go gather
//     what is in the way before the first change: settings, names, quotas,
//     permissions, users of what is to go (uses.go); REFUSALS.md lists all that can be
//     refused, and untouched.go knows whether anything was changed; read.go, inventory.go and holder.go find out what is there,
//     where, and who has the address, and unlisted.go makes sure where lists may
//     lag; join.go whether a pool may come or go, pick.go which master does,
//     room.go whether there are addresses for it. stock.go is what is said, and
//     taken back, when a zone has no machines.
//   - lease.go: what keeps two runs apart, in the labels of the address
//     (lease_record.go); turn.go is the wait for another run.
//   - one file for each noun, with its steps: network, firewall, address, disk,
//     master, access (ssh), api, kubeconfig, token, template, drain, group,
//     nodes (with pool), ghosts, spread (CoreDNS), validate, leftovers. step.go is what those for the cloud's objects share.
//     kube.go is this run's client of the API and package kube all that is
//     done with it and with the kubeconfig's files.
//   - for more than one master: masters.go has package rings ask all of them at once
//     who is in the rings; member.go is a membership, learner to voter, await.go the wait for one,
//     which gives its ring entries meanwhile; controlplane.go
//     the API server it comes with; balancer.go and traffic.go what is between
//     the address and the masters, move.go how the address gets there and back;
//     grow.go the walk with the meter (meter.go) and the way back after a failure.
//   - repair.go picks masters that fail, by what repair_judge.go says of them, and
//     repair_list.go is the list that brings them back: repair_machine.go has the steps
//     for machines, repair_disk.go those for disks, repair_ring.go those for the rings;
//     repair_survivor.go goes on with one master.
//   - sweep.go says whose it is what Services and volumes leave behind, sweep_find.go
//     reads it, sweep_steps.go decides about it and removes it, sweep_remains.go
//     is how a down ends that left some.
//   - status.go and status_*.go: Status reads all there is into one sight and
//     concludes from that alone; unfinished.go tells what a cut left by its looks,
//     and the command that ends it; validity.go judges.
//
// Rules the steps keep:
//
//   - One fact a step. Observe only reads, Do and Undo make one changing call,
//     and nothing is remembered from one run to the next: running again is
//     how it resumes. (What a wait saw fail before the run began it may
//     restart, once: guest.go.)
//   - An object is found by its exact name and is ours by the mark in its
//     description, set by the call that makes it. One with our name and
//     without our mark is refused. The network and its ssh rule are used when
//     they are there, and then never removed.
//   - Nothing is changed without the lease. The address that carries it is of the
//     first objects to be made and the last to go.
//   - What differs from the settings and cannot be changed is refused, with
//     the variable and the value it was made with.
//   - A removal needs no living cluster: it asks Compute Engine only, for
//     everything that carries the mark, whatever it is called. What hakube did not
//     make goes only when somebody says so and it is shown to be this cluster's. A pool that is
//     removed from a living one is drained first; if that cannot be, it is said.
//   - The modes of a zone's pool change nothing of another zone, nor a master
//     but for this operator's ssh key.
//   - Who is in a ring is changed through a master that is not the one it is
//     about and whose members of both rings have quorum, one fact at a time, and
//     read back by peer URL. What would leave fewer alive than quorum is refused.
//   - Unreachable is not absent: when no master can be asked who is in a ring,
//     that is an error.
//   - Until a new master votes, a failure takes back all that was made of it.
//     The address moves as late as that allows, which is later than where the
//     balancer's parts could be made: what cannot be made never moves it.
//   - Facts inside the cluster that cannot be asked for are not taken for
//     absent in a way that matters: their Do needs the same API and fails.
package cluster
