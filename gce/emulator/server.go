package emulator

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"hakube/gce/emulator/backend"
	"hakube/gce/emulator/internal/access"
	"hakube/gce/emulator/internal/api"
	"hakube/gce/emulator/internal/balancers"
	"hakube/gce/emulator/internal/catalog"
	"hakube/gce/emulator/internal/disks"
	"hakube/gce/emulator/internal/doc"
	"hakube/gce/emulator/internal/groups"
	"hakube/gce/emulator/internal/instances"
	"hakube/gce/emulator/internal/machine"
	"hakube/gce/emulator/internal/networks"
	"hakube/gce/emulator/internal/projects"
	"hakube/gce/emulator/internal/storage"
	"hakube/gce/emulator/internal/store"
	"hakube/gce/emulator/internal/web"
)

// A Server is one embedded GCE. It is an [http.Handler].
type Server struct {
	core   *api.Server
	front  *web.Front
	groups *groups.Reconciler
	guests *machine.Guests
	tokens *access.Tokens
	// schedules makes the snapshots that are due.
	schedules *disks.Scheduler
}

// New opens the store and takes up where the last process left: machines that
// should run are started or adopted, the network is made as it should be, and
// operations that were under way go on.
func New(o Options) (*Server, error) {
	if err := projects.CheckPolicies(o.Policies); err != nil {
		return nil, err
	}
	c, err := api.Open(o)
	if err != nil {
		return nil, err
	}
	tokens, err := access.NewTokens(access.New(c))
	if err != nil {
		return nil, errors.Join(err, c.Store.Close())
	}
	objects, err := storage.New(c)
	if err != nil {
		return nil, errors.Join(err, c.Store.Close())
	}
	s := &Server{core: c, front: web.New(c, tokens.Caller), groups: groups.New(c), tokens: tokens, guests: machine.NewGuests(c, tokens.For), schedules: &disks.Scheduler{S: c}}
	s.front.Storage = objects
	instances := &instances.Lifecycle{S: c}
	for _, col := range slices.Concat(
		catalog.Collections(), projects.Collections(), networks.Collections(), balancers.Collections(),
		disks.Collections(), instances.Collections(), s.groups.Collections(),
	) {
		c.Add(col)
	}
	c.Store.Index(networks.Keys)
	c.Admit = func(call *api.Call, t *store.Tx, target doc.Ref, prepare func(*store.Tx) error) (doc.Obj, error) {
		if err := projects.RefuseForbidden(call, t, target, prepare); err != nil {
			return nil, err
		}
		return projects.RefuseOver(call, t, target, prepare)
	}
	c.Settled = func() {
		s.groups.Wake()
		c.ForgetOld()
	}
	if projects.DefaultNetwork(c) {
		c.Found = func(project string) error { return networks.Founded(c, project) }
	}
	view := newNetworkView()
	c.Store.Applied = func(changed []doc.Ref) {
		view.changed(changed)
		s.guests.Wake(changed)
	}
	c.Net.Sync = func(ctx context.Context) error {
		var n backend.Network
		c.Store.View(func(t *store.Tx) { n = view.state(t) })
		return c.Opts.Backend.Sync(ctx, n)
	}
	c.Opts.Backend.Watch(instances.Exited)
	err = c.Resume(func() {
		instances.Adopt()
		balancers.DrainOn(c)
	})
	if err != nil {
		c.Cancel()
		_ = c.Store.Close() // what went wrong before is said
		return nil, err
	}
	s.schedules.Run()
	return s, nil
}

// ServeHTTP serves /compute/v1/… and /compute/beta/…, and batches of both.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.front.ServeHTTP(w, r) }

// Guard reports whether a request is let in, and answers it if not. It keeps
// web pages out: they can make a browser on this machine send requests here,
// under a name of theirs (DNS rebinding), or as one site to another.
func (s *Server) Guard(w http.ResponseWriter, r *http.Request) bool { return s.front.Guard(w, r) }

// MetadataFor returns what a machine sees at 169.254.169.254, and false when
// there is no such machine (any more).
func (s *Server) MetadataFor(key backend.MachineKey) (http.Handler, bool) {
	return s.guests.MetadataFor(key)
}

// HoldLists lets lists show from now on what is there now, while gets and
// changes go on, until release is called: at Google a list may be behind by a
// moment. For tests.
func (s *Server) HoldLists() (release func()) { return s.core.HoldLists() }

// Close ends the server: waiting requests are answered, work under way is left
// for the next New, and the backend is closed. Machines keep running.
func (s *Server) Close() error { return s.core.Close() }

// Counts returns how many requests were made so far that only read, and that
// were to change something. Parts of a batch count, the batch does not.
func (s *Server) Counts() (read, change int64) { return s.front.Counts() }

// Busy is how many operations are under way.
func (s *Server) Busy() int { return s.core.Busy() }

// An Object is one stored document.
type Object struct {
	Path string // projects/p/zones/z/instances/i
	Doc  map[string]any
}

// Snapshot returns all objects that somebody made, sorted by path, to compare
// before with after. Operations are not in it.
func (s *Server) Snapshot() []Object {
	var out []Object
	s.core.Store.View(func(t *store.Tx) {
		for r, o := range t.Stored("projects") {
			if r.Kind() != "operations" {
				out = append(out, Object{string(r), doc.Clone(o)})
			}
		}
	})
	slices.SortFunc(out, func(a, b Object) int { return strings.Compare(a.Path, b.Path) })
	return out
}

// Objects counts what users made, by collection.
func (s *Server) Objects() map[string]int {
	all := map[string]int{}
	for _, counts := range count(s.core.Store) {
		for kind, n := range counts {
			all[kind] += n
		}
	}
	return all
}

// Projects counts what users made, by project and collection.
func (s *Server) Projects() map[string]map[string]int { return count(s.core.Store) }
