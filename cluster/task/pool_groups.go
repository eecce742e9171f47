package task

import (
	"fmt"

	"hakube/cluster/inventory"
	"hakube/cluster/refusal"
)

// A PoolGroup is a managed group of the zone's pool, as found and as wanted.
type PoolGroup struct {
	inventory.Object     // its size is what it has; 0 when there is none
	Wants            int // machines
	Least, Most      int // where the cluster autoscaler sizes it: its limits; Most is 0 where it does not
	Ends             int // machines once its old ones are replaced: fewer, where a run was cut that was doing so
}

// PoolGroups are the zone's groups as the settings want them: as many as
// NUM_NODES needs with at most MAX_INSTANCES_PER_MIG each, and all there are.
func (r *Task) PoolGroups() []PoolGroup {
	s, n := r.Want.Settings, r.Want.Names
	if !bool(s.CreateNodes) {
		return nil
	}
	has := map[int]inventory.Object{} // by index
	count := s.Groups()
	for _, o := range r.Have.Objects {
		if i, ok := n.GroupIndex(o.Name); ok && o.Kind == inventory.ManagedGroup && o.OfPool(r.Want.Pool()) {
			has[i] = o
			count = max(count, i+1)
		}
	}
	sizes := make([]int, count)
	list := make([]PoolGroup, count)
	for i := range list {
		sizes[i] = has[i].Size
		list[i].Object = inventory.Object{Kind: inventory.ManagedGroup, Name: n.Group(i), Zone: r.Want.Zone, Role: inventory.RoleGroup, Pool: n.Pool, Size: has[i].Size, Template: has[i].Template}
	}
	total := 0
	for _, has := range sizes {
		total += has
	}
	over := 0 // they go when the new ones are Ready, not because they are too many
	if w, on := r.Have.Growing(r.Want.Pool(), r.Have.Holder.Growing); on && total > int(s.NumNodes) {
		over = min(total-int(s.NumNodes), w.Over(total))
	}
	Level(sizes, int(s.NumNodes)+over, int(s.MaxPerGroup))
	for i := range list {
		list[i].Wants = sizes[i]
	}
	Level(sizes, int(s.NumNodes), int(s.MaxPerGroup))
	for i := range list {
		list[i].Ends = sizes[i]
	}
	if bool(s.Autoscaler) {
		for i := range list {
			list[i].Least, list[i].Most = share(int(s.ScalesToLeast), len(list), i), share(int(s.ScalesToMost), len(list), i)
		}
		return list
	}
	for last := len(list) - 1; last > 0 && list[last].Wants == 0 && !r.Have.Has(list[last].Object); last-- {
		list = list[:last] // another maximum alone moves no machine
	}
	return list
}

// Leaves tells whether a group that has n machines is left alone, although n is not what it
// had when it was listed: the cluster autoscaler has sized it since.
func (g PoolGroup) Leaves(n int) bool {
	return g.Most > 0 && g.Size == g.Wants && g.Wants == g.Ends && g.Least <= n && n <= g.Most
}

// Sized are the groups that get another size, or are made.
func (r *Task) Sized() (list []PoolGroup) {
	if !r.Mode.Nodes || r.Mode.Removes {
		return nil
	}
	for _, g := range r.PoolGroups() {
		if g.Size != g.Wants || !r.Have.Has(g.Object) {
			list = append(list, g)
		}
	}
	return list
}

// mostPerGroup is how many machines a zonal managed group holds.
// (https://cloud.google.com/compute/docs/instance-groups/create-large-groups)
const mostPerGroup = 2000

// GroupsTooLarge are groups that would be larger than a group may be.
func (r *Task) GroupsTooLarge() refusal.Blockers {
	for _, g := range r.Sized() {
		if g.Wants > mostPerGroup {
			return refusal.Blockers{{
				Why:  fmt.Sprintf("MAX_INSTANCES_PER_MIG=%d: a managed group holds %d machines at most, and group %s is to have %d", r.Want.Settings.MaxPerGroup, mostPerGroup, g.Name, g.Wants),
				Cure: fmt.Sprintf("MAX_INSTANCES_PER_MIG=%d, or less: a larger pool is several groups", mostPerGroup),
			}}
		}
	}
	return nil
}

// Level changes sizes until they add up to n: it adds to the smallest, up to
// most, or takes from the largest. So no machine goes only for another to come.
func Level(sizes []int, n, most int) {
	sum := 0
	for _, s := range sizes {
		sum += s
	}
	for ; sum < n; sum++ {
		small := 0
		for i, s := range sizes {
			if s < sizes[small] {
				small = i
			}
		}
		if sizes[small] >= most {
			return
		}
		sizes[small]++
	}
	for ; sum > n; sum-- {
		large := 0
		for i, s := range sizes {
			if s > sizes[large] {
				large = i
			}
		}
		sizes[large]--
	}
}

// OwnGroups are the groups of the pools a command is about: the zone's, or all when
// it is about masters only.
func (r *Task) OwnGroups() (groups []inventory.Object) {
	if r.Mode.One || r.Mode.Repairs {
		return r.EveryGroup()
	}
	if r.Mode.Removes {
		return r.Or(inventory.ManagedGroup, inventory.Object{})
	}
	for _, g := range r.PoolGroups() {
		groups = append(groups, g.Object)
	}
	return groups
}

// EveryGroup are the groups of all pools.
func (r *Task) EveryGroup() (groups []inventory.Object) {
	own := r.Mode.Nodes && !r.Mode.Removes
	for _, g := range r.PoolGroups() {
		if own {
			groups = append(groups, g.Object)
		}
	}
	for _, o := range r.Have.Objects {
		if o.Kind == inventory.ManagedGroup && o.Zone != "" && (!o.OfPool(r.Want.Pool()) || !own) {
			groups = append(groups, o)
		}
	}
	return groups
}
