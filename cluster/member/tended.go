package member

import (
	"context"
	"fmt"

	"hakube/cluster/env"
	"hakube/cluster/inventory"
	"hakube/cluster/plan"
	"hakube/cluster/refusal"
	"hakube/cluster/rings"
	"hakube/cluster/task"
	"hakube/replicate"
	"hakube/scripts/cure"
)

// tended is what a master's etcd needs of its machine: room on the data disk, and the
// time that the others have.
type tended struct {
	env     *env.Env
	of      inventory.Object
	masters []inventory.Object
}

// Tended is that about a patient.
func Tended(r *task.Task, of inventory.Object) []plan.Step {
	t := tended{r.Env, of, r.Masters()}
	return []plan.Step{roomy{t}, onTime{t}}
}

func (t tended) About() plan.Thing { return task.Thing(t.of) }

func (t tended) look(ctx context.Context) *rings.Survey {
	return t.env.SurveyWrites(ctx, t.env.AsSeen(t.masters))
}

func (t tended) do(ctx context.Context, what func(context.Context, *replicate.Runner, replicate.Host) error) error {
	return t.env.OverSSH(ctx, t.of, 2*env.ScriptLimit, func(ctx context.Context, h replicate.Host) error { return what(ctx, t.env.Deps.SSH, h) })
}

// state is present when nothing is known to be wrong: one that is made anew has neither.
func state(why string) (plan.State, error) {
	if why != "" {
		return plan.State{Is: plan.Partial, Why: why}, nil
	}
	return plan.Exists("")
}

type roomy struct{ tended }

func (t roomy) String() string { return "room on the data disk of " + t.of.Name }

func (t roomy) Observe(ctx context.Context) (plan.State, error) {
	return state(t.look(ctx).Disks[t.of.Name].Full())
}

// Do makes room out of what there is: what its etcds have and do not use, and what the
// disk has and its file system does not. More is somebody's to pay for.
func (t roomy) Do(ctx context.Context) error {
	s := t.look(ctx)
	for _, ring := range rings.Names {
		own := s.Answers[t.of.Name][ring]
		if own.Size-own.InUse < own.Size/2 {
			continue
		}
		w := writes{env: t.env, ring: ring, masters: t.masters, with: healthyIn(s, ring)}
		if err := w.change(ctx, t.of.Name, "defragmenting", replicate.Defragment); err != nil {
			return err
		}
		if err := w.settled(ctx); err != nil {
			return err
		}
	}
	if err := t.env.Gate.Ask(ctx); err != nil {
		return err
	}
	if err := t.do(ctx, replicate.GrowFiles); err != nil {
		return err
	}
	s = t.look(ctx)
	why := s.Disks[t.of.Name].Full()
	if why == "" {
		return nil
	}
	disk := t.env.Want.Names.DiskOf(t.of.Name)
	larger := (s.Disks[t.of.Name].Bytes*2 + 1<<30 - 1) >> 30
	return &refusal.Refused{
		Why: fmt.Sprintf("%s in %s: %s; its file system is as large as the disk, and its etcds use what they have", t.of.Name, t.of.Zone, why),
		Cure: cure.Hint("make it larger, or take away what is on it beside etcd, and then again",
			cure.Compute(fmt.Sprintf("disks resize %s --zone=%s --size=%dGB --quiet", disk, t.of.Zone, larger)), cure.Repair(t.of.Name)),
	}
}

func (roomy) Undo(context.Context) error { return nil } // never unwanted

type onTime struct{ tended }

func (t onTime) String() string { return "clock of " + t.of.Name }

func (t onTime) Observe(ctx context.Context) (plan.State, error) {
	return state(t.look(ctx).ClockWhy(t.of.Name))
}

func (t onTime) Do(ctx context.Context) error { return t.do(ctx, replicate.SetClock) }

func (onTime) Undo(context.Context) error { return nil } // never unwanted
