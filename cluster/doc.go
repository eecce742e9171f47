// Package cluster makes a Kubernetes cluster on Compute Engine and takes it
// away again. It is the middle of hakube: above it cmd/hakube, which alone
// prints, exits and reads the command line; below it gce (Compute Engine),
// replicate (masters, over ssh) and scripts (what machines run). It never
// learns whether it talks to Google or to the embedded GCE.
//
// README.md here is the plan of the house: the packages below, which may know which,
// and how to add a setting, a step, a kind or a mode. What is in this package, in the
// order to read:
//
//   - modes.go: what each command is about, one row each; items.go: their lists, a
//     story each, which package plan walks. testdata/modes.txt shows all of them
//     beside each other.
//   - cluster.go: what commands call; up.go: how a list comes to be, run.go what a walk
//     over it ends with; turn.go waits for another run's lease, and knows whether
//     anything was changed.
//   - join.go and pick.go: whether a pool or a master may be added, or a master go.
//   - grow.go: the walk with the meter (meter.go), and the way back after a failure;
//     stock.go: what is said, and taken back, when a zone has no machines.
//   - repair.go: masters that fail. face.go: names of the packages below that commands
//     handle. REFUSALS.md lists what can be refused.
//
// Rules the steps keep:
//
//   - One fact a step. Observe only reads, Do and Undo make one changing call,
//     and nothing is remembered from one run to the next: running again is
//     how it resumes. (What a wait saw fail before the run began it may
//     restart, once: env/guest.go.)
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
