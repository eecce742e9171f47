package drill

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	// porcupine judges whether a history could have come from one register.
	"github.com/anishathalye/porcupine"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/apimachinery/pkg/util/wait"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/retry"
)

// A Register is a counter in a ConfigMap, which a writer increments under a
// resourceVersion and a reader reads, while all sorts of things happen to the
// masters. What both saw must be what one counter could have shown.
type Register struct {
	client corev1client.ConfigMapInterface
	name   string
	ctx    context.Context // over once it is to stop
	stop   context.CancelFunc
	work   sync.WaitGroup
	began  time.Time

	mu      sync.Mutex
	history []porcupine.Operation
	acks    []time.Time // of writes
	asked   []attempt   // in the order in which they ended
	written writes
	patient tally
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
	registerNamespace = "default"
	// RegisterEvery is the pause between two writes, and two reads.
	RegisterEvery = 100 * time.Millisecond
	// registerLimit is for one request. One that is under way when the address moves
	// is never answered, its connection being gone: how long its client hangs is
	// the client's own limit, so this must be less than the stall that is allowed.
	registerLimit = 2 * time.Second
	// patientClient is who asks again, in the history, beside the writer, 0, and the reader, 1.
	patientClient = -1
)

// A tally is of reads that are asked again until somebody answers.
type tally struct {
	read, again, failed int
	longest             time.Duration
}

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

// BeginRegister begins at once, and goes on until End. Each request has a connection of its
// own: what is measured is the service, not how soon a client gives up on a dead connection.
func BeginRegister(ctx context.Context, config *rest.Config, name string) (*Register, error) {
	client, err := eachAnew(config, nil)
	if err != nil {
		return nil, err
	}
	r := &Register{client: client.ConfigMaps(registerNamespace), name: name, began: time.Now(), errors: map[string]int{}}
	if err := r.anew(ctx); err != nil {
		return nil, err
	}
	r.ctx, r.stop = context.WithCancel(context.WithoutCancel(ctx)) // it outlives what interrupts a drill, which is taken back meanwhile
	r.acks = append(r.acks, time.Now())
	for _, act := range []func(context.Context){r.write, r.read} {
		r.work.Go(func() {
			tick := time.NewTicker(RegisterEvery)
			defer tick.Stop()
			for {
				act(r.ctx)
				select {
				case <-r.ctx.Done():
					return
				case <-tick.C:
				}
			}
		})
	}
	return r, nil
}

// ReadPatiently reads it as well as clients do that ask again, by client-go's retry, where they are
// refused, cut off or not answered: a machine whose API server was killed refuses by itself, and
// until the balancer has found that out nobody else can spare a client that asks once. What they
// read is judged with the rest. A read that nobody has answered within about limit has failed.
func (r *Register) ReadPatiently(limit time.Duration) {
	r.work.Go(func() {
		for ; r.ctx.Err() == nil; _ = sleep(r.ctx, RegisterEvery) {
			begin, again := time.Now(), false
			pace := wait.Backoff{Duration: 2 * RegisterEvery, Factor: 1, Steps: 1 + int(limit/(2*RegisterEvery))}
			err := retry.OnError(pace, func(err error) bool { return r.ctx.Err() == nil && transient(err) && time.Since(begin) < limit }, func() error {
				if again {
					r.asksAgain()
				}
				again = true
				call := time.Now()
				c, err := r.client.Get(r.ctx, r.name, metav1.GetOptions{})
				if err != nil {
					return err
				}
				n, err := strconv.Atoi(c.Data["n"])
				if err == nil {
					r.mu.Lock()
					defer r.mu.Unlock()
					r.note(patientClient, op{}, &outcome{value: n}, call, time.Now())
				}
				return err
			})
			if r.ctx.Err() == nil {
				r.tell(time.Since(begin), err)
			}
		}
	})
}

// asksAgain counts that a patient read was not answered, and is asked once more.
func (r *Register) asksAgain() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.patient.again++
}

// tell notes how a patient read went.
func (r *Register) tell(took time.Duration, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.patient.longest = max(r.patient.longest, took)
	if r.patient.read++; err != nil {
		r.patient.failed++
		r.errors["patient read: "+reason(err)]++
	}
}

// Patient is how many reads were asked patiently by now, how many of them nobody answered, and how
// long the longest took.
func (r *Register) Patient() (read, failed int, longest time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.patient.read, r.patient.failed, r.patient.longest
}

// anew makes the register, in the place of one that a run before left.
func (r *Register) anew(ctx context.Context) error {
	if err := r.client.Delete(ctx, r.name, metav1.DeleteOptions{}); err != nil && !apierrors.IsNotFound(err) {
		return err
	}
	_, err := r.client.Create(ctx, r.configMap(0), metav1.CreateOptions{})
	return err
}

