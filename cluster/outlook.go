package cluster

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

// verdicts are what was found out of masters' disks and etcds when they were brought
// back, by name. The steps of one repair share them.
type verdicts struct {
	mu sync.Mutex
	by map[string]replicate.Revived
}

func (v *verdicts) of(name string) (x replicate.Revived, known bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	x, known = v.by[name]
	return x, known
}

func (v *verdicts) found(name string, x replicate.Revived) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.by[name] = x
}

// forget is for a master whose disk is another one now.
func (v *verdicts) forget(name string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	delete(v.by, name)
}

// cannotReturn tells that a master's member of a ring will not come back: its data
// are gone, or its etcd does not start with them.
func (v *verdicts) cannotReturn(name, ring string) bool {
	x, known := v.of(name)
	if !known {
		return false
	}
	st := x.Rings[ring].State
	return !x.Disk || st == replicate.RingLost || st == replicate.RingEnds || st == replicate.RingNone
}

// An outlook is what may be hoped of a cluster whose masters fail.
type outlook struct {
	*verdicts
	want    settings.Spec
	masters []inventory.Object
	asSeen  func([]inventory.Object) []inventory.Object
}

// all are the masters, with what was seen of them since.
func (o outlook) all() []inventory.Object { return o.asSeen(o.masters) }

// hopeless is a refusal that names the way that is left.
func (o outlook) hopeless(why string, s *rings.Survey) error {
	best, index := "", int64(-1)
	for _, m := range o.masters {
		if o.cannotReturn(m.Name, replicate.RingMain) || o.cannotReturn(m.Name, replicate.RingEvents) {
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

func verdictText(x replicate.Revived) string {
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
