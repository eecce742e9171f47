package task

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"hakube/cluster/env"
	"hakube/cluster/inventory"
	"hakube/cluster/refusal"
	"hakube/gce"
)

// FindRegion sets the run's client to the region the cluster is in, when no
// zone was named: by its machines, disks and groups, else by its subnetwork,
// else by asking every region for the cluster's address.
func (r *Task) FindRegion(ctx context.Context) error {
	if r.Want.Zone != "" {
		return nil
	}
	have, err := r.Look(ctx)
	if err != nil {
		return err
	}
	return EnterRegionOf(ctx, r.Env, have)
}

// EnterRegionOf makes the region of what was found the run's. When that is in
// none or in several, the settings' zone decides.
func EnterRegionOf(ctx context.Context, r *env.Env, have *inventory.Inventory) error {
	switch regions := have.Regions(); {
	case len(regions) == 1:
		return r.Enter(ctx, regions[0])
	case r.Want.Zone != "":
		return nil
	case len(regions) == 0:
		return searchRegions(ctx, r)
	default:
		return &refusal.Refused{
			Why:  fmt.Sprintf("objects with the mark of cluster %s are in several regions: %v", r.Want.Names.Prefix, regions),
			Cure: "name a zone of the region that is meant with KUBE_GCE_ZONE",
		}
	}
}

// searchRegions asks every region for what can be there when no machine, disk,
// group or subnetwork is: an address a cut left alone.
func searchRegions(ctx context.Context, r *env.Env) error {
	if r.InRegion == nil {
		return nil
	}
	all, err := r.GCE.Regions().List(ctx)
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
			client, err := r.At(ctx, x.GetName())
			if err != nil {
				return err
			}
			f := r.Collector()
			if err := gce.Parallel((&inventory.Reader{GCE: client}).Lists(ctx, f, inventory.RegionalKinds...)...); err != nil {
				return err
			}
			if len(f.List) > 0 {
				mu.Lock()
				defer mu.Unlock()
				where = append(where, x.GetName())
			}
			return nil
		})
	}
	if err := gce.Parallel(reads...); err != nil {
		return err
	}
	if len(where) == 0 {
		return nil
	}
	slices.Sort(where)
	return r.Enter(ctx, where[0])
}
