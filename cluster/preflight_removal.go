package cluster

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"hakube/cluster/plan"
	"hakube/cluster/refusal"
	"hakube/cluster/settings"
	"hakube/scripts/cure"
)

// foreseeRemoval refuses, before the first change, what Compute Engine would
// refuse in the middle: machines that are protected, what somebody else still
// uses, permissions that are withheld. Otherwise nodes would be drained and
// masters gone when the refusal comes.
func (r *run) foreseeRemoval(ctx context.Context, items []plan.Item) error {
	gone := r.going(items)
	if len(gone) == 0 {
		return nil
	}
	var uses []use
	found, err := gather(ctx,
		func(ctx context.Context) (_ refusal.Unfit, err error) {
			uses, err = r.moreUses(ctx, gone)
			return nil, err
		},
		func(ctx context.Context) (refusal.Unfit, error) { return r.withheld(ctx, r.neededToRemove(gone)) },
	)
	if err != nil {
		return err
	}
	held, err := r.confirmed(ctx, r.holders(gone, append(uses, r.have.uses...)))
	if err != nil {
		return err
	}
	return slices.Concat(protectedOf(gone), r.inUse(held), found).OrNil()
}

// removal lists what a removal takes away, once nothing of it is refused.
func (r *run) removal(ctx context.Context) ([]plan.Item, error) {
	items := r.items()
	return items, r.foreseeRemoval(ctx, items)
}

// going is every object that a list of steps takes away, with what goes with it:
// the machines of a managed group, and the group of its name that balancers use.
func (r *run) going(items []plan.Item) (gone []object) {
	zones := map[string]bool{}
	for _, it := range items {
		if s, ok := it.Step.(made); ok && !it.Want {
			o := s.thing()
			gone = append(gone, o)
			if o.kind == kindGroup {
				gone = append(gone, object{kind: kindMasterGroup, name: o.name, zone: o.zone})
				zones[o.zone] = true
			}
		}
		if s, ok := it.Step.(strayStep); ok && !it.Want {
			gone = append(gone, object{kind: s.s.kind, name: s.s.Name, zone: s.s.zone, region: s.s.region})
		}
	}
	for i, o := range gone { // as it was found, which tells more of it
		for _, x := range r.have.objects {
			if x.id() == o.id() {
				gone[i] = x
			}
		}
	}
	for _, o := range r.have.objects {
		if o.kind == kindInstance && o.role == roleNode && zones[o.zone] {
			gone = append(gone, o)
		}
	}
	return gone
}

// moreUses reads the users that the modes for one pool or one master have not
// seen yet: balancers. Of the whole cluster all is read already.
func (r *run) moreUses(ctx context.Context, gone []object) ([]use, error) {
	if r.mode == settings.RemoveCluster {
		return nil, nil
	}
	has := func(kinds ...kind) bool {
		return slices.ContainsFunc(gone, func(o object) bool { return slices.Contains(kinds, o.kind) })
	}
	f := &found{mark: r.want.Mark}
	var reads []func() error
	if has(kindGroup, kindMasterGroup, kindHealthCheck) {
		reads = append(reads, func() error {
			_, err := noting(ctx, r.gce.AggregatedBackendServices, f.usesOfService)()
			return err
		})
	}
	if has(kindService) {
		reads = append(reads, func() error {
			_, err := noting(ctx, r.gce.AggregatedForwardingRules, f.usesOfRule)()
			return err
		})
	}
	err := together(reads...)
	return f.used, err
}

// protectedOf are the machines that are to go and that Compute Engine deletes
// for nobody.
func protectedOf(gone []object) (no refusal.Unfit) {
	for _, o := range gone {
		if o.kind == kindInstance && o.protected {
			no = append(no, &refusal.Refused{
				Why:  o.String() + " is protected from deletion",
				Cure: cure.Hint("if it may go", cure.Unprotect(o.name, o.zone)),
			})
		}
	}
	return no
}

// holders are the uses that keep something which is to go, by somebody who stays.
func (r *run) holders(gone []object, uses []use) (list []use) {
	goes := map[object]bool{}
	for _, o := range gone {
		goes[o.id()] = true
	}
	for _, u := range uses {
		if goes[u.of] && !goes[u.by] && !u.mine && !r.isOurs(u.by) && !slices.Contains(list, u) {
			list = append(list, u)
		}
	}
	return list
}

// inUse says what somebody else holds.
func (r *run) inUse(uses []use) (no refusal.Unfit) {
	for _, u := range uses {
		no = append(no, &refusal.Refused{
			Why:  fmt.Sprintf("%s cannot be removed: %s, which is not this cluster's, uses it", u.of, u.by),
			Cure: r.freed(u),
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
func (r *run) isOurs(by object) bool {
	if slices.ContainsFunc(r.have.objects, func(o object) bool { return o.id() == by.id() }) {
		return true
	}
	return by.kind == kindRule && by.name == r.want.Names.ForwardingRule() && by.region == r.region()
}

// freed is how what is used gets free.
func (r *run) freed(u use) string {
	for _, s := range r.strays {
		if s.kind == u.by.kind && s.Name == u.by.name && (s.zone == u.by.zone && s.region == u.by.region) {
			return cure.Hint("this cluster's Services or volumes left it; have it go too", cure.Same().With("HAKUBE_SWEEP", "true"))
		}
	}
	way := cure.Hint("if it is no longer needed", r.release(u))
	if u.of.kind == kindNetwork {
		way = cure.Hints(way, cure.Hint("or leave the network where it is", cure.Same().With("KUBE_DELETE_NETWORK", "false")))
	}
	return way
}
