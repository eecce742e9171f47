package emulator

import (
	"context"
	"net/netip"
	"path/filepath"
	"testing"
	"time"
)

// TestThousandMachines holds a group of 1,000 to times that only something
// quadratic would miss.
func TestThousandMachines(t *testing.T) {
	if testing.Short() {
		t.Skip("makes 1,000 instances")
	}
	w := newWorld(t, func(o *Options) { o.External = netip.MustParsePrefix("198.18.0.0/15") })
	w.subnet()
	w.made("POST", regionW+"subnetworks", obj{"name": "big", "network": "default", "ipCidrRange": "10.48.0.0/16",
		"secondaryIpRanges": []any{obj{"rangeName": "pods-default", "ipCidrRange": "10.68.0.0/14"}}})
	props := instance("x", obj{"machineType": "n1-standard-1"})
	delete(props, "name")
	props["networkInterfaces"].([]any)[0].(obj)["subnetwork"] = regionW + "subnetworks/big"
	w.made("POST", "projects/p/global/instanceTemplates", obj{"name": "tmpl", "properties": props})
	begun := time.Now()
	w.made("POST", zoneB+"instanceGroupManagers", obj{"name": "g", "targetSize": 1000, "instanceTemplate": "global/instanceTemplates/tmpl"})
	w.stable("g", 1000)
	t.Logf("made in %v with %d syncs", time.Since(begun), w.backend.syncs)
	begun = time.Now()
	if n := len(objects(sub(sub(w.get("projects/p/aggregated/instances?maxResults=500"), "items"), "zones/europe-west1-b"), "instances")); n != 500 {
		t.Errorf("a page of %d", n)
	}
	t.Logf("a page in %v", time.Since(begun))
	begun = time.Now()
	if err := w.s.network.apply(context.Background()); err != nil {
		t.Fatal(err)
	}
	t.Logf("a sync in %v", time.Since(begun))
	if d := time.Since(begun); d > 2*time.Second {
		t.Errorf("a sync took %v", d)
	}
	begun = time.Now()
	w.made("DELETE", zoneB+"instanceGroupManagers/g", nil)
	t.Logf("deleted in %v", time.Since(begun))
}

func BenchmarkDurableChange(b *testing.B) {
	s, err := New(Options{Path: filepath.Join(b.TempDir(), "gce.db")})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	for b.Loop() {
		if err := s.store.update(func(t *tx) error { t.turn("x"); return nil }); err != nil {
			b.Fatal(err)
		}
	}
}
