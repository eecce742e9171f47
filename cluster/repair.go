package cluster

import (
	"context"
	"errors"
	"fmt"
	"time"

	"hakube/cluster/backup"
	"hakube/cluster/drill"
	"hakube/cluster/elsewhere"
	"hakube/cluster/inventory"
	"hakube/cluster/lease"
	"hakube/cluster/plan"
	"hakube/cluster/preflight"
	"hakube/cluster/repair"
	"hakube/cluster/rotate"
	"hakube/cluster/settings"
	"hakube/cluster/status"
	"hakube/cluster/step"
	"hakube/scripts/cure"
)

// Repair brings masters back that fail: the one of the name, or all that are not
// whole. It ends with the voters there were before, under the same names, as long
// as quorum lives or those who make it can be brought back; what it cannot do is
// refused, with the way out. It finds the cluster's zones itself.
func (c *Cluster) Repair(ctx context.Context, name string, report func(plan.Event)) (s *Summary, err error) {
	warning, err := c.withLease(ctx, settings.RepairVerb, report, func(ctx context.Context, h hold, report func(plan.Event)) error {
		s = nil
		r := c.runFor(settings.RepairVerb, h)
		before, err := repair.See(ctx, r.Task, report)
		if err != nil {
			return err
		}
		if err := repair.Diagnose(ctx, r.Task, before, name); err != nil {
			return err
		}
		if len(r.Failing) > 0 {
			err = preflight.FitToRepair(ctx, r.Task, repair.Revivals(r.Task))
		}
		if len(r.Failing) > 0 && err == nil {
			err = plan.RunStages(ctx, r.Gate, repair.List(r.Task), report)
		}
		s = r.summary()
		s.Nothing = len(r.Failing) == 0
		for _, p := range r.Failing {
			s.Repaired = append(s.Repaired, p.Name)
		}
		return err
	})
	return s.warned(warning), err
}

// FromSurvivor goes on with one master where quorum is lost for good: its etcds
// become rings of one, all other masters are given up. ask hears first what may be
// lost; an error of it ends the run before any change. The order keeps two parts of
// an old ring from ever going on both: the survivor is seen to have its data, the
// others' machines are deleted, and only then are its rings made its own. What is
// left of the others goes as when masters are removed.
func (c *Cluster) FromSurvivor(ctx context.Context, name string, report func(plan.Event), ask func(repair.Loss) error) (*Summary, error) {
	return c.goOn(ctx, settings.RebuildVerb, withOne{
		choose: func(ctx context.Context, r *run, s *status.Snapshot) (repair.Loss, error) {
			return repair.Choose(ctx, r.Task, s, name)
		},
		stages: func(r *run) [][]plan.Item { return repair.RebuildList(r.Task) },
		end:    func(context.Context, *run, repair.Loss, func(plan.Event)) ([]string, error) { return nil, nil },
	}, report, ask)
}

// A withOne is how a cluster goes on with one master: which, by what steps, and what is to
// be done and said when the others are gone.
type withOne struct {
	choose func(context.Context, *run, *status.Snapshot) (repair.Loss, error)
	stages func(*run) [][]plan.Item
	end    func(context.Context, *run, repair.Loss, func(plan.Event)) (warnings []string, err error)
}

func (c *Cluster) goOn(ctx context.Context, verb settings.Verb, w withOne, report func(plan.Event), ask func(repair.Loss) error) (s *Summary, err error) {
	warning, err := c.withLease(ctx, verb, report, func(ctx context.Context, h hold, report func(plan.Event)) error {
		s = nil
		r := c.runFor(verb, h)
		before, err := repair.See(ctx, r.Task, report)
		if err != nil {
			return err
		}
		loss, err := w.choose(ctx, r, before)
		if err != nil {
			return err
		}
		if err := preflight.FitToRepair(ctx, r.Task, repair.Revivals(r.Task)); err != nil {
			return err
		}
		if err := ask(loss); err != nil {
			return err
		}
		if err := plan.RunStages(ctx, r.Gate, w.stages(r), report); err != nil {
			return err
		}
		if err := r.sweepOthers(ctx, report); err != nil {
			return err
		}
		warnings, err := w.end(ctx, r, loss, report)
		if err != nil {
			return err
		}
		s = r.summary()
		s.Repaired, s.GivenUp = []string{loss.Survivor}, loss.GivenUp
		s.Warnings = append(s.Warnings, warnings...)
		return nil
	})
	return s.warned(warning), err
}

