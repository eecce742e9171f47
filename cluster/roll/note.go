package roll

import (
	"fmt"
	"time"

	"hakube/cluster/inventory"
	"hakube/cluster/refusal"
	"hakube/cluster/settings"
	"hakube/cluster/task"
	"hakube/scripts/cure"
)

// Noted is what is to be written down of a roll of that until it is done: what one that was
// begun has written down, with what these settings say. One of all machines takes over one of
// a part, and one of a part goes on with its part of one of all; any other that was begun is
// refused, since there is room for one, and without it status could not name the command that
// ends the first.
func Noted(r *task.Task, of string, said settings.Settings, all bool) (inventory.Roll, error) {
	x := inventory.Roll{Of: of, All: all, Said: map[string]string{}}
	if begun := r.Have.Rolling(r.Want.Names); begun != nil {
		part := begun.Of == inventory.RollOfAll
		if begun.Of != of && !part && (of != inventory.RollOfAll || begun.All && !all) || (begun.Version() != "") != r.Mode.Upgrades {
			return x, &refusal.Refused{
				Why:  fmt.Sprintf("%s of the %s was begun and is not done", begun.What(), begun),
				Cure: cure.Hints(cure.Hint("end that first", begun.Command()), cure.Hint("then", cure.Same())),
			}
		}
		if part {
			x.Of = begun.Of
		}
		x.All, x.Last = begun.All || all, begun.Last
		for variable, text := range begun.Said {
			x.Said[variable] = text
		}
	}
	if x.All && x.Last == 0 {
		x.Last = newest(r, x.Of == inventory.RollOfMasters)
	}
	pool := of != inventory.RollOfMasters
	masters := of == inventory.RollOfMasters || of == inventory.RollOfAll
	for _, f := range settings.Fields() {
		variable := f.Tag.Get("envconfig")
		makes := masters && settings.Rollable(variable) || pool && settings.NodesRollable(variable) || r.Mode.Upgrades && variable == settings.OfVersion
		if makes && said.Says(variable) {
			x.Said[variable] = said.TextOf(f)
		}
	}
	return x, nil
}

// newest is when the newest of the machines was made, in seconds.
func newest(r *task.Task, masters bool) (last int64) {
	for _, i := range r.Seen.Machines {
		made, err := time.Parse(time.RFC3339, i.GetCreationTimestamp())
		if err == nil && (!masters || settings.MarkFields(i.GetDescription())["role"] == inventory.RoleMaster) {
			last = max(last, made.Unix())
		}
	}
	return last
}
