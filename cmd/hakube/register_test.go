package main

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"time"

	// porcupine judges whether a history could have come from one register.
	"github.com/anishathalye/porcupine"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// A register is a counter in a ConfigMap, which a writer increments under a
// resourceVersion and a reader reads, while all sorts of things happen to the
// masters. What both saw must be what one counter could have shown.
type register struct {
	client corev1client.ConfigMapInterface
	ctx    context.Context // over once it is to stop
	stop   context.CancelFunc
	work   sync.WaitGroup
	began  time.Time

	mu      sync.Mutex
	history []porcupine.Operation
	acks    []time.Time // of writes
	asked   []attempt   // in the order in which they ended
	written writes
	errors  map[string]int
}

type writes struct{ attempts, acknowledged, conflicts, unknown, reads, unread int }

// An attempt is a request, and whether it was answered.
type attempt struct {
	call, end time.Time
	ok, write bool
	err       string // why not
}

const (
	registerName  = "register"
	registerEvery = 100 * time.Millisecond
	// registerLimit is for one request. One that is under way when the address moves
	// is never answered, its connection being gone: how long its client hangs is
	// the client's own limit, so this must be less than the stall that is allowed.
	registerLimit = 2 * time.Second
)

// op is what was asked of the register: a write from one value to the next, or
// a read. done tells that an answer came.
type op struct {
	write    bool
	from, to int
}

type outcome struct {
	value   int
	refused bool // a write that certainly was none: its resourceVersion was old
}

// registerModel is the counter. A write whose answer was lost is never over: it
// may take hold at any time, as long as the value is still the one it was about.
var registerModel = porcupine.Model{
	Init: func() any { return 0 },
	Step: func(state, input, output any) (bool, any) {
		value, o, out := state.(int), input.(op), output.(*outcome)
		switch {
		case !o.write:
			return out.value == value, value
		case out == nil: // unknown
			if value == o.from {
				return true, o.to
			}
			return true, value
		case out.refused:
			return true, value
		}
		return value == o.from, o.to
	},
	Equal: func(a, b any) bool { return a == b },
}

// newRegister begins at once, and goes on until the test t is over or end is
// called: t must outlive all that is to be judged, so it is no step's own. Each
// request has a connection of its own: what is measured is the service, not how
// soon a client gives up on a dead connection.
func newRegister(t *testing.T, kubeconfig string) *register {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	tls, err := rest.TLSConfigFor(config)
	if err != nil {
		t.Fatal(err)
	}
	config.QPS = -1
	client, err := corev1client.NewForConfigAndClient(config, &http.Client{
		Transport: &http.Transport{TLSClientConfig: tls, DisableKeepAlives: true, Proxy: config.Proxy}, Timeout: registerLimit,
	})
	if err != nil {
		t.Fatal(err)
	}
	r := &register{client: client.ConfigMaps("default"), began: time.Now(), errors: map[string]int{}}
	ctx, stop := context.WithCancel(context.Background())
	r.ctx, r.stop = ctx, stop
	if _, err := r.client.Create(ctx, configMap(0), metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	r.acks = append(r.acks, time.Now())
	for _, act := range []func(context.Context){r.write, r.read} {
		r.work.Go(func() {
			tick := time.NewTicker(registerEvery)
			defer tick.Stop()
			for {
				act(ctx)
				select {
				case <-ctx.Done():
					return
				case <-tick.C:
				}
			}
		})
	}
	t.Cleanup(func() { r.stop(); r.work.Wait() })
	return r
}

func configMap(n int) *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: registerName}, Data: map[string]string{"n": strconv.Itoa(n)}}
}

// get reads the register once and notes it.
func (r *register) get(ctx context.Context, client int) (*corev1.ConfigMap, int, bool) {
	call := time.Now()
	c, err := r.client.Get(ctx, registerName, metav1.GetOptions{})
	r.mu.Lock()
	defer r.mu.Unlock()
	if ctx.Err() == nil {
		r.asked = append(r.asked, attempt{call: call, end: time.Now(), ok: err == nil, err: reason(err)})
	}
	if err != nil {
		if ctx.Err() == nil {
			r.written.unread++
			r.errors["read: "+reason(err)]++
		}
		return nil, 0, false
	}
	n, err := strconv.Atoi(c.Data["n"])
	if err != nil {
		r.errors["read: "+err.Error()]++
		return nil, 0, false
	}
	r.written.reads++
	r.note(client, op{}, &outcome{value: n}, call, time.Now())
	return c, n, true
}

