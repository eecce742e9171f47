package member

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"hakube/cluster/env"
	"hakube/cluster/grouped"
	"hakube/cluster/inventory"
	"hakube/cluster/plan"
	"hakube/cluster/rings"
	"hakube/cluster/step"
	"hakube/cluster/task"
	"hakube/replicate"
	"hakube/scripts"
)

// revived is the fact that a master's own etcds run, or that it is known why not.
type revived struct {
	env      *env.Env
	of       inventory.Object
	ran      bool               // when the run began
	others   []inventory.Object // the masters but this one
	verdicts *task.Verdicts
}

// Revived is that fact about a patient.
func Revived(r *task.Task, of inventory.Object) revived {
	return revived{r.Env, of, r.Have.StatusOf(of) == "RUNNING", r.MastersBut(of.Name), r.Verdicts}
}

func (v revived) String() string    { return "etcd on " + v.of.Name + " was looked after" }
func (v revived) About() plan.Thing { return task.Thing(v.of) }

func (v revived) Observe(ctx context.Context) (plan.State, error) {
	if x, known := v.verdicts.Of(v.of.Name); known {
		return plan.Exists(task.VerdictText(x))
	}
	own, err := v.env.RingsOn(ctx, v.of)
	if err == nil && own[replicate.RingMain].ID != "" && own[replicate.RingEvents].ID != "" {
		return plan.Exists("both run")
	}
	return plan.State{Is: plan.Absent}, nil
}

// Do asks until the disk is mounted or the startup-script has said why not.
func (v revived) Do(ctx context.Context) error {
	var last replicate.Revived
	look := func(ctx context.Context) error { return v.look(ctx, &last) }
	err := v.env.WhileStirred(ctx, v.others, look)
	var failed *replicate.RunError // by itself: a reset would not help
	if err != nil && ctx.Err() == nil && !errors.As(err, &failed) && v.ran {
		// It ran, and its disk failed under it: what a boot says of it counts.
		if err := v.env.Gate.Ask(ctx); err != nil {
			return err
		}
		plan.Note(ctx, "its data disk does not answer: the machine is reset")
		if err := v.env.GCE.Instances(v.of.Zone).Reset(ctx, v.of.Name); err != nil {
			return err
		}
		err = v.env.WhileStirred(ctx, v.others, look)
	}
	if err != nil {
		return err
	}
	v.verdicts.Found(v.of.Name, last)
	return nil
}

func (v revived) look(ctx context.Context, last *replicate.Revived) error {
	return v.env.Until(ctx, plan.Condition{
		For: "the data disk of " + v.of.Name, Every: v.env.Poll, Limit: v.env.BootLimit(),
		Check: func(ctx context.Context) (bool, string, error) {
			host, err := v.env.Host(ctx, v.of)
			if err != nil {
				return false, "", err
			}
			x, err := replicate.ReviveEtcd(ctx, v.env.Deps.SSH, host)
			if err != nil && !env.InTheWay(err) {
				err = plan.Permanent(err)
			}
			if err != nil {
				return false, "", err
			}
			*last = x
			if x.Disk {
				return true, "", nil
			}
			phase, err := v.env.Phase(ctx, v.of)
			return strings.HasPrefix(phase, scripts.PhaseFailed), cmp.Or(phase, "boots"), err
		},
	})
}

func (revived) Undo(context.Context) error { return nil } // never unwanted

// readableDisk is the fact that a master's data disk holds what is its own. One that
// is foreign is refused. One of ours that cannot be read is made again, with the
// machine, if the others have quorum without it: then nothing is lost.
type readableDisk struct {
	env     *env.Env
	of      inventory.Object
	etcd    revived
	outlook task.Outlook
	foreign func(phase string) error    // the refusal of what is somebody else's
	leave   func(context.Context) error // has nobody else make the machine meanwhile
	anew    func(context.Context) error // makes the machine
}

// ReadableDisk is that fact about a patient.
func ReadableDisk(r *task.Task, of inventory.Object) plan.Step {
	e, have := r.Env, r.Have
	return readableDisk{
		e, of, Revived(r, of), r.Outlook(),
		func(phase string) error { return step.ForeignContent(e, have, of, phase) },
		grouped.Leave(r, of), grouped.Anew(r, of),
	}
}

func (d readableDisk) String() string    { return "what is on the disk of " + d.of.Name }
func (d readableDisk) About() plan.Thing { return task.Thing(d.of) }

func (d readableDisk) Observe(ctx context.Context) (plan.State, error) {
	x, known := d.outlook.Of(d.of.Name)
	if !known || x.Disk {
		return plan.Exists("its own")
	}
	phase, err := d.env.Phase(ctx, d.of)
	if err != nil {
		return plan.State{}, err
	}
	if err := d.foreign(phase); err != nil {
		return plan.State{}, err
	}
	return plan.State{Is: plan.Absent, Why: strings.TrimPrefix(phase, scripts.PhaseFailed)}, nil
}

func (d readableDisk) Do(ctx context.Context) error {
	s := d.env.Survey(ctx, d.env.AsSeen(d.etcd.others))
	if _, ok := s.Healthy(); !ok {
		return d.outlook.Hopeless(fmt.Sprintf("the disk of %s cannot be read, and no other master has quorum in both rings", d.of.Name), s)
	}
	for _, ring := range rings.Names {
		if err := replicate.MayRemove(ring, s.Voters(ring), d.of.Name); err != nil {
			return err
		}
	}
	d.env.Moved(d.of.Name)
	disk := d.env.Want.Names.DiskOf(d.of.Name)
	for _, change := range []func(context.Context) error{
		d.leave,
		func(ctx context.Context) error { return d.env.GCE.Instances(d.of.Zone).Delete(ctx, d.of.Name) },
		func(ctx context.Context) error {
			return d.env.LetGo(ctx, "disk "+disk, func(ctx context.Context) error { return d.env.GCE.Disks(d.of.Zone).Delete(ctx, disk) })
		},
		func(ctx context.Context) error {
			_, err := step.InsertDisk(ctx, d.env, disk, d.of.Zone, nil)
			return err
		},
		d.anew,
		func(ctx context.Context) error { return d.env.Answers(ctx, d.of, "") },
		d.reviveAgain,
	} {
		if err := d.env.Gate.Ask(ctx); err != nil {
			return err
		}
		if err := change(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (d readableDisk) reviveAgain(ctx context.Context) error {
	d.outlook.Forget(d.of.Name)
	return d.etcd.Do(ctx)
}

func (readableDisk) Undo(context.Context) error { return nil } // never unwanted
