// Package api is what all kinds of objects of the API have in common: the method
// table, reading and listing, changes that are accepted with an operation, and the
// jobs behind these. What is about one kind is in the packages above.
package api

import (
	"context"
	"fmt"
	"net/http"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"hakube/gce/emulator/internal/discovery"
	"hakube/gce/emulator/internal/doc"
	"hakube/gce/emulator/internal/missing"
	"hakube/gce/emulator/internal/problem"
	"hakube/gce/emulator/internal/store"
	"hakube/gce/emulator/internal/underway"
)

// A Server is what the collections stand on: the store, the method table, the
// operations under way, and what is behind the API.
type Server struct {
	Opts  Options
	API   *discovery.API
	Store *store.Store
	Net   *Syncer // keeps the network behind the API as the store says

	Methods map[string]Handler
	Works   map[string]Work
	kinds   map[string]Collection                                // by resource
	views   map[string]func(*store.Tx, doc.Ref, doc.Obj) doc.Obj // by kind: what an answer shows besides what is stored
	missing map[string]*missing.Table                            // by method

	// Admit may make a request fail that is well-formed: with an error at once,
	// or with a fault in its operation. prepare says what the request would do.
	Admit func(c *Call, t *store.Tx, target doc.Ref, prepare func(*store.Tx) error) (fault doc.Obj, err error)
	// Scoped and Allowed refuse what a caller may not do: before a request is looked
	// at what the token was not given for, after it what the account has no permission
	// for. The operator is refused nothing.
	Scoped  func(r *http.Request, m *discovery.Method) error
	Allowed func(c *Call) error
	// Beside answers what is asked of Google's other services, and says whether it was.
	Beside func(r *http.Request) (out doc.Obj, is bool, err error)
	// Found sees to what a project has that nobody made, before the first request about it.
	Found func(project string) error
	// Settled is called whenever an operation has ended.
	Settled func()

	Context context.Context // ends with close
	Cancel  context.CancelFunc
	tasks   sync.WaitGroup

	mu     sync.Mutex
	closed bool
	forgot time.Time                 // when old operations were last forgotten
	ends   map[doc.Ref]chan struct{} // operations under way; closed when done
	queue  map[doc.Ref]chan struct{} // end of the last work accepted for a target

	underway underway.Objects

	held atomic.Pointer[store.Store] // what lists show, if not what is there
}

// A Handler answers one method. What it returns is a document, or nil for an
// empty answer.
type Handler func(*Call) (doc.Obj, error)

// A Collection is what one kind of object adds to the server. get, list and
// aggregatedList come by themselves.
type Collection struct {
	Resource string // in the discovery document: "instances"
	Kind     string // last part of the path of a list: "instances"
	Item     string // of the JSON field kind: "compute#instance"
	View     func(*store.Tx, doc.Ref, doc.Obj) doc.Obj
	Shown    doc.Obj            // what an object has that nobody gave and that means nothing here
	Methods  map[string]Handler // by what follows the resource: "insert"
	Works    map[string]Work
	Lacks    map[string][]string // by what follows the resource: what of its request is not written, see missing.Table
}

// Open opens the store. There are operations, and nothing they could be about.
func Open(o Options) (*Server, error) {
	o.fill()
	if o.Path == "" {
		return nil, fmt.Errorf("opening the embedded GCE: no path for its objects")
	}
	st, err := store.Open(o.Path, o.NoSync)
	if err != nil {
		return nil, err
	}
	s := &Server{
		Opts: o, API: discovery.Load(), Store: st,
		Methods: map[string]Handler{}, Works: map[string]Work{}, views: map[string]func(*store.Tx, doc.Ref, doc.Obj) doc.Obj{},
		kinds:   map[string]Collection{},
		missing: map[string]*missing.Table{}, ends: map[doc.Ref]chan struct{}{}, queue: map[doc.Ref]chan struct{}{},
		Admit:   func(*Call, *store.Tx, doc.Ref, func(*store.Tx) error) (doc.Obj, error) { return nil, nil },
		Found:   func(string) error { return nil },
		Scoped:  func(*http.Request, *discovery.Method) error { return nil },
		Allowed: func(*Call) error { return nil },
		Beside:  func(*http.Request) (doc.Obj, bool, error) { return nil, false, nil },
		Settled: func() {},
	}
	s.Context, s.Cancel = context.WithCancel(context.Background())
	s.Net = &Syncer{spawn: s.Spawn, ctx: s.Context, log: o.Log}
	for _, c := range operations() {
		s.Add(c)
	}
	return s, nil
}

// Add puts a collection into the method table.
func (s *Server) Add(c Collection) {
	for name, h := range map[string]Handler{"get": getter(c), "list": lister(c), "aggregatedList": aggregator(c)} {
		if s.API.Methods[c.Resource+"."+name] != nil {
			s.Methods[c.Resource+"."+name] = h
		}
	}
	s.kinds[c.Resource] = c
	for name, h := range c.Methods {
		id := c.Resource + "." + name
		if s.API.Methods[id] == nil {
			panic("no such method in the discovery document: " + id)
		}
		s.Methods[id] = h
	}
	for name, entries := range c.Lacks {
		s.missing[c.Resource+"."+name] = missing.Read(s.API, s.API.Methods[c.Resource+"."+name], entries)
	}
	for name, w := range c.Works {
		s.Works[c.Resource+"."+name] = w
	}
	if c.View != nil {
		s.views[c.Kind] = c.View
	}
}

// Lacking is what of the requests of a method is not written, as the table beside it
// says.
func (s *Server) Lacking(method string) []string {
	if l := s.missing[method]; l != nil {
		return l.Entries
	}
	return nil
}

// Close ends the server: waiting requests are answered, work under way is left
// for the next one, and the backend is closed. Machines keep running.
func (s *Server) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	s.mu.Unlock()
	s.Cancel()
	s.tasks.Wait()
	err := s.Opts.Backend.Close()
	if e := s.Store.Close(); err == nil {
		err = e
	}
	return err
}

// Spawn runs f until close waits for it; not at all after that.
func (s *Server) Spawn(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	s.tasks.Add(1)
	go func() {
		defer s.tasks.Done()
		f()
	}()
}

// Busy is how many operations are under way.
func (s *Server) Busy() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.ends)
}

// Ending is closed when an operation is done; nil if it is, or nobody knows it.
func (s *Server) Ending(operation doc.Ref) chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ends[operation]
}

// Rescue makes a panic an answer and a line in the log. One that is meant to
// cut the connection goes on.
func (s *Server) Rescue(what string, answered func(p *problem.Problem)) {
	v := recover()
	if v == nil {
		return
	}
	if v == http.ErrAbortHandler {
		panic(v)
	}
	s.Opts.Log.Error("panic in the embedded GCE", "request", what, "panic", v, "stack", string(debug.Stack()))
	answered(problem.Of(fmt.Errorf("%v", v)))
}