func (r *register) read(ctx context.Context) { r.get(ctx, 1) }

func (r *register) write(ctx context.Context) {
	c, n, ok := r.get(ctx, 0)
	if !ok {
		return
	}
	o := op{write: true, from: n, to: n + 1}
	next := configMap(n + 1)
	next.ResourceVersion = c.ResourceVersion
	call := time.Now()
	_, err := r.client.Update(ctx, next, metav1.UpdateOptions{})
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	r.written.attempts++
	if ctx.Err() == nil {
		r.asked = append(r.asked, attempt{call, now, err == nil || apierrors.IsConflict(err), true, reason(err)})
	}
	switch {
	case err == nil:
		r.written.acknowledged++
		r.acks = append(r.acks, now)
		r.note(0, o, &outcome{value: o.to}, call, now)
	case apierrors.IsConflict(err):
		r.written.conflicts++
		r.note(0, o, &outcome{refused: true}, call, now)
	default:
		if ctx.Err() == nil {
			r.written.unknown++
			r.errors["write: "+reason(err)]++
		}
		r.note(0, o, nil, call, time.Time{})
	}
}

// reason is an error without what differs each time.
func reason(err error) string {
	if err == nil {
		return ""
	}
	s := err.Error()
	if len(s) > 100 {
		s = s[len(s)-100:]
	}
	return s
}

// note adds to the history; an operation that is not over has no end. Each that
// is unknown has a client of its own, since its client went on. The lock is held.
func (r *register) note(client int, o op, out *outcome, call, end time.Time) {
	if end.IsZero() {
		client = 2 + len(r.history)
		end = r.began.Add(24 * time.Hour)
	}
	r.history = append(r.history, porcupine.Operation{
		ClientId: client, Input: o, Output: out, Call: call.Sub(r.began).Nanoseconds(), Return: end.Sub(r.began).Nanoseconds(),
	})
}

// stall is the longest time between two acknowledged writes since a moment, the
// time that has passed since the last one included.
func (r *register) stall(since time.Time) (longest time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	last := time.Time{}
	for _, at := range append(r.acks, time.Now()) {
		if !at.Before(since) && !last.IsZero() {
			longest = max(longest, at.Sub(last))
		}
		last = at
	}
	return longest
}

// failed is how many requests were asked since a moment and not answered, and
// how many were answered.
func (r *register) failed(since time.Time) (failed, answered int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, a := range r.asked {
		switch {
		case a.call.Before(since):
		case a.ok:
			answered++
		default:
			failed++
		}
	}
	return failed, answered
}

// slow are the requests since a moment that were not answered or took long, as
// lines: what a stall is made of.
func (r *register) slow(since time.Time) (lines []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, a := range r.asked {
		took := a.end.Sub(a.call)
		if a.call.Before(since) || a.ok && took < 500*time.Millisecond {
			continue
		}
		kind := "read"
		if a.write {
			kind = "write"
		}
		lines = append(lines, fmt.Sprintf("%s after %.1f s took %.2f s, answered %t %s", kind, a.call.Sub(since).Seconds(), took.Seconds(), a.ok, a.err))
	}
	return lines
}

// unread is the longest span in which no read was answered and some failed: from
// the call of the first that failed to the first answer after it.
func unread(asked []attempt) (longest time.Duration) {
	var dark time.Time
	for _, a := range asked {
		if a.write {
			continue
		}
		if !a.ok && dark.IsZero() {
			dark = a.call
		}
		if !dark.IsZero() {
			longest = max(longest, a.end.Sub(dark))
		}
		if a.ok {
			dark = time.Time{}
		}
	}
	return longest
}

