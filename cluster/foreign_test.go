package cluster

import (
	"context"
	"testing"

	"cloud.google.com/go/compute/apiv1/computepb"
	"github.com/google/go-cmp/cmp"

	"hakube/cluster/inventory"
	"hakube/cluster/settings"
)

// TestOrphanAddress: with nothing else left, every region is asked.
func TestOrphanAddress(t *testing.T) {
	w := newWorld(t)
	before := w.objects()
	mark := settings.Mark{Project: "local", Cluster: "kubernetes"}
	if err := w.Client.Addresses().Insert(context.Background(), &computepb.Address{
		Name: new("kubernetes-master-ip"), Description: new(mark.For(inventory.RoleAddress)),
	}); err != nil {
		t.Fatal(err)
	}
	// The operator's client is of a region that has nothing.
	o := w.operator(func(s *settings.Settings) { s.Zone = "us-east1-b" }).again(func(s *settings.Settings) { s.Zone = "" })
	w.mustDown(o)
	if diff := cmp.Diff(before, w.objects()); diff != "" {
		t.Errorf("objects after down (-before +after):\n%s", diff)
	}
}
