package cluster

import (
	"hakube/cluster/inventory"
	"hakube/cluster/plan"
)

// repairList is the list of a repair, in stages. What masters still have comes back
// first: it may be what quorum lacks. Then members go that cannot come back, since
// etcd takes no new one while a voter is dead. Then each master joins again, as a
// replica does, one after the other.
func (r *run) repairList() [][]plan.Item {
	stages := [][]plan.Item{r.revivals()}
	others := len(r.masters()) > 1
	if others {
		l := lines{want: true}
		l.then(quorumLives{r.Env, r.outlook()})
		stages = append(stages, l.items)
		gone := lines{}
		for _, p := range r.patients {
			gone.then(eachRing(r.task, p, func(m ringMember) lostMember { return lostMember{vote{m}, r.outlook()} })...)
		}
		stages = append(stages, gone.items)
	} else {
		l := lines{want: true}
		l.then(hasData{r.patients[0], r.outlook(), r.mode.givesUp})
		stages = append(stages, l.items)
	}
	l := lines{want: true}
	for _, p := range r.patients {
		if others {
			l.then(learners(r.task, p)...)
			for _, s := range Started(r.task, p) {
				l.then(s)
			}
			l.then(InSync(r.task, p)...)
			for _, s := range votes(r.task, p) {
				l.then(s)
			}
			l.then(eachRing(r.task, p, func(m ringMember) reachesOthers { return reachesOthers{m} })...)
		}
		l.then(ControlPlane(r.task, p))
		if r.balanced {
			l.then(masterGroups(r.task, p.Zone)...)
			l.then(backendZones(r.Env, p.Zone)...)
			l.then(trafficTo(r.Env, p)...)
		}
	}
	if r.balanced {
		l.then(backendsHealthy(r.Env))
	}
	l.then(API(r.task))
	l.then(Kubeconfig(r.task))
	for _, p := range r.patients {
		l.then(nodeReady{r.Env, p, r.rejoins})
	}
	return append(stages, l.items)
}

// revivals bring back what masters still have: their way through the firewall, the
// machine around its disk, their etcds.
func (r *run) revivals() []plan.Item {
	l := lines{want: true}
	for _, w := range firewallRules(&r.Want) {
		if w.to == r.Want.Names.MasterTag() || w.to == "" {
			l.beside(firewall(r.task, w))
		}
	}
	r.eachPatient(&l, func(p inventory.Object) plan.Step { return withDisk{r.Env, p} })
	l.then(disks(r.task)...)
	l.then(machines(r.task)...)
	r.eachPatient(&l, func(p inventory.Object) plan.Step { return tagged{r.Env, p} })
	r.eachPatient(&l, func(p inventory.Object) plan.Step { return SSHAnswers(r.task, p) })
	r.eachPatient(&l, func(p inventory.Object) plan.Step { return access{r.Env, p} })
	r.eachPatient(&l, func(p inventory.Object) plan.Step { return Revived(r.task, p) })
	r.eachPatient(&l, func(p inventory.Object) plan.Step { return ReadableDisk(r.task, p) })
	return l.items
}

func (r *run) eachPatient(l *lines, step func(inventory.Object) plan.Step) {
	for _, p := range r.patients {
		l.then(step(p))
	}
}
