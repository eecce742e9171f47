package cluster

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"hakube/gce/emulator"
	"hakube/replicate/etcdtest"
	"hakube/scripts"
)

// A way is how a changing call leaves hakube.
type way int

const (
	byCloud  way = iota // Compute Engine
	bySSH               // a script on a machine
	byServer            // Kubernetes' API
)

// A trouble is what befalls a changing call. A way that is not in faults has
// nothing like it.
type trouble struct {
	name   string
	dies   bool  // the process is gone with the call: nothing it asks for later reaches anybody
	rides  []way // by which the run is to end well nevertheless
	stops  bool  // it is interrupted, as by ^C
	faults map[way]any
}

var quotaExceeded = &emulator.OperationFault{Code: "QUOTA_EXCEEDED", Message: "Quota 'CPUS' exceeded.", Status: 403}

// troubles are the columns of the matrix.
var troubles = []trouble{
	{name: "killed_before", dies: true, faults: map[way]any{
		byCloud: emulator.Fault{CutBefore: true}, bySSH: etcdtest.Fault{CutBefore: true}, byServer: etcdtest.Fault{CutBefore: true}}},
	{name: "killed_after", dies: true, faults: map[way]any{
		byCloud: emulator.Fault{CutAfter: true}, bySSH: etcdtest.Fault{CutAfter: true}, byServer: etcdtest.Fault{CutAfter: true}}},
	{name: "answer_lost", rides: []way{byCloud, bySSH}, faults: map[way]any{
		byCloud: emulator.Fault{CutAfter: true}, bySSH: etcdtest.Fault{CutAfter: true}, byServer: etcdtest.Fault{CutAfter: true}}},
	// A script has no operation, and a request to Kubernetes neither: they fail.
	{name: "operation_fails", faults: map[way]any{
		byCloud: emulator.Fault{Operation: quotaExceeded}, bySSH: etcdtest.Fault{Fail: true}, byServer: etcdtest.Fault{Fail: true}}},
	// There is nobody between hakube and a machine's sshd who would say this.
	{name: "unavailable_503", rides: []way{byCloud, byServer}, faults: map[way]any{
		byCloud:  emulator.Fault{Status: http.StatusServiceUnavailable, RetryAfter: time.Second},
		byServer: etcdtest.Fault{Fail: true, Status: http.StatusServiceUnavailable, RetryAfter: time.Second}}},
	{name: "rate_limited", rides: []way{byCloud, byServer}, faults: map[way]any{
		byCloud: []emulator.Fault{
			{Status: http.StatusForbidden, Reason: "rateLimitExceeded"}, {Status: http.StatusTooManyRequests},
			{Status: http.StatusForbidden, Reason: "rateLimitExceeded"}, {Status: http.StatusTooManyRequests}},
		byServer: etcdtest.Fault{Fail: true, Status: http.StatusTooManyRequests, RetryAfter: time.Second}}},
	// client-go's own time limit for a request is in real seconds, so Kubernetes is left out.
	{name: "stuck", faults: map[way]any{byCloud: stuck{}, bySSH: etcdtest.Fault{Hang: true}}},
	{name: "interrupted", stops: true, faults: map[way]any{byCloud: emulator.Fault{}, bySSH: etcdtest.Fault{}, byServer: etcdtest.Fault{}}},
}

// stuck stands for an operation that is not done when its limit is over; it goes
// on when the run has ended.
type stuck struct{}

// A changing call, by its name and which of that name it is: those that are made
// side by side come in any order.
type changing struct {
	name string
	nth  int
	way  way
}

// A saboteur counts the changing calls of a run and lets one of them go wrong.
type saboteur struct {
	mu    sync.Mutex
	armed bool
	calls []changing // in the order they came
	times map[string]int

	at    changing // name "": none
	do    trouble
	burst []emulator.Fault // still to come, for the call at
	hit   bool
	dead  bool
	stop  func() // ends the run's context
	loose chan struct{}
	haste *haste
}

// after is the emulator's clock: it does not let a client wait for what is stuck.
func (s *saboteur) after(d time.Duration) <-chan time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.do.faults[byCloud].(stuck); ok && s.armed && s.hit {
		d = 0
	}
	return time.After(d)
}

// watch begins to count; with a name in at something happens there.
func (s *saboteur) watch(at changing, do trouble, stop func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.armed, s.calls, s.times, s.at, s.do, s.stop = true, nil, map[string]int{}, at, do, stop
	s.hit, s.dead, s.burst, s.loose = false, false, nil, make(chan struct{})
}

// rest lets everything pass again, and what is stuck go on.
func (s *saboteur) rest() (hit bool, calls []changing) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.armed = false
	s.haste.end()
	close(s.loose)
	return s.hit, s.calls
}

