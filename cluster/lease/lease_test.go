package lease

import (
	"context"
	"errors"
	"maps"
	"regexp"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"cloud.google.com/go/compute/apiv1/computepb"

	"hakube/cluster/plan"
	"hakube/gce"
)

// addresses are one address of a region, with labels that are swapped by their
// fingerprint as Compute Engine does it.
type addresses struct {
	mu      sync.Mutex
	labels  map[string]string
	version int
	gone    bool
	asked   atomic.Int32
	lose    int // how many answers to a change are lost after it took hold
}

const name = "kubernetes-master-ip"

func (a *addresses) Get(context.Context, string) (*computepb.Address, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.gone {
		return nil, &gce.Error{Class: gce.Gone, Code: 404, Reason: "notFound"}
	}
	return &computepb.Address{Name: new(name), Labels: maps.Clone(a.labels), LabelFingerprint: new(strconv.Itoa(a.version))}, nil
}

func (a *addresses) SetLabels(_ context.Context, _, fingerprint string, labels map[string]string) error {
	a.asked.Add(1)
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case a.gone:
		return &gce.Error{Class: gce.Gone, Code: 404, Reason: "notFound"}
	case fingerprint != strconv.Itoa(a.version):
		return &gce.Error{Code: 412, Reason: "conditionNotMet"}
	}
	a.labels, a.version = maps.Clone(labels), a.version+1
	if a.lose > 0 {
		a.lose--
		return errors.New("connection reset by peer")
	}
	return nil
}

