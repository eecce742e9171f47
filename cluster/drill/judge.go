package drill

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/anishathalye/porcupine"

	"hakube/cluster/inventory"
)

// checks are all expectations with what was seen.
func (c *course) checks() (list []Check) {
	say := func(what, want string, passed bool, got string, a ...any) {
		list = append(list, Check{what, want, fmt.Sprintf(got, a...), passed})
	}
	if c.failed.IsZero() {
		return nil
	}
	if len(c.Rings) > 0 && c.masters > 2 {
		say("the rings outlive it", "quorum of both without what fails", len(c.loses) == 0, "%s", strings.Join(c.lines[1:], "; "))
	}
	c.ofAPI(say)
	c.ofEvents(say)
	verdict, n := c.register.Linear()
	say("no acknowledged write is lost", "a history of one register", verdict == porcupine.Ok, "%d operations, judged %s", n, verdict)
	c.ofNames(say)
	c.ofWorkload(say)
	c.ofNodes(say)
	if c.failure == deletes {
		say("nobody brings it back", "what was deleted is gone for good", c.lost, "%s", map[bool]string{true: "gone", false: "some of it is there, or it could not be asked"}[c.lost])
	}
	if c.Named {
		var said []string
		for _, m := range c.machines {
			if name := c.nameOf(m); slices.ContainsFunc(c.said, func(s Said) bool { return mentions(s.Why, name) }) {
				said = append(said, name)
			}
		}
		want := c.nameOf(c.machines[0])
		if c.target == aZone {
			want = "a machine in it"
		}
		say("validate names it", "a problem of "+want, len(said) > 0, "%d problems", len(c.said))
	}
	say("the failure is taken back", "taken back", !c.undone.IsZero(), "%s", map[bool]string{true: "taken back", false: "not taken back"}[!c.undone.IsZero()])
	say("the cluster is whole again", fmt.Sprintf("valid within %s", c.Whole), c.whole, "%s", wholeText(c))
	return list
}

// nameOf is how validate speaks of a machine: of nodes it knows pools.
func (c *course) nameOf(m inventory.Object) string {
	if c.target == aNode {
		return "pool of " + m.Zone
	}
	return m.Name
}

// A saying adds a check.
type saying = func(what, want string, passed bool, got string, a ...any)

func (c *course) ofNodes(say saying) {
	if want := fmt.Sprintf("not Ready within %s", c.Found); c.Scenario.NotReady {
		at := c.found()
		got := "it was Ready all the while"
		if !at.IsZero() {
			got = fmt.Sprintf("not Ready after %.1f s", after(at, c.failed))
		}
		say("its Node is found out", want, !at.IsZero() && at.Sub(c.failed) <= c.Found, "%s", got)
	}
	if rest := c.nodes.others(c.names()); c.masters > 1 || c.target == aNode {
		slices.Sort(rest)
		say("all other Nodes stay Ready", "none is lost", len(rest) == 0, "lost: %d %s", len(rest), strings.Join(rest, ", "))
	}
}

// ofEvents judges what was written to the other ring.
func (c *course) ofEvents(say saying) {
	if c.events == nil {
		return
	}
	if c.serves == 0 || len(c.loses) > 0 {
		if from, long := c.settled(); long && c.failure != resets {
			acks, _ := c.events.between(from, c.undoing)
			say("no event is kept meanwhile", "no write is acknowledged", acks == 0, "%d writes", acks)
		}
		return
	}
	_, longest := c.events.between(c.failed, c.end)
	say("events are kept", fmt.Sprintf("no longer than %s without an acknowledged write", c.Stall), longest <= c.Stall, "%.2f s", longest.Seconds())
}

// ofNames judges the cluster's DNS, where the machine that asks knows of one. Where that machine itself
// loses its power nobody asks.
func (c *course) ofNames(say saying) {
	if c.probe.between(names, time.Time{}, c.end).Asked == 0 || c.fails(c.probe.via.Name) && (c.failure == stops || c.failure == resets) {
		return
	}
	longest, l := c.probe.silence(names, c.failed, c.end), c.probe.between(names, c.failed, c.end)
	say("names are told", fmt.Sprintf("no longer than %s without an answer of the cluster's DNS", c.Stall), longest <= c.Stall,
		"%.2f s, %d of %d lost%s", longest.Seconds(), l.Lost, l.Asked, c.probe.why(names, c.failed, c.end, c.failed))
}

// mentions tells whether a text has the name, and not only a longer one that begins so.
func mentions(text, name string) bool {
	return regexp.MustCompile(`(^|[^a-z0-9-])` + regexp.QuoteMeta(name) + `($|[^a-z0-9-])`).MatchString(text)
}

func wholeText(c *course) string {
	if !c.whole {
		return "not valid"
	}
	return fmt.Sprintf("valid %.1f s after the failure was taken back", after(c.end, c.undone))
}

// evidence is how long something has to be asked before it can be judged by the answers: of
// some milliseconds there may be none.
const evidence = time.Second

// settled is from when on nobody may be sent to what fails, and whether it failed for long
// enough after that for a judgement.
func (c *course) settled() (from time.Time, long bool) {
	from = c.failed.Add(c.Settle)
	return from, c.undoing.Sub(from) >= evidence
}

