package cluster

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"hakube/cluster/inventory"
	"hakube/cluster/lease"
	"hakube/cluster/plan"
	"hakube/cluster/rings"
	"hakube/cluster/settings"
	"hakube/cluster/step"
	"hakube/gce"
	"hakube/scripts/cure"
)

// walk runs the items, and while it does probes the API if its address or who
// is behind it changes.
func (r *run) walk(ctx context.Context, items []plan.Item, report func(plan.Event)) error {
	if !r.Mode.One {
		if err := plan.Run(ctx, r.Gate, items, report); err != nil {
			return r.stock(ctx, err, report)
		}
		return nil
	}
	return r.metered(ctx, func(report func(plan.Event)) error {
		err := plan.Run(ctx, r.Gate, items, report)
		switch {
		case lease.IsOusted(err): // nothing more is this run's business
		case err != nil && ctx.Err() != nil:
			if dark := r.ground(ctx, report); dark != nil {
				err = errors.Join(err, &Dark{dark})
			}
		case err != nil && !r.Mode.Removes:
			err = r.stock(ctx, r.rollBack(ctx, err, report), report)
		}
		return err
	}, report)
}

// metered probes the API while f goes on, and keeps what that saw.
func (r *run) metered(ctx context.Context, f func(report func(plan.Event)) error, report func(plan.Event)) error {
	ip, err := r.Address(ctx)
	if err != nil {
		return err
	}
	m := startMeter(ctx, func(ctx context.Context) error {
		if why := r.Ready(ctx, ip); why != "" {
			return errors.New(why)
		}
		return nil
	})
	err = f(m.follow(report))
	all, steps := m.end()
	r.dark, r.outages = &all, steps
	return err
}

// Dark is an interrupted run that could not give the address back.
type Dark struct{ Err error }

func (e *Dark) Error() string {
	return fmt.Sprintf("nobody has the API's address, and giving it back failed: %v", e.Err)
}
func (e *Dark) Unwrap() error { return e.Err }

// groundLimit is how long an interrupted run may take to give the address back.
const groundLimit = time.Minute

// ground lets no run end by an interrupt while nobody has the address: nothing
// stands between the two changes that move it, a person's ^C neither.
func (r *run) ground(ctx context.Context, report func(plan.Event)) error {
	ctx, cancel := r.Within(context.WithoutCancel(ctx), groundLimit)
	defer cancel()
	have, err := r.Look(ctx)
	if err != nil || !have.Holder.Unassigned() {
		return err
	}
	r.Have = have
	return plan.Run(ctx, r.Gate, step.Reachable(r.Task), report)
}

// rollBack takes a replica away again that could not be finished, as long as it
// votes in no ring: then the cluster is as it was, the address included. Later
// there is only forward, since without it a voter would be missing.
func (r *run) rollBack(ctx context.Context, failed error, report func(plan.Event)) error {
	back := r.reversed()
	have, err := back.Look(ctx)
	if err == nil {
		back.Have = have
		back.SawMasters(back.Have)
		err = step.Reach(ctx, back.Task, report)
		back.Replica.Status = back.Have.StatusOf(r.Replica) // it may have died, or never lived
	}
	if err != nil {
		return fmt.Errorf("%w\nnothing was taken back: %w", failed, err)
	}
	s := back.Survey(ctx, append(back.Masters(), r.Replica))
	if _, ok := s.Healthy(r.Replica.Name); !ok {
		return fmt.Errorf("%w\nnothing was taken back: no other master says who is in the rings: %w", failed, s.Why())
	}
	for _, ring := range rings.Names {
		for _, v := range s.Voters(ring) {
			if v.Name == r.Replica.Name {
				return failed // running it again goes on from here
			}
		}
	}
	step.DecideBalancer(back.Task)
	if err = plan.Run(ctx, r.Gate, back.items(), report); err != nil {
		return fmt.Errorf("%w\ntaking back what was made of %s failed too: %w", failed, r.Replica.Name, err)
	}
	return &RolledBack{Replica: r.Replica.Name, Err: failed}
}

// reversed is the run that removes what this one was to add.
func (r *run) reversed() *run {
	back := newRun(r.Anew(r.Want.Removing()), rowOf(settings.RemoveReplica).Aim)
	back.Replica = r.Replica
	return back
}

