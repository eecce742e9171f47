package drill

import (
	"context"
	"errors"
	"fmt"
	"time"

	"hakube/cluster/inventory"
	"hakube/gce"
	"hakube/replicate"
)

// askLimit is how long a machine may take to fail, or to take that back.
const askLimit = time.Minute

// undoLimit is how long taking it back may take, a machine's start included.
const undoLimit = 5 * time.Minute

// begin makes the failure. What is on the machine takes it back by itself when the deadline
// is over; before that is so nothing fails.
func (f *Field) begin(ctx context.Context, p Plan) error {
	switch p.failure {
	case stops:
		return f.GCE.Instances(p.On.Zone).Stop(ctx, p.On.Name)
	case resets:
		return f.GCE.Instances(p.On.Zone).Reset(ctx, p.On.Name)
	}
	if err := f.Gate.Ask(ctx); err != nil {
		return err
	}
	return f.OverSSH(ctx, p.On, askLimit, func(ctx context.Context, h replicate.Host) error {
		return replicate.BeginFailure(ctx, f.Deps.SSH, h, p.failure, f.Deadline)
	})
}

// undo takes it back, also when whoever asked for the drill is gone.
func (f *Field) undo(ctx context.Context, x Scenario, on inventory.Object) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoLimit)
	defer cancel()
	switch x.failure {
	case stops:
		return f.startAgain(ctx, on)
	case resets:
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

// startAgain starts a machine that does not run. One that is gone was taken by somebody else.
func (f *Field) startAgain(ctx context.Context, on inventory.Object) error {
	i, err := f.GCE.Instances(on.Zone).Get(ctx, on.Name)
	switch {
	case gce.IsNotFound(err):
		return nil
	case err != nil:
		return err
	case i.GetStatus() == "RUNNING":
		return nil
	}
	defer f.Moved(on.Name) // its address may be another
	return f.GCE.Instances(on.Zone).Start(ctx, on.Name)
}

// UndoLeft takes back what a drill left that was killed, on the machine that the address's
// labels name: on all masters if they name none.
func (f *Field) UndoLeft(ctx context.Context) (undone []string, err error) {
	held := f.Have.Holder
	var errs []error
	for _, m := range f.Have.Masters(f.Want.Names) {
		if held.DrillOn == "" || held.DrillOn == m.Name {
			errs = append(errs, f.undoOn(ctx, held.Drill, m))
			undone = append(undone, m.Name)
		}
	}
	if held.DrillOn != "" && len(undone) == 0 { // a node
		nodes, err := f.nodeCalled(ctx, held.DrillOn)
		if err != nil {
			return nil, err
		}
		for _, n := range nodes {
			errs = append(errs, f.undoOn(ctx, held.Drill, n))
			undone = append(undone, n.Name)
		}
	}
	return undone, errors.Join(errs...)
}

// undoOn takes back a drill of the name; what is not known of is taken back on the machine.
func (f *Field) undoOn(ctx context.Context, name string, on inventory.Object) error {
	x, known := Named(name)
	if known && x.failure == stops {
		return f.startAgain(ctx, on)
	}
	if on.Status != "" && on.Status != "RUNNING" {
		return nil // its failure ended with its power
	}
	return f.undo(ctx, x, on)
}

// nodeCalled looks for a machine in all zones; it may be gone.
func (f *Field) nodeCalled(ctx context.Context, name string) (list []inventory.Object, err error) {
	all, err := f.GCE.AggregatedInstances(ctx)
	for _, i := range all {
		if i.GetName() == name && f.Owns(i.GetDescription()) {
			o := inventory.InstanceOf(i)
			list = append(list, o)
		}
	}
	return list, err
}