// ofAPI judges what was asked of it at its address.
func (c *course) ofAPI(say saying) {
	if c.serves == 0 || slices.Contains(c.loses, both[0]) { // as expected, nobody answers
		if from, long := c.settled(); long && c.failure != resets {
			_, answered, _ := c.register.Between(from, c.undoing)
			writes := c.register.writesBetween(from, c.undoing)
			say("nothing can be changed meanwhile", "no write is acknowledged", writes == 0, "%d writes, %d requests answered", writes, answered)
		}
		return
	}
	stall := c.register.StallBetween(c.failed, c.end)
	say("the API goes on", fmt.Sprintf("no longer than %s without an acknowledged write", c.Stall), stall <= c.Stall, "%.2f s", stall.Seconds())
	if from, long := c.settled(); long {
		failed, answered, _ := c.register.Between(from, c.undoing)
		sent := 0 // by the balancer to what fails: where everything is too slow nobody answers elsewhere either
		for _, a := range c.register.failures(from, c.undoing) {
			if c.nodes.answered(a) {
				sent++
			}
		}
		say("nobody is sent to what fails", fmt.Sprintf("at most one request or 1 in 100 fails later than %s after the failure, while %s answers by itself", c.Settle, c.probe.via.Name),
			sent <= max(1, answered/100) && answered > 0, "%d of %d failed, %d of them while it did", failed, failed+answered, sent)
	}
}

// ofWorkload judges what was asked of the pods behind a Service. What fails is taken out of
// the Service when it is found out; of a master nothing is.
func (c *course) ofWorkload(say saying) {
	if c.load == nil {
		return
	}
	from := c.failed
	if c.target == aNode || c.target == aZone {
		from = c.end
		if at := c.found(); !at.IsZero() {
			from = at.Add(10 * time.Second)
		}
	}
	if from.Before(c.end) && !c.Scenario.Replaces { // of a pod that was deleted nobody tells the Service meanwhile
		l, before := c.probe.between(pods, from, c.end), c.probe.between(pods, c.warm, c.failed)
		say("pods behind a Service go on", "at most 1 in 100 requests is lost, of a node's once it is found out", l.Asked > 0 && l.Lost*100 <= l.Asked,
			"%d of %d lost%s; before the failure %d of %d", l.Lost, l.Asked, c.probe.why(pods, from, c.end, c.failed), before.Lost, before.Asked)
	}
	switch {
	case c.Scenario.Replaces && c.masters > 1:
		say("a pod that is deleted is made again", fmt.Sprintf("within %s", workloadLimit), !c.moved.IsZero(), "%s", movedText(c))
	case c.Scenario.Replaces:
		say("nobody makes a pod that is deleted", fmt.Sprintf("not within %s", c.Settle), c.moved.IsZero(), "%s", movedText(c))
	case c.Moves && c.load.moves:
		say("its pods are started elsewhere", fmt.Sprintf("within %s of that", workloadLimit), !c.moved.IsZero(), "%s", movedText(c))
	}
}

func movedText(c *course) string {
	if c.moved.IsZero() {
		return "not so"
	}
	return fmt.Sprintf("after %.1f s", after(c.moved, c.failed))
}

// passed is the verdict.
func (c *course) passed() bool {
	return len(c.judged) > 0 && !slices.ContainsFunc(c.judged, func(x Check) bool { return !x.Passed })
}

// result is all of it, for people and programs.
func (c *course) result() Result {
	r := Result{
		Drill: c.Name, Title: c.Title, On: c.On.Name, Zone: c.On.Zone, Cause: c.Cause, Expected: c.expected(c.masters), Arithmetic: c.lines,
		Failure: c.Fails, Undo: c.Scenario.Undo, Checks: append([]Check{}, c.judged...), Marks: append([]Mark{}, c.marks...), Said: append([]Said{}, c.said...), Seconds: []Second{},
	}
	r.Passed = c.passed()
	slices.SortStableFunc(r.Marks, func(a, b Mark) int { return int(1000 * (a.At - b.At)) })
	if c.failed.IsZero() {
		return r
	}
	r.Stall = c.stall().Seconds()
	r.Seconds = append(r.Seconds, c.register.Series(c.warm, c.end)...)
	for i := range r.Seconds {
		r.Seconds[i].At -= int(c.failed.Sub(c.warm) / time.Second)
	}
	var last time.Time
	r.Failed, r.Answered, last = c.register.Between(c.failed, c.end)
	moment := func(at time.Time, is bool) *float64 {
		if !is || at.IsZero() {
			return nil
		}
		return new(after(at, c.failed))
	}
	if c.load != nil {
		r.Workload = new(c.probe.between(pods, c.failed, c.end))
	}
	if c.probe.between(names, time.Time{}, c.end).Asked > 0 {
		r.Names = new(c.probe.between(names, c.failed, c.end))
	}
	r.Answers = moment(last, r.Failed > 0)
	r.NotReady = moment(c.found(), len(c.machines) > 0)
	r.Undone = moment(c.undone, true)
	r.Whole = moment(c.end, c.whole)
	return r
}
