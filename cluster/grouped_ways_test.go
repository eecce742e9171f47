package cluster

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hakube/cluster/inventory"
	"hakube/cluster/settings"
	"hakube/scripts"
)

// TestGroupedTogether: a cluster whose masters all come by one command into groups of their
// own, of which a zone is left.
func TestGroupedTogether(t *testing.T) {
	long(t, "TestGrouped")
	besideOthers(t)
	w, _ := newModelWorld(t)
	before := w.objects()
	o := w.operator(func(s *settings.Settings) { s.NumNodes = 1 })
	all := o.again(func(s *settings.Settings) {
		s.Zones, s.MasterZones = settings.Zones{zoneB}, settings.Zones{zoneB, zoneC, zoneD}
	}).saysGroups(true)
	w.mustUp(all)
	nothingToDo(t, w, all)
	nothingToDo(t, w, o)
	w.allGrouped(o, 3)
	w.evacuate(o, string(zoneC), "")
	w.allGrouped(o, 3)
	w.mustDown(o.again(func(s *settings.Settings) { s.Zone = "" }))
	if diff := cmp.Diff(before, w.objects()); diff != "" {
		t.Errorf("objects after down (-before +after):\n%s", diff)
	}
}

// allGrouped looks that there are that many masters, each looked after and behind the balancer.
func (w *world) allGrouped(o *operator, masters int) {
	w.t.Helper()
	s, err := o.Status(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	if len(s.Masters) != masters || len(s.Balancer.Backends) != masters || len(s.Unfinished) > 0 {
		w.t.Errorf("masters are %+v, backends %+v, unfinished %+v", s.Masters, s.Balancer.Backends, s.Unfinished)
	}
	for _, m := range s.Masters {
		if m.Group != "watches" {
			w.t.Errorf("%s is looked after by: %s", m.Name, m.Group)
		}
	}
}

// TestGroupedRepair: a master in a group whose machine and disk are lost waits for a repair; one
// that its group is told to leave alone is named with the command that ends that, and so is
// one that a repair that was cut has left.
func TestGroupedRepair(t *testing.T) {
	long(t, "TestGrouped")
	besideOthers(t)
	c := newSick(t, 3)
	on := c.o.saysGroups(true)
	c.mustUp(on)
	c.allGrouped(c.o, 3)
	c.must(c.told(2, inventory.DoNothing)) // or it would be around its disk again before that is gone
	c.must(c.Client.Instances(c.zones[2]).Delete(t.Context(), c.names[2]))
	c.deleteDisk(2)
	c.must(c.told(2, "REPAIR"))
	if s, err := c.o.Repair(t.Context(), "", c.events()); err != nil || len(s.Repaired) != 1 {
		t.Fatalf("repair: %+v, %v", s, err)
	}
	c.whole(3)
	c.allGrouped(c.o, 3)
	nothingToDo(t, c.world, c.o)

	c.must(c.told(1, inventory.DoNothing))
	s, err := c.o.Status(t.Context())
	if err != nil || len(s.Unfinished) != 1 || s.Unfinished[0].Command != "hakube repair "+c.names[1] {
		t.Errorf("of one that is left alone: %+v, %v", s.Unfinished, err)
	}
	if _, err := c.o.Repair(t.Context(), c.names[1], c.events()); err != nil {
		t.Fatal(err)
	}
	c.allGrouped(c.o, 3)
	c.rolledAll(on)
}

// rolledAll makes all masters again, in groups as they are.
func (c *sickCluster) rolledAll(o *operator) {
	c.t.Helper()
	s, err := o.RollMasters(c.t.Context(), true, c.events())
	c.must(err)
	if len(s.Rolled) != len(c.names) {
		c.t.Errorf("made again: %v", s.Rolled)
	}
	c.whole(len(c.names))
	c.allGrouped(c.o, len(c.names))
}

// TestGroupedKeys: a machine that a group makes again knows the keys of operators who came
// after its template was made.
func TestGroupedKeys(t *testing.T) {
	long(t, "TestGrouped")
	besideOthers(t)
	c := newSick(t, 2)
	c.mustUp(c.o.saysGroups(true))
	second := c.operator(func(s *settings.Settings) { s.NumNodes = 1 })
	c.mustUp(second)
	keys := func() []string {
		i, err := c.Client.Instances(c.zones[0]).Get(t.Context(), c.names[0])
		c.must(err)
		lines := strings.Split(inventory.MetadataItem(i.GetMetadata(), scripts.KeySSHKeys), "\n")
		slices.Sort(lines)
		return lines
	}
	was, ids := keys(), c.ids()
	if len(was) != 2 {
		t.Errorf("keys are %q", was)
	}
	c.must(c.Client.Instances(c.zones[0]).Delete(t.Context(), c.names[0]))
	c.backAgain(0, ids)
	if now := keys(); !slices.Equal(now, was) {
		t.Errorf("made again it knows %q, knew %q", now, was)
	}
}
