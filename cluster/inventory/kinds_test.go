package inventory

import (
	"cmp"
	"slices"
	"testing"
)

// TestKinds: a row that lacks something would be found out by a run that cannot list,
// ask for, remove, count or permit objects of its kind. Kinds that hakube makes have all
// of it, and others what is done with them.
func TestKinds(t *testing.T) {
	ours := []Kind{Network, Subnetwork, Firewall, Address, Disk, Instance, InstanceTemplate, ManagedGroup, OwnTemplate, OwnGroup, InstanceGroup, HealthCheck, BackendService, ForwardingRule, ResourcePolicy}
	swept := []Kind{Route, TargetPool, HTTPHealthCheck, Snapshot}
	byList := []Kind{Autoscaler, Peering}                                          // what other kinds' lists say of them is all that is read
	within := map[Kind]Kind{OwnTemplate: InstanceTemplate, OwnGroup: ManagedGroup} // on the list of which kind they are
	seen := map[Kind]bool{}
	for _, r := range rows() {
		if seen[r.kind] {
			t.Errorf("%s has two rows", r.kind)
		}
		seen[r.kind] = true
		makes, calls := slices.Contains(ours, r.kind), slices.Contains(ours, r.kind) || slices.Contains(swept, r.kind)
		switch {
		case !calls && !slices.Contains(byList, r.kind):
			t.Errorf("%s: the test does not know what is done with it", r.kind)
		case calls != ((r.List != nil || within[r.kind] != "") && r.Read != nil && r.Remove != nil), calls && (r.noun == "" || r.segment == ""):
			t.Errorf("%s: %+v", r.kind, r)
		case makes && (len(r.ToMake) == 0 || len(r.ToGo) == 0):
			t.Errorf("%s: nothing is asked for beforehand", r.kind)
		case makes && (len(r.Takes) == 0) != (r.kind == Disk || r.kind == Instance): // these two count by their sizes
			t.Errorf("%s counts in quotas %v", r.kind, r.Takes)
		}
		if r.segment != "" && kindAt(r.segment) != cmp.Or(within[r.kind], r.kind) {
			t.Errorf("%s is in URLs what %s is", r.kind, kindAt(r.segment))
		}
	}
	for _, k := range slices.Concat(ours, swept, byList) {
		if !seen[k] {
			t.Errorf("%s has no row", k)
		}
	}
	for _, k := range RegionalKinds {
		if k.Row().scope != acrossRegion {
			t.Errorf("%s is not regional", k)
		}
	}
	if name := Kind("moon").Row().kind; name != "" {
		t.Errorf("a kind that is none has the row of %s", name)
	}
}
