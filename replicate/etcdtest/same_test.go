package etcdtest

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// A question is put to the model and to etcd, of the same member.
type question struct{ what, who string }

func (q question) String() string   { return q.what + " " + q.who }
func (q question) GoString() string { return q.String() }

var questions = rapid.Custom(func(t *rapid.T) question {
	return question{
		rapid.SampledFrom([]string{"nothing", "add", "start", "promote", "add", "start", "promote", "stop", "remove", "put", "wipe"}).Draw(t, "what"),
		rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "who"),
	}
})

// both is a ring in the model and in reality.
type both struct {
	*bench
	real *realRing
	log  func(format string, args ...any)
	data map[string]bool // it has data
	puts int

	refused int
	added   map[string]int64 // the second in which etcd was asked to
}

const writes = 40 // in one put: more than the tenth that a learner may lack

// via is a member to ask: the first that runs and votes.
func (b *both) via() (string, bool) {
	for _, n := range []string{"a", "b", "c"} {
		if b.votes(n) {
			return n, true
		}
	}
	return "", false
}

// votes tells whether one runs and knows that it is a voter: who joined a ring without quorum
// has been told nothing yet, not even that it is a learner.
func (b *both) votes(n string) bool {
	if !b.live(n) {
		return false
	}
	own, known := b.m[n].data.State.Members[b.m[n].data.ID]
	return known && !own.Learner
}

func (b *both) live(n string) bool {
	m := b.m[n]
	return m != nil && m.ring.live[m.data.ID] == m
}

func (b *both) listed(n string) bool { return b.id(n) != 1 }

// can tells whether a question makes sense.
func (b *both) can(q question, via string) bool {
	alone := true
	for _, n := range []string{"a", "b", "c"} {
		alone = alone && (n == q.who || !b.live(n))
	}
	switch q.what {
	case "add", "remove", "promote":
		return true
	case "put":
		return b.puts < 6
	case "start":
		return !b.live(q.who) && (b.data[q.who] || b.listed(q.who))
	case "stop":
		return b.live(q.who) && !alone && (q.who != via || b.voters() > 1)
	case "wipe":
		return !b.live(q.who) && b.data[q.who]
	}
	return false
}

// voters is how many run that can be asked.
func (b *both) voters() (n int) {
	for _, name := range []string{"a", "b", "c"} {
		if b.votes(name) {
			n++
		}
	}
	return n
}

// names are all who are in the ring, as one that joins is told.
func (b *both) names() (list []string) {
	for _, n := range []string{"a", "b", "c"} {
		if b.listed(n) {
			list = append(list, n)
		}
	}
	return list
}

// inModel and inEtcd ask; the answers are to be the same.
func (b *both) inModel(q question, via string) error {
	m := b.m[via]
	switch q.what {
	case "add":
		return m.addLearner(peer(q.who))
	case "promote":
		return m.promote(b.id(q.who))
	case "remove":
		return b.w.remove(m, b.id(q.who))
	case "put":
		b.puts++
		for range writes {
			if err := put(m, "k", "1"); err != nil {
				return err
			}
		}
	case "start":
		if !b.data[q.who] {
			b.told(q.who, b.names()...)
		}
		return b.starts(q.who)
	case "stop":
		b.stop(q.who)
	case "wipe":
		delete(b.data, q.who)
	}
	return nil
}

func (b *both) inEtcd(q question, via string, model error) error {
	switch q.what {
	case "add":
		// A member's id is made of its peer URL and the second: within one it would be
		// another time the same, and etcd says so before all else.
		for time.Now().Unix() == b.added[q.who] {
			time.Sleep(10 * time.Millisecond)
		}
		err := b.real.add(via, q.who)
		b.added[q.who] = time.Now().Unix()
		return err
	case "promote", "remove":
		return b.real.change(via, q.what, q.who)
	case "put":
		for range writes {
			if err := b.real.put(via); err != nil {
				return err
			}
		}
	case "start":
		return b.startReal(q.who, model)
	case "stop":
		b.real.stop(q.who)
	case "wipe":
		return os.RemoveAll(b.real.data(q.who))
	}
	return nil
}

// startReal waits until it is seen whether it stays, for as long as it takes where it is not to.
func (b *both) startReal(name string, model error) error {
	b.real.stop(name) // one that was removed has ended
	if err := b.real.start(name, "existing", b.names()); err != nil {
		return err
	}
	limit := 3 * time.Second
	if model != nil {
		limit = patience
	}
	for deadline := time.Now().Add(limit); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if !b.real.runs(name) {
			text := b.real.said(name)
			return errors.New(text)
		}
		if all, err := b.real.members(name); err == nil && len(all) > 0 {
			return nil
		}
	}
	return nil // without quorum one that is new does not serve
}

// same compares two answers by what they say; the model says besides which ring.
func same(model, real error) bool {
	if model == nil || real == nil {
		return model == nil && real == nil
	}
	if why := errors.Unwrap(model); why != nil {
		model = why
	}
	return strings.Contains(real.Error(), model.Error())
}

// before is what etcd says to who asks for what it has done.
var before = map[string]error{"add": errPeerExists, "remove": errNotFound, "promote": errNotLearner}

