package vpc

import (
	"context"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"hakube/gce/emulator"
	"hakube/gce/local/vpc/vpctest"
)

func TestAddressMoves(t *testing.T) {
	w := newBalancedWorld(t)
	balancers := w.n.Balancers
	at := func(m *emulator.Machine) {
		w.n.Balancers = nil
		m.NIC.External = vpctest.VIP
		w.sync(w.n)
	}
	for _, m := range []*emulator.Machine{w.a, w.b, w.c} {
		// As it is for a machine whose address it is: nothing local yet.
		at(m)
		kept := w.call(nil)
		if kept.by != m.Name {
			t.Fatalf("%s answers at the address of %s", kept.by, m.Name)
		}
		moved := func(what string, move func()) {
			t.Helper()
			ctx, stop := context.WithCancel(t.Context())
			var client sync.WaitGroup
			var gap time.Duration
			calls, failed := 0, 0
			client.Go(func() {
				for last, ended := time.Now(), false; !ended; {
					ended = ctx.Err() != nil // once more after the move
					c, err := w.try(nil, soon)
					calls++
					if err != nil {
						failed++
						ended = false
						continue
					}
					_ = c.Close()
					gap, last = max(gap, time.Since(last)), time.Now()
				}
			})
			var stood time.Duration
			client.Go(func() { // what a busy host keeps everybody from is not the move's
				for last := time.Now(); ctx.Err() == nil; last = time.Now() {
					time.Sleep(10 * time.Millisecond)
					stood = max(stood, time.Since(last)-10*time.Millisecond)
				}
			})
			start := time.Now()
			move()
			took := time.Since(start)
			stop()
			client.Wait()
			t.Logf("%s: Sync took %v; %d of %d calls failed, longest time between two answers %v", what,
				took.Round(time.Millisecond), failed, calls, gap.Round(time.Millisecond))
			if gap > 2*time.Second+stood {
				t.Errorf("%s: no answer for %v, and the host stood still for %v", what, gap, stood)
			}
		}
		moved("from "+m.Name+" to the balancer", func() {
			m.NIC.External, w.n.Balancers = netip.MustParseAddr("198.51.100.239"), balancers
			w.sync(w.n)
		})
		if kept.works(soon) {
			t.Error("a connection to the machine outlived its address")
		}
		w.wantHealth("a b c") // the balancer is new: whoever is probed first has all calls until the others are
		w.wantSpread(nil, "a", "b", "c")
		for flow := range w.flows() {
			if !strings.HasPrefix(flow, vpctest.VIP.String()) || strings.HasSuffix(flow, "mark 0") {
				t.Errorf("still remembered: %s", flow)
			}
		}
		kept = w.call(nil)
		moved("from the balancer to "+m.Name, func() { at(m) })
		if kept.works(soon) {
			t.Error("a connection by the balancer outlived it")
		}
		if got := w.spread(nil, 20); got[m.Name] != 20 {
			t.Errorf("after the way back %v answer", got)
		}
		for flow := range w.flows() {
			if strings.HasPrefix(flow, vpctest.VIP.String()) || !strings.HasSuffix(flow, "mark 0") {
				t.Errorf("still remembered: %s", flow)
			}
		}
		if rules, err := w.rules(); err != nil || len(rules) > 0 {
			t.Errorf("ip rules %v, %v", rules, err)
		}
		m.NIC.External = netip.Addr{}
	}
}
