package task

import (
	"strings"
	"sync"

	"hakube/cluster/inventory"
	"hakube/cluster/refusal"
	"hakube/cluster/rings"
	"hakube/cluster/settings"
	"hakube/replicate"
	"hakube/scripts/cure"
)

// Verdicts are what was found out of masters' disks and etcds when they were brought
// back, by name. The steps of one repair share them.
type Verdicts struct {
	mu sync.Mutex
	by map[string]replicate.Revived
}

// Of is what was found out of a master.
func (v *Verdicts) Of(name string) (x replicate.Revived, known bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	x, known = v.by[name]
	return x, known
}

// Found takes note of it.
func (v *Verdicts) Found(name string, x replicate.Revived) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.by[name] = x
}

// Forget is for a master whose disk is another one now.
func (v *Verdicts) Forget(name string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	delete(v.by, name)
}

// CannotReturn tells that a master's member of a ring will not come back: its data
// are gone, or its etcd does not start with them.
func (v *Verdicts) CannotReturn(name, ring string) bool {
	x, known := v.Of(name)
	if !known {
		return false
	}
	st := x.Rings[ring].State
	return !x.Disk || st == replicate.RingLost || st == replicate.RingEnds || st == replicate.RingNone
}

// An Outlook is what may be hoped of a cluster whose masters fail.
type Outlook struct {
	*Verdicts
	want    settings.Spec
	masters []inventory.Object
	asSeen  func([]inventory.Object) []inventory.Object
}

// All are the masters, with what was seen of them since.
func (o Outlook) All() []inventory.Object { return o.asSeen(o.masters) }

// Hopeless is a refusal that names the way that is left.
func (o Outlook) Hopeless(why string, s *rings.Survey) error {
	best, index := "", int64(-1)
	for _, m := range o.masters {
		if o.CannotReturn(m.Name, replicate.RingMain) || o.CannotReturn(m.Name, replicate.RingEvents) {
			continue
		}
		at := int64(0)
		if s != nil {
			at = s.Answers[m.Name][replicate.RingMain].Index
		}
		if at > index {
			best, index = m.Name, at
		}
	}
	if best != "" && len(o.masters) > 1 {
		return &refusal.Refused{Why: why, Cure: cure.Hint("if none of the others comes back, go on with what one has, and lose what it has not", cure.FromSurvivor(best))}
	}
	var keep []cure.Command
	for _, m := range o.masters {
		keep = append(keep, cure.KeepDisk(o.want.Names.DiskOf(m.Name), m.Zone))
	}
	return &refusal.Refused{Why: why, Cure: cure.Hints("nothing that hakube knows can bring it back",
		cure.Hint("keep what is on its disk", keep...), cure.Hint("make the cluster anew", cure.Down(), cure.Up(o.want.Home)))}
}

// VerdictText is that in words.
func VerdictText(x replicate.Revived) string {
	if !x.Disk {
		return "the data disk cannot be read"
	}
	said := map[string]string{
		replicate.RingNone: "not yet", replicate.RingRuns: "runs", replicate.RingLost: "has lost its data", replicate.RingEnds: "ends when it is started",
	}
	var parts []string
	for _, ring := range rings.Names {
		text := ring + " " + said[x.Rings[ring].State]
		if e := x.Rings[ring].Error; e != "" {
			text += ": " + e
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, "; ")
}
