package inventory

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hakube/cluster/refusal"
	"hakube/cluster/settings"
	"hakube/scripts/cure"
)

// grown is a cluster of three zones, as the walkthrough leaves it.
func grown() *Inventory {
	v := &Inventory{}
	for _, z := range []string{"europe-west1-b", "europe-west1-c", "europe-west1-d"} {
		master := "kubernetes-master"
		if z != "europe-west1-b" {
			master += "-" + z[len(z)-1:] + "01"
		}
		v.Objects = append(v.Objects,
			Object{Kind: Instance, Name: master, Zone: z, Role: RoleMaster},
			Object{Kind: Disk, Name: master + "-pd", Zone: z, Role: RoleMasterDisk, used: true},
			Object{Kind: Disk, Name: master, Zone: z, Role: RoleBootDisk, used: true},
			Object{Kind: ManagedGroup, Name: "kubernetes-minion-group", Zone: z, Role: RoleGroup},
			Object{Kind: Instance, Name: "kubernetes-minion-group-" + z[len(z)-1:], Zone: z, Role: RoleNode})
	}
	return v
}

func SpecOf(zone settings.Zone) *settings.Spec {
	s := settings.SpecOf(settings.Settings{Zone: zone, Project: "p", Prefix: "kubernetes"}, settings.Operator{Kubeconfig: "/none"})
	return &s
}

func TestAllHere(t *testing.T) {
	for _, zone := range []settings.Zone{"europe-west1-b", "europe-west1-c", "us-east1-b"} {
		err := grown().AllHere(SpecOf(zone))
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
	if err := grown().AllHere(SpecOf("")); err != nil {
		t.Errorf("without a zone: %v", err)
	}
}

// TestCommandsOfOrphans: a zone's pool is one command, whatever is left of it.
func TestCommandsOfOrphans(t *testing.T) {
	v := &Inventory{Objects: []Object{
		{Kind: Instance, Name: "kubernetes-master", Zone: "europe-west1-b", Role: RoleMaster},
		{Kind: ManagedGroup, Name: "kubernetes-minion-group", Zone: "europe-west1-c", Role: RoleGroup},
		{Kind: ManagedGroup, Name: "kubernetes-minion-group-1", Zone: "europe-west1-c", Role: RoleGroup},
		{Kind: Instance, Name: "kubernetes-minion-group-x1y2", Zone: "europe-west1-d", Role: RoleNode},
	}}
	want := []cure.Command{cure.RemovePool("europe-west1-c"), cure.RemovePool("europe-west1-d"), cure.DownIn("europe-west1-b")}
	if diff := cmp.Diff(want, v.commands(SpecOf("europe-west1-b")), cmp.AllowUnexported(cure.Command{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestOf: what goes with its machine or its group is not removed by itself.
func TestOf(t *testing.T) {
	v := grown()
	v.Objects = append(v.Objects,
		Object{Kind: Disk, Name: "left", Zone: "europe-west1-b", Role: RoleBootDisk},
		Object{Kind: Instance, Name: "left", Zone: "europe-west1-f", Role: RoleNode})
	names := func(k Kind) (list []string) {
		for _, o := range v.Of(k) {
			list = append(list, o.Name)
		}
		return list
	}
	if diff := cmp.Diff([]string{"kubernetes-master", "kubernetes-master-c01", "kubernetes-master-d01", "left"}, names(Instance)); diff != "" {
		t.Errorf("machines (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"kubernetes-master-pd", "kubernetes-master-c01-pd", "kubernetes-master-d01-pd", "left"}, names(Disk)); diff != "" {
		t.Errorf("disks (-want +got):\n%s", diff)
	}
}

func TestLivesHere(t *testing.T) {
	disk := Object{Kind: Disk, Name: "kubernetes-master-pd", Zone: "europe-west1-b"}
	group := Object{Kind: ManagedGroup, Name: "kubernetes-minion-group", Zone: "europe-west1-b"}
	tests := []struct {
		name string
		v    Inventory
		zone settings.Zone
		want string // in the error; "" for none
	}{
		{"nothing yet", Inventory{}, "europe-west1-b", ""},
		{"here", Inventory{Objects: []Object{disk, group}}, "europe-west1-b", ""},
		{"a disk elsewhere", Inventory{Objects: []Object{disk}}, "europe-west1-c", "lives in zone europe-west1-b, not in europe-west1-c"},
		{"a group elsewhere", Inventory{Objects: []Object{group}}, "europe-west1-c", "lives in zone europe-west1-b, not in europe-west1-c"},
		{"another region", Inventory{Objects: []Object{disk}}, "us-east1-b", "all its zones are of region europe-west1, and us-east1-b is not"},
		{"only a subnetwork", Inventory{SubnetRegion: "europe-west1"}, "us-east1-b", "was begun in region europe-west1"},
		{"a subnetwork here", Inventory{SubnetRegion: "europe-west1"}, "europe-west1-c", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.v.LivesHere(SpecOf(tt.zone))
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
}
