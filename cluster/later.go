package cluster

import (
	"cmp"
	"context"

	"hakube/cluster/plan"
	"hakube/cluster/settings"
)

// What a cluster was begun with is in the description of its address, which never
// changes (birth.go). A setting that a later run may change is written into a label
// of the address then, with the lease: otherwise the next shell without the variable
// would bring back what the cluster was begun with.

// laterLabels are the labels of such variables.
var laterLabels = map[string]string{"HAKUBE_LOAD_BALANCER": "hakube-load-balancer"}

// said is what is written down of a variable.
func (h held) said(variable string) string {
	return cmp.Or(h.labels[laterLabels[variable]], h.begun[variable])
}

// unwritten are the facts that what is set by hand, to something else than is written
// down, is written down too. A cluster without an address has no record yet: it is
// begun with what is set. A run for a pool does not heed these settings.
func (r *run) unwritten() (list []written) {
	if r.have.held.begun == nil || r.mode != settings.Create && r.mode != settings.AddReplica && r.mode != settings.RemoveReplica {
		return nil
	}
	for _, f := range settings.Fields() {
		w := written{r, f.Tag.Get("envconfig"), r.want.Settings.TextOf(f)}
		if laterLabels[w.variable] != "" && r.want.Settings.Says(w.variable) && w.value != r.have.held.said(w.variable) {
			list = append(list, w)
		}
	}
	return list
}

// notes has it written with the first change of the run, at no extra call, so that
// one that is cut is gone on with from any shell.
func (r *run) notes() {
	for _, w := range r.unwritten() {
		r.lease.Note(laterLabels[w.variable], w.value)
	}
}

// written sees to it when there is no other change.
func (r *run) written() (steps []plan.Step) {
	for _, w := range r.unwritten() {
		steps = append(steps, w)
	}
	return steps
}

type written struct {
	*run
	variable, value string
}

func (w written) String() string { return w.variable + "=" + w.value + " is written down" }

func (w written) Observe(ctx context.Context) (plan.State, error) {
	h, err := w.holder(ctx)
	if err != nil {
		return plan.State{}, err
	}
	if is := h.said(w.variable); is != w.value {
		return plan.State{Is: plan.Absent, Why: "it is " + cmp.Or(is, "nowhere")}, nil
	}
	return exists("")
}

// Do has nothing to add: the lease, which every change needs, has taken it along.
func (w written) Do(context.Context) error { return nil }

func (written) Undo(context.Context) error { return nil } // never unwanted
