package cluster

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"

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
	if r.want.zone != "" {
		return nil
	}
	have, err := r.look(ctx)
	if err != nil {
		return err
	}
	regions := map[string]bool{}
	for _, o := range have.objects {
		switch {
		case o.zone != "":
			regions[Zone(o.zone).Region()] = true
		case o.region != "":
			regions[o.region] = true
		}
	}
	if len(regions) == 0 && have.subnetRegion != "" {
		regions[have.subnetRegion] = true
	}
	if len(regions) == 0 {
		return r.searchRegions(ctx)
	}
	if len(regions) > 1 {
		names := []string{}
		for name := range regions {
			names = append(names, name)
		}
		slices.Sort(names)
		return &Refused{
			Why:  fmt.Sprintf("objects with the mark of cluster %s are in several regions: %v", r.want.names.Prefix, names),
			Cure: "name a zone of the region to clear with KUBE_GCE_ZONE",
		}
	}
	for name := range regions {
		return r.enter(ctx, name)
	}
	return nil
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
			f := &found{mark: r.want.mark}
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
