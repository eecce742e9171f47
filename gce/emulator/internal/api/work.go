package api

import (
	"context"
	"slices"

	"hakube/gce/emulator/internal/doc"
	"hakube/gce/emulator/internal/problem"
	"hakube/gce/emulator/internal/store"
)

// A Work is what an operation does after it was accepted.
type Work struct {
	// Run brings what the job is about to its end. It is repeated from its
	// start when the process died meanwhile, so each part asks what is there.
	Run func(context.Context, *Job) error
	// Late lets the latency pass before run rather than around it: for changes
	// that nobody sees until Google is through with them.
	Late bool
	// AtOnce tells that the first answer shows the operation done: the change took
	// hold with it, and there is no work.
	AtOnce bool
}

// Took reports whether a step took hold before.
func (k *Job) Took(name string) bool { return slices.Contains(k.Passed, any(name)) }

// Step makes a change in one transaction, together with the note that it was
// made: once, however often the work is repeated.
func (k *Job) Step(name string, f func(t *store.Tx) error) error {
	if k.Took(name) {
		return nil
	}
	passed := append(slices.Clone(k.Passed), name)
	return k.S.Store.Update(func(t *store.Tx) error {
		if err := f(t); err != nil {
			return err
		}
		k.Passed = passed
		t.Put(k.Operation.Note("jobs"), k.doc())
		return nil
	})
}

// start works on an accepted job in the background. Works for one target are
// done in the order they were accepted.
func (s *Server) start(j *Job) {
	s.underway.Begin(j.Method, j.Target)
	s.mu.Lock()
	end, before := make(chan struct{}), s.queue[j.Target]
	s.ends[j.Operation], s.queue[j.Target] = end, end
	s.mu.Unlock()
	s.Spawn(func() {
		if before != nil {
			select {
			case <-before:
			case <-s.Context.Done():
				return
			}
		}
		if j.stuck != nil {
			select {
			case <-j.stuck:
			case <-s.Context.Done():
				return
			}
		}
		if s.work(j) {
			s.mu.Lock()
			delete(s.ends, j.Operation)
			if s.queue[j.Target] == end {
				delete(s.queue, j.Target)
			}
			s.mu.Unlock()
			close(end)
		}
	})
}

// work reports whether the operation is done: false leaves it to the next New.
func (s *Server) work(j *Job) bool {
	now := doc.Stamp(s.Opts.Now())
	// After a restart the operation begins again.
	s.Store.Amend(j.Operation, func(o doc.Obj) { o["status"], o["startTime"] = "RUNNING", now })
	var err error
	if fault := doc.Sub(j.Args, "fault"); fault != nil {
		err = faulty(fault)
		s.pass(j)
	} else {
		w := s.Works[j.Method]
		if w.Late {
			s.pass(j)
		}
		if w.Run != nil && s.Context.Err() == nil {
			err = s.attempt(w, j)
		}
		if !w.Late {
			s.pass(j)
		}
	}
	if s.Context.Err() != nil {
		return false
	}
	return s.finish(j, err)
}

// attempt runs the work; a panic in it is its failure, not the server's.
func (s *Server) attempt(w Work, k *Job) (err error) {
	defer s.Rescue(k.Method+" "+string(k.Target), func(p *problem.Problem) { err = p })
	return w.Run(s.Context, k)
}

// pass waits until the operation is as old as the latency wants it.
func (s *Server) pass(j *Job) {
	if s.Opts.Latency != GCE {
		return
	}
	left := LatencyOf(j.Method) - s.Opts.Now().Sub(j.Started)
	if left <= 0 {
		return
	}
	select {
	case <-s.Opts.After(left):
	case <-s.Context.Done():
	}
}

func (s *Server) finish(j *Job, failed error) bool {
	now := doc.Stamp(s.Opts.Now())
	err := s.Store.Update(func(t *store.Tx) error {
		t.Delete(j.Operation.Note("jobs"))
		t.Then(func() { s.underway.End(j.Method, j.Target) })
		o := t.Edit(j.Operation)
		if o == nil {
			return nil
		}
		o["status"], o["progress"], o["endTime"] = "DONE", 100, now
		doc.Fill(o, doc.Obj{"startTime": now})
		if failed != nil {
			p := problem.Of(failed)
			// Without httpErrorStatusCode the Go client reports success.
			e := doc.Obj{"code": p.Code, "message": problem.Short(p.Message)}
			if details := doc.List(doc.Sub(j.Args, "fault"), "details"); len(details) > 0 {
				e["errorDetails"] = details
			}
			o["error"] = doc.Obj{"errors": []any{e}}
			o["httpErrorStatusCode"], o["httpErrorMessage"] = p.Status, problem.HTTPMessage(p.Status)
		}
		return nil
	})
	if failed != nil {
		s.Opts.Log.Info("operation failed", "method", j.Method, "target", string(j.Target), "error", failed)
	}
	if err != nil {
		s.Opts.Log.Error("operation not finished", "method", j.Method, "target", string(j.Target), "error", err)
		return false
	}
	s.Settled()
	return true
}

func faulty(f doc.Obj) *problem.Problem {
	p := problem.New(int(doc.Num(f, "status")), "backendError", doc.Str(f, "code"), doc.Str(f, "message"))
	if p.Status == 0 {
		p.Status = 503
	}
	if p.Code == "" {
		p.Code = "INTERNAL_ERROR"
	}
	if p.Message == "" {
		p.Message = "a fault that was asked for"
	}
	return p
}
