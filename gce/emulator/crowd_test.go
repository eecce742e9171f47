package emulator

import (
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"testing"

	"hakube/gce/emulator/internal/api"
	"hakube/gce/emulator/internal/doc"
	"hakube/gce/emulator/internal/instances"
	"hakube/gce/emulator/internal/store"
)

var errUndone = errors.New("not kept")

// crowd stores n instances, made as an insert makes them but in transactions of many.
func crowd(t testing.TB, st *store.Store, core *api.Server, from, n int) {
	t.Helper()
	const subnet = regionW + "subnetworks/big"
	for done := 0; done < n; {
		err := st.Update(func(x *store.Tx) error {
			for range min(20, n-done) {
				name := fmt.Sprintf("m%05d", from+done)
				o := instance(name, doc.Obj{"machineType": "zones/europe-west1-b/machineTypes/n1-standard-1"})
				o["networkInterfaces"].([]any)[0].(doc.Obj)["subnetwork"] = subnet
				r := doc.RefIn("p", "zones/europe-west1-b", "instances", name)
				made, err := instances.NewInstance(core, x, r, doc.Plain(o).(doc.Obj))
				if err != nil {
					return err
				}
				x.Edit(r)["status"] = "RUNNING"
				for _, d := range made {
					x.Edit(doc.Ref(d.(string)))["status"] = "READY"
				}
				done++
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func spacious(w *world) {
	w.subnet()
	w.made("POST", regionW+"subnetworks", doc.Obj{"name": "big", "network": "default", "ipCidrRange": "10.48.0.0/16",
		"secondaryIpRanges": []any{doc.Obj{"rangeName": "pods-default", "ipCidrRange": "10.192.0.0/11"}}})
}

// TestInsertAmongMany: what an insert costs does not grow with the machines that are
// there, neither when it is accepted nor for the network behind the API. Counted are
// allocations, which each document that is looked at costs.
func TestInsertAmongMany(t *testing.T) {
	w := newWorld(t, func(o *api.Options) { o.External, o.Backend = netip.MustParsePrefix("198.18.0.0/15"), nil })
	spacious(w)
	cost := func() float64 {
		n := 0
		return testing.AllocsPerRun(20, func() {
			n++
			err := w.s.core.Store.Update(func(x *store.Tx) error {
				o := instance("x", doc.Obj{"machineType": "zones/europe-west1-b/machineTypes/n1-standard-1"})
				o["networkInterfaces"].([]any)[0].(doc.Obj)["subnetwork"] = regionW + "subnetworks/big"
				if _, err := instances.NewInstance(w.s.core, x, doc.RefIn("p", "zones/europe-west1-b", "instances", "x"), doc.Plain(o).(doc.Obj)); err != nil {
					return err
				}
				return errUndone
			})
			if !errors.Is(err, errUndone) {
				t.Fatal(err)
			}
		})
	}
	view := newNetworkView()
	look := func() float64 {
		w.s.core.Store.View(view.look)
		return testing.AllocsPerRun(20, func() {
			view.changed([]doc.Ref{doc.RefIn("p", "zones/europe-west1-b", "instances", "m00001")})
			w.s.core.Store.View(view.look)
		})
	}
	crowd(t, w.s.core.Store, w.s.core, 0, 20)
	fewInserts, fewLooks := cost(), look()
	crowd(t, w.s.core.Store, w.s.core, 20, 1000)
	view.changed([]doc.Ref{doc.RefIn("p", "global", "networks", "default")})
	manyInserts, manyLooks := cost(), look()
	if manyInserts > 1.2*fewInserts+20 || manyLooks > 1.2*fewLooks+20 {
		t.Errorf("among 20 machines %.0f allocations to insert and %.0f to look, among 1,020 %.0f and %.0f", fewInserts, fewLooks, manyInserts, manyLooks)
	}
}

// BenchmarkRestart opens what 5,000 machines leave: 2 s are what a restart may take.
func BenchmarkRestart(b *testing.B) {
	path := filepath.Join(b.TempDir(), "gce.db")
	o := api.Options{Path: path, NoSync: true, NoDefaultNetwork: true, External: netip.MustParsePrefix("198.18.0.0/15")}
	s, err := New(o)
	if err != nil {
		b.Fatal(err)
	}
	if _, err := s.Ask("POST", "projects/p/global/networks", doc.Obj{"name": "default", "autoCreateSubnetworks": false}); err != nil {
		b.Fatal(err)
	}
	if _, err := s.Ask("POST", regionW+"subnetworks", doc.Obj{"name": "big", "network": "global/networks/default", "ipCidrRange": "10.48.0.0/16",
		"secondaryIpRanges": []any{doc.Obj{"rangeName": "pods-default", "ipCidrRange": "10.192.0.0/11"}}}); err != nil {
		b.Fatal(err)
	}
	crowd(b, s.core.Store, s.core, 0, 5000)
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		s, err := New(o)
		if err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}
