package cluster

import (
	"context"
	"fmt"

	"hakube/cluster/inventory"
	"hakube/cluster/plan"
	"hakube/cluster/refusal"
	"hakube/cluster/rings"
	"hakube/cluster/task"
	"hakube/replicate"
	"hakube/scripts/cure"
)

// hasData is the fact that a master which is alone, or is to be, has the data of
// both rings. An only master that no cluster was founded on yet needs none.
type hasData struct {
	of      inventory.Object
	outlook task.Outlook
	givesUp bool // others, to go on with it
}

func (h hasData) String() string    { return h.of.Name + " has the data of both rings" }
func (h hasData) About() plan.Thing { return task.Thing(h.of) }

func (h hasData) Observe(context.Context) (plan.State, error) {
	x, _ := h.outlook.Of(h.of.Name)
	for _, ring := range rings.Names {
		switch {
		case !h.outlook.CannotReturn(h.of.Name, ring):
		case !h.givesUp && x.Disk && x.Rings[ring].State == replicate.RingNone:
		case !h.givesUp:
			return plan.State{}, h.outlook.Hopeless(fmt.Sprintf("%s is the only master, and of its etcds %s", h.of.Name, task.VerdictText(x)), nil)
		default:
			return plan.State{}, &refusal.Refused{
				Why:  fmt.Sprintf("%s cannot be gone on with: %s", h.of.Name, task.VerdictText(x)),
				Cure: cure.Hint("nothing was given up; another master may have more, see all", cure.Status()),
			}
		}
	}
	return plan.Exists("")
}

func (hasData) Do(context.Context) error { return nil }

func (hasData) Undo(context.Context) error { return nil }
