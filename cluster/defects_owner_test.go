package cluster

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/compute/apiv1/computepb"

	"hakube/cluster/settings"
)

// ownerDefects are about whose something is: a mode's, a cluster's, somebody
// else's.
var ownerDefects = []defect{
	{name: "D10_pool_leaves_the_zones_master", test: func(t *testing.T) {
		w := newWorld(t)
		o := w.operator()
		w.mustUp(o)
		made := w.changes()
		w.mustDown(o.pool(zoneB, 2))
		if list := strings.Join(made(), ", "); list != "DELETE instanceGroupManagers/kubernetes-minion-group" {
			t.Errorf("changed: %s", list)
		}
		if s := w.mustUp(o.again(func(s *settings.Settings) { s.CreateNodes = false })); len(s.Evidence.Nodes) != 1 {
			t.Errorf("nodes %+v", s.Evidence.Nodes)
		}
	}},
	{name: "D11_last_master_stays", test: func(t *testing.T) {
		w := newWorld(t)
		o := w.operator()
		w.mustUp(o)
		w.mustUp(o.pool(zoneC, 1))
		w.unchanged(func() {
			_, err := o.replica(zoneB).Down(context.Background(), nil)
			wantError(t, err, "kubernetes-master is the last master", "remove the whole cluster:\n\thakube down")
			_, err = o.Down(context.Background(), nil) // nor does all of it go while nodes are elsewhere
			wantError(t, err, "is also in europe-west1-c")
		})
	}},
	{name: "D12_masters_are_found_wherever_they_are", test: func(t *testing.T) {
		w, _ := newModelWorld(t)
		o := w.operator()
		w.mustUp(o)
		c := w.mustUp(o.replica(zoneC)).Replica
		w.mustDown(o.replica(zoneB)) // the one whose name has no suffix
		if s := w.mustUp(o.pool(zoneD, 1)); nodesByZone(s)[zoneD] != 1 {
			t.Errorf("nodes %+v", s.Evidence.Nodes)
		}
		w.wantRings(o, c)
		w.unchanged(func() { // who is not let in is told so, and takes nothing for an answer
			_, err := w.operator().replica(zoneD).Up(context.Background(), nil)
			wantError(t, err, "no master tells who is in etcd ring main", "does not accept the ssh key")
		})
	}},
	{name: "D13_lookalikes_are_no_masters", test: func(t *testing.T) {
		w, _ := newModelWorld(t)
		o := w.operator()
		w.mustUp(o)
		w.lookalikes()
		w.unchanged(func() {
			_, err := o.replica(zoneB).Down(context.Background(), nil) // kube-up counts three
			wantError(t, err, "kubernetes-master is the last master")
		})
		c := w.mustUp(o.replica(zoneC)).Replica
		w.wantRings(o, "kubernetes-master", c)
		w.mustDown(o.replica(zoneC)) // kube-up: not the second last, so the balancer stays
		if h, err := o.runFor(settings.Up, hold{}).Holder(context.Background()); err != nil || h.Machine != "kubernetes-master" {
			t.Errorf("the address is held by %+v, %v", h, err)
		}
	}},
	{name: "D14_longer_prefix_is_another_cluster", test: func(t *testing.T) {
		w := newWorld(t)
		staging := w.operator(func(s *settings.Settings) {
			s.Prefix, s.Network = "staging-kubernetes", "staging"
		})
		w.mustUp(staging)
		before := w.objects()
		o := w.operator()
		w.mustUp(o)
		if err := w.Client.InstanceGroupManagers(zoneB).Resize(context.Background(), "staging-kubernetes-minion-group", 3); err != nil {
			t.Fatal(err)
		}
		w.mustUp(staging.again(func(s *settings.Settings) { s.NumNodes = 2 }))
		w.mustDown(o)
		after := w.objects()
		for path := range before {
			if after[path] == nil && !strings.Contains(path, "/kubernetes-minion-group-") && !strings.Contains(path, "staging-kubernetes-minion-group-") {
				t.Errorf("%s went with the other cluster", path)
			}
		}
		if got := w.mustUp(staging); len(got.Evidence.Nodes) != 3 {
			t.Errorf("nodes %+v", got.Evidence.Nodes)
		}
	}},
	{name: "D18_nothing_left_is_nothing_to_wait_for", test: func(t *testing.T) {
		w := newWorld(t)
		o := w.operator()
		w.mustUp(o)
		w.lookalikes()
		w.mustUp(o) // they are no masters that would have to be nodes
		began := time.Now()
		s := w.mustDown(o)
		if took := time.Since(began); len(s.Left) > 0 || took > 20*time.Second {
			t.Errorf("left are %q, after %s", s.Left, took)
		}
		if s := w.mustDown(o); !s.Nothing {
			t.Errorf("there is nothing of the cluster, but %+v", s)
		}
	}},
	{name: "D32b_rules_of_a_shared_network_stay", test: func(t *testing.T) {
		w := newWorld(t)
		o := w.operator() // its network, in which another cluster settles
		w.mustUp(o)
		guest := w.operator(func(s *settings.Settings) {
			s.Prefix = "guest"
			mustDecode(t, &s.NodeRange, "10.44.0.0/22")
			mustDecode(t, &s.ClusterRange, "10.128.0.0/14")
			mustDecode(t, &s.ServiceRange, "10.1.0.0/16")
		})
		w.mustUp(guest)
		shared := func(when string) {
			t.Helper()
			for _, rule := range []string{"default-default-ssh", "guest-default-internal-node"} {
				if _, err := w.Client.Firewalls().Get(context.Background(), rule); err != nil {
					t.Errorf("%s: %v", when, err)
				}
			}
		}
		_, err := o.Down(context.Background(), nil)
		wantError(t, err, "KUBE_DELETE_NETWORK=false")
		shared("after down of the network's maker")
		w.mustDown(o.again(func(s *settings.Settings) { s.DeleteNetwork = false }))
		shared("after down without the network")
		w.mustUp(guest)
	}},
}

