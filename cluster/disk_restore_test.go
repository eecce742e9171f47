package cluster

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"hakube/cluster/plan"
	"hakube/cluster/refusal"
	"hakube/cluster/repair"
	"hakube/cluster/settings"
	"hakube/replicate"
)

// copyDisk makes a snapshot of a master's data disk, by hand.
func (c *sickCluster) copyDisk(i int, name string) {
	c.t.Helper()
	c.post("zones/"+c.zones[i]+"/disks/"+c.names[i]+"-pd/createSnapshot", doc{"name": name})
}

// loseDisk deletes a master's data disk, and the machine that has it.
func (c *sickCluster) loseDisk(i int) { c.deleteMachine(i); c.deleteDisk(i) }

// TestRestoreDisk: where all disks of masters that could agree are lost, one that is made of a
// snapshot brings the cluster back as it was then, at the same address, with revisions beyond
// all that anybody has seen; the other masters are given up and can be added again.
func TestRestoreDisk(t *testing.T) {
	long(t, "TestRestore")
	besideOthers(t)
	for name, x := range map[string]struct {
		masters, of int // whose disk the snapshot is of
		happen      func(*sickCluster)
	}{
		"the only master":                     {1, 0, func(c *sickCluster) { c.loseDisk(0) }},
		"all of three, of a replica":          {3, 1, func(c *sickCluster) { c.loseDisk(0); c.loseDisk(1); c.loseDisk(2) }},
		"the machine stays, without its disk": {1, 0, func(c *sickCluster) { c.must(c.guest(0).LoseDataDisk()); c.loseDisk(0) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, _ := newModelWorld(t)
			c := sickOf(t, w, x.masters)
			c.copyDisk(x.of, "copy")
			c.makeConfigMap("written-since")
			before := c.answers()[c.names[x.of]]
			s, err := c.o.Status(context.Background())
			c.must(err)
			ip := s.Address.IP
			c.mustUp(c.o.again(func(s *settings.Settings) { s.DiskSnapshots = settings.Hourly }))
			x.happen(c)
			if s, err := c.o.Status(context.Background()); err != nil || len(s.Unfinished) == 0 || s.Unfinished[0].Command != "hakube restore snapshot://copy" {
				t.Errorf("status names %+v, %v", s.Unfinished, err)
			}
			var no *refusal.Refused
			if _, err := c.o.Repair(context.Background(), "", nil); !errors.As(err, &no) || !strings.Contains(no.Cure, "hakube restore snapshot://copy") {
				t.Errorf("repair: %v", err)
			}
			var told repair.Loss
			nobody := c.o.again(func(s *settings.Settings) { s.Zone = "" })
			done, err := nobody.RestoreDisk(context.Background(), "copy", c.events(), func(l repair.Loss) error { told = l; return nil })
			if err != nil {
				t.Fatal(err)
			}
			if len(done.Warnings) > 0 || !slices.Equal(done.Repaired, []string{c.names[x.of]}) || done.Address != ip || !strings.Contains(strings.Join(told.Lines, "\n"), "what was written since is lost") {
				t.Errorf("it ends with %+v, told was %q", done, told.Lines)
			}
			of := c.names[x.of]
			c.names, c.zones = []string{of}, c.zones[x.of:x.of+1]
			c.whole(1)
			if _, err := c.configMaps().Get(context.Background(), "written-since", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
				t.Errorf("what was written since the snapshot: %v", err)
			}
			for _, ring := range []string{replicate.RingMain, replicate.RingEvents} {
				if is := c.answers()[of][ring].Revision; is < before[ring].Revision+1_000_000 {
					t.Errorf("ring %s is at revision %d, it was at %d before", ring, is, before[ring].Revision)
				}
			}
			if s, err := c.o.Status(context.Background()); err != nil || len(s.Unfinished) > 0 {
				t.Errorf("status: %+v, %v", s, err)
			}
			c.mustDown(c.o.again(func(s *settings.Settings) { s.Zone = "" }))
		})
	}
}

// A restore of a snapshot that may not be is refused before anything is changed.
func TestRestoreDiskIsRefused(t *testing.T) {
	besideOthers(t)
	w := newWorld(t)
	c := sickOf(t, w, 3)
	c.copyDisk(0, "copy")
	w.post(inZone+"disks", doc{"name": "other", "sizeGb": "10"})
	w.post(inZone+"disks/other/createSnapshot", doc{"name": "of-another"})
	refused := func(snapshot, want string) {
		t.Helper()
		before := w.objects()
		_, err := c.o.RestoreDisk(context.Background(), snapshot, nil, func(repair.Loss) error { return errors.New("asked") })
		if err == nil || !errors.As(err, new(*Unchanged)) || !strings.Contains(err.Error(), want) {
			t.Errorf("of %s: %v, want %q", snapshot, err, want)
		}
		if after := w.objects(); len(after) != len(before) {
			t.Errorf("of %s: refused, and there are %d objects, before %d", snapshot, len(after), len(before))
		}
	}
	refused("copy", "both rings have quorum: nothing need be lost")
	refused("none", "snapshot none")
	refused("of-another", "is of disk other, which is no data disk of a master of cluster kubernetes")
	c.loseDisk(1)
	c.loseDisk(2)
	refused("copy", "kubernetes-master in europe-west1-b has a data disk, which may hold more than the snapshot does")
	c.loseDisk(0)
	refused("copy", "asked")
}

// copied is a cluster of which a master's data disk was copied before something happens to it.
func copied(of int, happen func(*sickCluster)) func(*sickCluster) {
	return func(c *sickCluster) {
		c.copyDisk(of, "copy")
		happen(c)
	}
}

func fromDisk(ctx context.Context, c *sickCluster, report func(plan.Event)) error {
	_, err := c.o.again(func(s *settings.Settings) { s.Zone = "" }).RestoreDisk(ctx, "copy", report, agreed)
	return err
}
