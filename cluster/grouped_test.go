package cluster

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/compute/apiv1/computepb"
	"github.com/google/go-cmp/cmp"

	"hakube/cluster/plan"
	"hakube/cluster/repair"
	"hakube/cluster/settings"
	"hakube/cluster/status"
	"hakube/gce"
)

// saysGroups is the same operator, who says whether masters are to be in groups of their own.
func (o *operator) saysGroups(is settings.Bool) *operator {
	s, _ := o.settings.Saying("HAKUBE_MASTER_GROUPS", settings.BoolText(is))
	c := *o.Cluster
	c.settings = s
	return &operator{Cluster: &c, kubeconfig: o.kubeconfig}
}

// ids are the machines of masters, by name, and their boot disks.
func (c *sickCluster) ids() map[string]uint64 {
	c.t.Helper()
	ids := map[string]uint64{}
	for i, name := range c.names {
		m, err := c.Client.Instances(c.zones[i]).Get(context.Background(), name)
		if !gce.IsNotFound(err) {
			c.must(err)
		}
		if m.GetStatus() == "RUNNING" {
			ids[name] = m.GetId()
		}
	}
	return ids
}

// backAgain waits for the i-th master to have another machine than it had.
func (c *sickCluster) backAgain(i int, before map[string]uint64) {
	c.t.Helper()
	for begin := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		if id := c.ids()[c.names[i]]; id != 0 && id != before[c.names[i]] {
			return
		}
		if time.Since(begin) > 3*time.Minute {
			c.t.Fatalf("%s is not made again", c.names[i])
		}
	}
}

// told tells the group of the i-th master what to do when its machine is gone.
func (c *sickCluster) told(i int, what string) error {
	return c.Client.InstanceGroupManagers(c.zones[i]).Patch(context.Background(), c.names[i], &computepb.InstanceGroupManager{
		InstanceLifecyclePolicy: &computepb.InstanceGroupManagerInstanceLifecyclePolicy{DefaultActionOnFailure: &what},
	})
}

// TestGrouped: masters come into groups one after the other, with their data, names and
// addresses; one whose machine somebody deletes, or that halts, is a voter and behind the
// balancer again with no hakube; they leave their groups the same way, and nothing is left.
func TestGrouped(t *testing.T) {
	besideOthers(t)
	c := newSick(t, 3)
	_, addresses, disks := c.machines()
	on := c.o.saysGroups(true)
	c.unchanged(func() {
		if n, err := on.PreviewRollMasters(t.Context(), false, c.events()); err != nil || n < 15 {
			t.Errorf("plan: %d steps, %v", n, err)
		}
	})
	s, err := on.RollMasters(t.Context(), false, c.events())
	c.must(err)
	if len(s.Rolled) != 3 {
		t.Errorf("made again: %v", s.Rolled)
	}
	c.whole(3)
	c.rolled(on)
	c.rolled(c.o)
	nothingToDo(t, c.world, c.o)
	nothingToDo(t, c.world, on)

	before := c.ids()
	_, inside, _ := c.machines()
	for i, end := range []func(){
		func() { c.must(c.Client.Instances(c.zones[0]).Delete(t.Context(), c.names[0])) },
		func() { c.must(c.Client.Instances(c.zones[1]).Stop(t.Context(), c.names[1])) },
	} {
		end()
		c.backAgain(i, before)
		c.whole(3)
	}
	_, again, same := c.machines()
	if diff := cmp.Diff(disks, same); diff != "" {
		t.Errorf("disks (-before +after):\n%s", diff)
	}
	if diff := cmp.Diff(inside, again); diff != "" {
		t.Errorf("addresses in the network (-before +after):\n%s", diff)
	}
	if diff := cmp.Diff(addresses, again); diff != "" {
		t.Errorf("addresses in the network since it was made (-before +after):\n%s", diff)
	}
	nothingToDo(t, c.world, c.o)

	if s, err = on.saysGroups(false).RollMasters(t.Context(), false, c.events()); err != nil || len(s.Rolled) != 3 {
		t.Fatalf("out of groups: %+v, %v", s, err)
	}
	c.whole(3)
	for path := range c.objects() {
		if strings.Contains(path, "/instanceGroupManagers/kubernetes-master") || strings.Contains(path, "/instanceTemplates/kubernetes-master") {
			t.Errorf("%s is left", path)
		}
	}
	c.rolled(c.o)
	nothingToDo(t, c.world, c.o)
	c.mustDown(c.o.again(func(s *settings.Settings) { s.Zone = "" }))
}