// call is told of a request, changing if it has a name. It returns what befalls it.
func (s *saboteur) call(name string, by way) (fault any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.armed && !s.dead && by != byServer {
		s.haste.end() // what hung is over
	}
	switch {
	case !s.armed:
		return nil
	case s.dead:
		return troubles[0].faults[by]
	case name == "":
		return nil
	case len(s.burst) > 0 && name == s.at.name && by == s.at.way:
		fault, s.burst = s.burst[0], s.burst[1:]
		return fault
	}
	s.times[name]++
	c := changing{name, s.times[name], by}
	s.calls = append(s.calls, c)
	if c != s.at {
		return nil
	}
	s.hit, s.dead = true, s.do.dies
	if s.do.dies || s.do.stops {
		s.stop()
	}
	fault = s.do.faults[by]
	if list, ok := fault.([]emulator.Fault); ok {
		fault, s.burst = list[0], list[1:]
	}
	if _, ok := fault.(stuck); ok {
		return emulator.Fault{Stuck: s.loose}
	}
	if f, ok := fault.(etcdtest.Fault); s.do.dies || ok && f.Hang {
		s.haste.begin()
	}
	return fault
}

func (s *saboteur) cloud(r *http.Request) emulator.Fault {
	name := emulator.ChangeOf(r)
	if name != "" {
		name = "compute." + name
	}
	f, _ := s.call(name, byCloud).(emulator.Fault)
	return f
}

func (s *saboteur) machine(a etcdtest.Asked) etcdtest.Fault {
	by, name := bySSH, ""
	switch {
	case a.Request != nil:
		by, name = byServer, kubeChange(a.Request)
	case scripts.Changes(a.Script):
		name = "ssh." + a.Script
		if len(a.Args) > 1 {
			name += "." + strings.Join(a.Args[:2], ".") // etcd-member add main
		}
		if slices.Contains([]string{"start-etcd", "restore", "encryption-key", "service-account-key", "authority", "etcd-authority"}, a.Script) { // what follows is of one run only
			name = "ssh." + a.Script + "." + a.Args[0]
		}
		if name == "ssh.restore.look" {
			name = ""
		}
	}
	f, _ := s.call(name, by).(etcdtest.Fault)
	return f
}

// kubeChange names a request to Kubernetes: "kubernetes.delete.nodes".
func kubeChange(r *http.Request) string {
	if r.Method == http.MethodGet {
		return ""
	}
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	parts = parts[min(2, len(parts)):] // api/v1
	if len(parts) > 2 && parts[0] == "namespaces" {
		parts = parts[2:]
	}
	what := parts[0]
	if len(parts) > 2 {
		what += "." + parts[2]
	}
	return "kubernetes." + strings.ToLower(r.Method) + "." + what
}

// haste is the time that limits are taken from. While it is on, a limit is over as
// soon as nothing but a limit can end the wait.
type haste struct {
	mu      sync.Mutex
	from    time.Time
	skipped time.Duration
	timers  []due
	stop    chan struct{}
}

type due struct {
	at  time.Time
	end chan time.Time
}

func newHaste() *haste { return &haste{from: time.Now()} }

func (h *haste) now() time.Time { return time.Now().Add(h.skipped) }

// after is the clock that it is: see [plan.Clock].
func (h *haste) after(d time.Duration) <-chan time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	end := make(chan time.Time, 1)
	h.timers = append(h.timers, due{h.now().Add(d), end})
	time.AfterFunc(d, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.fire()
	})
	return end
}

// fire ends what is due. The lock is held.
func (h *haste) fire() {
	h.timers = slices.DeleteFunc(h.timers, func(d due) bool {
		if d.at.After(h.now()) {
			return false
		}
		d.end <- d.at
		return true
	})
}

// begin lets the time go from one limit to the next every few milliseconds.
func (h *haste) begin() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.stop != nil {
		return
	}
	stop := make(chan struct{})
	h.stop = stop
	go func() {
		tick := time.NewTicker(8 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
				h.jump()
			}
		}
	}()
}

func (h *haste) jump() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.timers) == 0 {
		return
	}
	next := slices.MinFunc(h.timers, func(a, b due) int { return a.at.Compare(b.at) })
	h.skipped += max(0, next.at.Sub(h.now()))
	h.fire()
}

func (h *haste) end() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.stop != nil {
		close(h.stop)
		h.stop = nil
	}
}

// A quorumWatch notes every moment in which a ring had no quorum.
type quorumWatch struct {
	mu   sync.Mutex
	on   bool
	lost []string
}

func (q *quorumWatch) ring(name string, voters, running int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.on && running <= voters/2 {
		q.lost = append(q.lost, fmt.Sprintf("ring %s: %d of %d voters", name, running, voters))
	}
}

// set begins or ends the watch.
func (q *quorumWatch) set(on bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.on = on
}

func (q *quorumWatch) was() []string {
	q.mu.Lock()
	defer q.mu.Unlock()
	return slices.Clone(q.lost)
}
