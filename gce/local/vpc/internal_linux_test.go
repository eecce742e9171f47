package vpc

import (
	"bufio"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"hakube/gce/emulator"
	"hakube/gce/local/vpc/ruleset"
	"hakube/gce/local/vpc/vpctest"
)

// inner is the address of the internal balancer in these tests.
var inner = netip.MustParseAddr("10.40.0.200")

// within calls the internal balancer from m, or from a pod on it, and returns who
// answered and as whom the caller was seen; else what became of the call.
func (w *balancedWorld) within(m *emulator.Machine, from string, wait time.Duration) (by, as string) {
	w.Helper()
	c, err := w.dial(m, from, inner.String()+":443", wait)
	if err != nil {
		return "", err.Error()
	}
	defer func() { _ = c.Close() }()
	_ = c.SetDeadline(time.Now().Add(wait))
	if _, err := fmt.Fscan(bufio.NewReader(c), &by, &as); err != nil {
		return "", err.Error()
	}
	return by, as
}

// newInnerWorld has the three backends behind an internal balancer too, and lets the
// network in.
func newInnerWorld(t *testing.T) *balancedWorld {
	w := newBalancedWorld(t)
	b := vpctest.Balancer("inner", inner, "10.40.0.2", "10.40.0.3", "10.40.0.4")
	b.Network, b.Check = "default", w.n.Balancers[0].Check
	for i := range b.Backends {
		b.Backends[i].Network = "default"
	}
	b.Check.Host = vpctest.VIP.String() // what the backends' readyz wants to be asked for
	in := vpctest.Allow("inner", "10.40.0.0/22 10.64.0.0/14", "tcp:443")
	in.TargetTags, in.Own = []string{"master"}, []netip.Prefix{ruleset.One(inner)}
	probes := vpctest.Allow("probes", "35.191.0.0/16 130.211.0.0/22", "tcp:8080")
	w.n.Balancers, w.n.Firewalls = append(w.n.Balancers, b), append(w.n.Firewalls, in, probes)
	w.n.Machines[4].NIC.Aliases = []netip.Prefix{netip.MustParsePrefix("10.64.5.0/24")}
	for _, m := range []*emulator.Machine{w.a, w.b, w.c} {
		if err := w.inside(m, func() error { return addLocal(inner) }); err != nil {
			t.Fatal(err)
		}
	}
	w.sync(w.n)
	return w
}

func (w *balancedWorld) innerHealth(want ...string) {
	w.Helper()
	w.until("healthy behind the internal one: "+strings.Join(want, " "), func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		for _, p := range w.behind {
			if p.Name == "inner" {
				return slices.EqualFunc(p.Healthy, want, func(a netip.Addr, s string) bool { return a.String() == s })
			}
		}
		return false
	})
}

// TestInternalBalancer: machines and pods of the network call it and are seen as
// themselves, the host and other networks do not, and who is unwell gets no calls.
func TestInternalBalancer(t *testing.T) {
	w := newInnerWorld(t)
	w.innerHealth("10.40.0.2", "10.40.0.3", "10.40.0.4")
	w.pod(w.outcast, "10.64.5.7")
	for from, want := range map[string]string{"": "10.40.0.6", "10.64.5.7": "10.64.5.7"} {
		reached := map[string]bool{}
		for range 30 {
			by, as := w.within(w.outcast, from, late)
			if as != want {
				t.Fatalf("called from %q, answered by %s, seen as %s, want %s", from, by, as, want)
			}
			reached[by] = true
		}
		if len(reached) != 3 {
			t.Errorf("30 calls from %q went to %v", from, reached)
		}
	}
	// Without the address called the same rule lets nobody in.
	w.want(w.outcast, "", "10.40.0.2:443", "lost")
	// A backend reaches itself.
	for range 5 {
		if by, as := w.within(w.b, "", late); by != "b" {
			t.Errorf("b calls %s: %s", by, as)
		}
	}
	for who, m := range map[string]*emulator.Machine{"the host": nil, "another network": w.d} {
		if by, _ := w.within(m, "", soon); by != "" {
			t.Errorf("%s reached %s", who, by)
		}
	}
	w.well[w.a].Store(false)
	w.innerHealth("10.40.0.3", "10.40.0.4")
	for range 20 {
		if by, why := w.within(w.outcast, "", late); by != "b" && by != "c" {
			t.Fatalf("answered by %q: %s", by, why)
		}
	}
	// A probe that comes from one of Google's ranges and is dropped makes unwell.
	w.n.Firewalls[3].Ranges = w.n.Firewalls[3].Ranges[:1]
	w.n.Firewalls[1].Ranges = w.n.Firewalls[1].Ranges[1:]
	w.n.Balancers[1].Check.Timeout = 20 * time.Millisecond
	w.n.Balancers[1].Check.Unhealthy, w.n.Balancers[1].Check.Healthy = 1, 2
	w.sync(w.n)
	w.innerHealth()
	// Callers of another region come in when it is global.
	w.outcast.Zone = "us-east1-b"
	w.sync(w.n)
	if by, _ := w.within(w.outcast, "", soon); by != "" {
		t.Errorf("a machine of another region reached %s", by)
	}
	w.n.Balancers[1].Global = true
	w.sync(w.n)
	if by, why := w.within(w.outcast, "", late); by == "" {
		t.Errorf("a machine of another region, and the balancer is global: %s", why)
	}
}

