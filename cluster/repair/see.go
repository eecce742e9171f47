// Package repair judges which masters can be brought back and how, and lists it.
package repair

import (
	"context"
	"fmt"
	"slices"

	"cloud.google.com/go/compute/apiv1/computepb"

	"hakube/cluster/env"
	"hakube/cluster/inventory"
	"hakube/cluster/plan"
	"hakube/cluster/preflight"
	"hakube/cluster/refusal"
	"hakube/cluster/settings"
	"hakube/cluster/status"
	"hakube/cluster/step"
	"hakube/cluster/task"
	"hakube/gce"
)

// See looks around, after this operator's key and masters' own addresses have
// been seen to, without which nobody could be asked.
func See(ctx context.Context, r *task.Task, report func(plan.Event)) (*status.Snapshot, error) {
	s, err := status.Read(ctx, r)
	if err != nil {
		return nil, err
	}
	again := len(step.Reachable(r)) > 0 || slices.ContainsFunc(s.Masters, func(m status.ObservedMaster) bool { return s.Denied(m.Name) })
	if again {
		if err := preflight.Fit(ctx, r); err != nil {
			return nil, err
		}
	}
	if err := step.Reach(ctx, r, report); err != nil {
		return nil, err
	}
	l := task.Lines{Want: true}
	for _, m := range s.Masters {
		if s.Denied(m.Name) {
			l.Beside(step.AccessTo(r.Env, m.Object))
		}
	}
	if err := plan.Run(ctx, r.Gate, l.Items, report); err != nil {
		return nil, err
	}
	if again {
		if s, err = status.Read(ctx, r); err != nil {
			return nil, err
		}
	}
	if slices.ContainsFunc(s.Masters, func(m status.ObservedMaster) bool { return s.Denied(m.Name) }) {
		if no, err := preflight.LockedOut(ctx, r); err != nil || len(no) > 0 {
			return nil, no.Besides(err)
		}
	}
	Placed(r, s)
	return s, nil
}

// Placed takes from what was seen where the cluster lives and who has its address.
func Placed(r *task.Task, s *status.Snapshot) {
	r.Balanced = s.Held.Rule != ""
	if homes := r.Have.Homes(r.Want.Names); len(homes) > 0 {
		oneZone := slices.ContainsFunc(s.Masters, func(m status.ObservedMaster) bool { return m.Multizone == "false" })
		r.Want = r.Want.At(homes[0], !oneZone)
	}
}

// Diagnose picks the masters to repair and judges whether that can be done.
func Diagnose(ctx context.Context, r *task.Task, s *status.Snapshot, name string) (err error) {
	if len(s.Masters) == 0 {
		return &refusal.Refused{
			Why:  fmt.Sprintf("cluster %s has no master, nor the disk of one: nothing can bring it back", s.Names.Prefix),
			Cure: s.Anew(),
		}
	}
	if name != "" && !slices.ContainsFunc(s.Masters, func(m status.ObservedMaster) bool { return m.Name == name }) {
		return s.NoSuchMaster(name)
	}
	for _, m := range s.Masters {
		why := s.NotWhole(m)
		if name != "" && m.Name != name && !s.Rings.Differs(m.Name) || why == "" && (name == "" || s.Rings.Silent[m.Name] == nil) {
			continue
		}
		if name == "" && s.LeftRings(m) {
			r.Warn(fmt.Sprintf("%s is in no etcd ring and was left as it is: %s", m.Name, status.RemoveMaster(m.Object)))
			continue
		}
		r.Failing = append(r.Failing, m.Object)
	}
	if len(r.Failing) == 0 && !s.Quorum() && name == "" { // all run, and do not agree
		for _, m := range s.Masters {
			r.Failing = append(r.Failing, m.Object)
		}
	}
	if len(r.Failing) == 0 {
		return nil
	}
	for _, m := range s.Masters {
		if err := status.OwnsDisk(ctx, r, m); err != nil {
			return err
		}
	}
	if err := s.Curable(); err != nil {
		return err
	}
	r.Want, err = likeMaster(ctx, r, s)
	return err
}

// likeMaster reads a master like which others are made: what it was made with counts,
// not what this operator's variables happen to say.
func likeMaster(ctx context.Context, r *task.Task, s *status.Snapshot) (settings.Spec, error) {
	var from inventory.Object
	for _, m := range s.Masters {
		sick := slices.ContainsFunc(r.Failing, func(p inventory.Object) bool { return p.Name == m.Name })
		if m.Status != "" && (from.Name == "" || !sick) {
			from = m.Object
		}
	}
	if from.Name == "" {
		return r.LikeNodes(ctx) // of masters there is none to go by
	}
	i, err := r.GCE.Instances(from.Zone).Get(ctx, from.Name)
	if err != nil {
		return r.Want, fmt.Errorf("reading the master to make others like: %w", err)
	}
	r.Source = i
	return modelDisks(ctx, r.Env, r.Want.OfMasterType(gce.Base(i.GetMachineType())), from, i)
}

// modelDisks reads the sizes of a master's disks and the type of the one with data.
func modelDisks(ctx context.Context, r *env.Env, want settings.Spec, from inventory.Object, i *computepb.Instance) (settings.Spec, error) {
	for _, d := range i.GetDisks() {
		if d.GetBoot() && d.GetDiskSizeGb() > 0 {
			want = want.OfRootSize(d.GetDiskSizeGb())
		}
	}
	d, err := r.GCE.Disks(from.Zone).Get(ctx, want.Names.DiskOf(from.Name))
	if gce.IsNotFound(err) {
		return want, nil
	}
	if err != nil {
		return want, fmt.Errorf("reading the disk to make others like: %w", err)
	}
	return want.OfDataDisk(d.GetSizeGb(), gce.Base(d.GetType())), nil
}
