package cluster

import "hakube/cluster/plan"

// lines collects items.
type lines struct {
	want  bool
	items []plan.Item
	open  bool // the next may go beside the last
}

// then adds steps that need those before them, but not each other.
func (l *lines) then(steps ...plan.Step) {
	l.open = false
	l.beside(steps...)
}

// each adds steps that need one another, in their order.
func (l *lines) each(steps []plan.Step) {
	for _, s := range steps {
		l.then(s)
	}
}

// beside adds steps that need none of those since the last then.
func (l *lines) beside(steps ...plan.Step) {
	for _, s := range steps {
		l.items = append(l.items, plan.Item{Step: s, Want: l.want, Beside: l.open})
		l.open = true
	}
}
