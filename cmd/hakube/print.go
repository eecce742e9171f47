package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	// x/term: whether a stream is a terminal, and how wide.
	"golang.org/x/term"

	"hakube/cluster"
	"hakube/cluster/plan"
	"hakube/scripts/cure"
)

// The rules of hakube's voice, kept by the functions below:
//
//   - Results go to standard output, everything else to standard error.
//   - Progress is a line a step, with its number and the number of steps. On a
//     terminal the last lines are alive; elsewhere each is printed once.
//   - Everything else on standard error begins with "hakube:"; lower case, no
//     period at the end.
//   - Each error is followed by its cures, "hakube: hint:". A command is whole, on a
//     line of its own and indented by four spaces, so that it can be taken as it is.
//   - What others said is written out where it would act on a terminal (plain.go).
//   - With --json results are JSON on standard output, and progress, warnings
//     and errors are JSON objects, one a line, on standard error.
type ui struct {
	in, out, err *os.File
	json         bool
	did          []jsonStep // what was changed
	code         int        // what the run ends with
	terminal     bool
	called       called
	goesOn       bool            // the same again continues
	changes      bool            // the command changes what there is
	stopped      <-chan struct{} // closed by the first ^C; nil in tests of parts
	flight       flight
	unsaid       error // a result that could not be written
	live         liveLines
}

func newUI(stdin, stdout, stderr *os.File) *ui {
	return &ui{in: stdin, out: stdout, err: stderr, terminal: term.IsTerminal(int(stderr.Fd())), called: newCalled(os.Environ())}
}

// printf prints a result.
func (u *ui) printf(format string, a ...any) {
	u.live.clear(u.err)
	if _, err := fmt.Fprint(u.out, plain(fmt.Sprintf(format, a...))); err != nil && !isGone(err) && u.unsaid == nil {
		u.unsaid = fmt.Errorf("writing the result: %w", err)
	}
}

// object prints a command's result as JSON.
func (u *ui) object(command string, v any) error {
	u.live.clear(u.err)
	b, err := enveloped(command, v)
	if err != nil {
		return err
	}
	if _, err = fmt.Fprintf(u.out, "%s\n", plainJSON(b)); err != nil && !isGone(err) {
		return fmt.Errorf("writing the result: %w", err)
	}
	return nil
}

// note prints what is good to know on the way.
func (u *ui) note(format string, a ...any) { u.say("note", "", fmt.Sprintf(format, a...)) }

func (u *ui) warn(text string) { u.say("warning", "warning: ", text) }

func (u *ui) hint(text string) { u.say("hint", "hint: ", text) }

func (u *ui) say(key, prefix, text string) {
	u.live.clear(u.err)
	var words, commands []string
	for line := range strings.SplitSeq(text, "\n") {
		if command, is := cure.Line(line); is {
			commands = append(commands, u.whole(command))
		} else {
			words = append(words, line)
		}
	}
	text = brief(strings.Join(words, "\n"))
	if u.json {
		u.line(key, message(key, text, commands, u.code))
		return
	}
	if text != "" {
		fmt.Fprintf(u.err, "hakube: %s%s\n", prefix, plain(text))
	}
	for _, c := range commands {
		fmt.Fprintf(u.err, "    %s\n", plain(c))
	}
}

// wholeLines is a hint with its commands whole.
func (u *ui) wholeLines(hint string) string {
	lines := strings.Split(hint, "\n")
	for i, line := range lines {
		if command, is := cure.Line(line); is {
			lines[i] = "\t" + u.whole(command)
		}
	}
	return strings.Join(lines, "\n")
}

// whole is a named command with all that it needs; one that is whole is not
// changed by it.
func (u *ui) whole(line string) string {
	if line == cure.EvalEnv() {
		return `eval "$(` + u.called.whole(cure.LocalEnv()) + `)"`
	}
	c, err := cure.Parse(line)
	if err != nil { // of no form that anything could be added to
		return line
	}
	return u.called.whole(c)
}

