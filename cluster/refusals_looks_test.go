package cluster

import (
	"strings"
	"testing"

	"cloud.google.com/go/compute/apiv1/computepb"
	"github.com/google/go-cmp/cmp"

	"hakube/cluster/env"
	"hakube/cluster/inventory"
	"hakube/cluster/preflight"
	"hakube/cluster/refusal"
	"hakube/cluster/settings"
	"hakube/cluster/step"
	"hakube/cluster/task"
	"hakube/gce/gcetest"
	"hakube/scripts"
)

// TestRefusalsByLooks are refusals of a world that the embedded GCE cannot be
// brought into: what Google answers is judged as it would be read.
func TestRefusalsByLooks(t *testing.T) {
	w := newWorld(t)
	o := w.operator()
	master := inventory.Object{Kind: inventory.Instance, Name: "kubernetes-master", Zone: gcetest.Zone, Role: inventory.RoleMaster}
	deprecated := func(state string) *computepb.DeprecationStatus { return &computepb.DeprecationStatus{State: &state} }
	with := func(f func(*run)) *run {
		r := o.runFor(settings.Up, hold{})
		r.Have = &inventory.Inventory{}
		f(r)
		return r
	}
	for _, tt := range []struct {
		name string
		got  refusal.Blockers
		want string // "" for none
	}{
		{"zone UP", preflight.JudgeZone(&computepb.Zone{Name: new("z"), Status: new("UP")}), ""},
		{"zone DOWN", preflight.JudgeZone(&computepb.Zone{Name: new("z"), Status: new("DOWN")}), `KUBE_GCE_ZONE="z": the zone is DOWN`},
		{"zone given up", preflight.JudgeZone(&computepb.Zone{Name: new("z"), Status: new("UP"), Deprecated: deprecated("OBSOLETE")}), `KUBE_GCE_ZONE="z": the zone is OBSOLETE`},
		{"type deprecated", preflight.JudgeState("NODE_SIZE", "machine type x", deprecated("DEPRECATED")), ""},
		{"type obsolete", preflight.JudgeState("NODE_SIZE", "machine type x", deprecated("OBSOLETE")), "NODE_SIZE: machine type x is OBSOLETE"},
		{"sizes unknown", preflight.JudgeSizes(&computepb.DiskType{}, []preflight.DiskSize{{Variable: "MASTER_DISK_SIZE", Size: 70000}}), ""},
		{"disks of a series", preflight.DisksOfTypes(with(func(r *run) { r.Want.MasterType = "n4-standard-2" }).Env, true, false),
			"MASTER_SIZE=n4-standard-2: machines of series N4 take no disk of type pd-ssd (MASTER_DISK_TYPE)"},
		{"disk without a type", preflight.DisksOfTypes(with(func(r *run) { r.Want.Settings.NodeSize, r.Want.Settings.NodeDiskType = "c3-standard-4", "pd-standard" }).Env, false, true),
			"NODE_SIZE=c3-standard-4: machines of series C3 take no disk of type pd-standard (NODE_DISK_TYPE)"},
		{"disks of another", preflight.DisksOfTypes(with(func(*run) {}).Env, true, true), ""},
		{"suspended", preflight.InTheWayOfMasters(with(func(r *run) {
			r.Have.Objects = []inventory.Object{{Kind: inventory.Instance, Name: master.Name, Zone: master.Zone, Role: inventory.RoleMaster, Status: "SUSPENDED"}}
		}).Task), "kubernetes-master in europe-west1-b is suspended"},
		{"network tier", preflight.ProjectProblems(with(func(r *run) { r.Have.Holder.Tier = "PREMIUM" }).Task, &computepb.Project{DefaultServiceAccount: new("x"), DefaultNetworkTier: new("STANDARD")}, []inventory.Object{master}),
			"address kubernetes-master-ip is of network tier PREMIUM, and the default of project local is STANDARD by now, of which machines and forwarding rules would be made: an address serves its own tier only"},
		{"network tier of before", preflight.ProjectProblems(with(func(r *run) { r.Have.Holder.Tier = "STANDARD" }).Task, &computepb.Project{DefaultServiceAccount: new("x"), DefaultNetworkTier: new("STANDARD")}, []inventory.Object{master}), ""},
		{"default account", preflight.ProjectProblems(with(func(r *run) { r.Want.Settings.MasterAccount = "default" }).Task, &computepb.Project{}, []inventory.Object{master, {Kind: inventory.InstanceTemplate}}),
			"HAKUBE_MASTER_SERVICE_ACCOUNT=default: project local has no default service account; KUBE_GCE_NODE_SERVICE_ACCOUNT=default: project local has no default service account"},
		{"masters without an account", preflight.ProjectProblems(with(func(*run) {}).Task, &computepb.Project{}, []inventory.Object{master}), ""},
		{"default account unused", preflight.ProjectProblems(with(func(*run) {}).Task, &computepb.Project{}, []inventory.Object{{Kind: inventory.Firewall}}), ""},
		{"autoscaler", usersOf(t, func(f *inventory.Collector) {
			f.Take(nil, inventory.Object{Kind: inventory.ManagedGroup, Name: "g", Zone: "z"}, &computepb.InstanceGroupManager{
				Status: &computepb.InstanceGroupManagerStatus{Autoscaler: new("https://x/projects/p/zones/z/autoscalers/a")}})
		}, inventory.Object{Kind: inventory.ManagedGroup, Name: "g", Zone: "z"}), "managed group g in z cannot be removed: autoscaler a in z, which is not this cluster's, uses it"},
		{"peering", usersOf(t, func(f *inventory.Collector) {
			f.Take(nil, inventory.Object{Kind: inventory.Network, Name: "n"}, &computepb.Network{Peerings: []*computepb.NetworkPeering{{Name: new("db")}}})
		}, inventory.Object{Kind: inventory.Network, Name: "n"}), "network n cannot be removed: network peering db, which is not this cluster's, uses it"},
	} {
		if got := strings.Join(whys(t, tt.got.OrNil()), "; "); got != tt.want {
			t.Errorf("%s: (-want +got):\n%s", tt.name, cmp.Diff(tt.want, got))
		}
		for _, x := range tt.got {
			if x.Cure == "" && strings.Contains(tt.name, "in the way") {
				t.Errorf("%s: no cure", tt.name)
			}
		}
	}
	// What hakube itself puts into metadata leaves room for what others add.
	total := 0
	for _, i := range step.MetadataOf(o.want(), scripts.RoleMaster, "192.0.2.1", nil).GetItems() {
		total += len(i.GetValue())
		if len(i.GetValue()) > preflight.MostValue/2 {
			t.Errorf("metadata %s has %d bytes", i.GetKey(), len(i.GetValue()))
		}
	}
	if total > preflight.MostMetadata/2 {
		t.Errorf("metadata of a master has %d bytes", total)
	}
	legacy := step.Networks(o.runFor(settings.Up, hold{}).Task)[0].(step.Resource[*computepb.Network])
	_, err := legacy.Check(&computepb.Network{IPv4Range: new("10.240.0.0/16")})
	wantError(t, err, "is a legacy network", "KUBE_GCE_NETWORK")
}

// usersOf judges the removal of one object by what was read of it.
func usersOf(t *testing.T, read func(*inventory.Collector), gone inventory.Object) refusal.Blockers {
	t.Helper()
	f := &inventory.Collector{}
	read(f)
	r := newRun(&env.Env{}, task.Aim{})
	r.Have = &inventory.Inventory{}
	return preflight.InUse(r.Task, preflight.Holders(r.Task, []inventory.Object{gone}, f.Used))
}
