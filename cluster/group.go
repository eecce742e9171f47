package cluster

import (
	"context"
	"fmt"
	"strconv"

	"cloud.google.com/go/compute/apiv1/computepb"

	"hakube/cluster/inventory"
	"hakube/cluster/plan"
	"hakube/cluster/refusal"
	"hakube/gce"
)

// A poolGroup is a managed group of the zone's pool, as found and as wanted.
type poolGroup struct {
	inventory.Object     // its size is what it has; 0 when there is none
	wants            int // machines
}

// poolGroups are the zone's groups as the settings want them: as many as
// NUM_NODES needs with at most MAX_INSTANCES_PER_MIG each, and all there are.
func (r *run) poolGroups() []poolGroup {
	s, n := r.Want.Settings, r.Want.Names
	if !bool(s.CreateNodes) {
		return nil
	}
	has := map[int]int{} // size by index
	count := s.Groups()
	for _, o := range r.have.Objects {
		if i, ok := n.GroupIndex(o.Name); ok && o.Kind == inventory.ManagedGroup && o.Zone == r.Want.Zone {
			has[i] = o.Size
			count = max(count, i+1)
		}
	}
	sizes := make([]int, count)
	list := make([]poolGroup, count)
	for i := range list {
		sizes[i] = has[i]
		list[i].Object = inventory.Object{Kind: inventory.ManagedGroup, Name: n.Group(i), Zone: r.Want.Zone, Role: inventory.RoleGroup, Size: has[i]}
	}
	level(sizes, int(s.NumNodes), int(s.MaxPerGroup))
	for i := range list {
		list[i].wants = sizes[i]
	}
	for last := len(list) - 1; last > 0 && list[last].wants == 0 && !r.have.Has(list[last].Object); last-- {
		list = list[:last] // another maximum alone moves no machine
	}
	return list
}

// sized are the groups that get another size, or are made.
func (r *run) sized() (list []poolGroup) {
	if !r.mode.nodes || r.mode.removes {
		return nil
	}
	for _, g := range r.poolGroups() {
		if g.Size != g.wants || !r.have.Has(g.Object) {
			list = append(list, g)
		}
	}
	return list
}

// mostPerGroup is how many machines a zonal managed group holds.
// (https://cloud.google.com/compute/docs/instance-groups/create-large-groups)
const mostPerGroup = 2000

// groupsTooLarge are groups that would be larger than a group may be.
func (r *run) groupsTooLarge() refusal.Unfit {
	for _, g := range r.sized() {
		if g.wants > mostPerGroup {
			return refusal.Unfit{{
				Why:  fmt.Sprintf("MAX_INSTANCES_PER_MIG=%d: a managed group holds %d machines at most, and group %s is to have %d", r.Want.Settings.MaxPerGroup, mostPerGroup, g.Name, g.wants),
				Cure: fmt.Sprintf("MAX_INSTANCES_PER_MIG=%d, or less: a larger pool is several groups", mostPerGroup),
			}}
		}
	}
	return nil
}

// level changes sizes until they add up to n: it adds to the smallest, up to
// most, or takes from the largest. So no machine goes only for another to come.
func level(sizes []int, n, most int) {
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

// groups is the zone's pool of nodes, as managed instance groups of NUM_NODES
// machines in all. When removing it is what was found.
func (r *run) groups() (steps []plan.Step) {
	if !r.mode.removes {
		for _, g := range r.poolGroups() {
			steps = append(steps, r.group(g))
		}
		return steps
	}
	for _, o := range r.or(inventory.ManagedGroup, inventory.Object{}) {
		steps = append(steps, r.group(poolGroup{Object: o}))
	}
	return steps
}

func (r *run) group(g poolGroup) plan.Step {
	name := "group " + g.Name + " in " + g.Zone // each zone may have one of the name
	groups := r.GCE.InstanceGroupManagers(g.Zone)
	return resource[*computepb.InstanceGroupManager]{
		name:   name,
		of:     g.Object,
		get:    func(ctx context.Context) (*computepb.InstanceGroupManager, error) { return groups.Get(ctx, g.Name) },
		mine:   r.Owns,
		check:  func(x *computepb.InstanceGroupManager) (plan.State, error) { return r.checkGroup(name, g, x) },
		insert: func(ctx context.Context) error { return r.sizeGroup(ctx, g) },
		remove: func(ctx context.Context) error { return groups.Delete(ctx, g.Name) },
	}
}

func (r *run) checkGroup(name string, g poolGroup, x *computepb.InstanceGroupManager) (plan.State, error) {
	if r.mode.removes {
		return plan.Exists("")
	}
	if t := gce.Base(x.GetInstanceTemplate()); t != r.Want.Names.Template() {
		return plan.State{}, &refusal.Refused{
			Why:  fmt.Sprintf("%s makes its machines from template %s, not from %s", name, t, r.Want.Names.Template()),
			Cure: "set the group's template back, or take the cluster down first",
		}
	}
	if has := int(x.GetTargetSize()); has != g.wants {
		return plan.State{Is: plan.Partial, Why: fmt.Sprintf("has %d machines, is to have %d", has, g.wants)}, nil
	}
	return plan.Exists(fmt.Sprintf("%d machines", g.wants))
}

// sizeGroup makes the group, or brings the one there is to its size. Machines
// that are too many are named: those that were drained, not those Compute
// Engine would pick.
func (r *run) sizeGroup(ctx context.Context, g poolGroup) error {
	groups := r.GCE.InstanceGroupManagers(g.Zone)
	x, err := groups.Get(ctx, g.Name)
	if gce.IsNotFound(err) {
		return groups.Insert(ctx, &computepb.InstanceGroupManager{
			Name:             &g.Name,
			Description:      new(r.Want.Mark.For(inventory.RoleGroup) + " " + inventory.MostKey + "=" + strconv.Itoa(int(r.Want.Settings.MaxPerGroup))),
			BaseInstanceName: &g.Name, // as kube-up: machines are called group-xxxx
			InstanceTemplate: new(r.Want.Global("instanceTemplates", r.Want.Names.Template())),
			TargetSize:       new(int32(g.wants)),
		})
	}
	if err != nil {
		return err
	}
	surplus := int(x.GetTargetSize()) - g.wants
	if surplus <= 0 {
		return groups.Resize(ctx, g.Name, g.wants)
	}
	p, err := readPool(ctx, r.Env, r.ownGroups())
	if err != nil {
		return fmt.Errorf("choosing the machines to go: %w", err)
	}
	if leavers := p.leavers(g.Name, surplus); len(leavers) == surplus {
		return groups.DeleteInstances(ctx, g.Name, namesOf(leavers))
	}
	return groups.Resize(ctx, g.Name, g.wants) // some are not even listed yet
}

// ownGroups are the groups of the pools a command is about: the zone's, or all when
// it is about a master.
func (r *run) ownGroups() (groups []inventory.Object) {
	if r.mode.one {
		return r.everyGroup()
	}
	if r.mode.removes {
		return r.or(inventory.ManagedGroup, inventory.Object{})
	}
	for _, g := range r.poolGroups() {
		groups = append(groups, g.Object)
	}
	return groups
}

// everyGroup are the groups of the pools of all zones.
func (r *run) everyGroup() (groups []inventory.Object) {
	own := r.mode.nodes && !r.mode.removes
	for _, g := range r.poolGroups() {
		if own {
			groups = append(groups, g.Object)
		}
	}
	for _, o := range r.have.Objects {
		if o.Kind == inventory.ManagedGroup && o.Zone != "" && (o.Zone != r.Want.Zone || !own) {
			groups = append(groups, o)
		}
	}
	return groups
}