func (r *Register) configMap(n int) *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: r.name}, Data: map[string]string{"n": strconv.Itoa(n)}}
}

// get reads the register once and notes it.
func (r *Register) get(ctx context.Context, client int) (*corev1.ConfigMap, int, bool) {
	call := time.Now()
	c, err := r.client.Get(ctx, r.name, metav1.GetOptions{})
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

func (r *Register) read(ctx context.Context) { r.get(ctx, 1) }

func (r *Register) write(ctx context.Context) {
	c, n, ok := r.get(ctx, 0)
	if !ok {
		return
	}
	o := op{write: true, from: n, to: n + 1}
	next := r.configMap(n + 1)
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

// transient tells whether somebody else may answer what this one did not: an API server that has just
// started knows nobody's roles for a moment, and forbids what they allow.
func transient(err error) bool {
	return utilnet.IsConnectionRefused(err) || utilnet.IsConnectionReset(err) || utilnet.IsProbableEOF(err) || utilnet.IsTimeout(err) ||
		errors.Is(err, syscall.EHOSTUNREACH) || apierrors.IsTimeout(err) || apierrors.IsServerTimeout(err) || apierrors.IsTooManyRequests(err) ||
		apierrors.IsServiceUnavailable(err) || apierrors.IsInternalError(err) || apierrors.IsForbidden(err)
}

// reason is why there was no answer, without what differs each time.
func reason(err error) string {
	switch {
	case err == nil:
		return ""
	case utilnet.IsConnectionRefused(err):
		return "refused: nobody listens"
	case utilnet.IsConnectionReset(err):
		return "cut: the connection was reset"
	case utilnet.IsTimeout(err) && strings.Contains(err.Error(), "waiting for connection"):
		return "not connected in time"
	case utilnet.IsTimeout(err):
		return "connected, and not answered in time"
	}
	s := err.Error()
	if len(s) > 100 {
		s = s[len(s)-100:]
	}
	return s
}

// note adds to the history; an operation that is not over has no end. Each that
// is unknown has a client of its own, since its client went on. The lock is held.
func (r *Register) note(client int, o op, out *outcome, call, end time.Time) {
	if end.IsZero() {
		client = 2 + len(r.history)
		end = r.began.Add(24 * time.Hour)
	}
	r.history = append(r.history, porcupine.Operation{
		ClientId: client, Input: o, Output: out, Call: call.Sub(r.began).Nanoseconds(), Return: end.Sub(r.began).Nanoseconds(),
	})
}

// End stops both.
func (r *Register) End() {
	r.stop()
	r.work.Wait()
}

// Ended tells that it was stopped.
func (r *Register) Ended() bool { return r.ctx.Err() != nil }

// Linear tells whether what both saw could have come from one register: no write that was
// acknowledged is lost, and none that was refused took hold. It is asked when both ended.
func (r *Register) Linear() (porcupine.CheckResult, int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return porcupine.CheckOperationsTimeout(registerModel, withoutTwins(r.history), time.Minute), len(r.history)
}

// withoutTwins leaves out writes without an answer that are like an earlier one of these. Of
// several from one number to the next at most one takes hold, since the number never comes
// back, and the earliest may do so whenever a later one may. With all of them the judgement
// would take longer than anybody waits.
func withoutTwins(history []porcupine.Operation) []porcupine.Operation {
	seen := map[op]bool{}
	return slices.DeleteFunc(slices.Clone(history), func(x porcupine.Operation) bool {
		o, out := x.Input.(op), x.Output.(*outcome)
		if !o.write || out != nil {
			return false
		}
		twin := seen[o]
		seen[o] = true
		return twin
	})
}

// Count is how many writes were acknowledged and how many reads answered.
func (r *Register) Count() (writes, reads int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.written.acknowledged, r.written.reads
}

// Lines are what it saw, for people.
func (r *Register) Lines() []string {
	longest := r.Stall(r.began)
	r.mu.Lock()
	defer r.mu.Unlock()
	lines := []string{fmt.Sprintf("%d writes attempted, %d acknowledged, %d conflicts, %d unknown; %d reads, %d failed; longest stall of writes %.2f s, of reads %.2f s",
		r.written.attempts, r.written.acknowledged, r.written.conflicts, r.written.unknown, r.written.reads, r.written.unread,
		longest.Seconds(), unread(r.asked).Seconds())}
	if p := r.patient; p.read > 0 {
		lines = append(lines, fmt.Sprintf("%d reads that are asked again, %d times they were; %d failed, the longest took %.2f s", p.read, p.again, p.failed, p.longest.Seconds()))
	}
	for _, what := range slices.Sorted(maps.Keys(r.errors)) {
		lines = append(lines, fmt.Sprintf("%d times %s", r.errors[what], what))
	}
	return lines
}
