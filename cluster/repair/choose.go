package repair

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"hakube/cluster/inventory"
	"hakube/cluster/live"
	"hakube/cluster/member"
	"hakube/cluster/plan"
	"hakube/cluster/refusal"
	"hakube/cluster/rings"
	"hakube/cluster/status"
	"hakube/cluster/task"
	"hakube/scripts/cure"
)

// A Loss is what going on with one master may cost.
type Loss struct {
	Survivor string   `json:"survivor"`
	GivenUp  []string `json:"givenUp"` // masters whose machines and disks are deleted
	Lines    []string `json:"lines"`   // for people
}

// Choose judges whether the master may be gone on with, and says what that costs.
func Choose(ctx context.Context, r *task.Task, s *status.Snapshot, name string) (loss Loss, err error) {
	i := slices.IndexFunc(s.Masters, func(m status.ObservedMaster) bool { return m.Name == name })
	if i < 0 {
		return loss, s.NoSuchMaster(name)
	}
	m := s.Masters[i]
	begun := s.AloneInRings(name)
	switch {
	case !m.Disk:
		return loss, &refusal.Refused{Why: name + " has no data disk: there is nothing to go on with", Cure: cure.Hint("see who has one", cure.Status())}
	case s.Quorum() && !begun && s.Decided():
		return loss, &refusal.Refused{Why: "both rings have quorum: nothing need be lost", Cure: cure.Hint("repair them", cure.Repair())}
	}
	if err := status.OwnsDisk(ctx, r, m); err != nil {
		return loss, err
	}
	loss.Survivor = name
	r.Failing = []inventory.Object{m.Object}
	for _, o := range s.Masters {
		if o.Name != name {
			loss.GivenUp = append(loss.GivenUp, o.Name)
			r.GivenUp = append(r.GivenUp, o.Object)
		}
	}
	for _, o := range s.HalfRemoved() {
		loss.GivenUp = append(loss.GivenUp, o.Name)
		loss.Lines = append(loss.Lines, "what is left of "+o.Name+" is removed")
		r.GivenUp = append(r.GivenUp, o)
	}
	if begun && len(r.GivenUp) == 0 && !s.Rings.Alarmed() {
		return loss, &refusal.Refused{Why: name + " is the only master already, and its rings have quorum", Cure: cure.Hint("repair it", cure.Repair(name))}
	}
	if !begun {
		loss.Lines = append(loss.Lines, "what was written and had not reached "+name+" is lost; what the others alone have is not looked at")
	}
	for _, ring := range rings.Names {
		own := s.Rings.Answers[name][ring]
		if own.Index > 0 {
			loss.Lines = append(loss.Lines, fmt.Sprintf("ring %s: %s has all up to raft entry %d, revision %d", ring, name, own.Index, own.Revision))
		} else {
			loss.Lines = append(loss.Lines, fmt.Sprintf("ring %s: how far %s has come is not known: %s", ring, name, cmp.Or(own.Error, "its etcd was not asked")))
		}
		for _, o := range s.Masters {
			if x := s.Rings.Answers[o.Name][ring]; o.Name != name && x.Index > own.Index {
				loss.Lines = append(loss.Lines, fmt.Sprintf("ring %s: %s has more, up to raft entry %d", ring, o.Name, x.Index))
			}
		}
	}
	for _, o := range s.Masters {
		if o.Name != name {
			line := fmt.Sprintf("%s in %s is given up: its machine and its data disk are deleted", o.Name, o.Zone)
			if o.Status == "TERMINATED" {
				line = cure.Hint(line+"; it is only stopped, and this may bring it back", cure.Repair())
			}
			loss.Lines = append(loss.Lines, line)
		}
	}
	r.Want, err = likeMaster(ctx, r, s)
	return loss, err
}

// RebuildList is the survivor's way until it is a ring of one.
func RebuildList(r *task.Task) [][]plan.Item {
	stages := [][]plan.Item{Revivals(r)}
	var l task.Lines
	l.Want = true
	l.Then(member.HasData{Of: r.Failing[0], Outlook: r.Outlook(), GivesUp: r.Mode.GivesUp})
	stages = append(stages, l.Items)
	others := task.Lines{}
	for _, o := range r.GivenUp { // stopped for good, so that no old quorum can form behind our back
		others.Beside(member.MachineGone{Env: r.Env, Of: o})
	}
	own := task.Lines{Want: true}
	for _, ring := range rings.Names {
		own.Then(member.RingAlone{Env: r.Env, Of: r.Failing[0], Ring: ring})
		own.Then(member.TakesWrites(r, ring, r.Failing[:1]))
	}
	own.Then(member.ControlPlane(r, r.Failing[0]))
	own.Then(member.API(r))
	own.Then(live.Kubeconfig(r))
	return append(stages, others.Items, own.Items)
}
