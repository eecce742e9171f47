package drill

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/anishathalye/porcupine"
)

// checks are all expectations with what was seen.
func (c *course) checks() (list []Check) {
	say := func(what, want string, passed bool, got string, a ...any) {
		list = append(list, Check{what, want, fmt.Sprintf(got, a...), passed})
	}
	if c.failed.IsZero() {
		return nil
	}
	c.ofAPI(say)
	verdict, n := c.register.Linear()
	say("no acknowledged write is lost", "a history of one register", verdict == porcupine.Ok, "%d operations, judged %s", n, verdict)
	c.ofWorkload(say)
	if c.Scenario.NotReady {
		at := c.nodes.lost(c.On.Name)
		if at.IsZero() {
			say("its Node is found out", fmt.Sprintf("not Ready within %s", c.Found), false, "it was Ready all the while")
		} else {
			say("its Node is found out", fmt.Sprintf("not Ready within %s", c.Found), at.Sub(c.failed) <= c.Found, "not Ready after %.1f s", after(at, c.failed))
		}
	}
	if others := c.nodes.others(c.On.Name); c.masters > 1 || c.target == aNode {
		slices.Sort(others)
		say("all other Nodes stay Ready", "none is lost", len(others) == 0, "lost: %d %s", len(others), strings.Join(others, ", "))
	}
	if c.Named {
		name := c.On.Name
		if c.target == aNode {
			name = "pool of " + c.On.Zone
		}
		said := slices.ContainsFunc(c.said, func(s Said) bool { return names(s.Why, name) })
		say("validate names it", "a problem of "+name, said, "%d problems", len(c.said))
	}
	say("the failure is taken back", "taken back", !c.undone.IsZero(), "%s", map[bool]string{true: "taken back", false: "not taken back"}[!c.undone.IsZero()])
	say("the cluster is whole again", fmt.Sprintf("valid within %s", c.Whole), c.whole, "%s", wholeText(c))
	return list
}

// names tells whether a text has the name, and not only a longer one that begins so.
func names(text, name string) bool {
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
func (c *course) ofAPI(say func(what, want string, passed bool, got string, a ...any)) {
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
		say("nobody is sent to what fails", fmt.Sprintf("at most 1 in 100 requests fails later than %s after the failure", c.Settle), failed*100 <= answered && answered > 0, "%d of %d failed", failed, failed+answered)
	}
}

// ofWorkload judges what was asked of the pods behind a Service. What fails is taken out of
// the Service when it is found out; of a master nothing is.
func (c *course) ofWorkload(say func(what, want string, passed bool, got string, a ...any)) {
	if c.load == nil {
		return
	}
	from := c.failed
	if c.target == aNode {
		from = c.end
		if at := c.nodes.lost(c.On.Name); !at.IsZero() {
			from = at.Add(10 * time.Second)
		}
	}
	if from.Before(c.end) && !c.Scenario.Replaces { // of a pod that was deleted nobody tells the Service meanwhile
		asked, lost := c.load.between(from, c.end)
		say("pods behind a Service go on", "at most 1 in 100 requests is lost, of a node's once it is found out", asked > 0 && lost*100 <= asked, "%d of %d lost", lost, asked)
	}
	switch {
	case c.Scenario.Replaces && c.masters > 1:
		say("a pod that is deleted is made again", fmt.Sprintf("within %s", workloadLimit), !c.moved.IsZero(), "%s", movedText(c))
	case c.Scenario.Replaces:
		say("nobody makes a pod that is deleted", fmt.Sprintf("not within %s", c.Settle), c.moved.IsZero(), "%s", movedText(c))
	case c.Moves:
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
	r.Stall = c.register.StallBetween(c.failed, c.end).Seconds()
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
		r.Workload = &Load{}
		r.Workload.Asked, r.Workload.Lost = c.load.between(c.failed, c.end)
	}
	r.Answers = moment(last, r.Failed > 0)
	r.NotReady = moment(c.nodes.lost(c.On.Name), true)
	r.Undone = moment(c.undone, true)
	r.Whole = moment(c.end, c.whole)
	return r
}
