package member

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

// HasData is the fact that a master which is alone, or is to be, has the data of
// both rings. An only master that no cluster was founded on yet needs none.
type HasData struct {
	Of      inventory.Object
	Outlook task.Outlook
	GivesUp bool // others, to go on with it
}

func (h HasData) String() string    { return h.Of.Name + " has the data of both rings" }
func (h HasData) About() plan.Thing { return task.Thing(h.Of) }

func (h HasData) Observe(context.Context) (plan.State, error) {
	x, _ := h.Outlook.Of(h.Of.Name)
	for _, ring := range rings.Names {
		switch {
		case !h.Outlook.CannotReturn(h.Of.Name, ring):
		case !h.GivesUp && x.Disk && x.Rings[ring].State == replicate.RingNone:
		case !h.GivesUp:
			return plan.State{}, h.Outlook.Hopeless(fmt.Sprintf("%s is the only master, and of its etcds %s", h.Of.Name, task.VerdictText(x)), nil)
		default:
			return plan.State{}, &refusal.Refused{
				Why:  fmt.Sprintf("%s cannot be gone on with: %s", h.Of.Name, task.VerdictText(x)),
				Cure: cure.Hint("nothing was given up; another master may have more, see all", cure.Status()),
			}
		}
	}
	return plan.Exists("")
}

func (HasData) Do(context.Context) error { return nil }

func (HasData) Undo(context.Context) error { return nil }
