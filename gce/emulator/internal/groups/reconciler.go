package groups

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"hakube/gce/emulator/internal/api"
	"hakube/gce/emulator/internal/doc"
	"hakube/gce/emulator/internal/instances"
	"hakube/gce/emulator/internal/members"
	"hakube/gce/emulator/internal/problem"
	"hakube/gce/emulator/internal/projects"
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
		retry, rest := g.group(r)
		if retry {
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
			} else if !quiet(t, r, m) {
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
func quiet(t *store.Tx, r doc.Ref, m doc.Obj) bool {
	if op := t.Get(doc.Ref(doc.Str(m, "operation"))); op != nil {
		return doc.Str(op, "status") != "DONE"
	}
	i := t.Get(r.Within("instances", doc.Str(m, "name")))
	return doc.Str(m, "action") == "NONE" && i != nil && doc.Str(i, "status") != "TERMINATED"
}

// member takes the next step for one machine.
func (g *Reconciler) member(r doc.Ref, name string) (retry bool, err error) {
	m := members.MemberRef(r, name)
	err = g.s.Store.Update(func(t *store.Tx) error {
		o := doc.Clone(t.Get(m))
		group := t.Get(r)
		if o == nil || group == nil {
			return nil
		}
		before := fmt.Sprint(o)
		retry, err = g.step(t, r, group, o)
		if err != nil {
			return err
		}
		if doc.Str(o, "action") == "" {
			t.Delete(m)
		} else if fmt.Sprint(o) != before {
			t.Put(m, o)
		}
		return nil
	})
	if p := (*problem.Problem)(nil); errors.As(err, &p) {
		// The group's template cannot be followed now: noted, and tried again.
		return true, g.s.Store.Update(func(t *store.Tx) error {
			o := doc.Clone(t.Get(m))
			o["error"], o["failed"] = doc.Obj{"code": p.Code, "message": p.Message}, g.s.Opts.Now().Format(time.RFC3339Nano)
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
	var start doc.Ref
	i := r.Within("instances", doc.Str(o, "name"))
	instance := t.Get(i)
	if op := t.Get(doc.Ref(doc.Str(o, "operation"))); op != nil {
		if doc.Str(op, "status") != "DONE" {
			return false, nil
		}
		delete(o, "operation")
		if e := doc.Sub(op, "error"); e != nil && doc.Num(op, "httpErrorStatusCode") != 404 {
			o["error"], o["failed"] = doc.List(e, "errors")[0], g.s.Opts.Now().Format(time.RFC3339Nano)
		} else {
			delete(o, "error")
			delete(o, "failed")
		}
	}
	action := doc.Str(o, "action")
	switch {
	case action == "NONE" && instance == nil, action == "NONE" && doc.Str(instance, "status") == "TERMINATED":
		// Somebody deleted or stopped it, or it halted: the group repairs it.
		action = "RECREATING"
		o["action"] = action
	case action == "NONE":
		return false, nil
	}
	if waits(o, g.s.Opts.Now()) {
		return true, nil
	}
	switch action {
	case "DELETING":
		if instance == nil {
			o["action"] = ""
			return false, nil
		}
		start = g.remove(t, i)
	case "RECREATING":
		switch {
		case instance != nil && !doc.Bool(o, "removed"):
			start = g.remove(t, i)
			o["removed"] = true
		case instance != nil && doc.Has(o, "made"):
			o["action"] = "NONE"
			delete(o, "removed")
			delete(o, "made")
		case instance != nil:
			start = g.remove(t, i) // the removal failed
		default:
			o["removed"], o["made"] = true, true
			start, err = g.make(t, r, i, group, o)
		}
	case "CREATING":
		if instance != nil {
			o["action"] = "NONE"
			return false, nil
		}
		start, err = g.make(t, r, i, group, o)
	}
	if start != "" {
		o["operation"] = string(start)
	}
	return false, err
}

func (g *Reconciler) remove(t *store.Tx, i doc.Ref) doc.Ref {
	instances.Leave(t, i, t.Edit(i))
	return g.s.Accept(t, "instances.delete", i, doc.Obj{}, "", nil)
}

// make accepts an instance as the group's template describes it.
func (g *Reconciler) make(t *store.Tx, r, i doc.Ref, group, member doc.Obj) (doc.Ref, error) {
	template := doc.RefOf(doc.Str(group, "instanceTemplate"))
	o := t.Get(template)
	if o == nil {
		return "", problem.NotFound(template)
	}
	instance := instances.FromTemplate(o)
	number := fmt.Sprintf("projects/%d", projects.ProjectNumber(r.Project()))
	items := doc.List(doc.Sub(instance, "metadata"), "items")
	for key, of := range map[string]doc.Ref{"instance-template": template, "created-by": r} {
		value := strings.Replace(string(of), "projects/"+r.Project(), number, 1)
		items = append(items, doc.Obj{"key": key, "value": value})
	}
	instance["metadata"] = doc.Obj{"items": items}
	member["template"] = template.Link()
	made, err := instances.NewInstance(g.s, t, i, instance)
	if err != nil {
		return "", err
	}
	if err := projects.Forbidden(g.s, "instances.insert", i, t.Get(i)); err != nil {
		return "", err
	}
	if key := projects.Overdrawn(g.s, t, r.Project()); key != "" {
		p, _ := projects.Exceeded(g.s, key)
		return "", p
	}
	if p, _ := projects.NoStock(g.s, i, instance); p != nil {
		return "", p
	}
	return g.s.Accept(t, "instances.insert", i, doc.Obj{"made": made}, "", nil), nil
}
