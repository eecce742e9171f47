// Package grouped has masters whose machines a managed group makes again. Each is the one
// member of a zonal group of its name, which keeps its name, its data disk and its addresses:
// a machine that is deleted, halts, crashes or loses its host is made again with a new boot
// disk, its script finds the master's data and starts it as after any boot
// (scripts/startup/50-disk.sh), and since the balancer sends to the group, and not to the
// machine, it has connections again once it is ready. No hakube runs meanwhile.
//
// A group acts on a machine that is not there or does not run, and on nothing else: it has
// no health check. An API that is sick is sick on all masters at once where quorum is lost or
// the disk of one is slow, and three groups that make their machines again for that would
// take away the very quorum that heals it. A check of less, that the machine answers at all,
// goes through a firewall, and fails for all at once when somebody takes its rule away. No group
// knows of another, so nothing would keep them from acting on two masters at once.
//
// A group lives as long as its machine does: hakube makes both, and takes both away. While a
// master is added, or made again, and before it is removed, its group is told to leave it
// alone ([Watches]).
package grouped

import (
	"hakube/cluster/inventory"
	"hakube/cluster/plan"
	"hakube/cluster/step"
	"hakube/cluster/task"
)

// Machines adds masters' machines to a list: those of kept masters with what makes them.
// Read backwards a group goes with its machine, before anybody else deletes that, and its
// template when nothing uses it any more.
func Machines(r *task.Task, l *task.Lines) {
	of := r.ToBe()
	if r.Mode.TakesFound() {
		of = r.Or(inventory.Instance, inventory.Object{})
	}
	var templates, groups, machines []plan.Step
	for _, m := range of {
		if r.Mode.Removes || !r.Grouped(m) {
			machines = append(machines, step.Machine(r, m))
		} else {
			templates, groups = append(templates, templateOf(r, m)), append(groups, groupOf(r, m))
			machines = append(machines, Machine(r, m))
		}
	}
	if !r.Mode.Removes {
		l.Then(templates...)
		l.Then(groups...)
		l.Then(machines...)
		return
	}
	for _, m := range leaving(r, inventory.OwnTemplate, of) {
		templates = append(templates, templateOf(r, m))
	}
	for _, m := range leaving(r, inventory.OwnGroup, of) {
		groups = append(groups, groupOf(r, m))
	}
	l.Then(templates...)
	l.Then(machines...)
	l.Then(groups...)
	if r.Have.Holder.Rule != "" && r.Mode.Whole { // of one master that is listed where it leaves the balancer
		for _, m := range leaving(r, inventory.OwnGroup, of) {
			l.Then(step.OwnBackend(r.Env, m))
		}
	}
}

// leaving are the masters whose groups, or templates, go with what is to go: those that were
// found, and those of which only the machine tells that there is one.
func leaving(r *task.Task, k inventory.Kind, of []inventory.Object) (list []inventory.Object) {
	for _, m := range of {
		left := r.Mode.One && k == inventory.OwnTemplate && bool(r.Want.Settings.MasterGroups) // of a run that was cut
		if r.Grouped(m) || left {
			list = append(list, m)
		}
	}
	for _, o := range r.Have.Of(k) {
		found := r.Mode.Whole
		for _, m := range list {
			found = found && m.Name != o.Name
		}
		if found {
			list = append(list, o)
		}
	}
	return list
}

// TrafficTo is that the balancer sends to masters: to the groups of kept ones.
func TrafficTo(r *task.Task, masters ...inventory.Object) (steps []plan.Step) {
	for _, m := range masters {
		if r.Grouped(m) {
			steps = append(steps, step.OwnBackend(r.Env, m))
		} else {
			steps = append(steps, step.TrafficTo(r.Env, m)...)
		}
	}
	return steps
}

// Watched are the groups of masters acting again, once those are whole.
func Watched(r *task.Task, masters ...inventory.Object) (steps []plan.Step) {
	for _, m := range masters {
		if r.Grouped(m) {
			steps = append(steps, Watches{r.Env, m})
		}
	}
	return steps
}
