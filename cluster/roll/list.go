package roll

import (
	"slices"

	"hakube/cluster/grouped"
	"hakube/cluster/inventory"
	"hakube/cluster/live"
	"hakube/cluster/member"
	"hakube/cluster/plan"
	"hakube/cluster/repair"
	"hakube/cluster/step"
	"hakube/cluster/task"
)

// Of is the task of making one of the masters again: what was found, and the one that it is
// about as somebody wants it.
func Of(r *task.Task, m Master) *task.Task {
	x := task.New(r.Anew(m.Want), r.Mode)
	x.Have, x.Balanced = r.Have, r.Balanced
	x.SawMasters(x.Have)
	x.Failing = []inventory.Object{m.Object}
	x.Source = r.Seen.Machines[m.Zone+"/"+m.Name]
	for _, o := range r.Have.Masters(r.Want.Names) {
		if x.Source == nil {
			x.Source = r.Seen.Machines[o.Zone+"/"+o.Name]
		}
	}
	return x
}

// List is the way of one master, in stages: the others are seen to do without it, it goes
// in order, and comes back as from a repair. One that is half done, and is as it is to be,
// only comes back.
func List(r *task.Task, m Master) [][]plan.Item {
	var stages [][]plan.Item
	if m.Old {
		stages = [][]plan.Item{Spared(r, m), Away(r)}
	}
	return append(stages, Back(r, m)...)
}

// Spared are what is waited for before a master is taken away.
func Spared(r *task.Task, m Master) []plan.Item {
	l := task.Lines{Want: true}
	if r.Balanced && !m.Half {
		l.Then(step.BackendsHealthy(r.Env))
	}
	l.Then(member.Spared(r, m.Object))
	return l.Items
}

// Away is how a master goes for a while, read backwards: no traffic comes to it, its pods
// go elsewhere, its API server ends in order and gives the lead of its rings away, and then
// the machine is deleted. Its disk, its votes and its Node stay.
func Away(r *task.Task) []plan.Item {
	of, out, own := r.Failing[0], *r, r.Grouped(r.Failing[0])
	out.Mode = task.Aim{Masters: true, One: true, Removes: true, Rolls: true}
	out.Replica = of
	l := task.Lines{}
	if own {
		l.Then(grouped.TemplateGone(r, of))
	}
	l.Then(member.MachineGone{Env: r.Env, Of: of}) // with its group
	if own && r.Balanced {                         // once it serves no more: Google drains no connections of a group that leaves the service
		l.Then(grouped.TrafficTo(r, of)...)
	}
	l.Then(member.ControlPlane(&out, of))
	l.Then(live.Busy(&out))
	if !own && r.Balanced {
		l.Then(step.TrafficTo(r.Env, of)...)
	}
	l.Then(grouped.Watched(r, of)...)
	return l.Items
}

// Back is how it comes back around its disk.
func Back(r *task.Task, m Master) [][]plan.Item {
	x := r
	if m.Old { // which it is no more by then
		x = gone(r)
	}
	l := task.Lines{Want: true}
	for _, m := range x.Masters() {
		l.Then(live.TakesPods{Env: x.Env, Of: m})
	}
	if s := m.Want.Settings; s.Says("HAKUBE_MASTER_GROUPS") && !bool(s.MasterGroups) {
		l.Want = false
		l.Then(grouped.TemplateGone(x, m.Object))
	}
	return append(repair.List(x), l.Items)
}

// gone is the same without the machine, which is deleted by then.
func gone(r *task.Task) *task.Task {
	of, x, have := r.Failing[0], *r, *r.Have
	have.Objects = slices.DeleteFunc(slices.Clone(have.Objects), func(o inventory.Object) bool {
		return o.Zone == of.Zone && o.Name == of.Name && o.Kind != inventory.InstanceGroup
	})
	x.Have = &have
	return &x
}

// Ahead is what a preview shows of the way back: the facts that do not hold in between.
func Ahead(r *task.Task) []plan.Item {
	x, of := gone(r), r.Failing[0]
	l := task.Lines{Want: true}
	grouped.Machines(x, &l)
	l.Then(member.Started(x, of)...)
	l.Then(member.ControlPlane(x, of))
	if x.Balanced {
		l.Then(grouped.TrafficTo(x, of)...)
		l.Then(step.BackendsHealthy(x.Env))
	}
	l.Then(live.NodeReady{Env: x.Env, Of: of, Rejoins: x.Rejoins})
	l.Then(grouped.Watched(x, of)...)
	l.Then(live.TakesPods{Env: x.Env, Of: of})
	return later(l.Items, plan.Later)
}

func later(items []plan.Item, wrap func(plan.Step) plan.Step) []plan.Item {
	for i := range items {
		items[i].Step, items[i].Beside = wrap(items[i].Step), false
	}
	return items
}

// Preview is what would be seen of the way of a master, the first of them or a later one.
func Preview(r *task.Task, m Master, first bool) []plan.Item {
	if !m.Old {
		return slices.Concat(Back(r, m)...)
	}
	away := Away(r)
	if !first {
		away = later(away, plan.LaterGone)
	}
	return append(away, Ahead(r)...)
}