// RolledBack is a replica that could not be made, and of which nothing is left.
type RolledBack struct {
	Replica string
	Err     error
}

func (e *RolledBack) Error() string {
	return fmt.Sprintf("%v\n%s was taken back: the cluster is as it was", e.Err, e.Replica)
}

func (e *RolledBack) Unwrap() error { return e.Err }

// OutOfStock is a zone that has no machines, or disks, of the kind just now.
type OutOfStock struct {
	Zone   string
	Others []string // zones of the region to try instead
	Err    error
	again  func(zone string) cure.Command // the same in another zone
	back   string                         // the disk that was taken back
}

func (e *OutOfStock) Error() string {
	if e.back == "" {
		return e.Err.Error()
	}
	return fmt.Sprintf("%v\n%s, on which nothing was, was taken back: the master can be made in another zone", e.Err, e.back)
}

func (e *OutOfStock) Unwrap() error { return e.Err }

// Hint names the other zones.
func (e *OutOfStock) Hint() string {
	if len(e.Others) == 0 {
		return ""
	}
	var elsewhere []cure.Command
	for _, zone := range e.Others {
		elsewhere = append(elsewhere, e.again(zone))
	}
	return cure.Hint("take another zone, one of these", elsewhere...)
}

// stock makes the error of a run one that says where there may be machines, if
// that is what is missing, and takes back the disk that was made for a first
// master that cannot be: with it the cluster would live in that zone.
func (r *run) stock(ctx context.Context, err error, report func(plan.Event)) error {
	zone, others, is := gce.NoStock(err)
	if !is || ctx.Err() != nil || r.Mode.Rolls { // nodes that are made again stay where they are
		return err
	}
	e := &OutOfStock{Zone: cmp.Or(zone, r.Want.Zone), Others: others, Err: err, again: rowOf(r.Mode.Name).again}
	if len(e.Others) == 0 {
		if e.Others, err = r.otherZones(ctx, e.Zone); err != nil {
			return fmt.Errorf("%w\nlooking for other zones: %w", e, err)
		}
	}
	if r.Mode.Whole {
		if e.back, err = r.takeBack(ctx, report); err != nil {
			return fmt.Errorf("%w\ntaking back the disk of the master that was not made: %w", e, err)
		}
		if e.back == "" { // the cluster lives here
			e.again = cure.UpPool
		}
	}
	return e
}

// otherZones are those of the region that are up, but for those the cluster is
// in already, if there are such.
func (r *run) otherZones(ctx context.Context, out string) ([]string, error) {
	all, err := r.GCE.Zones().List(ctx)
	if err != nil {
		return nil, err
	}
	var others []string
	for _, z := range all {
		if name := z.GetName(); name != out && settings.Zone(name).Region() == settings.Zone(out).Region() && z.GetStatus() == "UP" {
			others = append(others, name)
		}
	}
	slices.Sort(others)
	used := r.Have.Zones(func(inventory.Object) bool { return true })
	free := slices.DeleteFunc(slices.Clone(others), func(z string) bool { return slices.Contains(used, z) })
	if len(free) == 0 {
		return others, nil
	}
	return free, nil
}

// takeBack removes the disk of a first master whose machine could not be made:
// one that was made empty and was never on a machine. It returns what it removed.
func (r *run) takeBack(ctx context.Context, report func(plan.Event)) (string, error) {
	for i, m := range r.ToBe() {
		d := inventory.Object{Kind: inventory.Disk, Name: r.Want.Names.DiskOf(m.Name), Zone: m.Zone}
		if r.Have.Has(m) {
			continue
		}
		if _, err := r.GCE.Instances(m.Zone).Get(ctx, m.Name); !gce.IsNotFound(err) {
			return "", err
		}
		x, err := r.GCE.Disks(d.Zone).Get(ctx, d.Name)
		if gce.IsNotFound(err) {
			continue
		}
		if err != nil {
			return "", err
		}
		if inventory.Filled(x) || !r.Owns(x.GetDescription()) {
			continue
		}
		return "disk " + d.Name, plan.Run(ctx, r.Gate, []plan.Item{{Step: step.Disks(r.Task)[i], Want: false}}, report)
	}
	return "", nil
}
