package preflight

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"hakube/cluster/inventory"
	"hakube/cluster/plan"
	"hakube/cluster/refusal"
	"hakube/cluster/settings"
	"hakube/cluster/task"
	"hakube/gce"
	"hakube/scripts/cure"
)

// ForeseeRemoval refuses, before the first change, what Compute Engine would
// refuse in the middle: machines that are protected, what somebody else still
// uses, permissions that are withheld. Otherwise nodes would be drained and
// masters gone when the refusal comes.
func ForeseeRemoval(ctx context.Context, r *task.Task, items []plan.Item) error {
	gone := going(r, items)
	if len(gone) == 0 {
		return nil
	}
	kept, err := keptFor(ctx, r, gone)
	if err != nil {
		return err
	}
	gone = append(gone, kept...)
	var uses []inventory.Use
	found, err := gather(ctx,
		func(ctx context.Context) (_ refusal.Blockers, err error) {
			uses, err = moreUses(ctx, r, gone)
			return nil, err
		},
		func(ctx context.Context) (refusal.Blockers, error) {
			return withheld(ctx, r.Env, neededToRemove(r, gone))
		},
	)
	if err != nil {
		return err
	}
	held, err := r.ConfirmUses(ctx, Holders(r, gone, append(uses, r.Have.Uses...)))
	if err != nil {
		return err
	}
	return slices.Concat(protectedOf(gone), InUse(r, held), found).OrNil()
}

// going is every object that a list of steps takes away, with what goes with it:
// the machines of a managed group, and the group of its name that balancers use.
func going(r *task.Task, items []plan.Item) (gone []inventory.Object) {
	pools := map[settings.PoolID]bool{}
	for _, it := range items {
		if s, ok := it.Step.(task.ObjectStep); ok && !it.Want {
			o := s.Object()
			gone = append(gone, o)
			if o.Kind == inventory.ManagedGroup || o.Kind == inventory.OwnGroup {
				gone = append(gone, inventory.Object{Kind: inventory.InstanceGroup, Name: o.Name, Zone: o.Zone})
			}
		}
	}
	for _, o := range gone {
		if o.Kind == inventory.OwnGroup {
			gone = append(gone, reservedFor(r, o)...)
		}
	}
	for i, o := range gone { // as it was found, which tells more of it
		for _, x := range r.Have.Objects {
			if x.Id() == o.Id() {
				gone[i] = x
			}
		}
		if gone[i].Kind == inventory.ManagedGroup {
			pools[gone[i].PoolID()] = true
		}
	}
	for _, o := range r.Have.Objects {
		if o.Kind == inventory.Instance && o.Role == inventory.RoleNode && pools[o.PoolID()] {
			gone = append(gone, o)
		}
	}
	return gone
}

// reservedFor are the addresses that a master's own group has reserved for its machine, and
// releases with it. They have a name of Compute Engine's and no mark.
func reservedFor(r *task.Task, group inventory.Object) (list []inventory.Object) {
	for _, u := range r.Have.Uses {
		of := u.Of
		if u.By == (inventory.Object{Kind: inventory.Instance, Name: group.Name, Zone: group.Zone}) && of.Kind == inventory.Address && of.Name != r.Want.Names.Address() {
			list = append(list, of)
		}
	}
	return list
}

// keptFor are those of groups whose machines are gone: nothing but the group itself tells
// of them.
func keptFor(ctx context.Context, r *task.Task, gone []inventory.Object) (list []inventory.Object, err error) {
	for _, o := range gone {
		if o.Kind != inventory.OwnGroup || r.Have.Has(inventory.Object{Kind: inventory.Instance, Name: o.Name, Zone: o.Zone}) {
			continue
		}
		all, err := r.GCE.InstanceGroupManagers(o.Zone).ListManagedInstances(ctx, o.Name)
		if err != nil && !gce.IsNotFound(err) {
			return nil, err
		}
		for _, m := range all {
			state := m.GetPreservedStateFromPolicy()
			for _, ip := range []string{state.GetInternalIPs()["nic0"].GetIpAddress().GetAddress(), state.GetExternalIPs()["nic0"].GetIpAddress().GetAddress()} {
				if a := inventory.ObjectAt(ip); a.Kind == inventory.Address {
					list = append(list, a)
				}
			}
		}
	}
	return list, nil
}

