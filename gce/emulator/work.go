package emulator

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A work is what an operation does after it was accepted.
type work struct {
	// run brings what the job is about to its end. It is repeated from its
	// start when the process died meanwhile, so each part asks what is there.
	run func(context.Context, *task) error
	// late lets the latency pass before run rather than around it: for changes
	// that nobody sees until Google is through with them.
	late bool
}

// A task is a job being worked on.
type task struct {
	s *Server
	job
}

// passed reports whether a step took hold before.
func (k *task) passed(name string) bool { return slices.Contains(k.Passed, any(name)) }

// step makes a change in one transaction, together with the note that it was
// made: once, however often the work is repeated.
func (k *task) step(name string, f func(t *tx) error) error {
	if k.passed(name) {
		return nil
	}
	passed := append(slices.Clone(k.Passed), name)
	return k.s.store.update(func(t *tx) error {
		if err := f(t); err != nil {
			return err
		}
		k.Passed = passed
		t.put(k.Operation.note("jobs"), k.doc())
		return nil
	})
}

// start works on an accepted job in the background. Works for one target are
// done in the order they were accepted.
func (s *Server) start(j job) {
	s.mu.Lock()
	end, before := make(chan struct{}), s.queue[j.Target]
	s.ends[j.Operation], s.queue[j.Target] = end, end
	s.mu.Unlock()
	s.spawn(func() {
		if before != nil {
			select {
			case <-before:
			case <-s.ctx.Done():
				return
			}
		}
		if j.stuck != nil {
			select {
			case <-j.stuck:
			case <-s.ctx.Done():
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
func (s *Server) work(j job) bool {
	now := stamp(s.opts.Now())
	// After a restart the operation begins again.
	s.store.amend(j.Operation, func(o obj) { o["status"], o["startTime"] = "RUNNING", now })
	k := &task{s: s, job: j}
	var err error
	if fault := sub(j.Args, "fault"); fault != nil {
		err = faulty(fault)
		s.pass(j)
	} else {
		w := s.works[j.Method]
		if w.late {
			s.pass(j)
		}
		if w.run != nil && s.ctx.Err() == nil {
			err = s.attempt(w, k)
		}
		if !w.late {
			s.pass(j)
		}
	}
	if s.ctx.Err() != nil {
		return false
	}
	return s.finish(j, err)
}

// attempt runs the work; a panic in it is its failure, not the server's.
func (s *Server) attempt(w work, k *task) (err error) {
	defer s.rescue(k.Method+" "+string(k.Target), func(p *problem) { err = p })
	return w.run(s.ctx, k)
}

// pass waits until the operation is as old as the latency wants it.
func (s *Server) pass(j job) {
	if s.opts.Latency != GCE {
		return
	}
	left := LatencyOf(j.Method) - s.opts.Now().Sub(j.Started)
	if left <= 0 {
		return
	}
	select {
	case <-s.opts.After(left):
	case <-s.ctx.Done():
	}
}

func (s *Server) finish(j job, failed error) bool {
	now := stamp(s.opts.Now())
	err := s.store.update(func(t *tx) error {
		t.delete(j.Operation.note("jobs"))
		o := t.edit(j.Operation)
		if o == nil {
			return nil
		}
		o["status"], o["progress"], o["endTime"] = "DONE", 100, now
		fill(o, obj{"startTime": now})
		if failed != nil {
			p := asProblem(failed)
			// Without httpErrorStatusCode the Go client reports success.
			e := obj{"code": p.Code, "message": short(p.Message)}
			if details := list(sub(j.Args, "fault"), "details"); len(details) > 0 {
				e["errorDetails"] = details
			}
			o["error"] = obj{"errors": []any{e}}
			o["httpErrorStatusCode"], o["httpErrorMessage"] = p.Status, httpMessage(p.Status)
		}
		return nil
	})
	if failed != nil {
		s.opts.Log.Info("operation failed", "method", j.Method, "target", string(j.Target), "error", failed)
	}
	if err != nil {
		s.opts.Log.Error("operation not finished", "method", j.Method, "target", string(j.Target), "error", err)
		return false
	}
	s.groups.wake()
	return true
}

func faulty(f obj) *problem {
	p := &problem{int(num(f, "status")), "backendError", str(f, "code"), str(f, "message")}
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

// keepOperations is how long a finished operation can be looked up; Google
// keeps them for two weeks.
const keepOperations = 14 * 24 * time.Hour

// resume adopts machines and takes up unfinished operations, oldest first.
func (s *Server) resume() error {
	if err := s.forget(); err != nil {
		return err
	}
	var jobs []job
	s.store.view(func(t *tx) {
		for r, o := range t.stored("~jobs/") {
			jobs = append(jobs, jobOf(ref(strings.TrimPrefix(string(r), "~jobs/")), o))
		}
	})
	id := func(j job) uint64 { return ident(s.store.read(j.Operation)) }
	slices.SortFunc(jobs, func(a, b job) int { return int(int64(id(a) - id(b))) })
	s.adopt()
	s.drainOn()
	for _, j := range jobs {
		s.start(j)
	}
	s.network.request()
	s.groups.wake()
	return nil
}

// forget removes operations that ended long ago, and the request ids of those
// that are gone.
func (s *Server) forget() error {
	old := s.opts.Now().Add(-keepOperations)
	return s.store.update(func(t *tx) error {
		for _, p := range t.projects() {
			for _, o := range t.all(p, "operations") {
				ended, err := time.Parse("2006-01-02T15:04:05.000-07:00", str(o, "endTime"))
				if err == nil && ended.Before(old) {
					t.delete(toRef(str(o, "selfLink")))
				}
			}
		}
		for r, o := range t.stored("~requests/") {
			if t.get(ref(str(o, "operation"))) == nil {
				t.delete(r)
			}
		}
		return nil
	})
}

func atoi(s string) int { n, _ := strconv.Atoi(s); return n }
