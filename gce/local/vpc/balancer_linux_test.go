package vpc

import (
	"errors"
	"net"
	"net/netip"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"hakube/gce/emulator"
	"hakube/gce/local/vpc/ruleset"
	"hakube/gce/local/vpc/vpctest"
)

func TestBalancerSpreads(t *testing.T) {
	w := newBalancedWorld(t)
	t.Log("60 connections from the host:", w.spread(nil, 60))
	w.wantSpread(nil, "a", "b", "c")
	w.wantSpread(w.d, "a", "b", "c") // also from another network
	if c := w.call(nil); c.as != w.host.String() {
		t.Errorf("the host is seen as %s", c.as)
	}
	if c := w.call(w.d); c.as != "198.51.100.244" {
		t.Errorf("a machine is seen as %s", c.as)
	}
	w.want(w.outcast, "", vpctest.VIP.String()+":443", "refused") // no external address of its own
	w.want(nil, "", vpctest.VIP.String()+":80", "refused")        // not forwarded
	// Not a way past the firewall, nor to another's address.
	w.n.Firewalls[0].Ranges = []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")}
	w.sync(w.n)
	w.want(nil, "", vpctest.VIP.String()+":443", "lost")
	w.wantSpread(w.d, "a", "b", "c")
	deny := vpctest.Allow("deny", "198.51.100.244/32", "tcp:443")
	deny.Deny, deny.TargetTags, w.b.Tags = true, []string{"second"}, []string{"master", "second"}
	w.n.Firewalls = append(w.n.Firewalls, deny)
	w.sync(w.n)
	reached := map[string]bool{}
	for range 30 {
		c, err := w.try(w.d, 50*time.Millisecond)
		if err == nil {
			reached[c.by] = true
		}
	}
	if reached["b"] || len(reached) == 0 {
		t.Errorf("with a rule against it, reached %v", reached)
	}
	if err := w.inside(w.outcast, func() error { return addLocal(vpctest.VIP) }); err != nil {
		t.Fatal(err)
	}
	w.want(w.outcast, vpctest.VIP.String(), "10.40.0.2:443", "lost")

	w.n.Firewalls = w.n.Firewalls[:2]
	w.n.Firewalls[0].Ranges = []netip.Prefix{ruleset.Whole}
	w.n.Balancers[0].Affinity = "CLIENT_IP"
	w.sync(w.n)
	first := w.spread(nil, 20)
	if len(first) != 1 {
		t.Errorf("by the caller's address, connections went to %v", first)
	}
	w.n.Machines = slices.Clone(w.n.Machines)
	w.sync(w.n)
	for name := range w.spread(nil, 5) {
		if first[name] == 0 {
			t.Errorf("after another Sync the caller's address led to %s, before to %v", name, first)
		}
	}
	w.n.Balancers[0].Backends = nil
	w.sync(w.n)
	w.want(nil, "", vpctest.VIP.String()+":443", "refused")
}

func TestBalancerKeepsConnections(t *testing.T) {
	w := newBalancedWorld(t)
	calls := w.oneEach("a", "b", "c")
	stillWork := func() {
		t.Helper()
		for name, c := range calls {
			if !c.works(late) {
				t.Errorf("the connection to %s is cut", name)
			}
		}
	}
	start := time.Now()
	w.well[w.b].Store(false)
	w.wantHealth("a c")
	t.Logf("unhealthy in effect after %v (2 probes, 20 ms apart)", time.Since(start).Round(time.Millisecond))
	w.wantSpread(nil, "a", "c")
	stillWork()
	w.well[w.a].Store(false)
	w.wantHealth("c")
	w.wantSpread(nil, "c")
	w.well[w.c].Store(false)
	w.wantHealth("")
	w.wantSpread(nil, "a", "b", "c")
	stillWork()
	w.well[w.a].Store(true)
	w.wantHealth("a")
	w.wantSpread(nil, "a")
	stillWork()
}

