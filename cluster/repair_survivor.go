package cluster

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"hakube/cluster/inventory"
	"hakube/cluster/lease"
	"hakube/cluster/live"
	"hakube/cluster/member"
	"hakube/cluster/plan"
	"hakube/cluster/preflight"
	"hakube/cluster/refusal"
	"hakube/cluster/rings"
	"hakube/cluster/settings"
	"hakube/cluster/status"
	"hakube/cluster/step"
	"hakube/cluster/task"
	"hakube/scripts/cure"
)

// A Loss is what going on with one master may cost.
type Loss struct {
	Survivor string   `json:"survivor"`
	GivenUp  []string `json:"givenUp"` // masters whose machines and disks are deleted
	Lines    []string `json:"lines"`   // for people
}

// FromSurvivor goes on with one master where quorum is lost for good: its etcds
// become rings of one, all other masters are given up. ask hears first what may be
// lost; an error of it ends the run before any change. The order keeps two parts of
// an old ring from ever going on both: the survivor is seen to have its data, the
// others' machines are deleted, and only then are its rings made its own. What is
// left of the others goes as when masters are removed.
func (c *Cluster) FromSurvivor(ctx context.Context, name string, report func(plan.Event), ask func(Loss) error) (s *Summary, err error) {
	warning, err := c.alone(ctx, settings.RebuildVerb, report, func(ctx context.Context, l *lease.Lease, report func(plan.Event)) error {
		s = nil
		r := c.run(settings.RebuildVerb)
		r.Lease = l
		seen, err := r.seen(ctx, report)
		if err != nil {
			return err
		}
		loss, err := r.choose(ctx, seen, name)
		if err != nil {
			return err
		}
		if err := preflight.FitToRepair(ctx, r.Task, r.revivals()); err != nil {
			return err
		}
		if err := ask(loss); err != nil {
			return err
		}
		if err := plan.RunStages(ctx, r.rebuildList(), report); err != nil {
			return err
		}
		if err := r.sweepOthers(ctx, report); err != nil {
			return err
		}
		s = r.summary()
		s.Repaired, s.GivenUp = []string{name}, loss.GivenUp
		return nil
	})
	return s.warned(warning), err
}

// choose judges whether the master may be gone on with, and says what that costs.
func (r *run) choose(ctx context.Context, s *status.Snapshot, name string) (loss Loss, err error) {
	i := slices.IndexFunc(s.Masters, func(m status.SeenMaster) bool { return m.Name == name })
	if i < 0 {
		return loss, s.NoSuchMaster(name)
	}
	m := s.Masters[i]
	begun := s.AloneInRings(name)
	switch {
	case !m.Disk:
		return loss, &refusal.Refused{Why: name + " has no data disk: there is nothing to go on with", Cure: cure.Hint("see who has one", cure.Status())}
	case s.Quorum() && !begun:
		return loss, &refusal.Refused{Why: "both rings have quorum: nothing need be lost", Cure: cure.Hint("repair them", cure.Repair())}
	}
	if err := status.OwnsDisk(ctx, r.Task, m); err != nil {
		return loss, err
	}
	loss.Survivor = name
	r.Patients = []inventory.Object{m.Object}
	for _, o := range s.Masters {
		if o.Name != name {
			loss.GivenUp = append(loss.GivenUp, o.Name)
			r.GivenUp = append(r.GivenUp, o.Object)
		}
	}
	for _, o := range s.Remains() {
		loss.GivenUp = append(loss.GivenUp, o.Name)
		loss.Lines = append(loss.Lines, "what is left of "+o.Name+" is removed")
		r.GivenUp = append(r.GivenUp, o)
	}
	if begun && len(r.GivenUp) == 0 {
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
	return loss, r.model(ctx, s)
}

// rebuildList is the survivor's way until it is a ring of one.
func (r *run) rebuildList() [][]plan.Item {
	stages := [][]plan.Item{r.revivals()}
	var l task.Lines
	l.Want = true
	l.Then(member.HasData{Of: r.Patients[0], Outlook: r.Outlook(), GivesUp: r.Mode.GivesUp})
	stages = append(stages, l.Items)
	others := task.Lines{}
	for _, o := range r.GivenUp { // stopped for good, so that no old quorum can form behind our back
		others.Beside(member.MachineGone{Env: r.Env, Of: o})
	}
	own := task.Lines{Want: true}
	for _, ring := range rings.Names {
		own.Then(member.RingAlone{Env: r.Env, Of: r.Patients[0], Ring: ring})
	}
	own.Then(member.ControlPlane(r.Task, r.Patients[0]))
	own.Then(member.API(r.Task))
	own.Then(live.Kubeconfig(r.Task))
	return append(stages, others.Items, own.Items)
}

// sweepOthers takes away what is left of the masters that are given up, as their
// removal would: disks, Nodes, groups; with the last one the address goes to the
// survivor.
func (r *run) sweepOthers(ctx context.Context, report func(plan.Event)) error {
	for _, o := range r.GivenUp {
		back := r.reversed()
		back.Replica = o
		have, err := back.Look(ctx)
		if err != nil {
			return err
		}
		back.Have = have
		back.Replica.Status = have.StatusOf(o)
		back.SawMasters(back.Have)
		step.DecideBalancer(back.Task)
		if err := plan.Run(ctx, back.items(), report); err != nil {
			return err
		}
	}
	return nil
}
