package cluster

import (
	"os"
	"testing"

	"hakube/cluster/lease"
	"hakube/cluster/plan"
	"hakube/cluster/settings"
)

// TestOvertakenAtTheEnd: a run finds all of a run that was killed done, and would say
// so with its last change; when another run has begun by then, that speaks for itself.
func TestOvertakenAtTheEnd(t *testing.T) {
	w := newWorld(t)
	o := w.operator().alive(lease.DefaultLength)
	w.mustUp(o)
	takes := func(pid int) *lease.Lease {
		t.Helper()
		c := *o.Cluster
		c.deps.PID = pid
		l := c.lease(settings.Create)
		a, err := w.Client.Addresses().Get(t.Context(), o.want().Names.Address())
		if err != nil {
			t.Fatal(err)
		}
		l.Observe(w.Client.Addresses(), a)
		if err := l.Guard(t.Context()); err != nil {
			t.Fatal(err)
		}
		return l
	}
	takes(deadPID)
	var other *lease.Lease
	events := w.events()
	s, err := o.Up(t.Context(), func(e plan.Event) {
		events(e)
		if e.Step == "cluster is valid" && e.Kind == plan.Kept && other == nil {
			other = takes(os.Getpid())
		}
	})
	if err != nil || len(s.Warnings) > 0 {
		t.Errorf("up: %+v, %v", s, err)
	}
	if other == nil {
		t.Fatal("nobody came between")
	}
	if err := other.Release(t.Context()); err != nil {
		t.Errorf("the other run's lease: %v", err)
	}
}