// sweepOthers takes away what is left of the masters that are given up, as their
// removal would: disks, Nodes, groups; with the last one the address goes to the
// survivor.
func (r *run) sweepOthers(ctx context.Context, report func(plan.Event)) error {
	for _, o := range r.GivenUp {
		back := r.reversed()
		back.Replica = o
		have, err := back.Look(ctx)
		if err != nil {
			return err
		}
		back.Have = have
		back.Replica.Status = have.StatusOf(o)
		back.SawMasters(back.Have)
		step.DecideBalancer(back.Task)
		if err := plan.Run(ctx, r.Gate, back.items(), report); err != nil {
			return err
		}
	}
	return nil
}

// Restore brings the cluster back to what a backup has (and where there is none makes it of that,
// see madeOf): on its first master, which is made
// anew if it is gone, with the same authorities and at the same address, so that nodes come
// back by themselves. All other masters are given up. ask hears first what is lost; an error
// of it ends the run before any change. What there was is kept until the end. Cut anywhere,
// the same again goes on.
func (c *Cluster) Restore(ctx context.Context, b *backup.Source, report func(plan.Event), ask func(repair.Loss) error) (*Summary, error) {
	if x, err := c.madeOf(ctx, b); err != nil {
		return nil, &Unchanged{err}
	} else if x != nil {
		return x.restoreElsewhere(ctx, report, ask)
	}
	return c.goOn(ctx, settings.RestoreVerb, withOne{
		choose: func(ctx context.Context, r *run, s *status.Snapshot) (repair.Loss, error) {
			return repair.Onto(ctx, r.Task, s, b)
		},
		stages: func(r *run) [][]plan.Item { return repair.RestoreList(r.Task, b) },
		end:    c.restored,
	}, report, ask)
}

// madeOf is the cluster that is to be made of a backup; nil if it is there to be brought back.
func (c *Cluster) madeOf(ctx context.Context, b *backup.Source) (*Cluster, error) {
	r := c.runFor(settings.StatusVerb, hold{})
	err := status.Find(ctx, r.Task)
	if errors.As(err, new(*status.NoCluster)) {
		r.Have, err = nil, nil
	}
	if err != nil {
		return nil, err
	}
	if is, err := elsewhere.IsHere(r.Have, &r.Want, b); is || err != nil {
		return nil, err
	}
	x := *c
	x.source = b
	x.settings, err = elsewhere.Settings(c.settings, &b.Record)
	return &x, err
}

// restoreElsewhere makes it.
func (c *Cluster) restoreElsewhere(ctx context.Context, report func(plan.Event), ask func(repair.Loss) error) (s *Summary, err error) {
	warning, err := c.withLease(ctx, settings.Up, report, func(ctx context.Context, h hold, report func(plan.Event)) error {
		s = nil
		r, items, err := c.up(ctx, h, doing(report))
		if err != nil {
			return err
		}
		of := r.Master().Name
		if err := ask(repair.Loss{Survivor: of, GivenUp: []string{}, Lines: elsewhere.Told(&c.source.Record, &r.Want)}); err != nil {
			return err
		}
		if err := r.walk(ctx, items, report); err != nil {
			return err
		}
		if r.Lease.Done(inventory.RestoredKey) {
			if err := r.Lease.Keep(ctx); err != nil {
				return err
			}
		}
		s = r.summary()
		s.Repaired = []string{of}
		return nil
	})
	return s.warned(warning), err
}

