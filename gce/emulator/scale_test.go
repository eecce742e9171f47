package emulator

import (
	"context"
	"net/netip"
	"testing"
	"time"

	"hakube/gce/emulator/internal/api"
	"hakube/gce/emulator/internal/doc"
)

// TestThousandMachines holds a group of 1,000 to times that only something
// quadratic would miss.
func TestThousandMachines(t *testing.T) {
	if testing.Short() {
		t.Skip("makes 1,000 instances")
	}
	w := newWorld(t, func(o *api.Options) { o.External = netip.MustParsePrefix("198.18.0.0/15") })
	w.subnet()
	w.made("POST", regionW+"subnetworks", doc.Obj{"name": "big", "network": "default", "ipCidrRange": "10.48.0.0/16",
		"secondaryIpRanges": []any{doc.Obj{"rangeName": "pods-default", "ipCidrRange": "10.68.0.0/14"}}})
	props := instance("x", doc.Obj{"machineType": "n1-standard-1"})
	delete(props, "name")
	props["networkInterfaces"].([]any)[0].(doc.Obj)["subnetwork"] = regionW + "subnetworks/big"
	w.made("POST", "projects/p/global/instanceTemplates", doc.Obj{"name": "tmpl", "properties": props})
	begun := time.Now()
	w.made("POST", zoneB+"instanceGroupManagers", doc.Obj{"name": "g", "targetSize": 1000, "instanceTemplate": "global/instanceTemplates/tmpl"})
	w.stable("g", 1000)
	t.Logf("made in %v with %d syncs", time.Since(begun), w.backend.syncs)
	begun = time.Now()
	if n := len(doc.Objects(doc.Sub(doc.Sub(w.get("projects/p/aggregated/instances?maxResults=500"), "items"), "zones/europe-west1-b"), "instances")); n != 500 {
		t.Errorf("a page of %d", n)
	}
	t.Logf("a page in %v", time.Since(begun))
	begun = time.Now()
	if err := w.s.core.Net.Apply(context.Background()); err != nil {
		t.Fatal(err)
	}
	t.Logf("a sync in %v", time.Since(begun))
	if d := time.Since(begun); d > 20*time.Second {
		t.Errorf("a sync took %v", d)
	}
	begun = time.Now()
	w.made("DELETE", zoneB+"instanceGroupManagers/g", nil)
	t.Logf("deleted in %v", time.Since(begun))
}
