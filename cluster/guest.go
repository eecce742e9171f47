package cluster

import (
	"context"
	"fmt"
	"strings"

	"hakube/cluster/plan"
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

// consoleLines is how much of a console is shown.
const consoleLines = 15

// A guest is a machine that is being waited for.
type guest struct {
	*run
	zone, name string
	restarted  bool
	other      *cure.Command // of somebody else's machine, which is not restarted: the command for it
	stale      string        // the failure from before this run, which the restart is to clear
}

// phase returns what the machine says it does. A machine that gave up is a
// permanent [*GuestError]; but one that was there when the run began is
// restarted once, so that running hakube again is how to go on.
func (g *guest) phase(ctx context.Context) (string, error) {
	instances := g.gce.Instances(g.zone)
	const path = scripts.GuestNamespace + "/" + scripts.GuestPhase
	got, err := instances.GuestAttributes(ctx, g.name, path)
	if err != nil {
		return "", err
	}
	phase := got[path]
	reason, failed := strings.CutPrefix(phase, scripts.PhaseFailed)
	old := g.have.has(object{kind: kindInstance, name: g.name, zone: g.zone})
	switch {
	case !failed:
		g.stale = ""
		return phase, nil
	case old && !g.restarted && g.other == nil:
		g.restarted, g.stale = true, phase
		return "restarting: it had failed: " + reason, instances.Reset(ctx, g.name)
	case phase == g.stale:
		return "restarting: it had failed: " + reason, nil
	}
	e := &GuestError{Machine: g.name, Zone: g.zone, Reason: reason, Cure: cure.Same()}
	switch {
	case g.other != nil:
		e.Cure = *g.other
	case g.restarted: // one more restart would end the same
		e.Cure, e.Again = cure.Status(), true
	}
	// The console is a help, no more: the reason stands without it.
	if text, _, err := instances.SerialOutput(ctx, g.name, 0); err == nil {
		e.Console = lastLines(text, consoleLines)
	}
	return "", plan.Permanent(e)
}

func lastLines(text string, n int) []string {
	lines := strings.Split(strings.TrimRight(strings.ReplaceAll(text, "\r", ""), "\n"), "\n")
	if len(lines) == 1 && lines[0] == "" {
		return nil
	}
	return lines[max(0, len(lines)-n):]
}
