package drill

import (
	"fmt"
	"strings"
	"time"
)

// A Report is what drills came to.
type Report struct {
	Cluster string   `json:"cluster"`
	Project string   `json:"project"`
	Since   string   `json:"since"`
	Passed  bool     `json:"passed"`
	Drills  []Result `json:"drills"`
	// Skipped are those that were not made, and why: nothing was changed for them.
	Skipped []Skip `json:"skipped"`
}

// A Skip is a drill that was not made.
type Skip struct {
	Drill string `json:"drill"`
	Why   string `json:"why"`
}

// A Result is what one drill came to. Times are seconds after the failure.
type Result struct {
	Drill      string   `json:"drill"`
	Title      string   `json:"title"`
	On         string   `json:"on"` // the machine, or the zone
	Zone       string   `json:"zone"`
	Cause      string   `json:"cause"`
	Expected   []string `json:"expected"`
	Arithmetic []string `json:"arithmetic"`
	Failure    string   `json:"failure"`
	Undo       string   `json:"undo"`
	Passed     bool     `json:"passed"`
	Checks     []Check  `json:"checks"`
	Marks      []Mark   `json:"marks"`
	// Seconds are what was asked of the API, by second.
	Seconds []Second `json:"seconds"`
	// Said is what validate said meanwhile, with the commands that it named.
	Said []Said `json:"said"`

	NotReady *float64 `json:"notReady"` // when its Node was found out
	Answers  *float64 `json:"answers"`  // when the last request of those had failed that the failure cost
	Undone   *float64 `json:"undone"`
	Whole    *float64 `json:"whole"` // when the cluster was valid again
	Stall    float64  `json:"stall"` // the longest time without an acknowledged write
	Failed   int      `json:"failed"`
	Answered int      `json:"answered"`
	// Workload is what was asked of pods behind a Service; nil where none run.
	Workload *Load `json:"workload"`
	Names    *Load `json:"names"` // what the cluster's DNS was asked; nil where nobody could ask it
}

// A Load is how often something was asked from a master that does not fail.
type Load struct {
	Asked int `json:"asked"`
	Lost  int `json:"lost"`
}

// A Check is one expectation and what was seen.
type Check struct {
	What   string `json:"what"`
	Want   string `json:"want"`
	Got    string `json:"got"`
	Passed bool   `json:"passed"`
}

// A Mark is a moment of a drill.
type Mark struct {
	At   float64 `json:"at"`
	What string  `json:"what"`
}

// A Second is what was asked of the API in a second.
type Second struct {
	At     int `json:"at"`
	Writes int `json:"acknowledged"`
	Reads  int `json:"reads"`
	Failed int `json:"failed"`
}

// Said is a line of validate, and the command that it names.
type Said struct {
	Why     string `json:"why"`
	Command string `json:"command"`
}

// Failure is why the drills did not pass, nil if they did.
func (r *Report) Failure() error {
	var lines []string
	for _, d := range r.Drills {
		for _, c := range d.Checks {
			if !c.Passed {
				lines = append(lines, fmt.Sprintf("drill %s of %s: %s: want %s, got %s", d.Drill, d.On, c.What, c.Want, c.Got))
			}
		}
	}
	if len(lines) == 0 {
		return nil
	}
	return fmt.Errorf("%s", strings.Join(lines, "\n"))
}

// Text is a result for people, a line each.
func (d Result) Text() []string {
	verdict := "passed"
	if !d.Passed {
		verdict = "FAILED"
	}
	lines := []string{fmt.Sprintf("%s  %s of %s", verdict, d.Drill, place(d.On, d.Zone))}
	for _, e := range d.Expected {
		lines = append(lines, "  expected   "+e)
	}
	for _, a := range d.Arithmetic {
		lines = append(lines, "  before     "+a)
	}
	lines = append(lines, "  failure    "+d.Failure, "  undo       "+d.Undo)
	for _, m := range d.Marks {
		lines = append(lines, fmt.Sprintf("  %8.1f s %s", m.At, m.What))
	}
	for _, c := range d.Checks {
		word := "ok  "
		if !c.Passed {
			word = "FAIL"
		}
		lines = append(lines, fmt.Sprintf("  %s       %s: want %s, got %s", word, c.What, c.Want, c.Got))
	}
	return lines
}

// after is a moment in seconds since another.
func after(at, since time.Time) float64 {
	return float64(at.Sub(since).Milliseconds()) / 1000
}

// place is where something fails, for people.
func place(on, zone string) string {
	if zone == "" || zone == on {
		return on
	}
	return on + " in " + zone
}
