package api

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid" // checks request ids as Google does

	"hakube/gce/emulator/internal/doc"
	"hakube/gce/emulator/internal/problem"
	"hakube/gce/emulator/internal/store"
)

// operations are the collections of operations: of a zone, of a region, of neither.
func operations() (all []Collection) {
	for _, resource := range []string{"zoneOperations", "regionOperations", "globalOperations"} {
		all = append(all, Collection{
			Resource: resource, Kind: "operations", Item: "compute#operation",
			Methods: map[string]Handler{"wait": waitOperation, "delete": deleteOperation},
		})
	}
	return all
}

// maxWait is how long operations.wait blocks at most, as documented.
const maxWait = 2 * time.Minute

// waitOperation returns the operation as soon as it is done, or as it is when
// two minutes have passed, the server closes or the client has gone.
func waitOperation(c *Call) (doc.Obj, error) {
	r := c.Target("operations")
	o := c.S.Store.Read(r)
	if o == nil {
		return nil, problem.NotFound(r)
	}
	end := c.S.Ending(r)
	if doc.Str(o, "status") != "DONE" && end != nil {
		select {
		case <-end:
		case <-c.S.Opts.After(maxWait):
		case <-c.r.Context().Done():
		case <-c.S.Context.Done():
		}
	}
	if o = c.S.Store.Read(r); o == nil {
		return nil, problem.NotFound(r)
	}
	return o, nil
}

func deleteOperation(c *Call) (doc.Obj, error) {
	r := c.Target("operations")
	return nil, c.S.Store.Update(func(t *store.Tx) error {
		o := t.Get(r)
		if o == nil {
			return problem.NotFound(r)
		}
		if doc.Str(o, "status") != "DONE" {
			return problem.NotReady(r)
		}
		t.Delete(r)
		return nil
	})
}

// A Job is the work behind an operation, kept until the operation is done.
type Job struct {
	S         *Server
	Operation doc.Ref
	Method    string // "instances.insert"
	Target    doc.Ref
	Args      doc.Obj // what the work needs to know
	Passed    []any   // names of steps that took hold
	Started   time.Time
	stuck     <-chan struct{} // see Fault; nil but in tests
}

func (j *Job) doc() doc.Obj {
	return doc.Obj{"method": j.Method, "target": string(j.Target), "args": j.Args, "passed": j.Passed, "started": j.Started.Format(time.RFC3339Nano)}
}

func (s *Server) jobOf(operation doc.Ref, o doc.Obj) *Job {
	started, _ := time.Parse(time.RFC3339Nano, doc.Str(o, "started"))
	args := doc.Clone(doc.Sub(o, "args"))
	if args == nil {
		args = doc.Obj{}
	}
	return &Job{S: s, Operation: operation, Method: doc.Str(o, "method"), Target: doc.Ref(doc.Str(o, "target")), Args: args, Passed: doc.List(o, "passed"), Started: started}
}

// Change accepts a changing request: prepare checks it and makes what takes
// hold at once, and one transaction keeps that together with the operation.
// The work of the method does the rest. The answer is the operation, for a
// request id seen before the one made then.
func (c *Call) Change(target doc.Ref, args doc.Obj, prepare func(t *store.Tx) error) (doc.Obj, error) {
	key, err := c.replayKey()
	if err != nil {
		return nil, err
	}
	prepare = c.S.underway.Refuse(c.Method.ID, target, prepare)
	var out doc.Obj
	err = c.S.Store.Update(func(t *store.Tx) error {
		if key != "" {
			if seen := t.Get(doc.Ref(doc.Str(t.Get(key), "operation"))); seen != nil {
				out = seen
				return nil
			}
		}
		if args == nil {
			args = doc.Obj{}
		}
		over, err := c.S.Admit(c, t, target, prepare)
		if err != nil {
			return err
		}
		if over != nil && c.fault == nil {
			args["fault"] = over
		} else if c.fault != nil {
			// prepare decides whether the request would be accepted; what it
			// does is not kept.
			if err := prepare(t.Trial()); err != nil {
				return err
			}
			args["fault"] = doc.Obj{"code": c.fault.Code, "message": c.fault.Message, "status": c.fault.Status, "details": c.fault.Details}
		} else if err := prepare(t); err != nil {
			return err
		}
		operation := c.S.Accept(t, c.Method.ID, target, args, c.Query.Get("clientOperationId"), c.stuck)
		if key != "" {
			t.Put(key, doc.Obj{"operation": string(operation)})
		}
		if by := c.Caller(); by != nil {
			t.Edit(operation)["user"] = by.Email
		}
		out = t.Get(operation) // as it is now, not done, whatever the work has reached
		return nil
	})
	return out, err
}

