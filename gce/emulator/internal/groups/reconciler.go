package groups

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"hakube/gce/emulator/internal/api"
	"hakube/gce/emulator/internal/doc"
	"hakube/gce/emulator/internal/members"
	"hakube/gce/emulator/internal/problem"
	"hakube/gce/emulator/internal/store"
)

// A Reconciler makes and deletes the machines of managed groups, one pass over
// all groups at a time. All it knows is in the store: a member is a note with
// the action that is under way and its operation.
type Reconciler struct {
	s *api.Server

	mu      sync.Mutex
	wanted  uint64 // passes asked for
	running bool
	passed  chan struct{} // closed at the end of each pass
	done    uint64
	timer   bool // another try is due

	found map[netip.Addr]bool // of the probes of the group that has its turn, see probed
}

// retryMember is how long a group waits after an attempt that failed.
const retryMember = 10 * time.Second

// New is a reconciler of the groups of s; it begins when it is woken.
func New(s *api.Server) *Reconciler { return &Reconciler{s: s, passed: make(chan struct{})} }

// Wake asks for a pass.
func (g *Reconciler) Wake() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.wanted++
	if !g.running {
		g.running = true
		g.s.Spawn(g.loop)
	}
}

// Pass returns when a pass that began after now has ended.
func (g *Reconciler) Pass(ctx context.Context) error {
	g.mu.Lock()
	want := g.wanted + 1
	g.mu.Unlock()
	g.Wake()
	for {
		g.mu.Lock()
		done, passed := g.done, g.passed
		g.mu.Unlock()
		if done >= want {
			return nil
		}
		select {
		case <-passed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// turn waits for the end of one operation of a group's machines.
func (g *Reconciler) turn(ctx context.Context, group doc.Ref) error {
	var end chan struct{}
	var ops []doc.Ref
	g.s.Store.View(func(t *store.Tx) {
		for _, m := range t.List(members.Members(group)) {
			ops = append(ops, doc.Ref(doc.Str(m, "operation")))
		}
	})
	for _, op := range ops {
		if e := g.s.Ending(op); e != nil {
			end = e
		}
	}
	var retry <-chan time.Time
	if end == nil {
		if len(ops) == 0 {
			return nil
		}
		retry = g.s.Opts.After(100 * time.Millisecond) // between two operations, or waiting to try again
	}
	select {
	case <-end:
	case <-retry:
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

func (g *Reconciler) loop() {
	for {
		g.mu.Lock()
		round := g.wanted
		g.mu.Unlock()
		again, more := g.once()
		for more && g.s.Context.Err() == nil {
			var next time.Duration
			next, more = g.once()
			again = max(again, next)
		}
		g.mu.Lock()
		g.done = round
		close(g.passed)
		g.passed = make(chan struct{})
		stop := g.wanted == round || g.s.Context.Err() != nil
		if stop {
			g.running = false
		}
		later := again > 0 && !g.timer
		g.timer = g.timer || later
		g.mu.Unlock()
		if later {
			g.s.Spawn(func() { g.later(again) })
		}
		if stop {
			return
		}
	}
}

func (g *Reconciler) later(d time.Duration) {
	select {
	case <-g.s.Opts.After(d):
	case <-g.s.Context.Done():
		return
	}
	g.mu.Lock()
	g.timer = false
	g.mu.Unlock()
	g.Wake()
}

// turnOf is how many machines of a group have their turn before the next group's.
const turnOf = 10

// once looks at each group. It tells after how long it wants to be called again, 0 if
// not, and whether a group has more to do now: groups take turns, so that a large one
// keeps no other waiting.
func (g *Reconciler) once() (again time.Duration, more bool) {
	var groups []doc.Ref
	g.s.Store.View(func(t *store.Tx) {
		t.Each("", "instanceGroupManagers", func(o doc.Obj) { groups = append(groups, doc.RefOf(doc.Str(o, "selfLink"))) })
	})
	for _, r := range groups {
		g.found = probed(g.s, r)
		retry, rest := g.group(r)
		switch {
		case g.found != nil:
			again = lookAgain
		case retry && again == 0:
			again = retryMember
		}
		more = more || rest
	}
	return again, more
}

// group brings one group a step nearer to its size: retry wants another try later,
// more another turn now.
func (g *Reconciler) group(r doc.Ref) (retry, more bool) {
	var names []string
	now := g.s.Opts.Now()
	err := g.s.Store.Update(func(t *store.Tx) error {
		o := t.Get(r)
		if o == nil {
			return nil
		}
		g.size(t, r, o)
		for _, m := range t.List(members.Members(r)) {
			if waits(m, now) {
				retry = true
			} else if !g.quiet(t, r, o, m) {
				names = append(names, doc.Str(m, "name"))
			}
		}
		return nil
	})
	for i, name := range names {
		if more = i == turnOf; more || err != nil || g.s.Context.Err() != nil {
			break
		}
		var wait bool
		wait, err = g.member(r, name)
		retry = retry || wait
	}
	if err != nil && g.s.Context.Err() == nil {
		g.s.Opts.Log.Error("keeping a managed group at its size", "group", string(r), "error", err)
		return true, false
	}
	return retry, more
}

// waits reports whether a member failed a moment ago.
func waits(m doc.Obj, now time.Time) bool {
	failed, err := time.Parse(time.RFC3339Nano, doc.Str(m, "failed"))
	return err == nil && !doc.Has(m, "operation") && now.Before(failed.Add(retryMember))
}

// quiet reports whether there is nothing to do for a member: it is as it should be, or
// its operation is under way.
func (g *Reconciler) quiet(t *store.Tx, r doc.Ref, group, m doc.Obj) bool {
	if op := t.Get(doc.Ref(doc.Str(m, "operation"))); op != nil {
		return doc.Str(op, "status") != "DONE"
	}
	i := t.Get(r.Within("instances", doc.Str(m, "name")))
	return doc.Str(m, "action") == "NONE" && !g.broken(group, m, i)
}

// broken reports whether a group has a machine to repair.
func (g *Reconciler) broken(group, m, instance doc.Obj) bool {
	return fell(instance) && repairs(group) || !fell(instance) && doc.Str(instance, "status") == "RUNNING" && g.ill(group, m, instance)
}

// fell reports whether a machine is not there any more, or ended, by somebody else's doing
// or its own.
func fell(instance doc.Obj) bool {
	return instance == nil || doc.Str(instance, "status") == "TERMINATED"
}

// repairs reports whether a group makes machines again that fell.
func repairs(group doc.Obj) bool {
	return doc.Str(doc.Sub(group, "instanceLifecyclePolicy"), "defaultActionOnFailure") != "DO_NOTHING"
}

// member takes the next step for one machine.
func (g *Reconciler) member(r doc.Ref, name string) (retry bool, err error) {
	m := members.MemberRef(r, name)
	var tried doc.Obj // the note as the step left it
	err = g.s.Store.Update(func(t *store.Tx) error {
		o := doc.Clone(t.Get(m))
		group := t.Get(r)
		if o == nil || group == nil {
			return nil
		}
		before := fmt.Sprint(o)
		tried = o
		retry, err = g.step(t, r, group, o)
		if err != nil {
			return err
		}
		if doc.Str(o, "action") == "" {
			t.Delete(m)
			t.Delete(configRef(r, name))
		} else if fmt.Sprint(o) != before {
			t.Put(m, o)
		}
		return nil
	})
	if p := (*problem.Problem)(nil); errors.As(err, &p) {
		// The group's template cannot be followed now: noted, and tried again.
		return true, g.s.Store.Update(func(t *store.Tx) error {
			o := doc.Clone(t.Get(m))
			if o == nil {
				return nil
			}
			if a := doc.Str(o, "action"); a == "NONE" || a == "VERIFYING" { // a repair has begun, though its step was undone
				o["action"], o["repair"] = tried["action"], tried["repair"]
			}
			o["error"], o["failed"] = doc.Obj{"code": p.Code, "message": p.Message}, g.s.Opts.Now().Format(time.RFC3339Nano)
			failed(g.s, t, r, o, doc.Sub(o, "error"))
			delete(o, "operation")
			t.Put(m, o)
			return nil
		})
	}
	return retry, err
}

// step changes the note of a member and starts what it needs; a note without
// an action is to be forgotten.
func (g *Reconciler) step(t *store.Tx, r doc.Ref, group, o doc.Obj) (retry bool, err error) {
	i := r.Within("instances", doc.Str(o, "name"))
	instance := t.Get(i)
	if op := t.Get(doc.Ref(doc.Str(o, "operation"))); op != nil {
		if doc.Str(op, "status") != "DONE" {
			return false, nil
		}
		delete(o, "operation")
		if e := doc.Sub(op, "error"); e != nil && doc.Num(op, "httpErrorStatusCode") != 404 {
			o["error"], o["failed"] = doc.List(e, "errors")[0], g.s.Opts.Now().Format(time.RFC3339Nano)
			failed(g.s, t, r, o, doc.Sub(o, "error"))
		} else {
			delete(o, "error")
			delete(o, "failed")
		}
	}
	switch doc.Str(o, "action") {
	case "NONE", "VERIFYING":
		if !g.broken(group, o, instance) {
			g.verify(group, o, instance)
			return false, nil
		}
		o["action"], o["repair"] = "RECREATING", true // as it was, whatever the group says by now
	}
	if waits(o, g.s.Opts.Now()) {
		return true, nil
	}
	start, err := g.act(t, r, i, group, o)
	if start != "" {
		o["operation"] = string(start)
	}
	return false, err
}