// TestGroupedLifecycle: a cluster of masters in groups grows, loses masters, is repaired and
// goes, and leaves nothing.
func TestGroupedLifecycle(t *testing.T) {
	long(t, "TestGrouped")
	besideOthers(t)
	w, _ := newModelWorld(t)
	before := w.objects()
	o := w.operator(func(s *settings.Settings) { s.NumNodes, s.LoadBalancer = 1, settings.FromStart })
	on := o.saysGroups(true)
	w.mustUp(on)
	w.mustUp(o.replica(zoneC))
	w.mustUp(o.replica(zoneD))
	nothingToDo(t, w, o)
	st, err := o.Status(t.Context())
	if err != nil || len(st.Masters) != 3 || len(st.Balancer.Backends) != 3 {
		t.Fatalf("status: %+v, %v", st, err)
	}
	for path, doc := range w.objects() {
		if strings.Contains(path, "/instances/kubernetes-master") && !slices.Contains(keysOf(doc), "created-by") {
			t.Errorf("%s is in no group: %v", path, keysOf(doc))
		}
	}
	w.mustDown(o.replica(zoneD))
	w.mustDown(o.again(func(s *settings.Settings) { s.Zone = "" }))
	if diff := cmp.Diff(before, w.objects()); diff != "" {
		t.Errorf("objects after down (-before +after):\n%s", diff)
	}
}

// TestGroupedFromSurvivor: quorum is lost for good, and what one master in a group has is gone
// on with; the address stays on the balancer, and its group looks after it again.
func TestGroupedFromSurvivor(t *testing.T) {
	long(t, "TestGrouped")
	besideOthers(t)
	c := newSick(t, 2)
	on := c.o.saysGroups(true)
	if _, err := on.RollMasters(t.Context(), false, c.events()); err != nil {
		t.Fatal(err)
	}
	c.must(c.told(1, "DO_NOTHING"))
	c.must(c.Client.Instances(c.zones[1]).Delete(t.Context(), c.names[1]))
	if _, err := c.o.FromSurvivor(t.Context(), c.names[0], c.events(), func(repair.Loss) error { return nil }); err != nil {
		t.Fatal(err)
	}
	c.whole(1)
	nothingToDo(t, c.world, c.o)
	s, err := c.o.Status(t.Context())
	if err != nil || s.Address.Holder != status.HolderBalancer || len(s.Unfinished) > 0 {
		t.Errorf("status: %+v %+v, %v", s.Address, s.Unfinished, err)
	}
	c.mustDown(c.o.again(func(s *settings.Settings) { s.Zone = "" }))
}

// TestGroupedByUp: up with another value of the setting makes masters again for it, and no
// others; what is refused of that is refused before anything is changed; cut off in between,
// the same up goes on.
func TestGroupedByUp(t *testing.T) {
	long(t, "TestGrouped")
	besideOthers(t)
	c := newSick(t, 3)
	on, off := c.o.saysGroups(true), c.o.saysGroups(false)
	nothingToDo(t, c.world, off)
	if n, err := on.PreviewUp(t.Context(), c.events()); err != nil || n < 15 {
		t.Errorf("plan: %d steps, %v", n, err)
	}
	ctx, cut := context.WithCancel(t.Context())
	_, err := on.Up(ctx, func(e plan.Event) {
		if e.Kind == plan.Making && strings.HasSuffix(e.Step, " is a backend") {
			cut() // one is on its way back
		}
	})
	if err == nil {
		t.Fatal("it was not cut off")
	}
	s := c.mustUp(on)
	if len(s.Rolled) < 2 {
		t.Errorf("made again: %v", s.Rolled)
	}
	c.whole(3)
	nothingToDo(t, c.world, on)
	nothingToDo(t, c.world, c.o)
	if s = c.mustUp(off); len(s.Rolled) != 3 {
		t.Errorf("made again: %v", s.Rolled)
	}
	c.whole(3)
	nothingToDo(t, c.world, c.o)
	c.mustDown(c.o.again(func(s *settings.Settings) { s.Zone = "" }))
}

// keysOf are the keys of a machine's metadata.
func keysOf(doc map[string]any) (keys []string) {
	m, _ := doc["metadata"].(map[string]any)
	items, _ := m["items"].([]any)
	for _, x := range items {
		keys = append(keys, x.(map[string]any)["key"].(string))
	}
	return keys
}
