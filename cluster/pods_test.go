package cluster

import (
	"slices"
	"strings"
	"testing"

	"hakube/gce"
)

// TestKeptPods: validate looks whether each machine, master or node, leaves what is sent
// to its pods to them, and names the one that does not, with what ends it.
func TestKeptPods(t *testing.T) {
	w, models := newModelWorld(t)
	o := w.operator()
	w.mustUp(o)
	v, err := o.Validate(t.Context())
	if err != nil || !v.Valid {
		t.Fatalf("a new cluster is not valid: %v, %v", v, err)
	}
	list, err := w.Client.Instances(zoneB).List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(list) != 3 {
		t.Fatalf("%d machines", len(list))
	}
	for _, m := range list {
		pods := m.GetNetworkInterfaces()[0].GetAliasIpRanges()[0].GetIpCidrRange()
		models.KeepPods(pods)
		v, err := o.Validate(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(v.Problems, func(p Problem) bool {
			return strings.HasPrefix(p.Why, m.GetName()+" in "+gce.Base(m.GetZone())+" keeps what is sent to its pods ("+pods+")")
		})
		if v.Valid || i < 0 || len(v.Problems) != 1 {
			t.Fatalf("%s keeps %s, and validate says %v", m.GetName(), pods, v.Problems)
		}
		if want := "instances reset " + m.GetName() + " --zone=" + zoneB; !strings.Contains(v.Problems[i].Command, want) {
			t.Errorf("it names %q, not %s", v.Problems[i].Command, want)
		}
	}
	models.KeepPods()
	if v, err := o.Validate(t.Context()); err != nil || !v.Valid {
		t.Errorf("after all is well again: %v, %v", v, err)
	}
}