// lookalikes are machines with names that kube-up took for masters of kubernetes,
// in its zone. They are there still when the test ends.
func (w *world) lookalikes() {
	w.t.Helper()
	ctx, instances := context.Background(), w.Client.Instances(zoneB)
	if err := errors.Join(
		w.Client.Networks().Insert(ctx, &computepb.Network{Name: new("theirs"), AutoCreateSubnetworks: new(false)}),
		w.Client.Subnetworks().Insert(ctx, &computepb.Subnetwork{
			Name: new("theirs"), Network: new("projects/local/global/networks/theirs"), IpCidrRange: new("10.200.0.0/24"),
		}),
	); err != nil {
		w.t.Fatal(err)
	}
	names := []string{"kubernetes-master2", "kubernetes-master-backup"}
	w.t.Cleanup(func() {
		for _, name := range names {
			if i, err := instances.Get(ctx, name); err != nil || i.GetStatus() != "RUNNING" {
				w.t.Errorf("%s is %s, %v", name, i.GetStatus(), err)
			}
		}
	})
	for _, name := range names {
		if err := instances.Insert(ctx, &computepb.Instance{
			Name: &name, MachineType: new("zones/" + zoneB + "/machineTypes/e2-standard-2"),
			Disks: []*computepb.AttachedDisk{{Boot: new(true), AutoDelete: new(true),
				InitializeParams: &computepb.AttachedDiskInitializeParams{SourceImage: new("projects/debian-cloud/global/images/family/debian-12")}}},
			NetworkInterfaces: []*computepb.NetworkInterface{{
				Network:    new("projects/local/global/networks/theirs"),
				Subnetwork: new("projects/local/regions/europe-west1/subnetworks/theirs"),
			}},
			Metadata: &computepb.Metadata{Items: []*computepb.Items{{Key: new("enable-guest-attributes"), Value: new("TRUE")}}},
		}); err != nil {
			w.t.Fatal(err)
		}
	}
}
