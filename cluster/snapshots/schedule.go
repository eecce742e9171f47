// Package snapshots has Compute Engine itself keep copies of masters' data disks: the
// schedule, which disks follow it, and what came of it.
package snapshots

import (
	"context"

	"cloud.google.com/go/compute/apiv1/computepb"

	"hakube/cluster/env"
	"hakube/cluster/inventory"
	"hakube/cluster/plan"
	"hakube/cluster/settings"
	"hakube/cluster/task"
	"hakube/gce"
)

// Scheduled adds the schedule, which is there before a disk that is made with it, and goes
// after the last that had it.
func Scheduled(r *task.Task, l *task.Lines) {
	var steps []plan.Step
	for _, o := range schedules(r) {
		steps = append(steps, schedule{r.Env, o, r.Mode.Removes})
	}
	as(l, on(r), steps)
}

// Followed adds that disks which are there follow it. One that is made has it from birth.
func Followed(r *task.Task, l *task.Lines) {
	var steps []plan.Step
	if !r.Mode.Removes && len(schedules(r)) > 0 {
		for _, o := range disksOf(r) {
			steps = append(steps, follows{r.Env, o})
		}
	}
	as(l, on(r), steps)
}

// as adds steps to a list that makes: what is not to be goes there, before all else.
func as(l *task.Lines, want bool, steps []plan.Step) {
	if len(steps) == 0 {
		return
	}
	was := l.Want
	l.Want = l.Want && want
	l.Then(steps...)
	l.Want = was
}

func on(r *task.Task) bool { return r.Want.Settings.DiskSnapshots.On() }

// schedules are those that a run is about: what was found when the cluster goes, and
// otherwise the one of the settings, if there is one to be or somebody ever spoke of it.
// A repair brings back what is there, and switches nothing off.
func schedules(r *task.Task) []inventory.Object {
	switch {
	case r.Mode.Removes && r.Mode.Whole:
		return r.Have.Of(inventory.ResourcePolicy)
	case r.Mode.Removes, !r.Mode.Masters, !on(r) && (r.Mode.Repairs || !spoken(r)):
		return nil
	}
	return []inventory.Object{r.Regional(inventory.ResourcePolicy, r.Want.Names.Snapshots())}
}

// spoken tells whether there may be a schedule that is to be no more.
func spoken(r *task.Task) bool {
	if inventory.SpokenOf(r.Have.Holder, "HAKUBE_DISK_SNAPSHOTS") {
		return true
	}
	for _, o := range disksOf(r) {
		if Follows(r, o) {
			return true
		}
	}
	return false
}

// disksOf are the masters' data disks that there are: those of the masters that are
// repaired, or all.
func disksOf(r *task.Task) (list []inventory.Object) {
	own := map[string]bool{}
	for _, m := range r.Failing {
		own[m.Zone+"/"+r.Want.Names.DiskOf(m.Name)] = true
	}
	for _, o := range r.Have.Objects {
		if o.Kind == inventory.Disk && o.Role == inventory.RoleMasterDisk && (!r.Mode.Repairs || own[o.Zone+"/"+o.Name]) {
			list = append(list, o)
		}
	}
	return list
}

// A schedule is the cluster's: how often, and how long each is kept. Those of a disk that is
// gone are kept until somebody removes them: they are all there is of it.
type schedule struct {
	env     *env.Env
	of      inventory.Object
	removes bool
}

func (s schedule) String() string           { return "resource policy " + s.of.Name }
func (s schedule) Object() inventory.Object { return s.of }
func (s schedule) About() plan.Thing        { return task.Thing(s.of) }

func (s schedule) Foresee(ctx context.Context, absent bool) (plan.State, error) {
	if absent {
		return plan.State{Is: plan.Absent}, nil
	}
	return s.Observe(ctx)
}

func (s schedule) Observe(ctx context.Context) (plan.State, error) {
	x, err := s.env.GCE.ResourcePolicies().Get(ctx, s.of.Name)
	want := s.env.Want.Settings.DiskSnapshots
	switch {
	case gce.IsNotFound(err):
		return plan.State{Is: plan.Absent}, nil
	case err != nil:
		return plan.State{}, err
	case !s.env.Owns(x.GetDescription()):
		return plan.State{}, inventory.Foreign(s.String(), s.of, x.GetDescription())
	case s.removes || !want.On():
		return plan.Exists("")
	case inventory.ScheduleOf(x) != want:
		return plan.State{Is: plan.Partial, Why: "is not " + string(want)}, nil
	}
	return plan.Exists(string(want))
}

func (s schedule) Do(ctx context.Context) error {
	policies := s.env.GCE.ResourcePolicies()
	wanted := policyOf(&s.env.Want)
	_, err := policies.Get(ctx, s.of.Name)
	switch {
	case gce.IsNotFound(err):
		return policies.Insert(ctx, wanted)
	case err != nil:
		return err
	}
	return policies.Patch(ctx, s.of.Name, wanted) // the whole of it, as gcloud does
}

func (s schedule) Undo(ctx context.Context) error {
	return s.env.LetGo(ctx, s.String(), func(ctx context.Context) error { return s.env.GCE.ResourcePolicies().Delete(ctx, s.of.Name) })
}

// policyOf is the schedule of the settings. Its times are UTC; each snapshot begins within
// the hour.
func policyOf(want *settings.Spec) *computepb.ResourcePolicy {
	often := want.Settings.DiskSnapshots
	x := &computepb.ResourcePolicySnapshotSchedulePolicy{
		Schedule: &computepb.ResourcePolicySnapshotSchedulePolicySchedule{},
		RetentionPolicy: &computepb.ResourcePolicySnapshotSchedulePolicyRetentionPolicy{
			MaxRetentionDays: new(often.Days()), OnSourceDiskDelete: new("KEEP_AUTO_SNAPSHOTS"),
		},
		SnapshotProperties: &computepb.ResourcePolicySnapshotSchedulePolicySnapshotProperties{Labels: want.Labels()},
	}
	if often == settings.Hourly {
		x.Schedule.HourlySchedule = &computepb.ResourcePolicyHourlyCycle{HoursInCycle: new(int32(1)), StartTime: new("00:00")}
	} else {
		x.Schedule.DailySchedule = &computepb.ResourcePolicyDailyCycle{DaysInCycle: new(int32(1)), StartTime: new("03:00")}
	}
	return &computepb.ResourcePolicy{Name: new(want.Names.Snapshots()), Description: new(want.Mark.For(inventory.RoleSnapshots)), SnapshotSchedulePolicy: x}
}