// moreUses reads the users that the modes for one pool or one master have not
// seen yet: balancers. Of the whole cluster all is read already.
func moreUses(ctx context.Context, r *task.Task, gone []inventory.Object) ([]inventory.Use, error) {
	if r.Mode.Whole {
		return nil, nil
	}
	has := func(kinds ...inventory.Kind) bool {
		return slices.ContainsFunc(gone, func(o inventory.Object) bool { return slices.Contains(kinds, o.Kind) })
	}
	f := r.Collector()
	var reads []func() error
	if has(inventory.ManagedGroup, inventory.OwnGroup, inventory.InstanceGroup, inventory.HealthCheck) {
		reads = append(reads, func() error {
			_, err := inventory.Noting(ctx, r.GCE, f, inventory.BackendService, r.GCE.AggregatedBackendServices)()
			return err
		})
	}
	if has(inventory.BackendService) {
		reads = append(reads, func() error {
			_, err := inventory.Noting(ctx, r.GCE, f, inventory.ForwardingRule, r.GCE.AggregatedForwardingRules)()
			return err
		})
	}
	err := gce.Parallel(reads...)
	return f.Used, err
}

// protectedOf are the machines that are to go and that Compute Engine deletes
// for nobody.
func protectedOf(gone []inventory.Object) (no refusal.Blockers) {
	for _, o := range gone {
		if o.Kind == inventory.Instance && o.Protected {
			no = append(no, &refusal.Refused{
				Why:  o.String() + " is protected from deletion",
				Cure: cure.Hint("if it may go", cure.Unprotect(o.Name, o.Zone)),
			})
		}
	}
	return no
}

// Holders are the uses that keep something which is to go, by somebody who stays.
func Holders(r *task.Task, gone []inventory.Object, uses []inventory.Use) (list []inventory.Use) {
	goes := map[inventory.Object]bool{}
	for _, o := range gone {
		goes[o.Id()] = true
	}
	for _, u := range uses {
		if goes[u.Of] && !goes[u.By] && !u.Mine && !isOurs(r, u.By) && !slices.Contains(list, u) {
			list = append(list, u)
		}
	}
	return list
}

// InUse says what somebody else holds.
func InUse(r *task.Task, uses []inventory.Use) (no refusal.Blockers) {
	for _, u := range uses {
		no = append(no, &refusal.Refused{
			Why:  fmt.Sprintf("%s cannot be removed: %s, which is not this cluster's, uses it", u.Of, u.By),
			Cure: freed(r, u),
		})
	}
	slices.SortFunc(no, func(a, b *refusal.Refused) int { return cmp.Compare(a.Why, b.Why) })
	if more := len(no) - mostUsers; more > 0 {
		no = append(no[:mostUsers], refusal.Because("%d more things use what is to be removed", more))
	}
	return no
}

// mostUsers is how many users of what is to go are told, of perhaps hundreds.
const mostUsers = 10

// isOurs tells of a user that only its URL is known of whether it is this
// cluster's: by what was found, or by its name in the balancer.
func isOurs(r *task.Task, by inventory.Object) bool {
	if slices.ContainsFunc(r.Have.Objects, func(o inventory.Object) bool { return o.Id() == by.Id() }) {
		return true
	}
	return by.Kind == inventory.ForwardingRule && by.Name == r.Want.Names.ForwardingRule() && by.Region == r.Region()
}

// freed is how what is used gets free.
func freed(r *task.Task, u inventory.Use) string {
	for _, s := range r.Orphans {
		if s.Of == u.By.Kind && s.Name == u.By.Name && (s.Zone == u.By.Zone && s.Region == u.By.Region) {
			return cure.Hint("this cluster's Services or volumes left it; have it go too", cure.Same().With("HAKUBE_SWEEP", "true"))
		}
	}
	way := cure.Hint("if it is no longer needed", r.Have.Release(u))
	if u.Of.Kind == inventory.Network {
		way = cure.Hints(way, cure.Hint("or leave the network where it is", cure.Same().With("KUBE_DELETE_NETWORK", "false")))
	}
	return way
}
