package task

import "hakube/cluster/plan"

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
