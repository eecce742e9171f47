package vpc

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"sync/atomic"
	"testing"

	"hakube/gce/emulator"
	"hakube/gce/local/vpc/ruleset"
	"hakube/gce/local/vpc/vpctest"
)

// TestWatched: the machines of a group that nobody sends to are probed at their own
// addresses, as far as the firewall lets Google's probes in, and the verdict changes
// nothing of where packets of balancers go.
func TestWatched(t *testing.T) {
	w := newBalancedWorld(t)
	health := vpctest.Allow("autohealing", "35.191.0.0/16 130.211.0.0/22", "tcp:9090")
	health.TargetTags = []string{"master"}
	w.n.Firewalls = append(w.n.Firewalls, health)
	var well atomic.Bool
	well.Store(true)
	for _, m := range []*emulator.Machine{w.a, w.outcast} { // the second has no tag: its probes are lost
		s := httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			from, _ := netip.ParseAddrPort(r.RemoteAddr)
			if !slices.Contains(ruleset.Probers(true), from.Addr()) || r.Host != m.NIC.Address.String() || !well.Load() {
				rw.WriteHeader(http.StatusInternalServerError)
			}
		}))
		_ = s.Listener.Close()
		s.Listener = w.listen(m, ":9090")
		s.Start()
		t.Cleanup(s.Close)
	}
	check := w.n.Balancers[0].Check
	check.Port, check.Timeout = 9090, check.Interval
	w.n.Watched = []emulator.Balancer{{
		Project: "p", Region: w.n.Balancers[0].Region, Name: "~zone/group", Network: w.a.NIC.Network, Check: check,
		Backends: []emulator.Backends{{Group: "group", Network: w.a.NIC.Network, Machines: []netip.Addr{w.a.NIC.Address, w.outcast.NIC.Address}}},
	}}
	w.sync(w.n)
	verdicts := func(a, outcast bool) func() bool {
		return func() bool {
			found, err := w.Health(w.n.Watched[0])
			is, known := found[w.outcast.NIC.Address]
			return err == nil && found[w.a.NIC.Address] == a && known && is == outcast
		}
	}
	w.until("the machine of the group is well", verdicts(true, false))
	well.Store(false)
	w.until("the machine of the group is ill", verdicts(false, false))
	w.wantHealth("a b c")
	w.n.Watched = nil
	w.sync(w.n)
	if found, err := w.Health(emulator.Balancer{Project: "p", Name: "~zone/group", Network: w.a.NIC.Network}); err != nil || len(found) != 0 {
		t.Errorf("nobody watches, and there are verdicts: %v %v", found, err)
	}
}
