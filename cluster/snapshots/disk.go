package snapshots

import (
	"context"
	"fmt"
	"slices"

	"cloud.google.com/go/compute/apiv1/computepb"

	"hakube/cluster/env"
	"hakube/cluster/inventory"
	"hakube/cluster/plan"
	"hakube/cluster/refusal"
	"hakube/cluster/settings"
	"hakube/cluster/task"
	"hakube/gce"
	"hakube/scripts/cure"
)

// follows is the fact that a disk which is there follows the cluster's schedule.
type follows struct {
	env *env.Env
	of  inventory.Object
}

func (f follows) String() string    { return "snapshots of disk " + f.of.Name }
func (f follows) About() plan.Thing { return task.Thing(f.of) }

func (f follows) Observe(ctx context.Context) (plan.State, error) {
	d, err := f.env.GCE.Disks(f.of.Zone).Get(ctx, f.of.Name)
	switch {
	case gce.IsNotFound(err):
		return plan.State{Is: plan.Absent, Why: "the disk is gone"}, nil
	case err != nil:
		return plan.State{}, err
	case !has(d, f.env.Want.Names.Snapshots()):
		return plan.State{Is: plan.Absent}, nil
	}
	return plan.Exists(string(f.env.Want.Settings.DiskSnapshots))
}

func (f follows) Do(ctx context.Context) error {
	return f.env.GCE.Disks(f.of.Zone).AddPolicy(ctx, f.of.Name, f.policy())
}

func (f follows) Undo(ctx context.Context) error {
	return f.env.GCE.Disks(f.of.Zone).RemovePolicy(ctx, f.of.Name, f.policy())
}

func (f follows) policy() string {
	return f.env.Want.Regional(settings.Zone(f.of.Zone).Region(), "resourcePolicies", f.env.Want.Names.Snapshots())
}

func has(d *computepb.Disk, policy string) bool {
	return slices.ContainsFunc(d.GetResourcePolicies(), func(link string) bool { return gce.Base(link) == policy })
}

// Follows tells whether a disk followed the cluster's schedule when disks were listed.
func Follows(r *task.Task, disk inventory.Object) bool {
	return has(r.Seen.Disks[disk.Zone+"/"+disk.Name], r.Want.Names.Snapshots())
}

// Needs are the permissions for what is to become otherwise of disks that are there, and of
// a schedule that is.
func Needs(r *task.Task) (ask []string) {
	if r.Mode.Removes || len(schedules(r)) == 0 {
		return nil
	}
	for _, o := range disksOf(r) {
		switch is := Follows(r, o); {
		case on(r) && !is:
			ask = append(ask, "disks.addResourcePolicies", "resourcePolicies.use")
		case !on(r) && is:
			ask = append(ask, "disks.removeResourcePolicies", "resourcePolicies.delete")
		case on(r) && slices.ContainsFunc(r.Unwritten(), func(n task.Note) bool { return n.Variable == "HAKUBE_DISK_SNAPSHOTS" }):
			ask = append(ask, "resourcePolicies.update")
		}
	}
	return ask
}

// InTheWay are disks that follow another schedule: Compute Engine lets a disk have one.
func InTheWay(r *task.Task) (no refusal.Blockers) {
	if !on(r) || len(schedules(r)) == 0 {
		return nil
	}
	for _, o := range disksOf(r) {
		for _, link := range r.Seen.Disks[o.Zone+"/"+o.Name].GetResourcePolicies() {
			if other := gce.Base(link); other != r.Want.Names.Snapshots() {
				no = append(no, &refusal.Refused{
					Why:  fmt.Sprintf("HAKUBE_DISK_SNAPSHOTS=%s: disk %s in %s has schedule %s of somebody's, and a disk can have one", r.Want.Settings.DiskSnapshots, o.Name, o.Zone, other),
					Cure: cure.Hints(cure.Hint("take that from it", cure.Compute(fmt.Sprintf("disks remove-resource-policies %s --zone=%s --resource-policies=%s", o.Name, o.Zone, other))), "or leave HAKUBE_DISK_SNAPSHOTS out"),
				})
			}
		}
	}
	return no
}
