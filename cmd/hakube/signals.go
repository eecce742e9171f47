package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"syscall"

	"hakube/cluster/plan"
)

// interruptible ends its context at the first ^C, TERM or HUP: the change in
// flight is let finish, and it is said at once what that is. The second ^C or TERM
// ends the process at once; the next run repairs. A terminal that closes may say
// so several times, by the kernel and by the shell, so a HUP is never the second.
//
// A reader that goes away must not end a run half-way: with SIGPIPE taken, writing
// fails instead of killing. It is not ignored, or what is started would ignore it too.
func interruptible(u *ui) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(context.Background())
	signals, pipes := make(chan os.Signal, 4), make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	if !signal.Ignored(syscall.SIGHUP) { // nohup
		signal.Notify(signals, syscall.SIGHUP)
	}
	signal.Notify(pipes, syscall.SIGPIPE)
	u.stopped = ctx.Done()
	done := make(chan struct{})
	go func() {
		for first := true; ; {
			select {
			case s := <-signals:
				switch {
				case first:
					first = false
					u.interrupting()
					cancel(errInterrupted)
				case s != syscall.SIGHUP:
					u.leaving()
					// Nothing of ours needs more than the process to end: no lock file, no temporary state.
					os.Exit(exitInterrupted)
				}
			case <-done:
				return
			}
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		signal.Stop(pipes)
		close(done)
		cancel(nil)
	}
}

// A flight is the steps that are under way.
type flight struct {
	mu    sync.Mutex
	steps map[int]string
	waits map[int]bool // those that end with the run, and are not finished first
	began bool         // something was changed, or tried to be
	whole bool         // by a command that has no steps, and may be cut in the middle
}

func (f *flight) saw(e plan.Event) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case e.Kind.Final():
		delete(f.steps, e.N)
	case e.Kind == plan.Making, e.Kind == plan.Removing:
		if f.steps == nil {
			f.steps, f.waits = map[int]string{}, map[int]bool{}
		}
		f.steps[e.N], f.waits[e.N], f.began = e.Step, e.Waits, true
	}
}

// begins takes note of a command without steps that changes something from here on.
func (f *flight) begins() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.began, f.whole = true, true
}

// isWhole tells of such a command.
func (f *flight) isWhole() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.whole
}

// now is what is under way, in the order of the list.
func (f *flight) now() (steps []string, began bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, n := range slices.Sorted(maps.Keys(f.steps)) {
		steps = append(steps, f.steps[n])
	}
	return steps, f.began
}

// changes are those of them that are let finish.
func (f *flight) changes() (steps []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, n := range slices.Sorted(maps.Keys(f.steps)) {
		if !f.waits[n] {
			steps = append(steps, f.steps[n])
		}
	}
	return steps
}

// interrupting answers the first ^C, if it has to be waited for. A step that only
// waits ends with the run, which then says so itself.
func (u *ui) interrupting() {
	if steps := u.flight.changes(); len(steps) > 0 {
		u.say("interrupting", "", "finishing "+strings.Join(steps, ", ")+", and no more; a second ^C leaves at once")
	} else if steps, _ := u.flight.now(); len(steps) > 0 {
		u.say("interrupting", "", "waiting no longer: "+strings.Join(steps, ", ")+"; a second ^C leaves at once")
	}
}

// leaving answers the second.
func (u *ui) leaving() {
	steps, began := u.flight.now()
	switch {
	case len(steps) > 0:
		u.say("interrupted", "", "left at once: "+strings.Join(steps, ", ")+" may be done, or half done; what was not begun is left to do")
	case began:
		u.say("interrupted", "", "left at once; what was not begun is left to do")
	default:
		u.say("interrupted", "", "left at once, nothing was changed")
	}
	if u.goesOn {
		u.hint(goOn)
	}
}

// errNobody is the end of the input where an answer should be. All questions come
// before the first change.
var errNobody = errors.New("nobody answered: nothing was changed")

// ask returns the answer to a question, without the blanks around it. Nobody
// there to answer is neither a yes nor a no to the last of several questions, so
// that it ends the command; and ^C is an answer too.
func (u *ui) ask(question string) (string, error) {
	u.live.clear(u.err)
	fmt.Fprintf(u.err, "hakube: %s: ", question)
	type answer struct {
		line string
		err  error
	}
	got := make(chan answer, 1)
	go func() {
		line, err := bufio.NewReader(u.in).ReadString('\n')
		got <- answer{line, err}
	}()
	select {
	case <-u.stopped:
		fmt.Fprintln(u.err) // what is said next is not on the question's line
		return "", errInterrupted
	case a := <-got:
		if a.err != nil {
			fmt.Fprintln(u.err)
		}
		answer := strings.TrimSpace(a.line)
		switch {
		case errors.Is(a.err, io.EOF) && answer == "":
			return "", errNobody
		case a.err != nil && !errors.Is(a.err, io.EOF):
			return "", fmt.Errorf("reading the answer: %w", a.err)
		}
		return answer, nil
	}
}

// isGone tells that nobody reads any more: a pipe's other end or a terminal that
// was closed, or a stream that never was open. It is no failure of the run.
func isGone(err error) bool {
	return errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.EIO) || errors.Is(err, syscall.EBADF) || errors.Is(err, os.ErrClosed)
}
