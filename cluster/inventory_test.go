package cluster

import (
	"context"
	"errors"
	"strings"
	"testing"

	"cloud.google.com/go/compute/apiv1/computepb"
	"github.com/google/go-cmp/cmp"

	"hakube/cluster/refusal"
	"hakube/cluster/settings"
	"hakube/scripts/cure"
)

// grown is a cluster of three zones, as the walkthrough leaves it.
func grown() *inventory {
	v := &inventory{}
	for _, z := range []string{"europe-west1-b", "europe-west1-c", "europe-west1-d"} {
		master := "kubernetes-master"
		if z != "europe-west1-b" {
			master += "-" + z[len(z)-1:] + "01"
		}
		v.objects = append(v.objects,
			object{kind: kindInstance, name: master, zone: z, role: roleMaster},
			object{kind: kindDisk, name: master + "-pd", zone: z, role: roleMasterDisk, used: true},
			object{kind: kindDisk, name: master, zone: z, role: roleBootDisk, used: true},
			object{kind: kindGroup, name: "kubernetes-minion-group", zone: z, role: roleGroup},
			object{kind: kindInstance, name: "kubernetes-minion-group-" + z[len(z)-1:], zone: z, role: roleNode})
	}
	return v
}

func SpecOf(zone settings.Zone) *settings.Spec {
	s := settings.SpecOf(settings.Settings{Zone: zone, Project: "p", Prefix: "kubernetes"}, settings.Operator{Kubeconfig: "/none"})
	return &s
}

func TestAllHere(t *testing.T) {
	for _, zone := range []settings.Zone{"europe-west1-b", "europe-west1-c", "us-east1-b"} {
		err := grown().allHere(SpecOf(zone))
		var no *refusal.Refused
		if !errors.As(err, &no) {
			t.Errorf("%s: %v", zone, err)
			continue
		}
		// Replicas, pools, and the first master's zone last, whichever was named.
		want := cure.Hints(cure.Hint("run, in this order",
			cure.RemoveMaster("europe-west1-c", "kubernetes-master-c01"), cure.RemoveMaster("europe-west1-d", "kubernetes-master-d01"),
			cure.RemovePool("europe-west1-c"), cure.RemovePool("europe-west1-d"), cure.DownIn("europe-west1-b")),
			cure.Hint("or remove all of it at once", cure.Down()))
		if diff := cmp.Diff(want, no.Hint()); diff != "" {
			t.Errorf("%s: (-want +got):\n%s", zone, diff)
		}
	}
	if err := grown().allHere(SpecOf("")); err != nil {
		t.Errorf("without a zone: %v", err)
	}
}

// TestCommandsOfOrphans: a zone's pool is one command, whatever is left of it.
func TestCommandsOfOrphans(t *testing.T) {
	v := &inventory{objects: []object{
		{kind: kindInstance, name: "kubernetes-master", zone: "europe-west1-b", role: roleMaster},
		{kind: kindGroup, name: "kubernetes-minion-group", zone: "europe-west1-c", role: roleGroup},
		{kind: kindGroup, name: "kubernetes-minion-group-1", zone: "europe-west1-c", role: roleGroup},
		{kind: kindInstance, name: "kubernetes-minion-group-x1y2", zone: "europe-west1-d", role: roleNode},
	}}
	want := []cure.Command{cure.RemovePool("europe-west1-c"), cure.RemovePool("europe-west1-d"), cure.DownIn("europe-west1-b")}
	if diff := cmp.Diff(want, v.commands(SpecOf("europe-west1-b")), cmp.AllowUnexported(cure.Command{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestOf: what goes with its machine or its group is not removed by itself.
func TestOf(t *testing.T) {
	v := grown()
	v.objects = append(v.objects,
		object{kind: kindDisk, name: "left", zone: "europe-west1-b", role: roleBootDisk},
		object{kind: kindInstance, name: "left", zone: "europe-west1-f", role: roleNode})
	names := func(k kind) (list []string) {
		for _, o := range v.of(k) {
			list = append(list, o.name)
		}
		return list
	}
	if diff := cmp.Diff([]string{"kubernetes-master", "kubernetes-master-c01", "kubernetes-master-d01", "left"}, names(kindInstance)); diff != "" {
		t.Errorf("machines (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"kubernetes-master-pd", "kubernetes-master-c01-pd", "kubernetes-master-d01-pd", "left"}, names(kindDisk)); diff != "" {
		t.Errorf("disks (-want +got):\n%s", diff)
	}
}

func TestLivesHere(t *testing.T) {
	disk := object{kind: kindDisk, name: "kubernetes-master-pd", zone: "europe-west1-b"}
	group := object{kind: kindGroup, name: "kubernetes-minion-group", zone: "europe-west1-b"}
	tests := []struct {
		name string
		v    inventory
		zone settings.Zone
		want string // in the error; "" for none
	}{
		{"nothing yet", inventory{}, "europe-west1-b", ""},
		{"here", inventory{objects: []object{disk, group}}, "europe-west1-b", ""},
		{"a disk elsewhere", inventory{objects: []object{disk}}, "europe-west1-c", "lives in zone europe-west1-b, not in europe-west1-c"},
		{"a group elsewhere", inventory{objects: []object{group}}, "europe-west1-c", "lives in zone europe-west1-b, not in europe-west1-c"},
		{"another region", inventory{objects: []object{disk}}, "us-east1-b", "all its zones are of region europe-west1, and us-east1-b is not"},
		{"only a subnetwork", inventory{subnetRegion: "europe-west1"}, "us-east1-b", "was begun in region europe-west1"},
		{"a subnetwork here", inventory{subnetRegion: "europe-west1"}, "europe-west1-c", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.v.livesHere(SpecOf(tt.zone))
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
}

// TestOrphanAddress: with nothing else left, every region is asked.
func TestOrphanAddress(t *testing.T) {
	w := newWorld(t)
	before := w.objects()
	mark := settings.Mark{Project: "local", Cluster: "kubernetes"}
	if err := w.Client.Addresses().Insert(context.Background(), &computepb.Address{
		Name: new("kubernetes-master-ip"), Description: new(mark.For(roleAddress)),
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
