package cluster

import (
	"context"
	"time"

	"hakube/cluster/backup"
	"hakube/cluster/env"
	"hakube/cluster/kube"
	"hakube/cluster/lease"
	"hakube/cluster/plan"
	"hakube/cluster/preflight"
	"hakube/cluster/refusal"
	"hakube/cluster/removal"
	"hakube/cluster/repair"
	"hakube/cluster/rings"
	"hakube/cluster/settings"
	"hakube/cluster/snapshots"
	"hakube/cluster/status"
	"hakube/cluster/sweep"
)

// What the parts of this package declare and its users handle.
type (
	// Refused is hakube's own no: what it found is not what it may act on.
	Refused = refusal.Refused

	// A RunStatus is a run that has the lease: it is at work, or was cut.
	RunStatus = lease.RunStatus
	// HeldError says that another run is changing the cluster.
	HeldError = lease.HeldError
	// LostError says that another run took the lease away from this one.
	LostError = lease.LostError

	// A RingMember is one etcd member of a ring.
	RingMember = rings.Member
	// A QuorumStatus is a ring's arithmetic.
	QuorumStatus = rings.QuorumStatus
	// Survival is what both rings can lose and go on.
	Survival = rings.Survival

	// LockError is a kubeconfig that cannot be locked.
	LockError = kube.LockError

	// Deps is everything outside of this process that a cluster is worked on with.
	Deps = env.Deps

	// An Orphan is a thing that the cluster's Services and volumes left behind.
	Orphan = sweep.Orphan
	// Found is what a down found of them before it changed anything.
	Found = sweep.Found

	// Status is what a look at a cluster saw, with all that follows from it.
	Status = status.Status
	// A MasterStatus is one master.
	MasterStatus = status.MasterStatus
	// An AddressStatus is the API's address and who has it.
	AddressStatus = status.AddressStatus
	// A BalancerStatus is what the balancer says of its masters.
	BalancerStatus = status.BalancerStatus
	// A BackupStatus is the newest backup where backups are kept.
	BackupStatus = status.BackupStatus
	// A SnapshotStatus is what Compute Engine keeps of masters' data disks.
	SnapshotStatus = status.SnapshotStatus
	// An Unfinished is a fact that does not hold, and the command that ends that.
	Unfinished = status.Unfinished
	// A Validity is whether a cluster is as it should be.
	Validity = status.Validity
	// A Problem is one reason why it is not.
	Problem = status.Problem
	// Invalid is a cluster that is not valid, as an error.
	Invalid = status.Invalid

	// A Loss is what going on with one master may cost.
	Loss = repair.Loss

	// OrphansLeft is how a down ends that left behind what hakube did not make.
	OrphansLeft = removal.OrphansLeft

	// Settings are the variables and flags that say what a cluster is.
	Settings = settings.Settings
	// A Variable describes one of them.
	Variable = settings.Variable
	// Problems are everything wrong with the settings, one line each.
	Problems = settings.Problems
	// A Verb is what the settings are for.
	Verb = settings.Verb
	// A Mode is what up or down does, by the settings.
	Mode = settings.Mode
	// A Provider is which cloud to look into.
	Provider = settings.Provider
	// A Zone is one of Compute Engine's, "europe-west1-b".
	Zone = settings.Zone
	// Seconds are a duration as kube-up's variables have it.
	Seconds = settings.Seconds
)

// The verbs, the modes, the provider and the states that commands speak of.
const (
	Up           = settings.Up
	Down         = settings.Down
	StatusVerb   = settings.StatusVerb
	RepairVerb   = settings.RepairVerb
	RebuildVerb  = settings.RebuildVerb
	BackupVerb   = settings.BackupVerb
	RestoreVerb  = settings.RestoreVerb
	EvacuateVerb = settings.EvacuateVerb
	DrillVerb    = settings.DrillVerb
	RollVerb     = settings.RollVerb
	RotateVerb   = settings.RotateVerb
	UpgradeVerb  = settings.UpgradeVerb

	AddPool       = settings.AddPool
	Span          = settings.Span
	AddReplica    = settings.AddReplica
	RemovePool    = settings.RemovePool
	RemoveReplica = settings.RemoveReplica

	Local = settings.Local

	HolderBalancer = status.HolderBalancer
	HolderNobody   = status.HolderNobody
	StateReady     = status.StateReady
	StateStopped   = status.StateStopped
)

// ForgetCloud takes out of the files of a KUBECONFIG what leads to clusters of a
// cloud that is no more, and returns the names of the contexts.
func ForgetCloud(ctx context.Context, list, cloud string) (contexts []string, err error) {
	return kube.ForgetCloud(ctx, list, cloud)
}

// MoveCloud turns what leads to clusters of a cloud to the proxy that reaches them now.
func MoveCloud(ctx context.Context, list, cloud, proxy string) error {
	return kube.MoveCloud(ctx, list, cloud, proxy)
}

// Backups are what a place has, the newest first: backups of this cluster and of others,
// and what is none.
func (c *Cluster) Backups(ctx context.Context, place string) ([]backup.Listed, error) {
	if place == snapshots.Place {
		return snapshots.List(ctx, c.deps.GCE, &c.runFor(settings.BackupVerb, hold{}).Want, time.Now())
	}
	return backup.List(ctx, c.deps.GCE, place, time.Now())
}

// Thin removes backups of this cluster that nobody has to keep (backup.Surplus) from what a
// place has, where ask agrees to that.
func (c *Cluster) Thin(ctx context.Context, list []backup.Listed, ask func(surplus []backup.Listed) error) (gone []backup.Listed, err error) {
	surplus := backup.Surplus(list, string(c.settings.Project)+"/"+string(c.settings.Prefix))
	if len(surplus) == 0 {
		return nil, nil
	}
	if err := ask(surplus); err != nil {
		return nil, &Unchanged{err}
	}
	return backup.Remove(ctx, c.deps.GCE, surplus)
}

// Fetch brings a backup out of gs://bucket into a file of this machine, still encrypted,
// which whoever called removes.
func (c *Cluster) Fetch(ctx context.Context, from string) (file string, err error) {
	if file, err = backup.Fetch(ctx, c.deps.GCE, from); err != nil {
		return "", &Unchanged{err}
	}
	return file, nil
}

// Backup has a master make a backup of the cluster, encrypted to the recipients of the
// settings, and keeps it: in a file that must not exist, or under a name of its own in a
// directory or gs://bucket/prefix. What was not restored on that master for a try, and
// found to be what the rings have, is no backup: then there is an error and nothing is
// kept. It changes nothing of the cluster.
func (c *Cluster) Backup(ctx context.Context, place string, report func(plan.Event)) (made *backup.File, where string, err error) {
	r := c.runFor(settings.BackupVerb, hold{})
	to := backup.To(c.deps.GCE, place)
	if err := to.Check(ctx); err != nil {
		return nil, "", &Unchanged{err}
	}
	if err := status.Find(ctx, r.Task); err != nil {
		return nil, "", &Unchanged{err}
	}
	if err := preflight.Fit(ctx, r.Task); err != nil {
		return nil, "", &Unchanged{err}
	}
	from, err := backup.Choose(r.Survey(ctx, r.Have.Masters(r.Want.Names)))
	if err != nil {
		return nil, "", &Unchanged{err}
	}
	taking := backup.Take(r.Env, env.InstanceOf(from), r.Have.Homes(r.Want.Names)[0], to)
	if err := plan.Run(ctx, nil, []plan.Item{{Step: taking, Want: true}}, report); err != nil {
		return nil, "", &Unchanged{err}
	}
	return taking.Made, taking.Where, nil
}
