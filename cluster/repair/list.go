package repair

import (
	"hakube/cluster/grouped"
	"hakube/cluster/inventory"
	"hakube/cluster/live"
	"hakube/cluster/member"
	"hakube/cluster/plan"
	"hakube/cluster/rings"
	"hakube/cluster/snapshots"
	"hakube/cluster/step"
	"hakube/cluster/task"
)

// List is the list of a repair, in stages. What masters still have comes back
// first: it may be what quorum lacks. Then members go that cannot come back, since
// etcd takes no new one while a voter is dead. Then each master joins again, as a
// replica does, one after the other.
func List(r *task.Task) [][]plan.Item {
	stages := [][]plan.Item{Revivals(r)}
	others := len(r.Masters()) > 1
	if others {
		l := task.Lines{Want: true}
		l.Then(member.QuorumLives{Env: r.Env, Outlook: r.Outlook()})
		for _, ring := range rings.Names {
			l.Then(member.HasRoom(r, ring)) // while all are there who have its data
		}
		stages = append(stages, l.Items)
		gone := task.Lines{}
		for _, p := range r.Failing {
			gone.Then(member.EachRing(r, p, func(m member.RingMember) member.LostMember {
				return member.LostMember{Vote: member.Vote{RingMember: m}, Outlook: r.Outlook()}
			})...)
		}
		stages = append(stages, gone.Items)
	} else {
		l := task.Lines{Want: true}
		l.Then(member.HasData{Of: r.Failing[0], Outlook: r.Outlook(), GivesUp: r.Mode.GivesUp})
		stages = append(stages, l.Items)
	}
	l := task.Lines{Want: true}
	for _, ring := range rings.Names {
		l.Then(member.TakesWrites(r, ring, r.Masters()))
	}
	for _, p := range r.Failing {
		l.Then(member.Tended(r, p)...)
		if others {
			l.Then(member.Learners(r, p)...)
			for _, s := range member.Started(r, p) {
				l.Then(s)
			}
			l.Then(member.InSync(r, p)...)
			for _, s := range member.Votes(r, p) {
				l.Then(s)
			}
			l.Then(member.EachRing(r, p, func(m member.RingMember) member.ReachesOthers { return member.ReachesOthers{RingMember: m} })...)
		}
		l.Then(member.ControlPlane(r, p))
		if r.Balanced {
			l.Then(step.MasterGroups(r, p.Zone)...)
			l.Then(step.BackendZones(r.Env, p.Zone)...)
			l.Then(grouped.TrafficTo(r, p)...)
		}
	}
	if r.Balanced {
		l.Then(step.BackendsHealthy(r.Env))
	}
	l.Then(member.API(r))
	l.Then(live.Kubeconfig(r))
	for _, p := range r.Failing {
		l.Then(live.NodeReady{Env: r.Env, Of: p, Rejoins: r.Rejoins})
	}
	l.Then(grouped.Watched(r, r.Failing...)...)
	return append(stages, l.Items)
}

// Revivals bring back what masters still have: their way through the firewall, the
// machine around its disk, their etcds.
func Revivals(r *task.Task) []plan.Item {
	l := task.Lines{Want: true}
	for _, w := range task.FirewallRules(&r.Want) {
		if w.To == r.Want.Names.MasterTag() || w.To == "" {
			l.Beside(step.Firewall(r, w))
		}
	}
	eachPatient(r, &l, func(p inventory.Object) plan.Step { return member.WithDisk{Env: r.Env, Of: p} })
	snapshots.Scheduled(r, &l)
	l.Then(step.Disks(r)...)
	snapshots.Followed(r, &l)
	grouped.Machines(r, &l)
	eachPatient(r, &l, func(p inventory.Object) plan.Step { return member.Tagged{Env: r.Env, Of: p} })
	eachPatient(r, &l, func(p inventory.Object) plan.Step { return member.SSHAnswers(r, p) })
	eachPatient(r, &l, func(p inventory.Object) plan.Step { return step.AccessTo(r.Env, p) })
	eachPatient(r, &l, func(p inventory.Object) plan.Step { return member.Revived(r, p) })
	eachPatient(r, &l, func(p inventory.Object) plan.Step { return member.ReadableDisk(r, p) })
	return l.Items
}

func eachPatient(r *task.Task, l *task.Lines, step func(inventory.Object) plan.Step) {
	for _, p := range r.Failing {
		l.Then(step(p))
	}
}