// run is one that has just looked at the address.
func (a *addresses) run(t *testing.T, length time.Duration, breaks bool) *Lease {
	t.Helper()
	l := New(Options{Address: name, User: "root", PID: 1, Purpose: "add pool", Zone: "europe-west1-c", Length: length, Breaks: breaks})
	l.me.host = "another" // whether it lives cannot be told
	x, err := a.Get(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	l.Observe(a, x)
	t.Cleanup(func() { _ = l.Release(context.Background()) }) // or its renewal goes on
	return l
}

// sleep is what happens to a run on a machine that is suspended: it renews
// nothing, and when it wakes its lease is long over.
func (l *Lease) sleep() {
	l.stop()
	l.asked = l.asked.Add(-2 * l.length)
}

// TestSleptHolder: a run that slept past its lease asks before the next change.
func TestSleptHolder(t *testing.T) {
	ctx, a := t.Context(), &addresses{}
	const length = 2 * time.Second // within which a busy host gets from one line to the next
	one := a.run(t, length, false)
	if err := errors.Join(one.Guard(ctx), one.Guard(ctx)); err != nil {
		t.Fatal(err)
	}
	one.sleep()
	if err := one.Guard(ctx); err != nil {
		t.Errorf("nobody came while it slept, and yet: %v", err)
	}
	two := a.run(t, length, false)
	var held *HeldError
	if err := two.Guard(ctx); !errors.As(err, &held) {
		t.Fatalf("two have the lease: %v", err)
	}
	time.Sleep(length + length/2)
	if err := two.Guard(ctx); err != nil {
		t.Fatalf("the lease is over, and yet: %v", err)
	}
	var lost *LostError
	for range 2 {
		if err := one.Guard(ctx); !errors.As(err, &lost) {
			t.Errorf("it goes on: %v", err)
		}
	}
	if err := errors.Join(one.Release(ctx), two.Guard(ctx), two.Release(ctx)); err != nil {
		t.Error(err)
	}
	three := a.run(t, length, false)
	if err := errors.Join(three.CheckFree(), three.Guard(ctx), three.Release(ctx)); err != nil {
		t.Errorf("it was given back, and yet: %v", err)
	}
}

// TestOneOfMany: of many who look at the same time at a free lease one has it.
func TestOneOfMany(t *testing.T) {
	a := &addresses{}
	var all []*Lease
	for range 8 {
		all = append(all, a.run(t, time.Minute, false))
	}
	got := make([]error, len(all))
	var wg sync.WaitGroup
	for i, l := range all {
		wg.Go(func() { got[i] = l.Guard(t.Context()) })
	}
	wg.Wait()
	have := 0
	for _, err := range got {
		var held *HeldError
		if err == nil {
			have++
		} else if !errors.As(err, &held) {
			t.Errorf("who comes second is told: %v", err)
		}
	}
	if have != 1 {
		t.Errorf("%d have the lease", have)
	}
}

// TestOneSwapForAll: steps side by side of a run that came second ask once; the
// others hear the answer. It counts what came to the address.
func TestOneSwapForAll(t *testing.T) {
	a := &addresses{}
	first, second := a.run(t, time.Minute, false), a.run(t, time.Minute, false)
	if err := first.Guard(t.Context()); err != nil {
		t.Fatal(err)
	}
	before := a.asked.Load()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			var held *HeldError
			if err := second.Guard(t.Context()); !errors.As(err, &held) {
				t.Errorf("who comes second is told: %v", err)
			}
		})
	}
	wg.Wait()
	if n := a.asked.Load() - before; n != 1 {
		t.Errorf("the address was asked %d times for the lease", n)
	}
	x, err := a.Get(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	if err := first.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	second.Observe(a, x) // a step's look is not the run's looking around
	if err := second.Guard(t.Context()); err == nil {
		t.Error("it goes on with what it saw before another one was there")
	}
	if _, err := (&Wait{Lease: second}).Observe(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := second.Guard(t.Context()); err != nil {
		t.Errorf("it has looked around again, and yet: %v", err)
	}
}

// TestLabelsOfTheAddress: those that it is to have come with the first swap, and stay.
func TestLabelsOfTheAddress(t *testing.T) {
	a := &addresses{}
	l := New(Options{Address: name, User: "root", PID: 1, Purpose: "create", Length: time.Minute, Labels: map[string]string{"hakube-cluster": "kubernetes"}})
	x, err := a.Get(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	l.Observe(a, x)
	if err := l.Guard(t.Context()); err != nil || a.labels["hakube-cluster"] != "kubernetes" {
		t.Errorf("%v, labels %v", err, a.labels)
	}
	if err := l.Release(t.Context()); err != nil || a.labels["hakube-cluster"] != "kubernetes" || RecordOf(a.labels).Taken() {
		t.Errorf("%v, labels %v", err, a.labels)
	}
}

// TestLostAnswer: a change whose answer is lost took hold, and is not made twice.
func TestLostAnswer(t *testing.T) {
	a := &addresses{lose: 1}
	l := a.run(t, time.Minute, false)
	if err := l.Guard(t.Context()); err != nil || a.version != 1 {
		t.Errorf("%v after %d changes", err, a.version)
	}
}

// TestGoneAddress: without an address there is nothing to keep apart.
func TestGoneAddress(t *testing.T) {
	a := &addresses{}
	l := a.run(t, time.Millisecond, false)
	if err := l.Guard(t.Context()); err != nil {
		t.Fatal(err)
	}
	a.mu.Lock()
	a.gone = true
	a.mu.Unlock()
	time.Sleep(2 * time.Millisecond)
	if err := errors.Join(l.Guard(t.Context()), l.Guard(t.Context()), l.Release(t.Context())); err != nil {
		t.Error(err)
	}
}

// TestBreak: --break-lock takes the lease from who had it at the first look, and
// from nobody who came later, or two that break would break each other.
func TestBreak(t *testing.T) {
	ctx, a := t.Context(), &addresses{}
	first := a.run(t, time.Minute, false)
	if err := first.Guard(ctx); err != nil {
		t.Fatal(err)
	}
	one, two := a.run(t, time.Minute, true), a.run(t, time.Minute, true)
	if !one.breakable() || !two.breakable() {
		t.Fatal("it may not be broken")
	}
	if err := one.compareAndSwap(ctx, true); err != nil {
		t.Fatal(err)
	}
	x, err := a.Get(ctx, name)
	if err != nil {
		t.Fatal(err)
	}
	if two.Observe(a, x); two.breakable() {
		t.Error("the one that came later may be broken too")
	}
}

// TestBreakWhileRenewed: a lease that is renewed between the look and the swap is
// broken nevertheless, and another one's that came in between is not.
func TestBreakWhileRenewed(t *testing.T) {
	ctx, a := t.Context(), &addresses{}
	const length = time.Minute
	first := a.run(t, length, false)
	if err := first.Guard(ctx); err != nil {
		t.Fatal(err)
	}
	two := Wait{Lease: a.run(t, length, true), Poll: time.Millisecond, Clock: plan.Clock(func(time.Duration) <-chan time.Time { // no wait
		c := make(chan time.Time)
		close(c)
		return c
	})}
	first.asked = first.asked.Add(-length / 2)
	if err := first.compareAndSwap(ctx, false); err != nil { // renewed after the second one looked
		t.Fatal(err)
	}
	var held *HeldError
	if err := two.breakIt(ctx); errors.As(err, &held) {
		t.Errorf("its holder renewed it, and so it was not broken: %v", err)
	}
	if x := RecordOf(a.labels); x.run != two.me.run {
		t.Errorf("the lease is %s's", x)
	}

	third := a.run(t, length, true) // looks at the second one's
	if err := two.Release(ctx); err != nil {
		t.Fatal(err)
	}
	fourth := a.run(t, length, false)
	if err := fourth.Guard(ctx); err != nil {
		t.Fatal(err)
	}
	if err := (&Wait{Lease: third}).breakIt(ctx); !errors.As(err, &held) {
		t.Errorf("one that came later was broken: %v", err)
	}
}

// TestOtherLabels: a label that a person sets meanwhile stays, and costs nobody
// the lease; what is noted goes with it, and away again.
func TestOtherLabels(t *testing.T) {
	ctx, a := t.Context(), &addresses{}
	l := a.run(t, 2*time.Second, false)
	l.Note("hakube-nodes-europe-west1-c", "0-3")
	if err := l.Guard(ctx); err != nil || a.labels["hakube-nodes-europe-west1-c"] != "0-3" {
		t.Fatalf("%v, labels are %v", err, a.labels)
	}
	labels := maps.Clone(a.labels)
	labels["team"] = "red"
	if err := a.SetLabels(ctx, name, strconv.Itoa(a.version), labels); err != nil {
		t.Fatal(err)
	}
	l.mu.Lock()
	l.asked = l.asked.Add(-l.length)
	l.mu.Unlock()
	if !l.Done("hakube-nodes-europe-west1-c") {
		t.Error("the note is not there")
	}
	if err := errors.Join(l.Guard(ctx), l.Release(ctx)); err != nil {
		t.Error(err)
	}
	if _, noted := a.labels["hakube-nodes-europe-west1-c"]; a.labels["team"] != "red" || noted || RecordOf(a.labels).Taken() {
		t.Errorf("labels are %v", a.labels)
	}
}

// TestRecord: what goes into labels fits there, and comes out as words.
func TestRecord(t *testing.T) {
	x := recordFor("Domain\\Jörg.Müller", 4711, "add replica", "europe-west1-c")
	for key, value := range x.On(nil) {
		if !labelValue.MatchString(value) || !labelValue.MatchString(key) {
			t.Errorf("%s=%s is no label", key, value)
		}
	}
	x.holder = "root_ci-1_4711"
	if got, want := x.String(), "root on ci-1 (process 4711): add replica in europe-west1-c"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

var labelValue = regexp.MustCompile(`^[a-z0-9_-]{0,63}$`)

// TestGrace: what a run does without asking ends well before another may take the lease,
// and it asks anew well before that: else two would change the cluster at once.
func TestGrace(t *testing.T) {
	l := New(Options{Length: time.Minute})
	if g := l.graceLeft(); g > l.length*9/10 || g < l.length/2 {
		t.Errorf("of a lease of %v it trusts %v", l.length, g)
	}
}