// ask puts one question. etcd takes its time for what the model does at once: to
// be content with its peers it takes five seconds, and on a busy host more.
func (b *both) ask(q question, via string) error {
	model := b.inModel(q, via)
	if model != nil {
		b.refused++
	}
	b.real.silence = 0
	if same(model, errNoQuorum) {
		b.real.silence = impatience
	}
	var real error
	late := false
	for deadline := time.Now().Add(patience); ; time.Sleep(100 * time.Millisecond) {
		real = b.inEtcd(q, via, model)
		if model == nil && late && real != nil && before[q.what] != nil && strings.HasSuffix(real.Error(), before[q.what].Error()) {
			real = nil // it was done, and its answer came too late
		}
		late = late || same(errNoQuorum, real)
		// A busy host lets a leader's heartbeats be late, too, and then there is none for a moment.
		early := q.what == "put" && model == nil || slices.Contains([]string{"add", "remove", "promote"}, q.what) && (model == nil || same(errUnhealthy, real))
		if same(model, real) || !early || time.Now().After(deadline) {
			break
		}
	}
	b.real.silence = 0
	b.log("    model: %v", model)
	if !same(model, real) {
		return fmt.Errorf("%s through %s: the model says %v, etcd %v", q, via, model, real)
	}
	if q.what == "start" {
		b.data[q.who] = true
	}
	return b.agree(q)
}

// agree compares who is in the ring, who runs, and whether it serves.
func (b *both) agree(q question) (err error) {
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if err = b.compare(); err == nil {
			return nil
		}
	}
	return fmt.Errorf("after %s: %w", q, err)
}

func (b *both) compare() error {
	for _, n := range []string{"a", "b", "c"} {
		if b.live(n) != b.real.runs(n) {
			return fmt.Errorf("%s runs: the model says %t, etcd %t: %s", n, b.live(n), b.real.runs(n), b.real.said(n))
		}
	}
	via, ok := b.via()
	if !ok {
		return nil
	}
	_, model := b.m[via].read()
	if model == nil {
		if err := b.real.read(via); err != nil {
			return fmt.Errorf("a read through %s: etcd says %w", via, err)
		}
	} else if l := b.real.leader(via); l != "0" && l != "" {
		return fmt.Errorf("a read through %s: the model says %w, etcd has the leader %s", via, model, l)
	}
	shape, err := b.real.shape(via)
	if err != nil {
		return err
	}
	if own := b.shape(via); shape != own {
		return fmt.Errorf("who is in the ring, as %s knows: the model says %s, etcd %s", via, own, shape)
	}
	return nil
}

// founding makes a ring of one voter, of two and of three.
var founding = []question{
	{"put", ""},
	{"add", "b"}, {"start", "b"}, {"promote", "b"},
	{"add", "c"}, {"start", "c"}, {"promote", "c"},
}

// TestSameAsEtcd puts random questions to the model and to etcd itself.
func TestSameAsEtcd(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes a minute: etcd changes members only when they have been connected for five seconds")
	}
	program := findEtcd(t)
	if !t.Run("used", func(t *testing.T) { usedIsTheSame(t, program) }) {
		return // rapid wants a test that has not failed
	}
	histories, asked, refused, dir := 0, 0, 0, t.TempDir()
	setChecks(t, 12)
	began := time.Now()
	const limit = 40 * time.Second // for beginning one more; a failure may take longer
	rapid.Check(t, func(rt *rapid.T) {
		voters := rapid.IntRange(1, 3).Draw(rt, "voters at first")
		list := rapid.SliceOfN(questions, 10, 14).Draw(rt, "history")
		if time.Since(began) > limit {
			return
		}
		own, err := os.MkdirTemp(dir, "")
		if err != nil {
			rt.Fatal(err)
		}
		r, err := newRealRing(program, own, "a", "b", "c")
		if err != nil {
			rt.Fatal(err)
		}
		defer r.end()
		b := &both{bench: newBench(t, Options{}, "a"), real: r, log: rt.Logf, data: map[string]bool{"a": true}, added: map[string]int64{}}
		if err := r.start("a", "new", []string{"a"}); err != nil {
			rt.Fatal(err)
		}
		if err := b.agree(question{"start", "a"}); err != nil {
			rt.Fatal(err)
		}
		for _, q := range append(founding[:1+3*(voters-1):1+3*(voters-1)], list...) {
			via, ok := b.via()
			if !ok || !b.can(q, via) {
				continue
			}
			rt.Logf("%s, through %s", q, via)
			at := time.Now()
			if err := b.ask(q, via); err != nil {
				rt.Fatal(err)
			}
			rt.Logf("    %s, %.1fs", b.shape(via), time.Since(at).Seconds())
			asked++
		}
		histories, refused = histories+1, refused+b.refused
	})
	text := fmt.Sprintf("%d histories of %d questions, %d of them refused: the model and etcd gave the same answers", histories, asked, refused)
	t.Log(text)
	fmt.Printf("REPORT %s: %s\n", t.Name(), text)
}

// setChecks is how many cases rapid tries, unless -rapid.checks says so.
func setChecks(t *testing.T, n int) {
	t.Helper()
	f := flag.Lookup("rapid.checks")
	was, given := f.Value.String(), false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "rapid.checks" })
	if given {
		return
	}
	if err := f.Value.Set(strconv.Itoa(n)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Value.Set(was) }) // it was one
}
