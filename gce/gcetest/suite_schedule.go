package gcetest

import (
	"testing"

	"cloud.google.com/go/compute/apiv1/computepb"

	"hakube/gce"
)

// schedule is one of snapshots: a disk can have one, which cannot go before it.
func (s *suite) schedule(t *testing.T) {
	ctx, name, disk := t.Context(), s.name("hourly"), s.name("pd")
	policies := s.c.ResourcePolicies()
	v := verbs[*computepb.ResourcePolicy]{policies.Get, policies.List, policies.Insert, policies.Delete}
	often := func(hours, days int32) *computepb.ResourcePolicySnapshotSchedulePolicy {
		return &computepb.ResourcePolicySnapshotSchedulePolicy{
			Schedule: &computepb.ResourcePolicySnapshotSchedulePolicySchedule{
				HourlySchedule: &computepb.ResourcePolicyHourlyCycle{HoursInCycle: &hours, StartTime: new("00:00")},
			},
			RetentionPolicy:    &computepb.ResourcePolicySnapshotSchedulePolicyRetentionPolicy{MaxRetentionDays: &days, OnSourceDiskDelete: new("KEEP_AUTO_SNAPSHOTS")},
			SnapshotProperties: &computepb.ResourcePolicySnapshotSchedulePolicySnapshotProperties{Labels: map[string]string{"suite": "1"}},
		}
	}
	made := create(t, s, v, &computepb.ResourcePolicy{Name: &name, Description: &s.mark, SnapshotSchedulePolicy: often(23, 1)})
	link := made.GetSelfLink()
	if gce.Base(made.GetRegion()) != s.c.Region() || made.GetStatus() != "READY" {
		t.Errorf("the schedule is in %q, %s", made.GetRegion(), made.GetStatus())
	}
	if err := policies.Patch(ctx, name, &computepb.ResourcePolicy{SnapshotSchedulePolicy: often(22, 2)}); err != nil {
		t.Fatal(err)
	}
	x, err := policies.Get(ctx, name)
	if p := x.GetSnapshotSchedulePolicy(); err != nil || p.GetSchedule().GetHourlySchedule().GetHoursInCycle() != 22 || p.GetRetentionPolicy().GetMaxRetentionDays() != 2 || x.GetDescription() != s.mark {
		t.Errorf("the schedule is %v, %v", x, err)
	}
	if err := s.c.Disks(s.zone).AddPolicy(ctx, disk, link); err != nil {
		t.Fatal(err)
	}
	d, err := s.disks().get(ctx, disk)
	if list := d.GetResourcePolicies(); err != nil || len(list) != 1 || gce.Base(list[0]) != name {
		t.Errorf("the disk has %q, %v", list, err)
	}
	if err := policies.Delete(ctx, name); !gce.InUse(err) {
		t.Errorf("deleting a schedule that a disk has: %v, want in use", err)
	}
	if err := s.c.Disks(s.zone).RemovePolicy(ctx, disk, link); err != nil {
		t.Fatal(err)
	}
	destroy(t, v, name)
}