// line prints an object on standard error.
func (u *ui) line(kind string, v any) {
	b, err := enveloped(kind, v)
	if err != nil { // only for types that JSON has no word for
		b = fmt.Appendf(nil, `{"error":%q}`, err)
	}
	fmt.Fprintf(u.err, "%s\n", plainJSON(b))
}

// goOn is how an interrupted run continues.
var goOn = cure.Hint("go on from here", cure.Same())

// A hinter is an error that knows a cure.
type hinter interface{ Hint() string }

// finish prints the error of a run with its cures and returns the exit code.
func (u *ui) finish(err error) int {
	u.live.clear(u.err)
	if err == nil {
		err = u.unsaid
	}
	code := exitCode(err)
	if code == exitDone || code == exitAnswer {
		return code
	}
	u.code = code
	if code == exitInterrupted {
		untouched := (*cluster.Unchanged)(nil)
		if u.flight.isWhole() {
			u.say("interrupted", "", interruptedAt(err)+": it may be half done")
			u.hint(goOn)
		} else if _, began := u.flight.now(); began && !errors.As(err, &untouched) {
			u.say("interrupted", "", interruptedAt(err)+"; every change that was begun is finished")
		} else {
			u.say("interrupted", "", interruptedAt(err)+", nothing was changed")
		}
		if dark := (*cluster.Dark)(nil); errors.As(err, &dark) {
			u.say("error", "error: ", dark.Error())
		}
		if u.goesOn {
			u.hint(goOn)
		}
		return code
	}
	var problems cluster.Problems
	if errors.As(err, &problems) {
		if len(problems) > 1 {
			u.say("error", "error: ", fmt.Sprintf("%d problems with the settings", len(problems)))
		}
		for _, p := range problems {
			u.say("error", "error: ", p)
		}
		u.hint(cure.Hint("see all settings", cure.Help("env")))
		u.untouched()
		return code
	}
	for _, line := range strings.Split(err.Error(), "\n") {
		u.say("error", "error: ", line)
	}
	said := map[string]bool{} // what is in the way in two ways goes once
	for _, hint := range hints(err) {
		for _, h := range cure.Apart(hint) {
			if !said[h] {
				u.hint(h)
			}
			said[h] = true
		}
	}
	if unchanged := (*cluster.Unchanged)(nil); errors.As(err, &unchanged) {
		u.hint("nothing was changed")
	} else if code == exitUsage {
		u.untouched()
	}
	// Only a run that got into its steps can be continued; a refusal cannot.
	var step *plan.StepError
	var refused *cluster.Refused
	if code == exitFailed && u.goesOn && errors.As(err, &step) && !errors.As(err, &refused) {
		u.hint(goOn)
	}
	return code
}

// untouched says of a command that changes things, and was refused for how it was
// called, that it changed none.
func (u *ui) untouched() {
	if u.changes {
		u.hint("nothing was changed")
	}
}

// interruptedAt says how far it came.
func interruptedAt(err error) string {
	var stopped *plan.Stopped
	var step *plan.StepError
	switch {
	case errors.As(err, &stopped):
		return fmt.Sprintf("interrupted after %d of %d steps, before %s", stopped.Done, stopped.Of, stopped.Before)
	case errors.As(err, &step):
		return fmt.Sprintf("interrupted at the step %q", step.Step)
	}
	return "interrupted"
}

// hints gathers the cures of everything in the error's tree, each once.
func hints(err error) []string {
	var list []string
	var walk func(error)
	walk = func(err error) {
		if h, ok := err.(hinter); ok && h.Hint() != "" {
			for _, old := range list {
				if old == h.Hint() {
					return
				}
			}
			list = append(list, h.Hint())
		}
		switch e := err.(type) {
		case interface{ Unwrap() error }:
			if inner := e.Unwrap(); inner != nil {
				walk(inner)
			}
		case interface{ Unwrap() []error }:
			for _, inner := range e.Unwrap() {
				walk(inner)
			}
		}
	}
	if err != nil {
		walk(err)
	}
	return list
}
