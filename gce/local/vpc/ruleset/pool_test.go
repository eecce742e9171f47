package ruleset

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"hakube/gce/emulator"
	"hakube/gce/local/vpc/vpctest"
)

// balanced is a cluster with two more masters behind a balancer, and others
// that differ in everything.
func balanced() emulator.Network {
	n := cluster()
	n.Machines = append(n.Machines,
		vpctest.Machine(40, "kubernetes-master-ab1", "10.40.0.6", vpctest.Tags("kubernetes-master"), vpctest.External("198.51.100.6")),
		vpctest.Machine(39, "kubernetes-master-cd2", "10.40.0.5", vpctest.Tags("kubernetes-master")))
	ip := vpctest.Balancer("by-ip", netip.MustParseAddr("198.51.100.241"), "10.50.0.2", "10.40.0.3")
	ip.Project, ip.Affinity, ip.Protocol, ip.Ports = "domain.com:q", "CLIENT_IP", "UDP", nil
	n.Balancers = []emulator.Balancer{
		ip,
		vpctest.Balancer("masters", vpctest.VIP, "10.40.0.6", "10.40.0.2", "10.40.0.5", "10.40.0.77"),
		vpctest.Balancer("nobody", netip.MustParseAddr("198.51.100.242"), "10.40.0.78"),
		vpctest.Balancer("web", vpctest.VIP, "10.40.0.3"),
	}
	n.Balancers[3].Ports = []string{"80", "8080-8090"}
	return n
}

// poolsOf finds those with an even address healthy; 10.40.0.4 drains.
func poolsOf(n emulator.Network) []Pool {
	even := func(_ BalancerID, a netip.Addr) bool { return Mark(a)%2 == 0 }
	return Pools(n, even, func(b BalancerID) []netip.Addr {
		if b.name != "masters" {
			return nil
		}
		return []netip.Addr{netip.MustParseAddr("10.40.0.4")}
	})
}

func TestPicks(t *testing.T) {
	n, err := Settle(balanced())
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{
		"by-ip [10.40.0.3 10.50.0.2] → [10.50.0.2]",
		"masters [10.40.0.2 10.40.0.5 10.40.0.6] → [10.40.0.2 10.40.0.6]",
		"nobody [] → []",
		"web [10.40.0.3] → [10.40.0.3]", // not healthy, but nobody is
	} {
		p := poolsOf(n)[i]
		show := func(as []netip.Addr) string { return "[" + strings.Join(addrs(as), " ") + "]" }
		if got := p.Name + " " + show(p.Members) + " → " + show(p.Picks); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

func TestBalancerAtAMachinesAddress(t *testing.T) {
	n := cluster()
	n.Balancers = []emulator.Balancer{vpctest.Balancer("b", n.Machines[0].NIC.External), vpctest.Balancer("none", netip.Addr{})}
	got, err := Settle(n)
	if err == nil || !strings.Contains(err.Error(), `balancer "b" of p: 198.51.100.9 is in use by instance "other"`) || len(got.Balancers) > 0 {
		t.Errorf("%v, %v", got.Balancers, err)
	}
}

func TestMarks(t *testing.T) {
	for _, a := range []string{"10.40.0.2", "192.168.255.1", "0.0.0.0"} {
		if a := netip.MustParseAddr(a); Marked(Mark(a)) != a {
			t.Errorf("%s became %s", a, Marked(Mark(a)))
		}
	}
}

func TestVerdict(t *testing.T) {
	check := WithDefaults(emulator.HealthCheck{Unhealthy: 3})
	var v Verdict
	for i, c := range "++" + "-+--+---" + "-+-++" {
		before := v.Healthy
		changed := v.Add(c == '+', check)
		if changed != (before != v.Healthy) || !v.Probed {
			t.Fatalf("after %d: changed %v, from %v to %v", i, changed, before, v.Healthy)
		}
		if want := i >= 1 && i < 9 || i == 14; v.Healthy != want {
			t.Errorf("after %d: healthy %v", i, v.Healthy)
		}
	}
}

func TestDrains(t *testing.T) {
	start := time.Unix(0, 0)
	n := balanced()
	n.Balancers = n.Balancers[1:2]
	b := &n.Balancers[0]
	b.Drain = time.Minute
	var d Drains
	after := func(s time.Duration, want ...string) {
		t.Helper()
		next := d.Follow(n, start.Add(s))
		got := addrs(d.Of(IDOf(*b)))
		if !slices.Equal(got, want) {
			t.Errorf("after %v: %q drain, want %q", s, got, want)
		}
		if next.IsZero() != (len(want) == 0) {
			t.Errorf("after %v: next %v", s, next)
		}
	}
	all := b.Backends
	after(0)
	b.Backends = all[1:]
	after(10*time.Second, "10.40.0.6")
	after(20*time.Second, "10.40.0.6")
	b.Backends = all[2:]
	after(30*time.Second, "10.40.0.2", "10.40.0.6")
	after(70*time.Second, "10.40.0.2") // 10.40.0.6 is through
	after(71*time.Second, "10.40.0.2")
	b.Backends = all
	after(72 * time.Second) // and back
	b.Backends = nil
	after(73*time.Second, "10.40.0.2", "10.40.0.5", "10.40.0.6")
	n.Machines = slices.DeleteFunc(n.Machines, func(m emulator.Machine) bool { return m.NIC.Address.String() == "10.40.0.5" })
	after(74*time.Second, "10.40.0.2", "10.40.0.6")
	gone := n.Balancers
	n.Balancers = nil
	after(75 * time.Second)
	n.Balancers = gone
	after(76 * time.Second)
	b.Drain, b.Backends = 0, all
	after(77 * time.Second)
	b.Backends = nil
	after(78 * time.Second)
}
