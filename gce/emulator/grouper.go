package emulator

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"sync"
	"time"
)

// A grouper makes and deletes the machines of managed groups, one pass over
// all groups at a time. All it knows is in the store: a member is a note with
// the action that is under way and its operation.
type grouper struct {
	s *Server

	mu      sync.Mutex
	wanted  uint64 // passes asked for
	running bool
	passed  chan struct{} // closed at the end of each pass
	done    uint64
	timer   bool // another try is due
}

// retryMember is how long a group waits after an attempt that failed.
const retryMember = 10 * time.Second

func newGrouper(s *Server) *grouper { return &grouper{s: s, passed: make(chan struct{})} }

// members is where the notes of a group's machines are.
func members(group ref) string { return "~members/" + string(group) }

func memberRef(group ref, instance string) ref { return ref(members(group) + "/" + instance) }

// wake asks for a pass.
func (g *grouper) wake() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.wanted++
	if !g.running {
		g.running = true
		g.s.spawn(g.loop)
	}
}

// pass returns when a pass that began after now has ended.
func (g *grouper) pass(ctx context.Context) error {
	g.mu.Lock()
	want := g.wanted + 1
	g.mu.Unlock()
	g.wake()
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
func (g *grouper) turn(ctx context.Context, group ref) error {
	var end chan struct{}
	var ops []ref
	g.s.store.view(func(t *tx) {
		for _, m := range t.list(members(group)) {
			ops = append(ops, ref(str(m, "operation")))
		}
	})
	g.s.mu.Lock()
	for _, op := range ops {
		if e := g.s.ends[op]; e != nil {
			end = e
		}
	}
	g.s.mu.Unlock()
	var retry <-chan time.Time
	if end == nil {
		if len(ops) == 0 {
			return nil
		}
		retry = g.s.opts.After(100 * time.Millisecond) // between two operations, or waiting to try again
	}
	select {
	case <-end:
	case <-retry:
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

func (g *grouper) loop() {
	for {
		g.mu.Lock()
		round := g.wanted
		g.mu.Unlock()
		again := g.once()
		g.mu.Lock()
		g.done = round
		close(g.passed)
		g.passed = make(chan struct{})
		stop := g.wanted == round || g.s.ctx.Err() != nil
		if stop {
			g.running = false
		}
		later := again > 0 && !g.timer
		g.timer = g.timer || later
		g.mu.Unlock()
		if later {
			g.s.spawn(func() { g.later(again) })
		}
		if stop {
			return
		}
	}
}

func (g *grouper) later(d time.Duration) {
	select {
	case <-g.s.opts.After(d):
	case <-g.s.ctx.Done():
		return
	}
	g.mu.Lock()
	g.timer = false
	g.mu.Unlock()
	g.wake()
}

// once looks at each group and returns after how long it wants to be called
// again, 0 if not.
func (g *grouper) once() (again time.Duration) {
	var groups []ref
	g.s.store.view(func(t *tx) {
		t.each("", "instanceGroupManagers", func(o obj) { groups = append(groups, toRef(str(o, "selfLink"))) })
	})
	for _, r := range groups {
		if g.group(r) {
			again = retryMember
		}
	}
	return again
}

// group brings one group a step nearer to its size; true wants another try later.
func (g *grouper) group(r ref) (retry bool) {
	var names []string
	err := g.s.store.update(func(t *tx) error {
		o := t.get(r)
		if o == nil {
			return nil
		}
		g.size(t, r, o)
		for _, m := range t.list(members(r)) {
			names = append(names, str(m, "name"))
		}
		return nil
	})
	for _, name := range names {
		if err != nil || g.s.ctx.Err() != nil {
			break
		}
		var wait bool
		wait, err = g.member(r, name)
		retry = retry || wait
	}
	if err != nil && g.s.ctx.Err() == nil {
		g.s.opts.Log.Error("keeping a managed group at its size", "group", string(r), "error", err)
		return true
	}
	return retry
}

// size adds members that are missing and marks those that are too many: first
// the ones that do not run yet, then from the end.
func (g *grouper) size(t *tx, r ref, o obj) {
	var stay []obj
	for _, m := range t.list(members(r)) {
		if str(m, "action") != "DELETING" {
			stay = append(stay, m)
		}
	}
	target := int(num(o, "targetSize"))
	for len(stay) > target {
		drop := len(stay) - 1
		for i, m := range stay {
			if str(m, "action") != "NONE" {
				drop = i
			}
		}
		m := clone(stay[drop])
		m["action"] = "DELETING"
		delete(m, "operation")
		t.put(memberRef(r, str(m, "name")), m)
		stay = append(stay[:drop], stay[drop+1:]...)
	}
	for n := len(stay); n < target; n++ {
		name := freeName(t, r, str(o, "baseInstanceName"))
		t.put(memberRef(r, name), obj{"name": name, "action": "CREATING", "template": o["instanceTemplate"]})
	}
}

func freeName(t *tx, r ref, prefix string) string {
	for {
		b := make([]byte, 4)
		_, _ = rand.Read(b) // never fails
		for i := range b {
			b[i] = "0123456789abcdefghijklmnopqrstuvwxyz"[int(b[i])%36]
		}
		name := prefix + "-" + string(b)
		if t.get(memberRef(r, name)) == nil && t.get(r.within("instances", name)) == nil {
			return name
		}
	}
}

// member takes the next step for one machine.
func (g *grouper) member(r ref, name string) (retry bool, err error) {
	m := memberRef(r, name)
	err = g.s.store.update(func(t *tx) error {
		o := clone(t.get(m))
		group := t.get(r)
		if o == nil || group == nil {
			return nil
		}
		before := fmt.Sprint(o)
		retry, err = g.step(t, r, group, o)
		if err != nil {
			return err
		}
		if str(o, "action") == "" {
			t.delete(m)
		} else if fmt.Sprint(o) != before {
			t.put(m, o)
		}
		return nil
	})
	if p := (*problem)(nil); err != nil && asMember(err, &p) {
		// The group's template cannot be followed now: noted, and tried again.
		return true, g.s.store.update(func(t *tx) error {
			o := clone(t.get(m))
			o["error"], o["failed"] = obj{"code": p.Code, "message": p.Message}, g.s.opts.Now().Format(time.RFC3339Nano)
			delete(o, "operation")
			t.put(m, o)
			return nil
		})
	}
	return retry, err
}

func asMember(err error, p **problem) bool {
	q, ok := err.(*problem)
	*p = q
	return ok
}

// step changes the note of a member and starts what it needs; a note without
// an action is to be forgotten.
func (g *grouper) step(t *tx, r ref, group, o obj) (retry bool, err error) {
	var start ref
	i := r.within("instances", str(o, "name"))
	instance := t.get(i)
	if op := t.get(ref(str(o, "operation"))); op != nil {
		if str(op, "status") != "DONE" {
			return false, nil
		}
		delete(o, "operation")
		if e := sub(op, "error"); e != nil && num(op, "httpErrorStatusCode") != 404 {
			o["error"], o["failed"] = list(e, "errors")[0], g.s.opts.Now().Format(time.RFC3339Nano)
		} else {
			delete(o, "error")
			delete(o, "failed")
		}
	}
	action := str(o, "action")
	switch {
	case action == "NONE" && instance == nil, action == "NONE" && str(instance, "status") == "TERMINATED":
		// Somebody deleted or stopped it, or it halted: the group repairs it.
		action = "RECREATING"
		o["action"] = action
	case action == "NONE":
		return false, nil
	}
	if failed, err := time.Parse(time.RFC3339Nano, str(o, "failed")); err == nil && g.s.opts.Now().Before(failed.Add(retryMember)) {
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
		case instance != nil && !flag(o, "removed"):
			start = g.remove(t, i)
			o["removed"] = true
		case instance != nil && has(o, "made"):
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

func (g *grouper) remove(t *tx, i ref) ref {
	leave(t, i, t.edit(i))
	return g.s.accept(t, "instances.delete", i, obj{}, "", nil)
}

// make accepts an instance as the group's template describes it.
func (g *grouper) make(t *tx, r, i ref, group, member obj) (ref, error) {
	template := toRef(str(group, "instanceTemplate"))
	o := t.get(template)
	if o == nil {
		return "", notFound(template)
	}
	instance := fromTemplate(o)
	number := fmt.Sprintf("projects/%d", projectNumber(r.project()))
	items := list(sub(instance, "metadata"), "items")
	for key, of := range map[string]ref{"instance-template": template, "created-by": r} {
		value := strings.Replace(string(of), "projects/"+r.project(), number, 1)
		items = append(items, obj{"key": key, "value": value})
	}
	instance["metadata"] = obj{"items": items}
	member["template"] = template.link()
	made, err := g.s.newInstance(t, i, instance)
	if err != nil {
		return "", err
	}
	if key := g.s.overdrawn(t, r.project()); key != "" {
		p, _ := g.s.exceeded(key)
		return "", p
	}
	if p, _ := g.s.noStock(i, instance); p != nil {
		return "", p
	}
	return g.s.accept(t, "instances.insert", i, obj{"made": made}, "", nil), nil
}
