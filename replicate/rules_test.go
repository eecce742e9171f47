package replicate_test

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"hakube/replicate"
)

// An event is one line of a history.
type event struct {
	What string
	Who  string
	Ring string
	Left int // changing calls before hakube is killed, -1: all
}

func (e event) String() string {
	text := e.What + " " + e.Who
	if e.Ring != "" {
		text += " in ring " + e.Ring
	}
	if e.Left >= 0 {
		text += fmt.Sprintf(", killed after %d changes", e.Left)
	}
	return text
}

// GoString is what rapid prints.
func (e event) GoString() string { return e.String() }

// events draws one line. Those that shrink to the least come first.
var events = rapid.Custom(func(t *rapid.T) event {
	e := event{
		What: rapid.SampledFrom([]string{"nothing", "up", "up", "up", "up", "down", "halt", "start", "lose disk", "cut off", "reconnect"}).Draw(t, "what"),
		Who:  rapid.SampledFrom([]string{"a", "b", "c", "d"}).Draw(t, "who"),
		Left: -1,
	}
	switch e.What {
	case "up", "down":
		if rapid.Bool().Draw(t, "killed") {
			e.Left = rapid.IntRange(0, 8).Draw(t, "after")
		}
	case "cut off":
		e.Ring = rapid.SampledFrom(both).Draw(t, "ring")
	}
	return e
})

// can tells whether an event is one: a history may do without most.
func (h *history) can(e event) bool {
	_, there := h.hosts[e.Who]
	switch e.What {
	case "nothing":
		return false
	case "up":
		return true
	case "halt":
		return there && !h.off[e.Who]
	case "start":
		return there && h.off[e.Who]
	case "lose disk":
		return there && h.canLose(e.Who)
	}
	return there
}

// play does what an event says, and tells how hakube ended.
func (h *history) play(e event) string {
	switch e.What {
	case "up", "down":
		h.left = e.Left
		f := h.up
		if e.What == "down" {
			f = h.down
		}
		err := f(e.Who)
		switch {
		case err == nil:
			return "done"
		case errors.Is(err, errKilled):
			return "killed"
		}
		h.judge(e, err)
		return "refused: " + err.Error()
	case "halt":
		h.halt(e.Who)
	case "start":
		h.start(e.Who)
	case "lose disk":
		h.erase(e.Who)
		h.lost[e.Who] = h.voters[replicate.RingMain][e.Who] || h.voters[replicate.RingEvents][e.Who]
	case "cut off":
		h.must(h.guests[e.Who].Isolate(e.Ring))
	case "reconnect":
		h.must(h.guests[e.Who].Rejoin(both...))
	}
	return ""
}

// judge: a refusal says why, and one of ours also what helps.
func (h *history) judge(e event, err error) {
	h.t.Helper()
	h.refused++
	var q *replicate.QuorumError
	if strings.TrimSpace(err.Error()) == "" || errors.As(err, &q) && (q.Why == "" || q.Hint() == "") {
		h.t.Fatalf("%s was refused without a reason or a way out: %#v", e, err)
	}
}

// TestRules tries random histories of two rings and up to four masters. When it
// fails, rapid looks for the shortest history that fails and prints a line for
// each event of it.
func TestRules(t *testing.T) {
	if testing.Short() {
		setChecks(t, 50) // rapid makes it a fifth
	} else {
		setChecks(t, 250)
	}
	var histories, played, accepted, refused, killed, writes int
	dir := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		list := rapid.SliceOfN(events, 12, 24).Draw(t, "history")
		own, err := os.MkdirTemp(dir, "")
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(own) //nolint:errcheck // the test's directory goes as a whole
		h := newHistory(t, own)
		for _, e := range list {
			if !h.can(e) {
				continue
			}
			t.Logf("%s", e)
			if said := h.play(e); said != "" {
				t.Logf("    %s", said)
			}
			played++
			h.write()
		}
		t.Logf("all heals")
		h.heal()
		histories, accepted, refused, killed, writes = histories+1, accepted+h.accepted, refused+h.refused, killed+h.killed, writes+len(h.acked)
	})
	text := fmt.Sprintf("%d histories of %d events: %d changes accepted, %d runs refused, %d killed, %d writes, none lost", histories, played, accepted, refused, killed, writes)
	t.Log(text)
	fmt.Printf("REPORT %s: %s\n", t.Name(), text)
}

// TestNoVoteForTheCutOff is a history that TestRules found: a learner that was cut
// off had all that there was when it was last heard of, and its etcd runs.
func TestNoVoteForTheCutOff(t *testing.T) {
	for _, ring := range both {
		h := newHistory(t, t.TempDir())
		for _, e := range []struct {
			event
			want string
		}{
			{event{"up", "b", "", 5}, "killed"},
			{event{"cut off", "b", ring, -1}, ""},
			{event{"up", "b", "", -1}, "refused: the learner has not caught up"},
			{event{"reconnect", "b", "", -1}, ""},
			{event{"up", "b", "", -1}, "done"},
		} {
			if said := h.play(e.event); !strings.HasPrefix(said, e.want) {
				t.Errorf("%s: %s, want %s", e.event, said, e.want)
			}
		}
		h.write()
		h.heal()
		if len(h.acked) != 1 || len(h.voters[ring]) != 2 {
			t.Errorf("ring %s at the end: %v, %d writes", ring, h.voters[ring], len(h.acked))
		}
	}
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
