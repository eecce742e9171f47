package env

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"hakube/cluster/inventory"
	"hakube/cluster/plan"
	"hakube/gce"
	"hakube/scripts"
	"hakube/scripts/cure"
)

// A GuestError is a machine whose startup-script gave up.
type GuestError struct {
	Machine, Zone string
	Reason        string       // the script's own
	Console       []string     // the last lines of its serial console
	Cure          cure.Command // that restarts it, or says what else ends it
	Again         bool         // this run has restarted it already, and it failed again
}

func (e *GuestError) Error() string {
	s := fmt.Sprintf("%s failed: %s", e.Machine, e.Reason)
	if len(e.Console) > 0 {
		s += "\nits console ended with\n  " + strings.Join(e.Console, "\n  ")
	}
	return s
}

// Hint says where there is more.
func (e *GuestError) Hint() string {
	end := "restart " + e.Machine
	if e.Again {
		end = "see what ends it, since it failed again after a restart"
	}
	return cure.Hints(cure.Hint(end, e.Cure), cure.Hint("more of its console", cure.Console(e.Machine, e.Zone)))
}

// ConsoleLines is how much of a console is shown.
const ConsoleLines = 15

// A Guest is a machine that is being waited for.
type Guest struct {
	env        *Env
	Zone, Name string
	There      bool // when the run began
	restarted  bool
	Other      *cure.Command // of somebody else's machine, which is not restarted: the command for it
	stale      string        // the failure from before this run, which the restart is to clear
	console    string        // what it had printed before the restart
	pace       Pace          // at which it is asked
	said       string        // when it was last asked
}

// GuestOf is a machine by what was found of it; have may be nil.
func GuestOf(e *Env, have *inventory.Inventory, o inventory.Object) Guest {
	o.Kind = inventory.Instance
	g := Guest{env: e, Zone: o.Zone, Name: o.Name, There: have != nil && have.Has(o)}
	if !g.There {
		g.pace = PaceAfter(firstWord, e.Poll)
	}
	return g
}

// firstWord is after how many looks a machine that is being made is asked first: it has
// to boot before it can say anything.
const firstWord = 10

// Phase returns what the machine says it does, or said when it was last asked ([Pace]).
// A machine that gave up is a permanent [*GuestError]; but one that was there when the
// run began is restarted once, so that running hakube again is how to go on.
func (g *Guest) Phase(ctx context.Context) (string, error) {
	if !g.pace.Due(g.env.Poll) {
		return g.said, nil
	}
	phase, err := g.phase(ctx)
	g.said = phase
	return phase, err
}

func (g *Guest) phase(ctx context.Context) (string, error) {
	instances := g.env.GCE.Instances(g.Zone)
	const path = scripts.GuestNamespace + "/" + scripts.GuestPhase
	got, err := g.env.told(ctx, g.Zone, g.Name, path)
	if err != nil {
		return "", err
	}
	phase := got[path]
	reason, failed := strings.CutPrefix(phase, scripts.PhaseFailed)
	switch {
	case !failed:
		g.stale = ""
		return phase, nil
	case g.There && !g.restarted && g.Other == nil:
		g.restarted, g.stale = true, phase
		g.console = g.env.ConsoleAfter(ctx, g.Zone, g.Name, "")
		return "restarting: it had failed: " + reason, instances.Reset(ctx, g.Name)
	case phase == g.stale && !g.failedAgain(ctx):
		return "restarting: it had failed: " + reason, nil
	}
	e := &GuestError{Machine: g.Name, Zone: g.Zone, Reason: reason, Cure: cure.Same()}
	switch {
	case g.Other != nil:
		e.Cure = *g.Other
	case g.restarted: // one more restart would end the same
		e.Cure, e.Again = cure.Status(), true
	}
	// The console is a help, no more: the reason stands without it.
	if text, _, err := instances.SerialOutput(ctx, g.Name, 0); err == nil {
		e.Console = lastLines(text, ConsoleLines)
	}
	return "", plan.Permanent(e)
}

// failedAgain tells of a machine whose phase is that from before its restart whether
// the script has run since and come to the same: its words alone do not tell.
func (g *Guest) failedAgain(ctx context.Context) bool {
	return strings.Contains(g.env.ConsoleAfter(ctx, g.Zone, g.Name, g.console), "hakube: "+scripts.PhaseFailed)
}

// consoleTail is so much of a console's end that nothing else on it looks the same:
// each line of a kernel's has its time.
const consoleTail = 2 << 10

// ConsoleAfter is what a machine has printed since its console had before; nothing
// if that cannot be read.
func (r *Env) ConsoleAfter(ctx context.Context, zone, name, before string) string {
	text, _, err := r.GCE.Instances(zone).SerialOutput(ctx, name, 0)
	if err != nil {
		return ""
	}
	// Of a long console the beginning was dropped, and of a new one there is no end of before.
	tail := before[max(0, len(before)-consoleTail):]
	if i := strings.LastIndex(text, tail); i >= 0 && tail != "" {
		return text[i+len(tail):]
	}
	return text
}

func lastLines(text string, n int) []string {
	lines := strings.Split(strings.TrimRight(strings.ReplaceAll(text, "\r", ""), "\n"), "\n")
	lines = slices.DeleteFunc(lines, func(l string) bool { return l == "" || scripts.IsTold(l) }) // those say it again
	return lines[max(0, len(lines)-n):]
}

// Phase is what a machine's startup-script says it does.
func (r *Env) Phase(ctx context.Context, of inventory.Object) (string, error) {
	const path = scripts.GuestNamespace + "/" + scripts.GuestPhase
	got, err := r.told(ctx, of.Zone, of.Name, path)
	return got[path], err
}

// SaidOfBackups is what came last of the backups that a master makes by itself, "" if it has
// said nothing yet.
func (r *Env) SaidOfBackups(ctx context.Context, of inventory.Object) (string, error) {
	const path = scripts.GuestNamespace + "/" + scripts.GuestBackups
	got, err := r.told(ctx, of.Zone, of.Name, path)
	if gce.IsNotFound(err) {
		return "", nil
	}
	return got[path], err
}

// IsPrepared tells by its phase that a replica has done all it can do alone.
func IsPrepared(phase string) bool {
	return phase == scripts.PhasePrepared || phase == scripts.PhaseRunning
}

// Joins tells that an earlier run's command is at work on it, which the next one
// waits for.
func Joins(phase string) bool { return strings.HasPrefix(phase, "joining") }
