package status

import (
	"fmt"

	"hakube/cluster/inventory"
	"hakube/cluster/pool"
	"hakube/cluster/settings"
	"hakube/cluster/step"
	"hakube/cluster/task"
	"hakube/scripts/cure"
)

// replacing is a pool whose machines were being replaced, by a run that did not end: some
// are made from another template than their group's.
func replacing(id settings.PoolID, p pool.Pool, all []inventory.Object) (step string, is bool) {
	of := map[string]string{}
	for _, o := range all {
		if o.Kind == inventory.ManagedGroup && o.OfPool(id) {
			of[o.Name] = o.Template
		}
	}
	var old []pool.Machine
	for _, m := range p.Machines {
		if m.Template != "" && m.Template != of[m.Group] {
			old = append(old, m)
		}
	}
	return fmt.Sprintf("%s: %d of %d nodes were not replaced yet: %s", id, len(old), len(p.Machines), pool.Few(old)), len(old) > 0
}

// Replacing is a pool whose machines are made from several templates, and what ends that; "" of
// none, and where that could not be asked.
func (s *Snapshot) Replacing() (step string, ends cure.Command) {
	for _, id := range s.have.Pools() {
		if step, is := replacing(id, s.in(id), s.have.Objects); is && s.listed {
			if s.rolls(id) {
				return step, s.have.Rolling(s.Names).Command()
			}
			return step, cure.FinishPool(id.Zone, s.scales.Within(s.size(id))).OfPool(id.Name)
		}
	}
	return "", cure.Command{}
}

// Groups are the managed groups of nodes.
func (s *Snapshot) Groups() []inventory.Object { return s.have.Of(inventory.ManagedGroup) }

// Silent is why the API does not answer at its address, "" if it does.
func (s *Snapshot) Silent() string { return s.unreachable }

// unlike are the masters that a roll which is not done has still to make again, and why.
func unlike(r *task.Task) map[string]string {
	begun := r.Have.Holder.Roll
	if !begun.OfMasters() {
		return nil
	}
	said := begun.Over(r.Want.Settings)
	list := map[string]string{}
	for _, m := range r.Have.Masters(r.Want.Names) {
		if i := r.Seen.Machines[m.Zone+"/"+m.Name]; i != nil {
			want := r.LikeMaster(m, said)
			list[m.Name] = step.WhyAgain(i, r.BootOf(m), &want, begun)
		}
	}
	return list
}
