package status

import (
	"fmt"

	"hakube/cluster/inventory"
	"hakube/cluster/pool"
	"hakube/cluster/settings"
	"hakube/cluster/step"
	"hakube/cluster/task"
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