// A machine that dies without a word: who has only asked is led elsewhere.
func TestBalancerLeavesTheDead(t *testing.T) {
	w := newBalancedWorld(t)
	check := &w.n.Balancers[0].Check
	w.well[w.b].Store(false)
	w.well[w.c].Store(false)
	w.wantHealth("a")
	check.Unhealthy = 1 << 30 // nobody notices yet
	w.sync(w.n)
	err := w.inside(w.a, func() error {
		return exec.Command("nft", "add table ip dead; add chain ip dead input { type filter hook input priority 0; policy drop; }").Run()
	})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		c, err := w.try(nil, late)
		if err == nil && c.by != "b" {
			err = errors.New("answered by " + c.by)
		}
		done <- err
	}()
	w.until("a call to the dead", func() bool {
		all, err := w.in.ConntrackTableList(netlink.ConntrackTable, netlink.FAMILY_V4)
		return err == nil && slices.ContainsFunc(all, func(f *netlink.ConntrackFlow) bool {
			return addrOf(f.Forward.SrcIP) == w.host && f.Mark == ruleset.Mark(w.a.NIC.Address)
		})
	})
	w.well[w.b].Store(true)
	w.wantHealth("a b")
	check.Unhealthy, check.Timeout = 1, 50*time.Millisecond
	w.sync(w.n)
	w.wantHealth("b")
	// The caller's second SYN comes a second after the first.
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestProbes(t *testing.T) {
	w := newBalancedWorld(t)
	check := &w.n.Balancers[0].Check
	// Without a rule for probes nobody is well.
	rules := w.n.Firewalls
	w.n.Firewalls = rules[:1]
	check.Timeout = 50 * time.Millisecond
	w.sync(w.n)
	w.wantHealth("")
	w.wantSpread(nil, "a", "b", "c")
	w.n.Firewalls = rules
	check.Timeout = time.Second
	w.sync(w.n)
	w.wantHealth("a b c")
	// Only status 200 will do.
	check.Path = "/elsewhere"
	w.sync(w.n)
	w.wantHealth("")
	// HTTPS, with a certificate nobody vouches for.
	for _, m := range []*emulator.Machine{w.a, w.c} {
		w.readyz(m, ":8443", true)
	}
	check.Protocol, check.Port, check.Path = "HTTPS", 8443, "/readyz"
	w.sync(w.n)
	w.wantHealth("a c")
	// HTTP where HTTPS is spoken, and nobody listening.
	check.Protocol = "HTTP"
	w.sync(w.n)
	w.wantHealth("")
	check.Protocol = "TCP"
	w.sync(w.n)
	w.wantHealth("a c")
	// They end with the balancer.
	b := w.n.Balancers[0]
	w.n.Balancers = nil
	w.sync(w.n)
	if found, err := w.Health(b); err != nil || len(found) > 0 || len(w.probes) > 0 {
		t.Errorf("without a balancer: %v, %v, %d probes", found, err, len(w.probes))
	}
}

// A backend that was stopped and starts again is reached without a Sync.
func TestBackendComesBack(t *testing.T) {
	w := newBalancedWorld(t)
	if err := w.Release(*w.c); err != nil {
		t.Fatal(err)
	}
	w.wantHealth("a b")
	w.wantSpread(nil, "a", "b")
	if _, err := w.Machine(*w.c); err != nil {
		t.Fatal(err)
	}
	if err := w.inside(w.c, func() error { return addLocal(vpctest.VIP) }); err != nil {
		t.Fatal(err)
	}
	w.introduce(w.c, ":443")
	w.readyz(w.c, ":8080", false)
	w.wantHealth("a b c")
	w.wantSpread(nil, "a", "b", "c")
}

func TestBalancerHairpin(t *testing.T) {
	w := newBalancedWorld(t)
	// As it is with the guest agent: the call never leaves the machine.
	if got := w.spread(w.a, 20); got["a"] != 20 {
		t.Errorf("a calls %v", got)
	}
	// Without: it comes back, whether or not the machine is well.
	w.asOutsider(w.a)
	w.asOutsider(w.c)
	w.well[w.a].Store(false)
	w.wantHealth("b c")
	for range 20 {
		if c := w.call(w.a); c.by != "a" || c.as != "198.51.100.241" {
			t.Fatalf("a calls %s, as %s", c.by, c.as)
		}
	}
	// Seen as itself, which Linux takes for a lie: never another's, though.
	w.want(w.c, "", vpctest.VIP.String()+":443", "lost")
	w.wantSpread(nil, "b", "c")
}

