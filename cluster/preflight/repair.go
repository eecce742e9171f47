package preflight

import (
	"context"
	"slices"

	"cloud.google.com/go/compute/apiv1/computepb"

	"hakube/cluster/inventory"
	"hakube/cluster/plan"
	"hakube/cluster/refusal"
	"hakube/cluster/task"
	"hakube/gce"
)

// FitToRepair is the error about what is in the way of a repair that begins with the items.
func FitToRepair(ctx context.Context, r *task.Task, items []plan.Item) error {
	no, err := gather(ctx, func(ctx context.Context) (refusal.Blockers, error) { return KubeconfigProblems(ctx, r) }, func(ctx context.Context) (refusal.Blockers, error) { return foreseeRepair(ctx, r, items) })
	if err != nil {
		return err
	}
	return no.OrNil()
}

// FitToRotate is the error about what is in the way of making something of masters anew: all
// that the cloud is asked for is the lease, and what nodes are made from where that is made anew;
// and asks the API whether that is needed too.
func FitToRotate(ctx context.Context, r *task.Task, x *inventory.Rotation, asks bool) error {
	ask := []string{"addresses.setLabels"}
	if x.TellsNodes() && !x.OfNodes() {
		ask = append(ask, "instances.setMetadata")
		if len(r.Have.Of(inventory.OwnGroup)) > 0 {
			ask = append(ask, "instanceGroupManagers.update")
		}
	}
	if x.TellsNodes() && len(r.Have.Of(inventory.ManagedGroup)) > 0 {
		row := inventory.InstanceTemplate.Row()
		ask = slices.Concat(ask, row.ToMake, row.ToGo, []string{"instanceGroupManagers.update", "instanceTemplates.useReadOnly"})
	}
	checks := []check{func(ctx context.Context) (refusal.Blockers, error) { return withheld(ctx, r.Env, ask) }}
	if asks {
		checks = append(checks, func(ctx context.Context) (refusal.Blockers, error) { return KubeconfigProblems(ctx, r) })
	}
	no, err := gather(ctx, checks...)
	return no.Besides(err)
}

// FitToRoll is what is in the way of making a master's machine again as it is wanted now:
// types and images that are none, what keeps it from going or from coming back, and
// permissions for both.
func FitToRoll(ctx context.Context, r *task.Task, of inventory.Object) (refusal.Blockers, error) {
	no := inTheWayOf(r, of)
	for _, o := range r.Have.Objects {
		if o.Id() == of.Id() {
			no = append(no, protectedOf([]inventory.Object{o})...)
		}
	}
	row := inventory.Instance.Row()
	ask := withLease(r, slices.Concat(row.ToMake, row.ToGo))
	if grouped, _ := r.Have.Made(of); grouped {
		ask = slices.Concat(ask, inventory.OwnGroup.Row().ToGo, inventory.OwnTemplate.Row().ToGo)
	}
	if r.Want.Settings.MasterGroups {
		ask = slices.Concat(ask, inventory.OwnGroup.Row().ToMake, inventory.OwnTemplate.Row().ToMake)
	}
	if r.Balanced {
		ask = append(ask, "instanceGroups.update", "instances.use")
	}
	checks := append(append(namedTypes(r), namedImages(r)...), func(ctx context.Context) (refusal.Blockers, error) { return withheld(ctx, r.Env, ask) })
	found, err := gather(ctx, checks...)
	return append(no, found...), err
}

// RoomForGroups is what quotas lack for masters that come into groups of their own, each by
// the task of making it again: all of them together, since the last one's counts beside the
// first one's. A machine's own part is given back before it is taken again.
func RoomForGroups(ctx context.Context, rolls []*task.Task) (refusal.Blockers, error) {
	d := demand{}
	for _, r := range rolls {
		of := r.Failing[0]
		if made, _ := r.Have.Made(of); made || r.Have.OwnGroupOf(of).Name != "" || !bool(r.Want.Settings.MasterGroups) {
			continue
		}
		for _, metric := range slices.Concat(inventory.OwnGroup.Row().Takes, inventory.OwnTemplate.Row().Takes) {
			d[metric]++
		}
	}
	if len(d) == 0 {
		return nil, nil
	}
	r := rolls[0]
	var region *computepb.Region
	var project *computepb.Project
	err := gce.Parallel(
		func() (err error) { region, err = r.GCE.Regions().Get(ctx, r.Region()); return err },
		func() (err error) { project, err = r.GCE.GetProject(ctx); return err },
	)
	if err != nil {
		return nil, err
	}
	return exceeded(r, d, quotasOf(region.GetQuotas()), quotasOf(project.GetQuotas()), region.GetName()), nil
}

// foreseeRepair is what keeps the masters that are to be brought back from coming
// back, or those that are given up from going, as far as that shows before a
// machine is touched: what of them has to be made anew is judged as in an up.
func foreseeRepair(ctx context.Context, r *task.Task, items []plan.Item) (no refusal.Blockers, err error) {
	for _, m := range r.Failing {
		no = append(append(no, inTheWayOf(r, m)...), protectedOf(foundWithoutDisk(r, m))...)
	}
	for _, m := range r.GivenUp {
		for _, o := range r.Have.Objects {
			if o.Id() == m.Id() {
				no = append(no, protectedOf([]inventory.Object{o})...)
			}
		}
	}
	no = append(no, addressTaken(r)...)
	taken, missing, err := takenNames(ctx, r, wantedOf(items))
	if err != nil || len(missing) == 0 {
		return append(no, taken...), err
	}
	found, err := gather(ctx,
		func(ctx context.Context) (refusal.Blockers, error) {
			return tooLittle(ctx, []Part{{Task: r, missing: missing}})
		},
		func(ctx context.Context) (refusal.Blockers, error) {
			return withheld(ctx, r.Env, neededToMake(r, missing), identities(r, missing)...)
		},
	)
	return slices.Concat(no, taken, found), err
}

// foundWithoutDisk is a master's machine that has to be deleted, since it has not
// the disk it lives on (withDisk).
func foundWithoutDisk(r *task.Task, m inventory.Object) []inventory.Object {
	disk := inventory.Object{Kind: inventory.Disk, Name: r.Want.Names.DiskOf(m.Name), Zone: m.Zone}
	if slices.ContainsFunc(r.Have.Uses, func(u inventory.Use) bool { return u.Of == disk && u.By.Name == m.Name && u.By.Zone == m.Zone }) {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(r.Have.Objects), func(o inventory.Object) bool { return o.Id() != m.Id() })
}
