package cluster

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"

	"hakube/cluster/refusal"
	"hakube/cluster/settings"
	"hakube/gce"
)

// sorted puts objects in an order that does not depend on which read was quicker.
func sorted(list []object) []object {
	slices.SortFunc(list, func(a, b object) int {
		return cmp.Or(cmp.Compare(a.kind, b.kind), cmp.Compare(a.zone, b.zone), cmp.Compare(a.region, b.region), cmp.Compare(a.name, b.name))
	})
	return list
}

// findRegion sets the run's client to the region the cluster is in, when no
// zone was named: by its machines, disks and groups, else by its subnetwork,
// else by asking every region for the cluster's address.
func (r *run) findRegion(ctx context.Context) error {
	if r.want.Zone != "" {
		return nil
	}
	have, err := r.look(ctx)
	if err != nil {
		return err
	}
	return r.enterRegionOf(ctx, have)
}

// enterRegionOf makes the region of what was found the run's. When that is in
// none or in several, the settings' zone decides.
func (r *run) enterRegionOf(ctx context.Context, have *inventory) error {
	switch regions := have.regions(); {
	case len(regions) == 1:
		return r.enter(ctx, regions[0])
	case r.want.Zone != "":
		return nil
	case len(regions) == 0:
		return r.searchRegions(ctx)
	default:
		return &refusal.Refused{
			Why:  fmt.Sprintf("objects with the mark of cluster %s are in several regions: %v", r.want.Names.Prefix, regions),
			Cure: "name a zone of the region that is meant with KUBE_GCE_ZONE",
		}
	}
}

// regions are where anything was found, sorted.
func (v *inventory) regions() (list []string) {
	for _, o := range v.objects {
		region := o.region
		if o.zone != "" {
			region = settings.Zone(o.zone).Region()
		}
		if region != "" && !slices.Contains(list, region) {
			list = append(list, region)
		}
	}
	if len(list) == 0 && v.subnetRegion != "" {
		list = append(list, v.subnetRegion)
	}
	slices.Sort(list)
	return list
}

// enter makes region the run's.
func (r *run) enter(ctx context.Context, region string) error {
	client, err := r.clientFor(ctx, region)
	if err != nil {
		return err
	}
	r.gce = client
	return nil
}

func (r *run) clientFor(ctx context.Context, region string) (*gce.Client, error) {
	if r.gce.Region() == region || r.deps.InRegion == nil {
		return r.gce, nil
	}
	return r.deps.InRegion(ctx, region)
}

// searchRegions asks every region for what can be there when no machine, disk,
// group or subnetwork is: an address a cut left alone.
func (r *run) searchRegions(ctx context.Context) error {
	if r.deps.InRegion == nil {
		return nil
	}
	all, err := r.gce.Regions().List(ctx)
	if err != nil {
		return err
	}
	var mu sync.Mutex
	var where []string
	atOnce := make(chan struct{}, 8) // Google counts calls; this is for the rare case
	var reads []func() error
	for _, x := range all {
		reads = append(reads, func() error {
			atOnce <- struct{}{}
			defer func() { <-atOnce }()
			client, err := r.clientFor(ctx, x.GetName())
			if err != nil {
				return err
			}
			f := &found{mark: r.want.Mark}
			if err := together(findRegionals(ctx, client, f)...); err != nil {
				return err
			}
			if len(f.list) > 0 {
				mu.Lock()
				defer mu.Unlock()
				where = append(where, x.GetName())
			}
			return nil
		})
	}
	if err := together(reads...); err != nil {
		return err
	}
	if len(where) == 0 {
		return nil
	}
	slices.Sort(where)
	return r.enter(ctx, where[0])
}
