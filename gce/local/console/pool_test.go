package console

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestPoolIsShown: a balancer with a target pool shows the machines of that, as one
// with a backend service does.
func TestPoolIsShown(t *testing.T) {
	api, _ := world(t)
	const region = "projects/local/regions/europe-west1/"
	change(t, api, region+"targetPools", map[string]any{"name": "pool", "instances": []any{zone + "instances/first"}})
	change(t, api, region+"forwardingRules", map[string]any{"name": "web", "IPProtocol": "TCP", "portRange": "80", "target": region + "targetPools/pool"})
	v := look(api, About{Project: project}, nil)
	if len(v.Balancers) != 1 {
		t.Fatalf("balancers: %+v", v.Balancers)
	}
	b := v.Balancers[0]
	if diff := cmp.Diff([]Backend{{Group: "pool", Zone: "europe-west1-b", Name: "first", Health: "HEALTHY"}}, b.Backends); diff != "" || b.Service != "pool" || b.Ports != "80-80" {
		t.Errorf("shown as %+v: %s", b, diff)
	}
}