// RestoreDisk does that with a snapshot of a master's data disk, where all such disks are lost.
func (c *Cluster) RestoreDisk(ctx context.Context, snapshot string, report func(plan.Event), ask func(repair.Loss) error) (*Summary, error) {
	return c.goOn(ctx, settings.RestoreVerb, withOne{
		choose: func(ctx context.Context, r *run, s *status.Snapshot) (repair.Loss, error) {
			return repair.OntoDisk(ctx, r.Task, s, snapshot)
		},
		stages: func(r *run) [][]plan.Item { return repair.DiskList(r.Task) },
		end:    c.restored,
	}, report, ask)
}

// restored is the end of a restore.
func (c *Cluster) restored(ctx context.Context, r *run, loss repair.Loss, report func(plan.Event)) ([]string, error) {
	r.Moved(loss.Survivor) // the address may have come back to it
	err := plan.Run(ctx, r.Gate, repair.RestoredList(r.Task), report)
	if err == nil && r.Lease.Done(inventory.RestoreKey) {
		err = r.Lease.Keep(ctx)
	}
	if err != nil {
		return nil, err
	}
	return c.madeSince(ctx), nil
}

// OnRotate has f called in a rotation, or a preview of one, before anything is changed. An
// error of f ends the run.
func (c *Cluster) OnRotate(f func(Rotating) error) { c.rotates = f }

// Rotate makes something of all masters anew, or what nodes join with (one of [inventory.Rotatable]), one master after
// the other: all have to be well before each and with each. Leaf certificates are signed by the
// authorities that are there, another authority is trusted before it signs, Secrets are written with another key before the old one goes, and
// tokens by the old key are taken until that is distrusted. Of authorities and tokens something is
// seen where there is one master: its API server starts anew. Cut anywhere, the same again goes on.
func (c *Cluster) Rotate(ctx context.Context, of string, report func(plan.Event)) (s *Summary, err error) {
	warning, err := c.withLease(ctx, settings.RotateVerb, report, func(ctx context.Context, h hold, report func(plan.Event)) (err error) {
		s = nil
		r := c.runFor(settings.RotateVerb, h)
		p, err := c.rotation(ctx, r, of, func() (*status.Snapshot, error) { return repair.See(ctx, r.Task, report) })
		if err != nil {
			return err
		}
		var done []string
		err = r.metered(ctx, func(report func(plan.Event)) error {
			done, err = r.rotate(ctx, p, report)
			return err
		}, report)
		if err != nil {
			return err
		}
		s = r.summary()
		s.Rotated, s.Nothing = done, !p.Any()
		if h.lease.Done(inventory.RotationKey) {
			err = h.gate(ctx)
		}
		return err
	})
	return s.warned(warning), err
}

// PreviewRotate is the walk of Rotate without acting.
func (c *Cluster) PreviewRotate(ctx context.Context, of string, report func(plan.Event)) (changes int, err error) {
	r := c.runFor(settings.RotateVerb, hold{})
	p, err := c.rotation(ctx, r, of, func() (*status.Snapshot, error) {
		seen, err := status.Read(ctx, r.Task)
		if err == nil {
			repair.Placed(r.Task, seen)
		}
		return seen, err
	})
	if err != nil {
		return 0, err
	}
	changes, err = plan.PreviewStages(ctx, p.Lists(r.Task), report)
	c.warn(r)
	return changes, err
}

