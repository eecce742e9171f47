package live

import (
	"context"
	"strings"
	"time"

	"hakube/cluster/addons"
	"hakube/cluster/kube"
	"hakube/cluster/plan"
	"hakube/cluster/task"
)

// A Writers step is the fact that programs of addons run in the cluster that make
// objects of Google's of their own accord. A removal of the cluster ends them before it
// lists what is to go: else they make again what was taken, and what they make between
// the list and their machine's end is told to nobody. Without them the rest can go in
// any order. A cluster that cannot be asked keeps nothing from being removed; what was
// not stopped is said, and the looks after its machines are gone find what it made.
type Writers struct {
	opener
	list    []addons.Workload
	name    string
	gaveUp  string
	Stopped bool // this run ended one
}

// WritersOf is the step; nil where nobody ever spoke of addons.
func WritersOf(r *task.Task) *Writers {
	if _, asked, err := r.Addons(); !asked && err == nil || !r.Mode.Whole || !r.Mode.Removes {
		return nil
	}
	w := &Writers{opener: openerOf(r), name: "programs that make Google's objects"}
	for _, a := range addons.All() {
		for _, x := range a.Workloads {
			if x.Writes {
				w.list = append(w.list, x)
			}
		}
	}
	return w
}

// writersLimit is how long they may take to end: Kubernetes gives a pod 30 s.
const writersLimit = time.Minute

func (w *Writers) String() string         { return w.name }
func (*Writers) Waits()                   {}
func (*Writers) Do(context.Context) error { return nil } // never wanted

func (w *Writers) Observe(ctx context.Context) (plan.State, error) {
	if !w.lives { // they run on masters
		return plan.State{Is: plan.Absent, Why: "no master runs"}, nil
	}
	if why := w.env.Unreachable(ctx, w.lives); why != "" && w.gaveUp == "" {
		w.giveUp(why)
	}
	if w.gaveUp != "" {
		return plan.State{Is: plan.Absent, Why: w.gaveUp}, nil
	}
	client, err := w.env.Kube(ctx)
	if err != nil {
		return plan.State{Is: plan.Partial, Why: kube.Plainly(err)}, nil
	}
	running, err := w.running(ctx, client)
	switch {
	case err != nil:
		return plan.State{Is: plan.Partial, Why: kube.Plainly(err)}, nil
	case len(running) == 0:
		return plan.State{Is: plan.Absent, Why: "none runs"}, nil
	}
	return plan.Exists(namesOf(running))
}

// running are those that are there, or whose pods are not all gone.
func (w *Writers) running(ctx context.Context, client *kube.Client) (list []addons.Workload, err error) {
	for _, x := range w.list {
		there, err := client.There(ctx, x.Path())
		if err != nil {
			return nil, err
		}
		if there {
			list = append(list, x)
		}
	}
	return list, nil
}

func namesOf(list []addons.Workload) string {
	var names []string
	for _, x := range list {
		names = append(names, x.Name)
	}
	return strings.Join(names, ", ")
}

// giveUp notes that they go with their machines only.
func (w *Writers) giveUp(why string) {
	w.gaveUp = "not stopped before the rest: " + why
	w.env.Warn("programs in the cluster that make or remove Google's objects (" + namesOf(w.list) + ") were " + w.gaveUp +
		"; they end with their machines, and what they make until then is looked for after that")
}

// Undo ends them, and waits until their pods are gone.
func (w *Writers) Undo(ctx context.Context) error {
	err := w.stop(ctx)
	if err != nil && ctx.Err() == nil {
		w.giveUp(kube.Plainly(err))
		return nil
	}
	return err
}

func (w *Writers) stop(ctx context.Context) error {
	if err := w.open(ctx); err != nil {
		return err
	}
	client, err := w.env.Kube(ctx)
	if err != nil {
		return err
	}
	running, err := w.running(ctx, client)
	if err != nil {
		return err
	}
	for _, x := range running {
		w.Stopped = true
		if err := client.DeleteLast(ctx, x.Path()); err != nil {
			return err
		}
	}
	return w.env.Until(ctx, plan.Condition{
		For: "pods of " + namesOf(running) + " to end", Every: w.env.Poll, Limit: writersLimit,
		Check: func(ctx context.Context) (bool, string, error) {
			still, err := w.running(ctx, client)
			return err == nil && len(still) == 0, namesOf(still) + " still runs", err
		},
	})
}
