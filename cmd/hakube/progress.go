package main

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"

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
		switch {
		case u.json:
			u.line(eventJSON(e))
		case e.Kind.Final():
			u.live.drop(u.err, e.N)
			fmt.Fprintln(u.err, stepLine(e))
		case u.terminal:
			u.live.set(u.err, e.N, stepLine(e))
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

// eventJSON is a step's event for a program; elapsed is in seconds.
func eventJSON(e plan.Event) any {
	return struct {
		N       int       `json:"n"`
		Of      int       `json:"of"`
		Step    string    `json:"step"`
		Event   plan.Kind `json:"event"`
		Why     string    `json:"why,omitempty"`
		Elapsed float64   `json:"elapsed"`
	}{e.N, e.Of, e.Step, e.Kind, e.Why, float64(e.Elapsed.Milliseconds()) / 1000}
}

// liveLines are the steps under way, redrawn at the end of a terminal.
type liveLines struct {
	mu    sync.Mutex
	order []int
	lines map[int]string
	shown int
}

func (l *liveLines) set(w *os.File, n int, line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lines == nil {
		l.lines = map[int]string{}
	}
	if _, ok := l.lines[n]; !ok {
		l.order = append(l.order, n)
	}
	l.lines[n] = line
	l.erase(w)
	l.draw(w)
}

// drop ends a line; the caller prints its last words at once.
func (l *liveLines) drop(w *os.File, n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.erase(w)
	delete(l.lines, n)
	for i, o := range l.order {
		if o == n {
			l.order = append(l.order[:i], l.order[i+1:]...)
			break
		}
	}
}

// clear takes all live lines off the terminal.
func (l *liveLines) clear(w *os.File) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.erase(w)
	l.order, l.lines = nil, nil
}

func (l *liveLines) erase(w *os.File) {
	if l.shown > 0 {
		fmt.Fprintf(w, "\x1b[%dA\x1b[J", l.shown)
		l.shown = 0
	}
}

func (l *liveLines) draw(w *os.File) {
	width, _, err := term.GetSize(int(w.Fd()))
	if err != nil || width < 20 {
		width = 80
	}
	for _, n := range l.order {
		line := []rune(l.lines[n])
		if len(line) >= width { // a wrapped line could not be taken back
			line = append(line[:width-2], '…')
		}
		fmt.Fprintln(w, string(line))
		l.shown++
	}
}
