package cluster

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"hakube/cluster/inventory"
	"hakube/cluster/plan"
	"hakube/cluster/refusal"
	"hakube/gce"
	"hakube/replicate"
	"hakube/scripts/cure"
)

// withDisk is the fact that no machine runs without its data disk: there is none
// to be made into a master again, and one that is made has to be made with it.
type withDisk struct {
	env *env
	of  inventory.Object
}

func (w withDisk) String() string { return w.of.Name + " is not without its disk" }

func (w withDisk) Observe(ctx context.Context) (plan.State, error) {
	i, err := w.env.GCE.Instances(w.of.Zone).Get(ctx, w.of.Name)
	if gce.IsNotFound(err) {
		return exists("there is no machine")
	}
	if err != nil {
		return plan.State{}, err
	}
	if !w.env.owns(i.GetDescription()) {
		return plan.State{}, inventory.Foreign("machine "+w.of.Name, w.of, i.GetDescription())
	}
	for _, d := range i.GetDisks() {
		if gce.Base(d.GetSource()) == w.env.want.Names.DiskOf(w.of.Name) {
			return exists("")
		}
	}
	return plan.State{Is: plan.Absent, Why: "the machine has no data disk"}, nil
}

func (w withDisk) Do(ctx context.Context) error {
	w.env.moved(w.of.Name)
	return w.env.GCE.Instances(w.of.Zone).Delete(ctx, w.of.Name)
}

func (withDisk) Undo(context.Context) error { return nil } // never unwanted

// tagged is the fact that a master has the network tag that firewall rules are for.
type tagged struct {
	env *env
	of  inventory.Object
}

func (t tagged) String() string { return "network tag of " + t.of.Name }

func (t tagged) Observe(ctx context.Context) (plan.State, error) {
	i, err := t.env.GCE.Instances(t.of.Zone).Get(ctx, t.of.Name)
	if err != nil {
		return plan.State{}, err
	}
	if !slices.Contains(i.GetTags().GetItems(), t.env.want.Names.MasterTag()) {
		return plan.State{Is: plan.Absent, Why: "firewall rules let nothing in"}, nil
	}
	return exists(t.env.want.Names.MasterTag())
}

func (t tagged) Do(ctx context.Context) error {
	instances := t.env.GCE.Instances(t.of.Zone)
	i, err := instances.Get(ctx, t.of.Name)
	if err != nil {
		return err
	}
	tags := i.GetTags()
	tags.Items = append(tags.Items, t.env.want.Names.MasterTag())
	return instances.SetTags(ctx, t.of.Name, tags)
}

func (tagged) Undo(context.Context) error { return nil } // never unwanted

// sshAnswers is the fact that a machine takes connections over ssh. One that runs, as
// far as the cloud knows, and does not answer is reset; when that does not boot it
// either, it is made again around its data disk, with a new boot disk.
type sshAnswers struct {
	*run
	of inventory.Object
}

func (a sshAnswers) String() string { return a.of.Name + " answers" }

func (a sshAnswers) Observe(ctx context.Context) (plan.State, error) {
	if why := a.silence(ctx); why != nil {
		return plan.State{Is: plan.Absent, Why: why.Error()}, nil
	}
	return exists("")
}

// silence is why nothing runs on the machine over ssh, nil if something does.
func (a sshAnswers) silence(ctx context.Context) error {
	_, err := a.ringsOn(ctx, a.of)
	if run := (*replicate.RunError)(nil); errors.As(err, &run) && run.Err == nil || errors.Is(err, replicate.ErrDenied) {
		return nil // it answered, if only to say that it is no master yet
	}
	return err
}

// bootLimit is how long a machine may take from power to its first answer over
// ssh: a fifth of what the API may take, at most three minutes.
func (r *env) bootLimit() time.Duration {
	return min(r.want.Settings.InitTimeout.Duration()/5, 3*time.Minute)
}

func (a sshAnswers) Do(ctx context.Context) error {
	if a.have.StatusOf(a.of) != "RUNNING" { // this run has started it
		if err := a.wait(ctx, ""); err == nil || ctx.Err() != nil {
			return err
		}
	}
	instances := a.GCE.Instances(a.of.Zone)
	before, _, err := instances.SerialOutput(ctx, a.of.Name, 0)
	if err != nil {
		return err
	}
	if err := instances.Reset(ctx, a.of.Name); err != nil {
		return err
	}
	a.moved(a.of.Name)
	err = a.wait(ctx, before)
	var dead *noBoot
	if err == nil || ctx.Err() != nil {
		return err
	}
	if !errors.As(err, &dead) && a.boots(ctx, before) {
		return a.partitioned(ctx, err)
	}
	if err := plan.Gate(ctx); err != nil {
		return err
	}
	plan.Note(ctx, "it does not boot: it is made again around its data disk")
	if err := instances.Delete(ctx, a.of.Name); err != nil {
		return err
	}
	a.moved(a.of.Name)
	if err := plan.Gate(ctx); err != nil {
		return err
	}
	if err := a.insertMaster(ctx, a.of); err != nil {
		return err
	}
	return a.wait(ctx, "")
}

// noBoot is the firmware's word that there is nothing to boot from.
type noBoot struct{ word string }

func (e *noBoot) Error() string { return "it does not boot: " + e.word }

// firmware are words on the console of a machine whose boot disk is no good: of
// the UEFI firmware of Compute Engine, and of its older one.
var firmware = []string{"No bootable option or device was found", "No bootable device", "Boot failed: not a bootable disk"}

// wait waits until the machine answers. before is what its console had before it
// was started.
func (a sshAnswers) wait(ctx context.Context, before string) error {
	return plan.Until(ctx, plan.Condition{
		For: "ssh to " + a.of.Name, Every: a.poll, Limit: a.bootLimit(),
		Check: func(ctx context.Context) (bool, string, error) {
			err := a.silence(ctx)
			if err == nil {
				return true, "", nil
			}
			for _, word := range firmware {
				if strings.Contains(a.consoleAfter(ctx, a.of.Zone, a.of.Name, before), word) {
					return false, "", plan.Permanent(&noBoot{word})
				}
			}
			return false, "", err
		},
	})
}

// boots tells by its console that its startup-script ran, or runs.
func (a sshAnswers) boots(ctx context.Context, before string) bool {
	return strings.Contains(a.consoleAfter(ctx, a.of.Zone, a.of.Name, before), "hakube: ")
}

// partitioned is a machine that lives, and is not reached.
func (a sshAnswers) partitioned(ctx context.Context, err error) error {
	ip, ipErr := a.external(ctx, a.of)
	if ipErr != nil {
		return errors.Join(err, ipErr)
	}
	return &refusal.Refused{
		Why: fmt.Sprintf("%s in %s boots, as its console says, and is not reached: from here at %s:22: %v", a.of.Name, a.of.Zone, ip, err),
		Cure: cure.Hint(fmt.Sprintf("hakube's firewall rules and the tag %s are as they should be; look for what else is in the way (other firewall rules, routes, the machine's own)",
			a.want.Names.MasterTag()), cure.Console(a.of.Name, a.of.Zone)),
	}
}

func (sshAnswers) Undo(context.Context) error { return nil } // never unwanted
