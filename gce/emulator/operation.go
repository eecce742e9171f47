package emulator

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid" // checks request ids as Google does
)

func zoneOperations() collection   { return operations("zoneOperations") }
func regionOperations() collection { return operations("regionOperations") }
func globalOperations() collection { return operations("globalOperations") }

func operations(resource string) collection {
	return collection{
		resource: resource, kind: "operations", item: "compute#operation",
		methods: map[string]handler{"wait": waitOperation, "delete": deleteOperation},
	}
}

// maxWait is how long operations.wait blocks at most, as documented.
const maxWait = 2 * time.Minute

// waitOperation returns the operation as soon as it is done, or as it is when
// two minutes have passed, the server closes or the client has gone.
func waitOperation(c *call) (obj, error) {
	r := c.target("operations")
	o := c.s.store.read(r)
	if o == nil {
		return nil, notFound(r)
	}
	c.s.mu.Lock()
	end := c.s.ends[r]
	c.s.mu.Unlock()
	if str(o, "status") != "DONE" && end != nil {
		select {
		case <-end:
		case <-c.s.opts.After(maxWait):
		case <-c.r.Context().Done():
		case <-c.s.ctx.Done():
		}
	}
	if o = c.s.store.read(r); o == nil {
		return nil, notFound(r)
	}
	return o, nil
}

func deleteOperation(c *call) (obj, error) {
	r := c.target("operations")
	return nil, c.s.store.update(func(t *tx) error {
		o := t.get(r)
		if o == nil {
			return notFound(r)
		}
		if str(o, "status") != "DONE" {
			return notReady(r)
		}
		t.delete(r)
		return nil
	})
}

// A job is the work behind an operation, kept until the operation is done.
type job struct {
	Operation ref
	Method    string // "instances.insert"
	Target    ref
	Args      obj   // what the work needs to know
	Passed    []any // names of steps that took hold
	Started   time.Time
	stuck     <-chan struct{} // see Fault; nil but in tests
}

func (j job) doc() obj {
	return obj{"method": j.Method, "target": string(j.Target), "args": j.Args, "passed": j.Passed, "started": j.Started.Format(time.RFC3339Nano)}
}

func jobOf(operation ref, o obj) job {
	started, _ := time.Parse(time.RFC3339Nano, str(o, "started"))
	args := clone(sub(o, "args"))
	if args == nil {
		args = obj{}
	}
	return job{Operation: operation, Method: str(o, "method"), Target: ref(str(o, "target")), Args: args, Passed: list(o, "passed"), Started: started}
}

// change accepts a changing request: prepare checks it and makes what takes
// hold at once, and one transaction keeps that together with the operation.
// The work of the method does the rest. The answer is the operation, for a
// request id seen before the one made then.
func (c *call) change(target ref, args obj, prepare func(t *tx) error) (obj, error) {
	key, err := c.replayKey()
	if err != nil {
		return nil, err
	}
	var out obj
	err = c.s.store.update(func(t *tx) error {
		if key != "" {
			if seen := t.get(ref(str(t.get(key), "operation"))); seen != nil {
				out = seen
				return nil
			}
		}
		if args == nil {
			args = obj{}
		}
		over, err := c.refuseOver(t, target, prepare)
		if err != nil {
			return err
		}
		if over != nil && c.fault == nil {
			args["fault"] = over
		} else if c.fault != nil {
			// prepare decides whether the request would be accepted; what it
			// does is not kept.
			if err := prepare(t.trial()); err != nil {
				return err
			}
			args["fault"] = obj{"code": c.fault.Code, "message": c.fault.Message, "status": c.fault.Status, "details": c.fault.Details}
		} else if err := prepare(t); err != nil {
			return err
		}
		operation := c.s.accept(t, c.method.ID, target, args, c.query.Get("clientOperationId"), c.stuck)
		if key != "" {
			t.put(key, obj{"operation": string(operation)})
		}
		out = t.get(operation) // as it is now, not done, whatever the work has reached
		return nil
	})
	return out, err
}

// replayKey is where the operation of a request id is kept, "" without one.
func (c *call) replayKey() (ref, error) {
	id := c.query.Get("requestId")
	if id == "" {
		return "", nil
	}
	if u, err := uuid.Parse(id); err != nil || u == uuid.Nil {
		return "", invalid("requestId", id, "Must be a UUID that is not zero.")
	}
	return ref("~requests/" + c.project() + "/" + c.method.ID + "/" + strings.ToLower(id)), nil
}

// accept writes an operation and its job; the work starts when the
// transaction has ended.
func (s *Server) accept(t *tx, method string, target ref, args obj, clientID string, stuck <-chan struct{}) ref {
	now := s.opts.Now()
	id := t.id()
	sum := sha256.Sum256([]byte(id + string(target)))
	digits := hex.EncodeToString(sum[:])
	name := fmt.Sprintf("operation-%d-%s-%s-%s", now.UnixMilli(), digits[:13], digits[13:21], digits[21:29])
	scope := target.scope()
	if scope == "" {
		scope = "global" // of a project
	}
	r := in(target.project(), scope, "operations", name)
	o := obj{
		"kind": "compute#operation", "id": id, "name": name, "operationType": operationType(method),
		"targetLink": target.link(), "status": "PENDING", "user": "user@hakube.local", "progress": 0,
		"insertTime": stamp(now), "selfLink": r.link(),
	}
	if clientID != "" {
		o["clientOperationId"] = clientID
	}
	switch what, place, _ := strings.Cut(scope, "/"); what {
	case "zones":
		o["zone"] = zoneLink(target.project(), place)
	case "regions":
		o["region"] = regionLink(target.project(), place)
	}
	if target := t.get(target); target != nil && has(target, "id") {
		o["targetId"] = str(target, "id")
	} else {
		o["targetId"] = t.id() // of something a fault kept from being made, or never to be shown
	}
	t.put(r, o)
	j := job{Operation: r, Method: method, Target: target, Args: args, Started: now, stuck: stuck}
	t.put(r.note("jobs"), j.doc())
	t.then(func() { s.start(j) })
	return r
}

// operationType is the word in operations: mostly the method's, with the
// resource for what came later to the API.
func operationType(method string) string {
	resource, verb, _ := strings.Cut(method, ".")
	switch resource {
	case "instanceTemplates", "instanceGroupManagers":
		return "compute." + method
	case "projects":
		return verb
	}
	switch verb {
	case "preempted", "terminateOnHostMaintenance", "migrateOnHostMaintenance":
		return "compute." + method
	case "deleteAccessConfig", "addAccessConfig", "insert", "delete", "start", "stop", "reset", "patch", "update":
		return verb
	}
	return verb
}