// TestUnprobedAndBackup: without a check everybody gets calls; a backup gets them when
// too few of the others are well.
func TestUnprobedAndBackup(t *testing.T) {
	w := newBalancedWorld(t)
	b := &w.n.Balancers[0]
	check := b.Check
	b.Check = emulator.HealthCheck{}
	w.sync(w.n)
	w.well[w.a].Store(false)
	w.wantSpread(nil, "a", "b", "c")
	if len(w.probes) != 0 {
		t.Errorf("%d probes without a check", len(w.probes))
	}
	b.Check, b.Failover, b.Backends[2].Backup = check, 0.5, true
	w.well[w.a].Store(true)
	w.sync(w.n)
	w.wantHealth("a b c")
	w.wantSpread(nil, "a", "b")
	w.well[w.a].Store(false)
	w.wantHealth("b c")
	w.wantSpread(nil, "c")
	w.well[w.c].Store(false)
	w.wantHealth("b")
	w.wantSpread(nil, "b")
	w.well[w.b].Store(false)
	w.wantHealth("")
	w.wantSpread(nil, "a", "b")
}

// TestInternalOfSameAddresses: two networks have the same addresses, and a balancer at
// the same one: each calls its own, whose health is told apart.
func TestInternalOfSameAddresses(t *testing.T) {
	w := newWorld(t)
	var n emulator.Network
	for i, network := range []string{"default", "second"} {
		id := uint64(10 * (i + 1))
		n.Machines = append(n.Machines,
			vpctest.Machine(id, network+"-a", "10.40.0.2", vpctest.On("p", network)),
			vpctest.Machine(id+1, network+"-b", "10.40.0.3", vpctest.On("p", network)))
		all := vpctest.Allow(network, "0.0.0.0/0", "tcp")
		all.Network = network
		b := vpctest.Balancer(network, inner, "10.40.0.2")
		b.Network, b.Backends[0].Network = network, network
		b.Check = emulator.HealthCheck{Protocol: "TCP", Port: 443, Interval: 20 * time.Millisecond, Healthy: 1, Unhealthy: 1}
		n.Firewalls, n.Balancers = append(n.Firewalls, all), append(n.Balancers, b)
	}
	w.boot(n)
	served := func(i int) {
		w.pod(&n.Machines[i], inner.String())
		w.serve(&n.Machines[i], inner.String()+":443")
	}
	well := func(i int) bool {
		found, err := w.Health(n.Balancers[i])
		return err == nil && found[netip.MustParseAddr("10.40.0.2")]
	}
	until := func(what string, is func() bool) {
		t.Helper()
		for deadline := time.Now().Add(late); !is(); time.Sleep(5 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%s: not within %v", what, late)
			}
		}
	}
	served(2)
	until("the second's backend is well", func() bool { return well(1) })
	if well(0) {
		t.Error("the first one's backend is well, and serves nothing")
	}
	w.want(&n.Machines[3], "", inner.String()+":443", "10.40.0.3")
	w.want(&n.Machines[1], "", inner.String()+":443", "lost") // it has not got the address yet
	served(0)
	until("the first's backend is well", func() bool { return well(0) })
	w.want(&n.Machines[1], "", inner.String()+":443", "10.40.0.3")
}

// TestAllProtocols: a rule of all protocols forwards what no other rule of its address
// does, pings too.
func TestAllProtocols(t *testing.T) {
	w := newBalancedWorld(t)
	ping := vpctest.Allow("ping", "0.0.0.0/0", "icmp")
	all := w.n.Balancers[0]
	all.Name, all.Protocol, all.Ports, all.Backends = "all", ruleset.AllProtocols, nil, all.Backends[:1]
	w.n.Balancers[0].Backends = w.n.Balancers[0].Backends[1:]
	w.n.Firewalls = append(w.n.Firewalls, ping)
	w.n.Firewalls[0].Allowed[0].Ports = []string{"443", "444"}
	w.n.Balancers = append(w.n.Balancers, all)
	w.sync(w.n)
	w.introduce(w.a, ":444")
	w.until("b and c are well, and so is a", func() bool {
		one, err := w.Health(w.n.Balancers[0])
		other, err2 := w.Health(all)
		return err == nil && err2 == nil && one[w.b.NIC.Address] && one[w.c.NIC.Address] && other[w.a.NIC.Address]
	})
	w.wantSpread(nil, "b", "c")
	c, err := w.dial(nil, "", vpctest.VIP.String()+":444", late)
	if err != nil {
		t.Fatal(err)
	}
	var by, as string
	if _, err := fmt.Fscan(bufio.NewReader(c), &by, &as); err != nil || by != "a" {
		t.Errorf("a port of no other rule is answered by %q, %v", by, err)
	}
	if !w.ping(nil, vpctest.VIP.String()) {
		t.Error("no answer to a ping")
	}
}
