package cluster

import (
	"context"
	"fmt"
	"testing"

	"hakube/cluster/settings"
	"hakube/gce"
)

// TestRepairAll deletes the machines of all masters. The disks are all it takes to
// have them back, and status names the one command that looks after all of them:
// none comes back by itself while its ring has no quorum.
func TestRepairAll(t *testing.T) {
	c := newSick(t, 2)
	c.deleteMachine(0)
	c.deleteMachine(1)
	s, err := c.o.Status(context.Background())
	c.must(err)
	for _, x := range s.Unfinished {
		if x.Command != "hakube repair" || x.Or != "hakube down" {
			t.Errorf("status names %q, or %q: %s", x.Command, x.Or, x.Step)
		}
	}
	c.must(c.follow(c.o, "hakube repair"))
	if s, err = c.o.Status(context.Background()); err != nil || len(s.Unfinished) > 0 || len(s.Masters) != 2 {
		t.Errorf("after repair: %v, unfinished %+v, masters %+v", err, s.Unfinished, s.Masters)
	}
}

// TestRepairedLikeTheOthers: whoever repairs may have other variables than whoever made
// the masters.
func TestRepairedLikeTheOthers(t *testing.T) {
	long(t, "TestRepairAll")
	besideOthers(t)
	c := newSick(t, 3)
	c.deleteMachine(2)
	c.deleteDisk(2)
	o := c.o.again(func(s *settings.Settings) {
		s.MasterDiskSize, s.MasterDiskType, s.MasterRootSize, s.MasterSize = 50, "pd-standard", 60, "e2-standard-8"
	})
	c.must(c.follow(o, "hakube repair "+c.names[2]))
	ctx, disks := context.Background(), c.Client.Disks(c.zones[2])
	data, err := disks.Get(ctx, c.names[2]+"-pd")
	c.must(err)
	boot, err := disks.Get(ctx, c.names[2])
	c.must(err)
	i, err := c.Client.Instances(c.zones[2]).Get(ctx, c.names[2])
	c.must(err)
	got := fmt.Sprintf("%d GB %s, %d GB, %s", data.GetSizeGb(), gce.Base(data.GetType()), boot.GetSizeGb(), gce.Base(i.GetMachineType()))
	if want := "20 GB pd-ssd, 20 GB, e2-standard-2"; got != want {
		t.Errorf("the master was made again with %s; the others have %s", got, want)
	}
}
