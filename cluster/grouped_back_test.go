package cluster

import (
	"context"
	"slices"
	"strings"
	"testing"

	"cloud.google.com/go/compute/apiv1/computepb"

	"hakube/cluster/inventory"
	"hakube/cluster/plan"
	"hakube/cluster/settings"
	"hakube/cluster/status"
	"hakube/gce"
	"hakube/scripts"
)

// TestGroupedUpgrade: masters in groups come to another version one after the other, and what
// their groups make again afterwards is of that one.
func TestGroupedUpgrade(t *testing.T) {
	long(t, "TestUpgrade")
	besideOthers(t)
	w, _ := newModelWorld(t)
	c := sickOf(t, w, 3, fromMirror)
	c.mustUp(c.o.saysGroups(true))
	newer := c.o.to("v1.36.4")
	s, err := newer.Upgrade().Roll(t.Context(), false, c.events())
	c.must(err)
	if len(s.Rolled) != 3 {
		t.Errorf("it ends with %+v", s)
	}
	ofNewer := func() {
		t.Helper()
		c.whole(3)
		c.allGrouped(c.o, 3)
		for name, v := range c.versions(c.o) {
			if v != "v1.36.4" {
				t.Errorf("%s is of %s", name, v)
			}
		}
	}
	ofNewer()
	c.upgraded(newer)
	before := c.ids()
	c.must(c.Client.Instances(c.zones[1]).Delete(t.Context(), c.names[1]))
	c.backAgain(1, before)
	ofNewer()
	m, err := c.Client.Instances(c.zones[1]).Get(t.Context(), c.names[1])
	c.must(err)
	if v := inventory.MetadataItem(m.GetMetadata(), scripts.KeyKubeVersion); v != "v1.36.4" {
		t.Errorf("the machine that its group has made is told to be of %s", v)
	}
	nothingToDo(t, c.world, newer)
}

// fromBalancer takes a master's group out of the balancer by hand.
func (c *sickCluster) fromBalancer(i int) error {
	services := c.Client.BackendServices()
	x, err := services.Get(context.Background(), "kubernetes-master")
	if err != nil {
		return err
	}
	x.Backends = slices.DeleteFunc(x.GetBackends(), func(b *computepb.Backend) bool {
		return strings.HasSuffix(b.GetGroup(), "/zones/"+c.zones[i]+"/instanceGroups/"+c.names[i])
	})
	return services.SetBackends(context.Background(), x)
}

// TestGroupedRestore: back to a backup, what was lost or not: the master that is left, or made
// anew, is in a group as before, which looks after it, and nothing of the others is left.
func TestGroupedRestore(t *testing.T) {
	long(t, "TestGrouped")
	besideOthers(t)
	for name, happen := range map[string]func(*sickCluster){
		"an operator's error": func(*sickCluster) {},
		"machines and disks": func(c *sickCluster) {
			for i := range c.names {
				c.must(c.told(i, inventory.DoNothing))
				c.must(c.Client.Instances(c.zones[i]).Delete(context.Background(), c.names[i]))
				c.deleteDisk(i)
				c.must(c.told(i, "REPAIR"))
			}
		},
		"groups, machines and disks": func(c *sickCluster) {
			for i := range c.names {
				c.must(c.fromBalancer(i))
				c.must(c.Client.InstanceGroupManagers(c.zones[i]).Delete(context.Background(), c.names[i]))
				c.deleteDisk(i)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, _ := newModelWorld(t)
			c := sickOf(t, w, 3)
			c.mustUp(c.o.saysGroups(true))
			k := keeperOf(t, c.o)
			path, record := k.backup(t, "b")
			c.makeConfigMap("written-since")
			happen(c)
			nobody := c.o.again(func(s *settings.Settings) { s.Zone = "" })
			s, err := nobody.Restore(context.Background(), k.source(t, path), c.events(), agreed)
			if err != nil {
				t.Fatal(err)
			}
			c.restoredOnly(s.Repaired[0], record)
			c.allGrouped(c.o, 1)
			nothingToDo(t, c.world, c.o)
			before := c.ids()
			c.must(c.Client.Instances(c.zones[0]).Delete(t.Context(), c.names[0]))
			c.backAgain(0, before)
			c.whole(1)
			c.mustUp(c.o.replica(zoneC))
			c.allGrouped(c.o, 2)
			if st, err := c.o.Status(t.Context()); err != nil || st.Address.Holder != status.HolderBalancer {
				t.Errorf("the address: %+v, %v", st.Address, err)
			}
			c.mustDown(nobody)
			for path := range c.objects() {
				t.Errorf("%s is left", path)
			}
		})
	}
}

// TestGroupedGivenUp: masters that are given up have no machine for the moment, and groups that
// could make them again at any time, with the votes of the old rings: they go before the
// survivor's rings are its own.
func TestGroupedGivenUp(t *testing.T) {
	long(t, "TestGrouped")
	besideOthers(t)
	c := newSick(t, 3)
	c.mustUp(c.o.saysGroups(true))
	for i := range 2 {
		c.must(c.told(i+1, inventory.DoNothing))
		c.must(c.Client.Instances(c.zones[i+1]).Delete(t.Context(), c.names[i+1]))
	}
	alone, watch := 0, c.events()
	_, err := c.o.FromSurvivor(t.Context(), c.names[0], func(e plan.Event) {
		watch(e)
		if e.Kind != plan.Making || !strings.HasSuffix(e.Step, " alone") {
			return
		}
		alone++
		for i := range 2 {
			if _, err := c.Client.InstanceGroupManagers(c.zones[i+1]).Get(context.Background(), c.names[i+1]); !gce.IsNotFound(err) {
				t.Errorf("%s: the group of %s is there: %v", e.Step, c.names[i+1], err)
			}
		}
	}, agreed)
	c.must(err)
	if alone == 0 {
		t.Error("no ring was made the survivor's own")
	}
	c.names, c.zones = c.names[:1], c.zones[:1]
	c.whole(1)
	c.allGrouped(c.o, 1)
	nothingToDo(t, c.world, c.o)
	c.mustDown(c.o.again(func(s *settings.Settings) { s.Zone = "" }))
}

// TestGroupedLostAndDown: a cluster of which a master's machine and disk are lost, which its
// group tries to make again, goes as a whole, with the addresses that were kept for it.
func TestGroupedLostAndDown(t *testing.T) {
	long(t, "TestGrouped")
	besideOthers(t)
	c := newSick(t, 3)
	c.mustUp(c.o.saysGroups(true))
	c.must(c.told(2, inventory.DoNothing))
	c.must(c.Client.Instances(c.zones[2]).Delete(t.Context(), c.names[2]))
	c.deleteDisk(2)
	c.must(c.told(2, "REPAIR"))
	c.mustDown(c.o.again(func(s *settings.Settings) { s.Zone = "" }))
	for path := range c.objects() {
		t.Errorf("%s is left", path)
	}
}
