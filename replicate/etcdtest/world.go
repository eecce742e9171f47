package etcdtest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"hakube/replicate/etcdtest/kubeapi"
)

// Options of a [World]. The zero value is good.
type Options struct {
	// BootTime is how long a machine takes from its start to the phase running.
	// At half of it a master begins to serve, and a node to join.
	BootTime time.Duration
	// HealthInterval is how long members of a ring must have been connected before
	// it takes another one, and a live one goes. etcd's is 5 s.
	HealthInterval time.Duration
	// Used is what clusters have lived through when they are founded.
	Used Used
	// Slow is how much of a ring's data a member that has to be sent all of them gets
	// each time its machine is asked about it, or its ring to agree on something; all at
	// once if zero.
	Slow int64
	// Quota is how large a member's database may be, in bytes; 4 GiB if zero.
	Quota int64
	// NoSync lets disks lose their last changes when the host's power goes, as the
	// embedded GCE's option of that name does.
	NoSync bool
	// Scripts are answered over ssh besides those the model knows, by the name in
	// their line `# hakube: <name>`. For tests.
	Scripts map[string]Script
	// Fault is asked about each script and each request to an API server before it
	// is looked at. For tests.
	Fault func(Asked) Fault
	// Lacks says why a version of Kubernetes is not to be had, "" if it is; all are if nil.
	Lacks func(version string) string
	// Installing is asked at each boot of a machine with a startup-script, in the step
	// in which that installs: an error is why it fails, and print is the console. For tests.
	Installing func(machine string, print func(line string)) error
	// Founding is asked when a machine's API answers for the first time, and before it has keys
	// to give to others: real kubeadm has some seconds of work there. For tests.
	Founding func(machine string)
	// Ending is asked at each boot when all a machine is for answers, and before its
	// console says that it runs: a real script has some seconds of work there. For tests.
	Ending func(machine string)
	// Ring is told, with the world's lock held, of a ring whose members came, went or
	// changed: how many of them vote, and how many of those run. For tests.
	Ring func(name string, voters, running int)
}

// A World is model machines that reach each other.
type World struct {
	opts Options
	web  *http.Server
	port chan net.Conn // connections to API servers
	jobs sync.WaitGroup

	mu        sync.Mutex
	closed    bool
	guests    map[*Guest]struct{}          // that run
	addresses map[netip.Addr][]*Guest      // of guests, running or not; a balancer's lead to several
	rings     map[string]*ring             // by the ring's id
	sides     map[string]map[string]string // by ring and machine: members of a side reach each other, see Partition
	dark      map[string]bool              // machines that reach nobody, by name
	crowded   string                       // the machine that both pods of CoreDNS are on; "": they are spread
	kept      map[string]bool              // ranges of pods that their machines keep for themselves
	kubelets  map[string]kubelet           // that registered and run, by machine id
	silent    map[string]time.Time         // machine id → when its kubelet fell silent
	change    chan struct{}                // closed when something happened that machines may wait for
	began     time.Time
}

// NewWorld has no machines yet. Close it.
func NewWorld(o Options) *World {
	w := &World{
		opts: o, port: make(chan net.Conn), guests: map[*Guest]struct{}{}, addresses: map[netip.Addr][]*Guest{},
		rings: map[string]*ring{}, sides: map[string]map[string]string{}, dark: map[string]bool{}, kubelets: map[string]kubelet{}, silent: map[string]time.Time{},
		change: make(chan struct{}), began: time.Now(),
	}
	w.web = newWebServer()
	w.jobs.Go(func() { _ = w.web.Serve(listener{w.port, make(chan struct{}), new(sync.Once)}) }) // until Close
	return w
}

// Close stops all machines; their disks stay.
func (w *World) Close() error {
	w.mu.Lock()
	w.closed = true
	var running []*Guest
	for g := range w.guests {
		running = append(running, g)
	}
	w.mu.Unlock()
	for _, g := range running {
		g.Stop()
	}
	err := w.web.Close()
	w.jobs.Wait()
	return err
}

// SetAddresses says which machines are reached by which address, external and
// internal, from now on. Machines need it to find their API server; of several
// they take one whose API server answers, as a balancer with health checks.
func (w *World) SetAddresses(to map[netip.Addr][]*Guest) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.addresses = to
	w.happened()
}

