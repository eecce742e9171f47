package main

import (
	"fmt"
	"strings"
	"time"

	"hakube/cluster/plan"
)

// On a stream that is no terminal a step says what it waits for when it has
// waited for a moment, when the reason changes, and again after patience.
const (
	moment   = 2 * time.Second
	patience = 15 * time.Second
)

// report prints progress as the voice's rules want it.
func (u *ui) report() func(plan.Event) {
	told := map[int]time.Time{} // when a step's waiting was last printed
	why := map[int]string{}
	return func(e plan.Event) {
		u.flight.saw(e)
		u.done(e)
		switch {
		case u.json:
			u.line("step", lineOf(e))
		case e.Kind.Final():
			u.live.drop(u.err, e.N)
			fmt.Fprintln(u.err, stepLine(e))
		case u.terminal:
			u.live.set(u.err, e)
		case e.Kind == plan.Waiting && e.Elapsed >= moment:
			if since := time.Since(told[e.N]); e.Why != why[e.N] && since > moment || since > patience {
				told[e.N], why[e.N] = time.Now(), e.Why
				fmt.Fprintln(u.err, stepLine(e))
			}
		}
	}
}

// stepLine is "[ 9/19] address kubernetes-master-ip   made   6.0s  198.51.100.2".
func stepLine(e plan.Event) string {
	width := len(fmt.Sprint(e.Of))
	elapsed := ""
	if e.Elapsed >= 100*time.Millisecond {
		elapsed = seconds(e.Elapsed)
	}
	line := fmt.Sprintf("[%*d/%d] %-48s %-8s %5s  %s", width, e.N, e.Of, e.Step, e.Kind, elapsed, firstLine(e.Why))
	return plain(strings.TrimRight(line, " "))
}

// seconds prints a duration so that a person can compare it with another.
func seconds(d time.Duration) string {
	if d < 10*time.Second {
		return fmt.Sprintf("%.1fs", d.Seconds())
	}
	return d.Round(time.Second).String()
}

func firstLine(s string) string {
	first, _, more := strings.Cut(s, "\n")
	if more {
		return first + " …"
	}
	return first
}
