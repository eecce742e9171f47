package member

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"hakube/cluster/env"
	"hakube/cluster/grouped"
	"hakube/cluster/inventory"
	"hakube/cluster/plan"
	"hakube/cluster/refusal"
	"hakube/cluster/task"
	"hakube/gce"
	"hakube/scripts/cure"
)

// WithDisk is the fact that no machine runs without its data disk: there is none
// to be made into a master again, and one that is made has to be made with it.
type WithDisk struct {
	Env *env.Env
	Of  inventory.Object
}

func (w WithDisk) String() string    { return w.Of.Name + " is not without its disk" }
func (w WithDisk) About() plan.Thing { return task.Thing(w.Of) }

func (w WithDisk) Observe(ctx context.Context) (plan.State, error) {
	i, err := w.Env.GCE.Instances(w.Of.Zone).Get(ctx, w.Of.Name)
	if gce.IsNotFound(err) {
		return plan.Exists("there is no machine")
	}
	if err != nil {
		return plan.State{}, err
	}
	if !w.Env.Owns(i.GetDescription()) {
		return plan.State{}, inventory.Foreign("machine "+w.Of.Name, w.Of, i.GetDescription())
	}
	for _, d := range i.GetDisks() {
		if gce.Base(d.GetSource()) == w.Env.Want.Names.DiskOf(w.Of.Name) {
			return plan.Exists("")
		}
	}
	return plan.State{Is: plan.Absent, Why: "the machine has no data disk"}, nil
}

func (w WithDisk) Do(ctx context.Context) error {
	w.Env.Moved(w.Of.Name)
	return w.Env.GCE.Instances(w.Of.Zone).Delete(ctx, w.Of.Name)
}

func (WithDisk) Undo(context.Context) error { return nil } // never unwanted

// Tagged is the fact that a master has the network tag that firewall rules are for.
type Tagged struct {
	Env *env.Env
	Of  inventory.Object
}

func (t Tagged) String() string    { return "network tag of " + t.Of.Name }
func (t Tagged) About() plan.Thing { return task.Thing(t.Of) }

func (t Tagged) Observe(ctx context.Context) (plan.State, error) {
	i, err := t.Env.GCE.Instances(t.Of.Zone).Get(ctx, t.Of.Name)
	if err != nil {
		return plan.State{}, err
	}
	if !slices.Contains(i.GetTags().GetItems(), t.Env.Want.Names.MasterTag()) {
		return plan.State{Is: plan.Absent, Why: "firewall rules let nothing in"}, nil
	}
	return plan.Exists(t.Env.Want.Names.MasterTag())
}

func (t Tagged) Do(ctx context.Context) error {
	instances := t.Env.GCE.Instances(t.Of.Zone)
	i, err := instances.Get(ctx, t.Of.Name)
	if err != nil {
		return err
	}
	tags := i.GetTags()
	tags.Items = append(tags.Items, t.Env.Want.Names.MasterTag())
	return instances.SetTags(ctx, t.Of.Name, tags)
}

func (Tagged) Undo(context.Context) error { return nil } // never unwanted

// sshAnswers is the fact that a machine takes connections over ssh. One that runs, as
// far as the cloud knows, and does not answer is reset; when that does not boot it
// either, it is made again around its data disk, with a new boot disk.
type sshAnswers struct {
	env  *env.Env
	of   inventory.Object
	ran  bool                        // when the run began
	anew func(context.Context) error // makes the machine
}

// SSHAnswers is that fact about a patient.
func SSHAnswers(r *task.Task, of inventory.Object) plan.Step {
	return sshAnswers{r.Env, of, r.Have.StatusOf(of) == "RUNNING", grouped.Anew(r, of)}
}

func (a sshAnswers) String() string    { return a.of.Name + " answers" }
func (a sshAnswers) About() plan.Thing { return task.Thing(a.of) }

func (a sshAnswers) Observe(ctx context.Context) (plan.State, error) {
	if why := a.env.Silence(ctx, a.of); why != nil {
		return plan.State{Is: plan.Absent, Why: why.Error()}, nil
	}
	return plan.Exists("")
}

func (a sshAnswers) Do(ctx context.Context) error {
	if !a.ran { // this run has started it
		if err := a.env.Answers(ctx, a.of, ""); err == nil || ctx.Err() != nil {
			return err
		}
	}
	instances := a.env.GCE.Instances(a.of.Zone)
	before := a.env.ConsoleAfter(ctx, a.of.Zone, a.of.Name, "") // nothing where nobody may read it
	if err := instances.Reset(ctx, a.of.Name); err != nil {
		return err
	}
	a.env.Moved(a.of.Name)
	err := a.env.Answers(ctx, a.of, before)
	var dead *env.NoBoot
	if err == nil || ctx.Err() != nil {
		return err
	}
	if !errors.As(err, &dead) && a.boots(ctx, before) {
		return a.partitioned(ctx, err)
	}
	if err := a.env.Gate.Ask(ctx); err != nil {
		return err
	}
	plan.Note(ctx, "it does not boot: it is made again around its data disk")
	if err := instances.Delete(ctx, a.of.Name); err != nil {
		return err
	}
	a.env.Moved(a.of.Name)
	if err := a.env.Gate.Ask(ctx); err != nil {
		return err
	}
	if err := a.anew(ctx); err != nil {
		return err
	}
	return a.env.Answers(ctx, a.of, "")
}

// boots tells by its console that its startup-script ran, or runs.
func (a sshAnswers) boots(ctx context.Context, before string) bool {
	return strings.Contains(a.env.ConsoleAfter(ctx, a.of.Zone, a.of.Name, before), "hakube: ")
}

// partitioned is a machine that lives, and is not reached.
func (a sshAnswers) partitioned(ctx context.Context, err error) error {
	ip, ipErr := a.env.External(ctx, a.of)
	if ipErr != nil {
		return errors.Join(err, ipErr)
	}
	return &refusal.Refused{
		Why: fmt.Sprintf("%s in %s boots, as its console says, and is not reached: from here at %s:22: %v", a.of.Name, a.of.Zone, ip, err),
		Cure: cure.Hint(fmt.Sprintf("hakube's firewall rules and the tag %s are as they should be; look for what else is in the way (other firewall rules, routes, the machine's own)",
			a.env.Want.Names.MasterTag()), cure.Console(a.of.Name, a.of.Zone)),
	}
}

func (sshAnswers) Undo(context.Context) error { return nil } // never unwanted
