package status

import (
	"hakube/cluster/step"
	"hakube/cluster/task"
)

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