func TestBalancerDrains(t *testing.T) {
	w := newBalancedWorld(t)
	calls := w.oneEach("a", "b", "c")
	b := &w.n.Balancers[0]
	all := b.Backends
	b.Drain, b.Backends = time.Hour, all[:2]
	w.sync(w.n)
	w.wantSpread(nil, "a", "b")
	if c := calls["c"]; !c.works(late) {
		t.Error("a draining connection is cut")
	}
	// A later process goes on draining.
	w.syncProbes(nil)
	second, err := New(w.options)
	if err != nil {
		t.Fatal(err)
	}
	if err := second.Sync(t.Context(), w.n); err != nil {
		t.Fatal(err)
	}
	if got := second.behind[0].Draining; !slices.Equal(got, []netip.Addr{w.c.NIC.Address}) {
		t.Errorf("for a later process %v drains", got)
	}
	if c := calls["c"]; !c.works(late) {
		t.Error("a draining connection is cut by a later process")
	}
	if err := second.Close(); err != nil {
		t.Fatal(err)
	}
	// It comes back, and goes with little time.
	b.Backends = all
	w.sync(w.n)
	if c := calls["c"]; !c.works(late) {
		t.Error("a connection is cut by coming back")
	}
	b.Drain, b.Backends = 50*time.Millisecond, all[:2]
	start := time.Now()
	w.sync(w.n)
	w.until("the end of a drain", func() bool { c := calls["c"]; return !c.works(soon) })
	t.Logf("drain of 50 ms: over for the client after %v", time.Since(start).Round(time.Millisecond))
	w.until("the end of its table", func() bool {
		rules, err := w.rules()
		return err == nil && !slices.Contains(rules, w.c.NIC.Address)
	})
	for _, name := range []string{"a", "b"} {
		if c := calls[name]; !c.works(late) {
			t.Errorf("the connection to %s is cut", name)
		}
	}
	// A machine that has gone drains nothing: the client is told.
	w.n.Machines = slices.DeleteFunc(slices.Clone(w.n.Machines), func(m emulator.Machine) bool { return m.Name == "b" })
	b.Drain, b.Backends = time.Hour, all[:1]
	w.sync(w.n)
	c := calls["b"]
	if start := time.Now(); c.works(late) || time.Since(start) > late/2 {
		t.Error("a connection to a machine that has gone works, or hangs")
	}
}

func TestBalancerAdoption(t *testing.T) {
	w := newBalancedWorld(t)
	w.well[w.b].Store(false)
	w.wantHealth("a c")
	calls := w.oneEach("a", "c")
	w.syncProbes(nil) // killed: it does nothing more
	second, err := New(w.options)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := second.Close(); err != nil {
			t.Error(err)
		}
	}()
	for _, m := range w.n.Machines {
		if _, err := second.Machine(m); err != nil {
			t.Fatal(err)
		}
	}
	// Whom it may send to is known before it has probed anybody.
	if err := second.Sync(t.Context(), w.n); err != nil {
		t.Fatal(err)
	}
	second.mu.Lock()
	picks := second.behind[0].Picks
	second.mu.Unlock()
	if !slices.Equal(picks, []netip.Addr{w.a.NIC.Address, w.c.NIC.Address}) {
		t.Errorf("a later process picks %v", picks)
	}
	for name, c := range calls {
		if !c.works(late) {
			t.Errorf("the connection to %s is cut", name)
		}
	}
	w.wantSpread(nil, "a", "c")
	w.well[w.b].Store(true)
	w.VPC, second = second, w.VPC
	w.wantHealth("a b c")
	w.VPC, second = second, w.VPC
}

// UDP knows no connections: what went to an unhealthy machine goes elsewhere.
func TestBalancerUDP(t *testing.T) {
	w := newBalancedWorld(t)
	w.n.Balancers[0].Protocol = "UDP"
	for m := range w.well {
		var p net.PacketConn
		err := w.inside(m, func() (err error) {
			p, err = net.ListenPacket("udp4", vpctest.VIP.String()+":443")
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = p.Close() })
		go func() {
			b := make([]byte, 64)
			for {
				_, from, err := p.ReadFrom(b)
				if err != nil {
					return
				}
				_, _ = p.WriteTo([]byte(m.Name), from)
			}
		}()
	}
	w.sync(w.n)
	c, err := net.Dial("udp4", vpctest.VIP.String()+":443")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	ask := func() string {
		t.Helper()
		_ = c.SetDeadline(time.Now().Add(late))
		if _, err := c.Write([]byte("who")); err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 64)
		n, err := c.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		return string(b[:n])
	}
	first := ask()
	for range 5 {
		if again := ask(); again != first {
			t.Errorf("%s answers, and then %s", first, again)
		}
	}
	for m, well := range w.well {
		well.Store(m.Name != first)
	}
	left := strings.TrimSpace(strings.ReplaceAll(strings.ReplaceAll("a b c", first, ""), "  ", " "))
	w.wantHealth(left)
	// The verdict is in effect a moment before the last entry is forgotten.
	w.until("another answer", func() bool { return ask() != first })
}
