package emulator

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"hakube/gce/emulator/internal/discovery"
)

// A Server is one embedded GCE. It is an [http.Handler].
type Server struct {
	opts    Options
	api     *discovery.API
	store   *store
	methods map[string]handler
	works   map[string]work
	views   map[string]func(*tx, ref, obj) obj // by kind: what an answer shows besides what is stored

	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	tasks  sync.WaitGroup

	mu     sync.Mutex
	closed bool
	ends   map[ref]chan struct{} // operations under way; closed when done
	queue  map[ref]chan struct{} // end of the last work accepted for a target
	wakes  map[ref]chan struct{} // metadata: closed when the object changes

	ended sync.Map // MachineKey: machines that ended before they were RUNNING

	held atomic.Pointer[store] // what lists show, if not what is there

	network *networker
	groups  *grouper

	reads, changes atomic.Int64
}

// A handler answers one method. What it returns is a document, or nil for an
// empty answer.
type handler func(*call) (obj, error)

// A collection is what one kind of object adds to the server. get, list and
// aggregatedList come by themselves.
type collection struct {
	resource string // in the discovery document: "instances"
	kind     string // last part of the path of a list: "instances"
	item     string // of the JSON field kind: "compute#instance"
	view     func(*tx, ref, obj) obj
	methods  map[string]handler // by what follows the resource: "insert"
	works    map[string]work
}

// collections is the table of contents: one file each.
func collections() []collection {
	return []collection{
		projects(), regions(), zones(), machineTypes(), diskTypes(), images(), imageFamilyViews(),
		networks(), subnetworks(), routes(), firewalls(), addresses(), globalAddresses(),
		disks(), snapshots(), instances(), instanceTemplates(), instanceGroupManagers(), instanceGroups(),
		healthChecks(), regionHealthChecks(), backendServices(), regionBackendServices(), forwardingRules(), globalForwardingRules(),
		httpHealthChecks(), targetPools(),
		autoscalers(), regionAutoscalers(),
		zoneOperations(), regionOperations(), globalOperations(),
	}
}

// New opens the store and takes up where the last process left: machines that
// should run are started or adopted, the network is made as it should be, and
// operations that were under way go on.
func New(o Options) (*Server, error) {
	o.fill()
	if o.Path == "" {
		return nil, fmt.Errorf("opening the embedded GCE: no path for its objects")
	}
	st, err := openStore(o.Path, o.NoSync)
	if err != nil {
		return nil, err
	}
	s := &Server{
		opts: o, api: discovery.Load(), store: st,
		methods: map[string]handler{}, works: map[string]work{}, views: map[string]func(*tx, ref, obj) obj{},
		ends: map[ref]chan struct{}{}, queue: map[ref]chan struct{}{}, wakes: map[ref]chan struct{}{},
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	for _, c := range collections() {
		s.add(c)
	}
	st.applied = s.wake
	s.network = newNetworker(s)
	s.groups = newGrouper(s)
	o.Backend.Watch(s.exited)
	if err := s.resume(); err != nil {
		s.cancel()
		_ = st.close() // what went wrong before is said
		return nil, err
	}
	return s, nil
}

func (s *Server) add(c collection) {
	for name, h := range map[string]handler{"get": getter(c), "list": lister(c), "aggregatedList": aggregator(c)} {
		if s.api.Methods[c.resource+"."+name] != nil {
			s.methods[c.resource+"."+name] = h
		}
	}
	for name, h := range c.methods {
		id := c.resource + "." + name
		if s.api.Methods[id] == nil {
			panic("no such method in the discovery document: " + id)
		}
		s.methods[id] = h
	}
	for name, w := range c.works {
		s.works[c.resource+"."+name] = w
	}
	if c.view != nil {
		s.views[c.kind] = c.view
	}
}

// Close ends the server: waiting requests are answered, work under way is left
// for the next New, and the backend is closed. Machines keep running.
func (s *Server) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	s.mu.Unlock()
	s.cancel()
	s.tasks.Wait()
	err := s.opts.Backend.Close()
	if e := s.store.close(); err == nil {
		err = e
	}
	return err
}

// spawn runs f until Close waits for it; not at all after Close.
func (s *Server) spawn(f func()) {
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

// Counts returns how many requests were made so far that only read, and that
// were to change something. Parts of a batch count, the batch does not.
func (s *Server) Counts() (read, change int64) { return s.reads.Load(), s.changes.Load() }

// Busy is how many operations are under way.
func (s *Server) Busy() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.ends)
}

// An Object is one stored document.
type Object struct {
	Path string // projects/p/zones/z/instances/i
	Doc  map[string]any
}

// Snapshot returns all objects that somebody made, sorted by path, to compare
// before with after. Operations are not in it.
func (s *Server) Snapshot() []Object {
	var out []Object
	s.store.view(func(t *tx) {
		for r, o := range t.stored("projects") {
			if r.kind() != "operations" {
				out = append(out, Object{string(r), clone(o)})
			}
		}
	})
	slices.SortFunc(out, func(a, b Object) int { return strings.Compare(a.Path, b.Path) })
	return out
}

// Objects counts what users made, by collection.
func (s *Server) Objects() map[string]int {
	all := map[string]int{}
	for _, counts := range count(s.store) {
		for kind, n := range counts {
			all[kind] += n
		}
	}
	return all
}

// Projects counts what users made, by project and collection.
func (s *Server) Projects() map[string]map[string]int { return count(s.store) }