// KeepPods says which ranges of pods' addresses their machines keep, by a local route.
func (w *World) KeepPods(ranges ...string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.kept = map[string]bool{}
	for _, r := range ranges {
		w.kept[r] = true
	}
}

// happened wakes machines that wait. The lock is held.
func (w *World) happened() {
	close(w.change)
	w.change = make(chan struct{})
}

// until asks again, at each event, until f is content or ends it with an error.
// The lock is held while f runs.
func (w *World) until(ctx context.Context, f func() (bool, error)) error {
	for {
		w.mu.Lock()
		done, err := f()
		change := w.change
		w.mu.Unlock()
		if done || err != nil {
			return err
		}
		select {
		case <-change:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// errStopped is what a machine that is stopped says inside; nobody hears it.
var errStopped = errors.New("the machine is stopped")

// Start boots a machine. It returns when sshd answers; what the startup-script
// does goes on after that.
func (w *World) Start(m Machine) (*Guest, error) {
	g, err := newGuest(w, m)
	if err != nil {
		return nil, err
	}
	w.mu.Lock()
	if w.closed {
		w.mu.Unlock()
		return nil, fmt.Errorf("starting %s: the world is closed", m.Name)
	}
	defer w.mu.Unlock()
	if g.boot.Lost { // it runs, and there is nobody in it
		g.say(noBoot)
		return g, nil
	}
	w.guests[g] = struct{}{}
	g.work.Go(g.run)
	return g, nil
}

// A listener gets its connections from a channel.
type listener struct {
	conns  chan net.Conn
	closed chan struct{}
	once   *sync.Once
}

func (l listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l listener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l listener) Addr() net.Addr { return port(443) }

// A port is an address of a model machine that has no number outside.
type port int

func (port) Network() string  { return "tcp" }
func (p port) String() string { return fmt.Sprintf("model:%d", int(p)) }

// An Asked is one thing that a machine is asked from outside: to run a script, or
// something of its API server.
type Asked struct {
	Machine string
	Script  string // its name; "" when Request is set
	Args    []string
	Request *http.Request
}

// A Fault is what befalls what is asked. The zero Fault lets it pass.
type Fault struct {
	CutBefore  bool          // end the connection without doing anything
	CutAfter   bool          // do it, and end the connection without an answer
	Fail       bool          // do nothing; a script exits with 1, a request is answered with Status
	Status     int           // of a request that fails; 500 when zero
	Message    string        // told with Status
	RetryAfter time.Duration // told with Status
	Hang       bool          // do nothing, and answer nothing until the caller gives up
}

func (w *World) fault(a Asked) Fault {
	if w.opts.Fault == nil {
		return Fault{}
	}
	return w.opts.Fault(a)
}

// befall does to a script what the fault wants. run is the script itself; hangUp
// ends the connection.
func (f Fault) befall(ctx context.Context, c Call, hangUp func(), run func() int) int {
	switch {
	case f.CutBefore:
		hangUp()
		return 1
	case f.Hang:
		<-ctx.Done()
		return 1
	case f.Fail:
		return c.fail("a fault that was asked for")
	}
	status := run()
	if f.CutAfter {
		hangUp()
	}
	return status
}

// befallRequest does the same to a request. It returns false when the request is
// to be served. A connection is cut by a panic with [http.ErrAbortHandler].
func (f Fault) befallRequest(w http.ResponseWriter, r *http.Request) (done bool) {
	switch {
	case f.CutBefore:
		panic(http.ErrAbortHandler)
	case f.Hang:
		<-r.Context().Done()
		panic(http.ErrAbortHandler)
	case f.Fail:
		status := f.Status
		if status == 0 {
			status = http.StatusInternalServerError
		}
		if f.RetryAfter > 0 {
			w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(f.RetryAfter.Seconds()))))
		}
		kubeapi.AnswerError(w, &apierrors.StatusError{ErrStatus: metav1.Status{
			Status: metav1.StatusFailure, Code: int32(status), Reason: metav1.StatusReasonUnknown,
			Message: cmp.Or(f.Message, http.StatusText(status)+" (a fault that was asked for)"),
		}})
		return true
	}
	return false
}

// unheard takes an answer that nobody gets.
type unheard struct{ header http.Header }

func (u unheard) Header() http.Header       { return u.header }
func (unheard) Write(b []byte) (int, error) { return len(b), nil }
func (unheard) WriteHeader(int)             {}