// rotation looks around, refuses what would be refused on the way, and tells what there is to
// do.
func (c *Cluster) rotation(ctx context.Context, r *run, of string, see func() (*status.Snapshot, error)) (*rotate.Plan, error) {
	seen, err := see()
	if err != nil {
		return nil, err
	}
	p, err := rotate.Judge(seen, of, time.Now())
	if err == nil {
		err = p.OfOther(r.Env, time.Now())
	}
	if err == nil {
		err = preflight.FitToRotate(ctx, r.Task, &p.Rotation, p.WritesKubeconfig())
	}
	if err != nil || c.rotates == nil {
		return p, err
	}
	x := Rotating{Masters: []Rolled{}}
	if p.Begun {
		x.Since = p.Since().Format(time.RFC3339)
	}
	for _, m := range p.Masters {
		why := rotate.MadeAnew[of]
		if m.Done {
			why = ""
		}
		x.Masters = append(x.Masters, Rolled{m.Name, m.Zone, why})
	}
	for _, g := range p.Groups {
		x.Masters = append(x.Masters, Rolled{g.Name, g.Zone, rotate.MadeAnew[of]})
	}
	x.Ends = p.Ends(ctx, r.Env)
	return p, c.rotates(x)
}

// rotate makes what is left anew, and returns the masters that it was left of.
func (r *run) rotate(ctx context.Context, p *rotate.Plan, report func(plan.Event)) (done []string, err error) {
	if p.Any() {
		r.Lease.Note(inventory.RotationKey, p.Label())
	}
	for _, list := range p.Lists(r.Task) {
		err := plan.Run(ctx, r.Gate, list, report)
		if err != nil && !lease.IsOusted(err) {
			err = fmt.Errorf("%w\n%s", err, cure.Hint("this goes on from here", cure.Same()))
		}
		if err != nil {
			return nil, err
		}
	}
	return p.Names(), nil
}

// madeSince is what there is beside the restored objects, or is not any more: Nodes without
// machines, machines without Nodes, as far as it can be asked.
func (c *Cluster) madeSince(ctx context.Context) (list []string) {
	now, err := c.Status(ctx)
	if err != nil {
		return []string{"what was made since the backup could not be asked for: " + err.Error()}
	}
	for _, u := range now.Unfinished {
		list = append(list, fmt.Sprintf("since the backup: %s; this ends it: %s", u.Step, u.Command))
	}
	return list
}

// Drill makes failures on purpose, one after the other, and says what came of each. Whatever
// ends it, each is taken back: here, or by the machine itself when hakube is gone. The
// error is about drills that could not be made to their end; whether they passed is in the
// report.
func (c *Cluster) Drill(ctx context.Context, o drill.Options, report func(plan.Event)) (x *drill.Report, err error) {
	_, err = c.withLease(ctx, settings.DrillVerb, report, func(ctx context.Context, h hold, report func(plan.Event)) error {
		f := c.field(h, o, report)
		plans, skipped, err := f.Prepare(ctx)
		if err != nil {
			return err
		}
		if err := o.Ask(plans, skipped); err != nil {
			return err
		}
		x, err = f.Run(ctx, plans, skipped)
		return err
	})
	return x, err
}

// UndoDrill takes back what a drill left that was killed, and returns the machines on which.
func (c *Cluster) UndoDrill(ctx context.Context, report func(plan.Event)) (undone []string, err error) {
	_, err = c.withLease(ctx, settings.DrillVerb, report, func(ctx context.Context, h hold, report func(plan.Event)) error {
		f := c.field(h, drill.Options{Pace: drill.UsualPace}, report)
		if err := status.Find(ctx, f.Task); err != nil {
			return err
		}
		if undone, err = f.UndoLeft(ctx); err != nil {
			return err
		}
		if err := f.Record(ctx, "", ""); err != nil {
			return err
		}
		return f.Sweep(ctx)
	})
	return undone, err
}

// field is where drills take place.
func (c *Cluster) field(h hold, o drill.Options, report func(plan.Event)) *drill.Field {
	return &drill.Field{
		Task: c.runFor(settings.DrillVerb, h).Task, Options: o, Say: report, Look: c.Validate,
		Record: func(ctx context.Context, name, on string) error {
			h.lease.Note(inventory.DrillKey, name)
			h.lease.Note(inventory.DrillOnKey, on)
			if err := h.gate(ctx); err != nil {
				return err
			}
			return h.lease.Keep(ctx)
		},
	}
}
