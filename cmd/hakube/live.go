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

// liveLines are the steps under way, redrawn at the end of a terminal.
type liveLines struct {
	mu    sync.Mutex
	order []int
	steps map[int]plan.Event
	shown int
}

func (l *liveLines) set(w *os.File, e plan.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.steps == nil {
		l.steps = map[int]plan.Event{}
	}
	if _, ok := l.steps[e.N]; !ok {
		l.order = append(l.order, e.N)
	}
	l.steps[e.N] = e
	l.erase(w)
	l.draw(w)
}

// drop ends a line; the caller prints its last words at once.
func (l *liveLines) drop(w *os.File, n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.erase(w)
	delete(l.steps, n)
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
	l.order, l.steps = nil, nil
}

func (l *liveLines) erase(w *os.File) {
	if l.shown > 0 {
		fmt.Fprintf(w, "\x1b[%dA\x1b[J", l.shown)
		l.shown = 0
	}
}

func (l *liveLines) draw(w *os.File) {
	width, height, err := term.GetSize(int(w.Fd()))
	if err != nil || width < 20 || height < 2 {
		width, height = 80, 24
	}
	var steps []plan.Event
	for _, n := range l.order {
		steps = append(steps, l.steps[n])
	}
	for _, line := range liveText(steps, width, height) {
		fmt.Fprintln(w, line)
		l.shown++
	}
}

// reasonLines is how much of the screen the reason of one step may take.
const reasonLines = 3

// liveText lays steps out so that no line is as long as the terminal is wide,
// since a wrapped line could not be taken back. What does not fit beside its
// step, which at 80 columns is nearly every reason, goes below it, by words. When
// that would not fit on the screen each step has one line without.
func liveText(steps []plan.Event, width, height int) (lines []string) {
	for _, e := range steps {
		if line := stepLine(e); len([]rune(line)) < width {
			lines = append(lines, line)
			continue
		}
		lines = append(lines, stepAlone(e, width-1))
		lines = append(lines, wrap(plain(firstLine(e.Why)), "        ", width-1)...)
	}
	if len(lines) < height {
		return lines
	}
	lines = nil
	for _, e := range steps {
		lines = append(lines, stepAlone(e, width-1))
	}
	return lines[max(0, len(lines)-height+1):]
}

// stepAlone is a step without its reason; of a long one the name is cut.
func stepAlone(e plan.Event, width int) string {
	before := fmt.Sprintf("[%*d/%d] ", len(fmt.Sprint(e.Of)), e.N, e.Of)
	after := " " + string(e.Kind)
	if e.Elapsed >= 100*time.Millisecond {
		after += " " + seconds(e.Elapsed)
	}
	return before + cut(plain(e.Step), max(1, width-len(before)-len(after))) + after
}

// wrap breaks text into up to reasonLines lines, between words where that can be.
func wrap(text, indent string, width int) (lines []string) {
	for _, word := range strings.Fields(text) {
		last := len(lines) - 1
		if last >= 0 && len([]rune(lines[last]))+1+len([]rune(word)) <= width {
			lines[last] += " " + word
			continue
		}
		for rest := []rune(word); len(rest) > 0; {
			if len(lines) == reasonLines {
				lines[reasonLines-1] = cut(lines[reasonLines-1], width-2) + " …"
				return lines
			}
			n := min(len(rest), width-len(indent))
			lines = append(lines, indent+string(rest[:n]))
			rest = rest[n:]
		}
	}
	return lines
}

// cut shortens a line to width.
func cut(line string, width int) string {
	if r := []rune(line); len(r) > width {
		return string(r[:width-1]) + "…"
	}
	return line
}