// replayKey is where the operation of a request id is kept, "" without one.
func (c *Call) replayKey() (doc.Ref, error) {
	id := c.Query.Get("requestId")
	if id == "" {
		return "", nil
	}
	if u, err := uuid.Parse(id); err != nil || u == uuid.Nil {
		return "", problem.Invalid("requestId", id, "Must be a UUID that is not zero.")
	}
	return doc.Ref("~requests/" + c.Project() + "/" + c.Method.ID + "/" + strings.ToLower(id)), nil
}

// Accept writes an operation and its job; the work starts when the
// transaction has ended.
func (s *Server) Accept(t *store.Tx, method string, target doc.Ref, args doc.Obj, clientID string, stuck <-chan struct{}) doc.Ref {
	now := s.Opts.Now()
	id := t.ID()
	sum := sha256.Sum256([]byte(id + string(target)))
	digits := hex.EncodeToString(sum[:])
	name := fmt.Sprintf("operation-%d-%s-%s-%s", now.UnixMilli(), digits[:13], digits[13:21], digits[21:29])
	scope := target.Scope()
	if scope == "" {
		scope = "global" // of a project
	}
	r := doc.RefIn(target.Project(), scope, "operations", name)
	o := doc.Obj{
		"kind": "compute#operation", "id": id, "name": name, "operationType": operationType(method),
		"targetLink": target.Link(), "status": "RUNNING", "user": "user@hakube.local", "progress": 0,
		"insertTime": doc.Stamp(now), "startTime": doc.Stamp(now), "selfLink": r.Link(),
	}
	if clientID != "" {
		o["clientOperationId"] = clientID
	}
	switch what, place, _ := strings.Cut(scope, "/"); what {
	case "zones":
		o["zone"] = doc.ZoneLink(target.Project(), place)
	case "regions":
		o["region"] = doc.RegionLink(target.Project(), place)
	}
	if target := t.Get(target); target != nil && doc.Has(target, "id") {
		o["targetId"] = doc.Str(target, "id")
	} else {
		o["targetId"] = t.ID() // of something a fault kept from being made, or never to be shown
	}
	if l := doc.List(args, "warnings"); len(l) > 0 {
		o["warnings"] = l
	}
	if s.Works[method].AtOnce && doc.Sub(args, "fault") == nil && stuck == nil {
		o["status"], o["progress"], o["endTime"] = "DONE", 100, doc.Stamp(now)
		t.Put(r, o)
		return r
	}
	t.Put(r, o)
	j := &Job{S: s, Operation: r, Method: method, Target: target, Args: args, Started: now, stuck: stuck}
	t.Put(r.Note("jobs"), j.doc())
	t.Then(func() { s.start(j) })
	return r
}

// operationType is the word in operations: mostly the method's, with the
// resource for what came later to the API.
func operationType(method string) string {
	resource, verb, _ := strings.Cut(method, ".")
	switch resource {
	case "instanceGroupManagers":
		return "compute." + method
	}
	switch verb {
	case "preempted", "terminateOnHostMaintenance", "migrateOnHostMaintenance":
		return "compute." + method
	}
	if method == "networks.patch" || method == "instanceTemplates.insert" { // as recorded; of others of these kinds it is the word
		return "compute." + method
	}
	return verb
}
