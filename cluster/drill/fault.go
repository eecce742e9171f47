package drill

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"hakube/cluster/inventory"
	"hakube/cluster/plan"
	"hakube/gce"
	"hakube/replicate"
)

// askLimit is how long a machine may take to fail, or to take that back.
const askLimit = time.Minute

// undoLimit is how long taking it back may take, a machine's start included.
const undoLimit = 5 * time.Minute

// begin makes the failure. What is on machines they take back by themselves when the deadline
// is over; before that is so nothing fails.
func (f *Field) begin(ctx context.Context, p Plan) error {
	switch p.failure {
	case stops:
		return f.GCE.Instances(p.On.Zone).Stop(ctx, p.On.Name)
	case resets:
		return f.GCE.Instances(p.On.Zone).Reset(ctx, p.On.Name)
	case deletes:
		return f.deleteNamespace(ctx)
	}
	if err := f.Gate.Ask(ctx); err != nil {
		return err
	}
	var from map[string][]string
	if p.failure == others {
		var err error
		if from, err = f.apart(ctx, p); err != nil {
			return err
		}
	}
	return each(p.machines, func(m inventory.Object) error {
		return f.OverSSH(ctx, m, askLimit, func(ctx context.Context, h replicate.Host) error {
			return replicate.BeginFailure(ctx, f.Deps.SSH, h, p.failure, f.Deadline, from[m.Name]...)
		})
	})
}

// apart are, for each machine that fails, the addresses of those that do not and of their pods. A
// node's way to masters elsewhere is the API's address; a master has that itself.
func (f *Field) apart(ctx context.Context, p Plan) (map[string][]string, error) {
	all, err := f.GCE.AggregatedInstances(ctx)
	if err != nil {
		return nil, err
	}
	var there []string
	for _, i := range all {
		if !f.Owns(i.GetDescription()) || p.fails(i.GetName()) {
			continue
		}
		for _, nic := range i.GetNetworkInterfaces() {
			there = append(there, nic.GetNetworkIP())
			for _, pods := range nic.GetAliasIpRanges() {
				there = append(there, pods.GetIpCidrRange())
			}
		}
	}
	from := map[string][]string{}
	for _, m := range p.machines {
		from[m.Name] = there
		if !slices.ContainsFunc(f.Have.Masters(f.Want.Names), func(o inventory.Object) bool { return o.Name == m.Name }) {
			from[m.Name] = append(slices.Clone(there), f.Have.Holder.IP)
		}
	}
	return from, nil
}

// each does something with all machines beside each other.
func each(list []inventory.Object, do func(inventory.Object) error) error {
	errs := make([]error, len(list))
	var work sync.WaitGroup
	for i, m := range list {
		work.Go(func() { errs[i] = do(m) })
	}
	work.Wait()
	return errors.Join(errs...)
}

// undo takes it back, also when whoever asked for the drill is gone.
func (f *Field) undo(ctx context.Context, x Scenario, list ...inventory.Object) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoLimit)
	defer cancel()
	return each(list, func(m inventory.Object) error { return f.undoOn(ctx, x, m) })
}

func (f *Field) undoOn(ctx context.Context, x Scenario, on inventory.Object) error {
	switch x.failure {
	case stops:
		return f.startAgain(ctx, on)
	case resets, deletes:
		return nil
	}
	err := f.OverSSH(ctx, on, askLimit, func(ctx context.Context, h replicate.Host) error {
		return replicate.UndoFailure(ctx, f.Deps.SSH, h)
	})
	if err != nil {
		return fmt.Errorf("taking drill %s of %s back: %w; the machine itself does so within %s of the failure", x.Name, on.Name, err, f.Deadline)
	}
	return nil
}

// startAgain starts a machine that does not run, once it has stopped: a drill may have been killed
// while it did. One that is gone was taken by somebody else.
func (f *Field) startAgain(ctx context.Context, on inventory.Object) error {
	var is string
	err := f.Until(ctx, plan.Condition{
		For: "machine " + on.Name + " to have stopped", Every: f.Poll, Limit: undoLimit,
		Check: func(ctx context.Context) (bool, string, error) {
			i, err := f.GCE.Instances(on.Zone).Get(ctx, on.Name)
			if gce.IsNotFound(err) {
				return true, "", nil
			}
			is = i.GetStatus()
			return err == nil && is != "STOPPING" && is != "SUSPENDING", "it is " + is, err
		},
	})
	if err != nil {
		return err
	}
	switch is {
	case "", "RUNNING", "PROVISIONING", "STAGING":
		return nil
	}
	if f.kept(on) { // who starts it would be in its group's way
		return nil
	}
	defer f.Moved(on.Name) // its address may be another
	return f.GCE.Instances(on.Zone).Start(ctx, on.Name)
}

// UndoLeft takes back what a drill left that was killed, on the machine that the address's
// labels name, or on those of the zone: on all masters if they name none.
func (f *Field) UndoLeft(ctx context.Context) (undone []string, err error) {
	held := f.Have.Holder
	var failed []inventory.Object
	if held.DrillOn == "" {
		failed = f.Have.Masters(f.Want.Names)
	} else {
		own, err := f.own(ctx)
		if err != nil {
			return nil, err
		}
		for _, m := range own { // it may be gone
			if m.Name == held.DrillOn || m.Zone == held.DrillOn {
				failed = append(failed, m)
			}
		}
	}
	x, known := Named(held.Drill)
	failed = slices.DeleteFunc(failed, func(m inventory.Object) bool { // its failure ended with its power, or will when it boots
		return (!known || x.failure != stops) && m.Status != "" && m.Status != "RUNNING"
	})
	for _, m := range failed {
		undone = append(undone, m.Name)
	}
	return undone, f.undo(ctx, x, failed...)
}
