package api

import (
	"slices"
	"strings"
	"time"

	"hakube/gce/emulator/internal/doc"
	"hakube/gce/emulator/internal/store"
)

// keepOperations is how long a finished operation can be looked up; Google
// keeps them for two weeks. forgetEach is how often those older than that go.
const (
	keepOperations = 14 * 24 * time.Hour
	forgetEach     = time.Hour
)

// ForgetOld forgets what is old while changes are made, in the background: a
// server that runs for months would keep, and look through, all of it.
func (s *Server) ForgetOld() {
	s.mu.Lock()
	now := s.Opts.Now()
	due := now.Sub(s.forgot) >= forgetEach
	if due {
		s.forgot = now
	}
	s.mu.Unlock()
	if due {
		s.Spawn(func() {
			if err := s.forget(); err != nil {
				s.Opts.Log.Error("forgetting old operations", "error", err)
			}
		})
	}
}

// unfinished are the jobs that a process before this one left, oldest first.
func (s *Server) unfinished() (jobs []*Job) {
	s.Store.View(func(t *store.Tx) {
		for r, o := range t.Stored("~jobs/") {
			jobs = append(jobs, s.jobOf(doc.Ref(strings.TrimPrefix(string(r), "~jobs/")), o))
		}
	})
	id := func(j *Job) uint64 { return doc.ID(s.Store.Read(j.Operation)) }
	slices.SortFunc(jobs, func(a, b *Job) int { return int(int64(id(a) - id(b))) })
	return jobs
}

// Resume takes up unfinished operations, oldest first. adopt is called before
// any of them goes on.
func (s *Server) Resume(adopt func()) error {
	if err := s.forget(); err != nil {
		return err
	}
	jobs := s.unfinished()
	adopt()
	for _, j := range jobs {
		s.start(j)
	}
	s.Net.Request()
	s.Settled()
	return nil
}

// forget removes operations that ended long ago, and the request ids of those
// that are gone.
func (s *Server) forget() error {
	now := s.Opts.Now()
	s.mu.Lock()
	s.forgot = now
	s.mu.Unlock()
	old := now.Add(-keepOperations)
	return s.Store.Update(func(t *store.Tx) error {
		for _, p := range t.Projects() {
			for _, o := range t.All(p, "operations") {
				ended, err := time.Parse("2006-01-02T15:04:05.000-07:00", doc.Str(o, "endTime"))
				if err == nil && ended.Before(old) {
					t.Delete(doc.RefOf(doc.Str(o, "selfLink")))
				}
			}
		}
		for r, o := range t.Stored("~requests/") {
			if t.Get(doc.Ref(doc.Str(o, "operation"))) == nil {
				t.Delete(r)
			}
		}
		return nil
	})
}
