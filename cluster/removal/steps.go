package removal

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"

	"hakube/cluster/env"
	"hakube/cluster/inventory"
	"hakube/cluster/plan"
	"hakube/cluster/settings"
	"hakube/cluster/sweep"
	"hakube/cluster/task"
	"hakube/gce"
)

// A down of the whole cluster and what it leaves behind. What a person at
// 3 a.m. and a script want is the same: the cluster gone, nobody's data gone by
// accident, and no surprise at the end. So:
//
//   - All of it is found and told before the first change.
//   - With --sweep, or when a person answered so, it goes after the machines
//     (nobody makes it anew then) and before the network.
//   - Without, the cluster's own things go as far as they can, what is left
//     behind is listed, and the exit code is 1. One thing with the mark stays,
//     the network or, when that is not ours, a firewall rule for machines that
//     are gone: so "hakube down --sweep" knows later whose the rest is.
//   - What may be another's is listed and never removed. It fails a down only
//     when it is in the cluster's own network, which then stays too.
//   - Before a machine goes, the disks of volumes that it has get the label
//     hakube-cluster: nothing else would tell later whose they were.

// Keep decides what of our own stays because of what is left behind: the
// network when something is in it, and one thing in any case as long as there
// is something to sweep.
func Keep(r *task.Task) {
	r.Kept = nil
	later := !r.Sweeping && len(r.Orphans) > 0
	held := slices.ContainsFunc(r.Perhaps, func(s *sweep.Judged) bool { return s.Network != "" })
	anchor := func(o inventory.Object) bool { return o.Kind == inventory.Network || o.Role == inventory.RoleSSH } // the two go together (D32b)
	if len(r.Have.Of(inventory.Network)) == 0 {
		rule := r.Want.Names.NodeAll()
		anchor = func(o inventory.Object) bool { return o.Kind == inventory.Firewall && o.Name == rule }
	}
	for _, o := range r.Have.Objects {
		if (later || held) && anchor(o) {
			r.Kept = append(r.Kept, o)
		}
	}
}

// Told are orphans as they are told to others.
func Told(list []*sweep.Judged) (out []sweep.Orphan) {
	for _, s := range list {
		out = append(out, s.Orphan)
	}
	return out
}

// Staying is what this run leaves behind.
func Staying(r *task.Task) []sweep.Orphan {
	if r.Sweeping {
		return nil // it failed if any is left
	}
	return Told(r.Orphans)
}

// sweepOrder is the order in which Kubernetes would have made things. They go
// in the reverse one; firewall rules last, since they tell best whose the rest is.
var sweepOrder = []inventory.Kind{
	inventory.Firewall, inventory.Route, inventory.Disk, inventory.Snapshot, inventory.InstanceGroup, inventory.Address, inventory.HealthCheck, inventory.HTTPHealthCheck, inventory.BackendService, inventory.TargetPool, inventory.ForwardingRule,
}

// SweepOrphans adds what goes though hakube did not make it, if it does.
func SweepOrphans(r *task.Task, l *task.Lines) {
	if !r.Sweeping {
		return
	}
	for _, k := range sweepOrder {
		var steps []plan.Step
		for _, s := range r.Orphans {
			if s.Of == k {
				steps = append(steps, orphanStep{r.Env, s})
			}
		}
		l.Open = false
		l.Beside(steps...)
	}
}

// orphanStep is one thing that goes though hakube did not make it.
type orphanStep struct {
	env *env.Env
	s   *sweep.Judged
}

func (s orphanStep) String() string { return s.s.Orphan.String() }
func (s orphanStep) About() plan.Thing {
	return plan.Thing{Kind: s.s.Kind, Name: s.s.Name, Zone: s.s.Zone, Region: s.s.Region}
}

func (s orphanStep) Observe(ctx context.Context) (plan.State, error) {
	x, err := s.get(ctx)
	switch {
	case gce.IsNotFound(err):
		return plan.State{Is: plan.Absent}, nil
	case err != nil:
		return plan.State{}, err
	case x.GetId() != s.s.Id: // what was judged is gone
		return plan.State{Is: plan.Absent, Why: "another of its name is there now, and stays"}, nil
	}
	return plan.Exists(s.s.Why)
}

func (s orphanStep) Do(context.Context) error { return nil } // never wanted

func (s orphanStep) Undo(ctx context.Context) error {
	return s.env.LetGo(ctx, s.String(), s.remove)
}

// Object is what it is in the inventory's words.
func (s orphanStep) Object() inventory.Object {
	return inventory.Object{Kind: s.s.Of, Name: s.s.Name, Zone: s.s.Zone, Region: s.s.Region}
}

func (s orphanStep) get(ctx context.Context) (inventory.Described, error) {
	c, err := s.env.At(ctx, cmp.Or(s.s.Region, s.env.Region()))
	if err != nil {
		return nil, err
	}
	return s.s.Of.Row().Read(ctx, c, s.Object())
}

func (s orphanStep) remove(ctx context.Context) error {
	c, err := s.env.At(ctx, cmp.Or(s.s.Region, s.env.Region()))
	if err != nil {
		return err
	}
	return s.s.Of.Row().Remove(ctx, c, s.Object())
}

// Labels are the disks of volumes that only a machine tells of: that is
// undone, before the machine goes, by a label.
func Labels(r *task.Task) (steps []plan.Step) {
	for _, s := range r.Orphans {
		if s.Unlabelled {
			steps = append(steps, unlabelled{r.Env, s})
		}
	}
	return steps
}

type unlabelled struct {
	env *env.Env
	s   *sweep.Judged
}

func (u unlabelled) String() string { return "disk " + u.s.Name + " without the cluster's label" }

func (u unlabelled) Observe(ctx context.Context) (plan.State, error) {
	d, err := u.env.GCE.Disks(u.s.Zone).Get(ctx, u.s.Name)
	if gce.IsNotFound(err) {
		return plan.State{Is: plan.Absent, Why: "the disk is gone"}, nil
	}
	if err != nil {
		return plan.State{}, err
	}
	if d.GetLabels()[settings.Label] == string(u.env.Want.Settings.Prefix) {
		return plan.State{Is: plan.Absent, Why: settings.Label + "=" + string(u.env.Want.Settings.Prefix)}, nil
	}
	return plan.Exists("only its machine tells whose it is: " + gce.Base(strings.Join(d.GetUsers(), ",")))
}

func (u unlabelled) Do(context.Context) error { return nil } // never wanted

// Undo sets the label. A fingerprint that is stale is somebody else's change a
// moment ago: the next run looks again.
func (u unlabelled) Undo(ctx context.Context) error {
	d, err := u.env.GCE.Disks(u.s.Zone).Get(ctx, u.s.Name)
	if err != nil {
		return err
	}
	labels := maps.Clone(d.GetLabels())
	if labels == nil {
		labels = map[string]string{}
	}
	labels[settings.Label] = string(u.env.Want.Settings.Prefix)
	return u.env.GCE.Disks(u.s.Zone).SetLabels(ctx, u.s.Name, d.GetLabelFingerprint(), labels)
}
