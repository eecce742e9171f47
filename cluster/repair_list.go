package cluster

import (
	"hakube/cluster/inventory"
	"hakube/cluster/plan"
	"hakube/cluster/step"
	"hakube/cluster/task"
)

// repairList is the list of a repair, in stages. What masters still have comes back
// first: it may be what quorum lacks. Then members go that cannot come back, since
// etcd takes no new one while a voter is dead. Then each master joins again, as a
// replica does, one after the other.
func (r *run) repairList() [][]plan.Item {
	stages := [][]plan.Item{r.revivals()}
	others := len(r.Masters()) > 1
	if others {
		l := task.Lines{Want: true}
		l.Then(quorumLives{r.Env, r.Outlook()})
		stages = append(stages, l.Items)
		gone := task.Lines{}
		for _, p := range r.Patients {
			gone.Then(eachRing(r.Task, p, func(m ringMember) lostMember { return lostMember{vote{m}, r.Outlook()} })...)
		}
		stages = append(stages, gone.Items)
	} else {
		l := task.Lines{Want: true}
		l.Then(hasData{r.Patients[0], r.Outlook(), r.Mode.GivesUp})
		stages = append(stages, l.Items)
	}
	l := task.Lines{Want: true}
	for _, p := range r.Patients {
		if others {
			l.Then(learners(r.Task, p)...)
			for _, s := range Started(r.Task, p) {
				l.Then(s)
			}
			l.Then(InSync(r.Task, p)...)
			for _, s := range votes(r.Task, p) {
				l.Then(s)
			}
			l.Then(eachRing(r.Task, p, func(m ringMember) reachesOthers { return reachesOthers{m} })...)
		}
		l.Then(ControlPlane(r.Task, p))
		if r.Balanced {
			l.Then(step.MasterGroups(r.Task, p.Zone)...)
			l.Then(step.BackendZones(r.Env, p.Zone)...)
			l.Then(step.TrafficTo(r.Env, p)...)
		}
	}
	if r.Balanced {
		l.Then(step.BackendsHealthy(r.Env))
	}
	l.Then(API(r.Task))
	l.Then(Kubeconfig(r.Task))
	for _, p := range r.Patients {
		l.Then(nodeReady{r.Env, p, r.Rejoins})
	}
	return append(stages, l.Items)
}

// revivals bring back what masters still have: their way through the firewall, the
// machine around its disk, their etcds.
func (r *run) revivals() []plan.Item {
	l := task.Lines{Want: true}
	for _, w := range task.FirewallRules(&r.Want) {
		if w.To == r.Want.Names.MasterTag() || w.To == "" {
			l.Beside(step.Firewall(r.Task, w))
		}
	}
	r.eachPatient(&l, func(p inventory.Object) plan.Step { return withDisk{r.Env, p} })
	l.Then(step.Disks(r.Task)...)
	l.Then(step.Machines(r.Task)...)
	r.eachPatient(&l, func(p inventory.Object) plan.Step { return tagged{r.Env, p} })
	r.eachPatient(&l, func(p inventory.Object) plan.Step { return SSHAnswers(r.Task, p) })
	r.eachPatient(&l, func(p inventory.Object) plan.Step { return step.AccessTo(r.Env, p) })
	r.eachPatient(&l, func(p inventory.Object) plan.Step { return Revived(r.Task, p) })
	r.eachPatient(&l, func(p inventory.Object) plan.Step { return ReadableDisk(r.Task, p) })
	return l.Items
}

func (r *run) eachPatient(l *task.Lines, step func(inventory.Object) plan.Step) {
	for _, p := range r.Patients {
		l.Then(step(p))
	}
}
