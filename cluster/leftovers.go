package cluster

import (
	"context"
	"fmt"
	"strings"
	"time"

	"hakube/cluster/plan"
	"hakube/cluster/sweep"
)

// leftovers is the last step of a removal: nothing in the project carries our
// mark any more, or nothing of the zone's pool or of the master does; and when
// what Services and volumes left was to go too, that is gone. What is to stay
// was said before ([run.keep]).
//
// Lists may lag, either way: what was deleted may be listed for a moment still,
// and what is there may be missing from one list. So it is asked again for a
// while, and only two looks in a row that find nothing are believed.
func (r *run) leftovers() plan.Step { return leftovers{r} }

type leftovers struct{ *run }

const leftoversLimit = 30 * time.Second

func (l leftovers) String() string {
	switch {
	case l.mode.nodes && !l.mode.whole:
		return "pool of " + l.want.Zone + " is gone"
	case l.mode.one:
		return "master " + l.replica.Name + " is gone"
	}
	return "removal is complete"
}
func (leftovers) Waits() {}

// Observe is the two looks, or one that found something.
func (l leftovers) Observe(ctx context.Context) (plan.State, error) {
	s, err := l.glance(ctx)
	if err != nil || s.Is != plan.Present {
		return s, err
	}
	select {
	case <-time.After(l.poll):
	case <-ctx.Done():
		return plan.State{}, context.Cause(ctx)
	}
	return l.glance(ctx)
}

// glance is one look.
func (l leftovers) glance(ctx context.Context) (plan.State, error) {
	look, whose := l.lookForMarks, "the cluster's mark"
	switch {
	case l.mode.nodes && !l.mode.whole:
		look, whose = l.look, "the mark of the zone's pool"
	case l.mode.one:
		look, whose = l.look, "the mark of the master"
	}
	have, err := look(ctx)
	if err != nil {
		return plan.State{}, err
	}
	switch {
	case l.mode.nodes && !l.mode.whole:
		have = have.Pool(l.want.Names, l.want.Zone)
	case l.mode.one:
		have = have.Master(l.want.Names, l.replica)
	}
	if have.Objects, err = l.AskAll(ctx, have.Objects); err != nil { // lists may show what is gone
		return plan.State{}, err
	}
	var left Leftovers
	for _, o := range have.Objects {
		if !l.keeps(o.Kind, o.Name) {
			left = append(left, o.String())
		}
	}
	marked := len(left)
	if l.mode.whole && l.sweeping {
		again, _, err := sweep.Find(ctx, l.Reader, &l.want, l.have)
		if err != nil {
			return plan.State{}, err
		}
		for _, s := range again {
			left = append(left, s.String())
		}
	}
	l.mu.Lock()
	l.left = left
	l.mu.Unlock()
	if n := len(left); n > 0 {
		why := fmt.Sprintf("%d objects carry %s: ", n, whose)
		if marked < n {
			why = fmt.Sprintf("%d objects are still there: ", n)
		}
		why += strings.Join(left[:min(n, 3)], ", ")
		if n > 3 {
			why += fmt.Sprintf(" and %d more", n-3)
		}
		return plan.State{Is: plan.Absent, Why: why}, nil
	}
	why := "no object carries " + whose
	if len(l.kept) > 0 {
		why = "no object carries " + whose + " but what is to stay"
	}
	return plan.State{Is: plan.Present, Why: why}, nil
}

func (l leftovers) Do(ctx context.Context) error {
	err := plan.Until(ctx, plan.Condition{
		For: "the last objects to go", Every: l.poll, Limit: leftoversLimit,
		Check: func(ctx context.Context) (bool, string, error) {
			s, err := l.Observe(ctx)
			return s.Is == plan.Present, s.Why, err
		},
	})
	if err != nil && ctx.Err() == nil && len(l.left) > 0 {
		return Leftovers(l.left)
	}
	return err
}

func (leftovers) Undo(context.Context) error { return nil } // never unwanted

// nothingLeft tells whether there is nothing to remove, the kubeconfig
// included.
func (r *run) nothingLeft(ctx context.Context) bool {
	if len(r.have.Objects) > 0 {
		return false
	}
	s, err := (kubeconfig{r}).Observe(ctx)
	return err == nil && s.Is == plan.Absent // an error the step will say
}
