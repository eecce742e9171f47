package preflight

import (
	"context"
	"fmt"
	"slices"

	"cloud.google.com/go/compute/apiv1/computepb"

	"hakube/cluster/inventory"
	"hakube/cluster/refusal"
	"hakube/cluster/task"
	"hakube/gce"
	"hakube/scripts/cure"
)

// balancedElsewhere are masters in a group that somebody else's balancer sends
// to: a machine may be in one such group only, and the balancer of the API has its
// own. It would show when the new master is a learner already.
func balancedElsewhere(ctx context.Context, r *task.Task) (no refusal.Blockers, err error) {
	if !r.Balanced {
		return nil, nil
	}
	services, err := r.GCE.AggregatedBackendServices(ctx)
	if err != nil {
		return nil, err
	}
	for _, g := range strangersGroups(r, services) {
		inside, err := r.GCE.InstanceGroups(g.Zone).ListInstances(ctx, g.Name)
		if gce.IsNotFound(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		for _, x := range inside {
			m := inventory.ObjectAt(x.GetInstance())
			if r.Have.Has(m) && slices.ContainsFunc(r.Masters(), func(o inventory.Object) bool { return o.Name == m.Name && o.Zone == m.Zone }) {
				no = append(no, &refusal.Refused{
					Why: fmt.Sprintf("master %s is in %s, which a balancer that is not this cluster's sends to: a machine can be in one balanced group only, and with several masters it is in the API's",
						m.Name, g),
					Cure: cure.Hint("take it out of there", cure.Compute(fmt.Sprintf("instance-groups unmanaged remove-instances %s --zone=%s --instances=%s", g.Name, g.Zone, m.Name))),
				})
			}
		}
	}
	return no, nil
}

// Groupable refuses masters in groups of their own where the API's address is a master's: it
// would go with each machine that a group makes again.
func Groupable(r *task.Task) error {
	if !bool(r.Want.Settings.MasterGroups) || r.Balanced || !r.Mode.Masters || r.Mode.Removes {
		return nil
	}
	help := cure.Hint("have it there, also with one master", cure.Same().With("HAKUBE_LOAD_BALANCER", "from-start"))
	if r.Mode.Rolls { // which moves no address
		help = cure.Hints(cure.Hint("have it there, also with one master", cure.Up(r.Want.Home).With("HAKUBE_LOAD_BALANCER", "from-start")), cure.Hint("then", cure.Same()))
	}
	return &refusal.Refused{Why: "HAKUBE_MASTER_GROUPS=true takes the API's address to be on a balancer, and it is a master's own", Cure: help}
}

// strangersGroups are the groups of other balancers in the zones of masters.
func strangersGroups(r *task.Task, services []*computepb.BackendService) (groups []inventory.Object) {
	zones := task.ZonesOf(r.Masters())
	for _, s := range services {
		if r.Owns(s.GetDescription()) {
			continue
		}
		for _, b := range s.GetBackends() {
			g := inventory.ObjectAt(b.GetGroup())
			if g.Kind == inventory.InstanceGroup && slices.Contains(zones, g.Zone) && g.Name != r.Want.Names.MasterGroup() && !slices.Contains(groups, g) {
				groups = append(groups, g)
			}
		}
	}
	return groups
}