// end stops both and judges what they saw.
func (r *register) end(t *testing.T) {
	t.Helper()
	if r.ctx.Err() != nil {
		t.Fatal("register: it was stopped before: what came after was not judged")
	}
	r.stop()
	r.work.Wait()
	longest := r.stall(r.began)
	r.mu.Lock()
	defer r.mu.Unlock()
	report(t, "register: %d writes attempted, %d acknowledged, %d conflicts, %d unknown; %d reads, %d failed; longest stall of writes %.2f s, of reads %.2f s",
		r.written.attempts, r.written.acknowledged, r.written.conflicts, r.written.unknown, r.written.reads, r.written.unread,
		longest.Seconds(), unread(r.asked).Seconds())
	for what, n := range r.errors {
		report(t, "register: %d times %s", n, what)
	}
	if r.written.acknowledged == 0 {
		t.Error("register: no write was acknowledged")
	}
	if verdict := porcupine.CheckOperationsTimeout(registerModel, r.history, time.Minute); verdict != porcupine.Ok {
		t.Errorf("register: the history of %d operations is no register's: %v", len(r.history), verdict)
	}
}

// TestRegisterModel: the judge finds what it is there to find.
func TestRegisterModel(t *testing.T) {
	type step struct {
		client, call, end int // end 0: never
		op
		out *outcome
	}
	w := func(client, call, end, from int, out *outcome) step {
		return step{client, call, end, op{true, from, from + 1}, out}
	}
	read := func(client, call, end, value int) step {
		return step{client, call, end, op{}, &outcome{value: value}}
	}
	ok := &outcome{}
	for _, c := range []struct {
		name  string
		want  porcupine.CheckResult
		steps []step
	}{
		{"in order", porcupine.Ok, []step{w(0, 1, 2, 0, ok), read(1, 3, 4, 1), w(0, 5, 6, 1, ok), read(1, 7, 8, 2)}},
		{"a read during a write", porcupine.Ok, []step{w(0, 1, 4, 0, ok), read(1, 2, 3, 0)}},
		{"lost: acknowledged, then gone", porcupine.Illegal, []step{w(0, 1, 2, 0, ok), read(0, 3, 4, 0)}},
		{"stale: another one has read more", porcupine.Illegal, []step{w(0, 1, 9, 0, ok), read(1, 2, 3, 1), read(2, 4, 5, 0)}},
		{"unknown, and it took hold late", porcupine.Ok, []step{w(2, 1, 0, 0, nil), read(0, 3, 4, 0), read(0, 5, 6, 1)}},
		{"unknown, and it never did", porcupine.Ok, []step{w(2, 1, 0, 0, nil), read(0, 3, 4, 0), w(0, 5, 6, 0, ok), read(0, 7, 8, 1)}},
		{"unknown, and it came twice", porcupine.Illegal, []step{w(2, 1, 0, 0, nil), read(0, 3, 4, 1), read(0, 5, 6, 2)}},
		{"refused, and yet there", porcupine.Illegal, []step{w(0, 1, 2, 0, &outcome{refused: true}), read(0, 3, 4, 1)}},
	} {
		r := &register{}
		for _, s := range c.steps {
			end := time.Time{}.Add(time.Duration(s.end))
			if s.end == 0 {
				end = time.Time{}
			}
			r.note(s.client, s.op, s.out, time.Time{}.Add(time.Duration(s.call)), end)
		}
		if got := porcupine.CheckOperationsTimeout(registerModel, r.history, time.Second); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

// TestUnread: a span without answers ends with the next one, and two are two.
func TestUnread(t *testing.T) {
	at := func(ms int) time.Time { return time.Time{}.Add(time.Duration(ms) * time.Millisecond) }
	good := func(call, end int) attempt { return attempt{call: at(call), end: at(end), ok: true} }
	bad := func(call, end int) attempt { return attempt{call: at(call), end: at(end)} }
	for _, c := range []struct {
		name  string
		want  int // ms
		asked []attempt
	}{
		{"all answered", 0, []attempt{good(0, 10), good(100, 110)}},
		{"one failed", 1010, []attempt{good(0, 10), bad(100, 1100), good(1100, 1110)}},
		{"two spans, the longer counts", 300, []attempt{bad(0, 50), good(50, 100), bad(200, 400), good(410, 500)}},
		{"the last one failed", 400, []attempt{good(0, 10), bad(100, 500)}},
		{"to the end", 900, []attempt{good(0, 10), bad(100, 500), bad(500, 1000)}},
	} {
		if got := unread(c.asked); got != time.Duration(c.want)*time.Millisecond {
			t.Errorf("%s: %s, want %d ms", c.name, got, c.want)
		}
	}
}
