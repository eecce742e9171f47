package task

import (
	"context"

	"hakube/cluster/inventory"
	"hakube/cluster/plan"
)

// Lines collects items.
type Lines struct {
	Want  bool
	Items []plan.Item
	Open  bool // the next may go beside the last
}

// Then adds steps that need those before them, but not each other.
func (l *Lines) Then(steps ...plan.Step) {
	l.Open = false
	l.Beside(steps...)
}

// Each adds steps that need one another, in their order.
func (l *Lines) Each(steps []plan.Step) {
	for _, s := range steps {
		l.Then(s)
	}
}

// Beside adds steps that need none of those since the last then.
func (l *Lines) Beside(steps ...plan.Step) {
	for _, s := range steps {
		l.Items = append(l.Items, plan.Item{Step: s, Want: l.Want, Beside: l.Open})
		l.Open = true
	}
}

// Thing is an object in the engine's words.
func Thing(o inventory.Object) plan.Thing {
	return plan.Thing{Kind: string(o.Kind), Name: o.Name, Zone: o.Zone, Region: o.Region}
}

// An ObjectStep is a step that makes an object of the cloud, or takes it away.
type ObjectStep interface {
	plan.Step
	Object() inventory.Object
}

// A Foreseeing step of an object can look before the first change, for itself later.
type Foreseeing interface {
	ObjectStep
	// Foresee looks; absent is that nobody need be asked.
	Foresee(ctx context.Context, absent bool) (plan.State, error)
}
