package vpc

import (
	"bufio"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"hakube/gce/emulator"
	"hakube/gce/local/vpc/ruleset"
	"hakube/gce/local/vpc/vpctest"
)

func addLocal(a netip.Addr) error {
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return err
	}
	return netlink.AddrReplace(lo, &netlink.Addr{IPNet: ipNet(ruleset.One(a))})
}

// three are a master, a node with pods and a node without external address in
// one network, and a machine of another network.
func three() (n emulator.Network, master, node, plain, other *emulator.Machine) {
	https := vpctest.Allow("https", "0.0.0.0/0", "tcp:443")
	https.TargetTags = []string{"master"}
	ring := vpctest.Allow("ring", "", "tcp:2380")
	ring.SourceTags, ring.TargetTags = []string{"node"}, []string{"master"}
	pods := vpctest.Allow("pods", "10.64.0.0/14", "tcp")
	pods.TargetTags = []string{"node"}
	all := vpctest.Allow("all", "0.0.0.0/0", "all")
	all.Network = "second"
	n = emulator.Network{
		Machines: []emulator.Machine{
			vpctest.Machine(1, "master", "10.40.0.2", vpctest.Tags("master"), vpctest.External("198.51.100.241")),
			vpctest.Machine(2, "node", "10.40.0.3", vpctest.Tags("node"), vpctest.External("198.51.100.242"), vpctest.Alias("10.64.1.0/24")),
			vpctest.Machine(3, "plain", "10.40.0.4", vpctest.Alias("10.64.2.0/24")),
			vpctest.Machine(4, "other", "10.40.0.5", vpctest.On("p", "second"), vpctest.External("198.51.100.244")),
		},
		Firewalls: []emulator.Firewall{https, ring, pods, all, vpctest.Allow("ping", "10.0.0.0/8", "icmp")},
	}
	return n, &n.Machines[0], &n.Machines[1], &n.Machines[2], &n.Machines[3]
}

func TestFirewall(t *testing.T) {
	w := newWorld(t)
	n, master, node, plain, other := three()
	w.boot(n)
	for _, port := range []string{":443", ":2380", ":22"} {
		w.serve(master, port)
	}
	w.serve(node, ":80")
	w.serve(other, ":80")
	w.pod(node, "10.64.1.5")
	w.pod(plain, "10.64.2.5")

	// Ranges, tags, implied deny.
	w.want(node, "", "10.40.0.2:443", "10.40.0.3")
	w.want(node, "", "10.40.0.2:2380", "10.40.0.3")
	w.want(node, "", "10.40.0.2:22", "lost")
	w.want(plain, "", "10.40.0.2:2380", "lost")
	w.want(plain, "", "10.40.0.3:80", "lost")
	// Alias ranges are routed, and carry no tag.
	w.want(node, "10.64.1.5", "10.40.0.2:443", "10.64.1.5")
	w.want(node, "10.64.1.5", "10.40.0.2:2380", "lost")
	w.want(plain, "10.64.2.5", "10.64.1.5:80", "10.64.2.5")
	w.want(plain, "10.64.2.5", "10.40.0.3:80", "10.64.2.5")
	// Which of its own addresses a machine is called at.
	n.Firewalls[2].Own = []netip.Prefix{netip.MustParsePrefix("10.64.1.0/24")}
	w.sync(n)
	w.want(plain, "10.64.2.5", "10.64.1.5:80", "10.64.2.5")
	w.want(plain, "10.64.2.5", "10.40.0.3:80", "lost")
	n.Firewalls[2].Own = nil
	w.sync(n)
	if !w.ping(node, "10.40.0.2") || !w.ping(plain, "10.64.1.5") {
		t.Error("no answer to a ping that is allowed")
	}
	// Only from one's own addresses.
	w.pod(plain, "10.64.3.5")
	w.want(plain, "10.64.3.5", "10.40.0.3:80", "lost")
	w.pod(plain, "10.40.0.3")
	w.want(plain, "10.40.0.3", "10.40.0.2:443", "lost")
	// The other network has no internal address here.
	w.want(node, "", "10.40.0.5:80", "lost")
	w.want(other, "", "10.40.0.2:443", "lost")
	// What is no machine is refused at once.
	w.want(node, "", "10.40.0.77:80", "refused")
	w.want(node, "", "8.8.8.8:53", "refused")

	// Priority, deny before allow at the same one, egress.
	deny := vpctest.Allow("deny", "10.40.0.3/32", "tcp:443")
	deny.Deny = true
	n.Firewalls = append(n.Firewalls, deny)
	w.sync(n)
	w.want(node, "", "10.40.0.2:443", "lost")
	w.want(plain, "", "10.40.0.2:443", "10.40.0.4")
	n.Firewalls[len(n.Firewalls)-1].Priority = 1001
	w.sync(n)
	w.want(node, "", "10.40.0.2:443", "10.40.0.3")
	out := vpctest.Allow("out", "10.40.0.2/32", "tcp:443")
	out.Egress, out.Deny, out.TargetTags = true, true, []string{"node"}
	n.Firewalls = append(n.Firewalls, out)
	w.sync(n)
	w.want(node, "", "10.40.0.2:443", "lost")
	w.want(node, "10.64.1.5", "10.40.0.2:443", "lost")
	w.want(node, "", "198.51.100.241:443", "198.51.100.242")
	w.want(plain, "", "10.40.0.2:443", "10.40.0.4")

	// Which of its own addresses a machine calls from.
	n.Firewalls[len(n.Firewalls)-1].Own = []netip.Prefix{netip.MustParsePrefix("10.64.1.0/24")}
	w.sync(n)
	w.want(node, "", "10.40.0.2:443", "10.40.0.3")
	w.want(node, "10.64.1.5", "10.40.0.2:443", "lost")
}

func TestExternalAddresses(t *testing.T) {
	w := newWorld(t)
	n, master, node, plain, other := three()
	w.boot(n)
	w.serve(master, ":443")
	w.serve(master, ":80")
	w.serve(other, ":80")
	w.pod(node, "10.64.1.5")

	host := w.host.String()
	w.want(nil, "", "198.51.100.241:443", host)
	w.want(nil, "", "198.51.100.241:80", "lost")
	w.want(node, "", "198.51.100.241:443", "198.51.100.242")
	w.want(node, "", "198.51.100.244:80", "198.51.100.242") // across networks
	w.want(master, "", "198.51.100.241:443", "198.51.100.241")
	// Without an external address of one's own there is no way to one.
	w.want(plain, "", "198.51.100.241:443", "refused")
	w.want(node, "10.64.1.5", "198.51.100.241:443", "refused")
	w.want(node, "", "198.51.100.250:443", "refused")
	// The host's packets to an address nobody has go to the VPC, which says so,
	// and not out of this machine.
	w.want(nil, "", "198.51.100.250:443", "refused")
	// No way to the host, nor to the VPC's own addresses.
	l, err := net.Listen("tcp4", host+":0")
	if err != nil {
		t.Fatal(err)
	}
	w.repeat(l)
	w.want(node, "", l.Addr().String(), "refused")
	w.want(node, "", w.inner.String()+":80", "lost")

	// A rule for internal ranges is not for the host.
	n.Firewalls[0].Ranges[0] = netip.MustParsePrefix("10.0.0.0/8")
	w.sync(n)
	w.want(nil, "", "198.51.100.241:443", "lost")
	w.want(node, "", "10.40.0.2:443", "10.40.0.3")
	n.Firewalls[0].Ranges[0] = ruleset.Whole

	// The address moves: what was open by it is cut, what comes is elsewhere.
	w.sync(n)
	w.serve(node, ":443")
	n.Machines[1].Tags = []string{"master", "node"}
	c, err := w.dial(nil, "", "198.51.100.241:443", late)
	if err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(c)
	if !echoes(c, r, late) {
		t.Fatal("the connection does not work")
	}
	n.Machines[0].NIC.External, n.Machines[1].NIC.External = n.Machines[1].NIC.External, n.Machines[0].NIC.External
	w.sync(n)
	if echoes(c, r, soon) {
		t.Error("the connection outlived the address")
	}
	w.want(nil, "", "198.51.100.241:443", host)
	w.want(master, "", "198.51.100.241:443", "198.51.100.242")

	// An address that is given up leaves the host.
	n.Machines[1].NIC.External = netip.Addr{}
	w.sync(n)
	left, err := Leftovers(w.options)
	if err != nil || slices.Contains(left, "route 198.51.100.241") || !slices.Contains(left, "route 198.51.100.242") {
		t.Errorf("in the kernel: %q, %v", left, err)
	}
}

func TestRemovalCuts(t *testing.T) {
	w := newWorld(t)
	n, master, node, _, _ := three()
	w.boot(n)
	w.serve(master, ":443")
	c, err := w.dial(node, "", "10.40.0.2:443", late)
	if err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(c)
	if !echoes(c, r, late) {
		t.Fatal("the connection does not work")
	}
	rules := n.Firewalls
	n.Firewalls = nil
	w.sync(n)
	if echoes(c, r, soon) {
		t.Error("the connection outlived its rule")
	}
	w.want(node, "", "10.40.0.2:443", "lost")
	n.Firewalls = rules
	w.sync(n)
	w.want(node, "", "10.40.0.2:443", "10.40.0.3")

	// A machine that has gone is nowhere, and one that comes back is reached.
	n.Machines = n.Machines[1:]
	w.sync(n)
	w.want(node, "", "10.40.0.2:443", "refused")
	for range 2 { // gone is fine too
		if err := w.Release(*master); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(netnsDir + "/" + w.options.machineNS(1)); err == nil {
		t.Error("the namespace is still there")
	}
	n.Machines = append(n.Machines, *master)
	w.sync(n) // before it is started
	w.boot(n)
	w.serve(master, ":443")
	w.want(node, "", "10.40.0.2:443", "10.40.0.3")
}

// A second process finds all as it was, and no connection notices.
func TestAdoption(t *testing.T) {
	w := newWorld(t)
	n, master, node, _, _ := three()
	w.boot(n)
	w.serve(master, ":443")
	c, err := w.dial(node, "", "10.40.0.2:443", late)
	if err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(c)
	outside, err := w.dial(nil, "", "198.51.100.241:443", late)
	if err != nil {
		t.Fatal(err)
	}
	ro := bufio.NewReader(outside)

	second, err := New(w.options) // the first is not closed: it was killed
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = second.Close() })
	if second.host != w.host {
		t.Errorf("the host is now %s, was %s", second.host, w.host)
	}
	if !echoes(c, r, late) || !echoes(outside, ro, late) {
		t.Error("a connection was cut by New")
	}
	for _, m := range n.Machines {
		if _, err := second.Machine(m); err != nil {
			t.Fatal(err)
		}
	}
	if err := second.Sync(t.Context(), n); err != nil {
		t.Fatal(err)
	}
	if !echoes(c, r, late) || !echoes(outside, ro, late) {
		t.Error("a connection was cut by the first Sync")
	}
	w.want(node, "", "10.40.0.2:443", "10.40.0.3")

	// A name whose maker died half-way is no namespace, and is made one.
	if err := removeNS(w.options.machineNS(2)); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(netnsDir+"/"+w.options.machineNS(2), nil, 0o444); err != nil {
		t.Fatal(err)
	}
	if _, err := second.Machine(*node); err != nil {
		t.Fatal(err)
	}
	w.want(node, "", "10.40.0.2:443", "10.40.0.3")
}

// Services inside see who calls, and need no rule.
func TestListen(t *testing.T) {
	w := newWorld(t)
	n, _, node, plain, _ := three()
	n.Firewalls = nil
	w.boot(n)
	w.pod(node, "10.64.1.5")
	l, err := w.Listen("tcp4", "169.254.169.254:80")
	if err != nil {
		t.Fatal(err)
	}
	w.repeat(l)
	w.want(node, "", "169.254.169.254:80", "10.40.0.3")
	w.want(node, "10.64.1.5", "169.254.169.254:80", "10.64.1.5")
	w.want(plain, "", "169.254.169.254:80", "10.40.0.4")
	w.want(plain, "", "169.254.169.252:80", "refused") // nobody listens
	w.pod(plain, "10.40.0.3")
	w.want(plain, "10.40.0.3", "169.254.169.254:80", "lost") // nobody pretends

	p, err := w.ListenPacket("udp4", "169.254.169.254:53")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	go func() {
		b := make([]byte, 512)
		_, from, err := p.ReadFrom(b)
		if err == nil {
			_, _ = p.WriteTo([]byte(from.String()), from)
		}
	}()
	var answer string
	err = w.inside(plain, func() error {
		c, err := net.Dial("udp4", "169.254.169.254:53")
		if err != nil {
			return err
		}
		defer func() { _ = c.Close() }()
		_ = c.SetDeadline(time.Now().Add(late))
		if _, err := c.Write([]byte("who am I")); err != nil {
			return err
		}
		b := make([]byte, 512)
		m, err := c.Read(b)
		answer = string(b[:m])
		return err
	})
	if err != nil || !strings.HasPrefix(answer, "10.40.0.4:") {
		t.Errorf("by UDP: %q, %v", answer, err)
	}
}

func TestMachineLooksAsOnGoogle(t *testing.T) {
	w := newWorld(t)
	n, master, _, _, _ := three()
	w.boot(n)
	err := w.inside(master, func() error {
		l, err := netlink.LinkByName("eth0")
		if err != nil {
			return err
		}
		if a := l.Attrs(); a.MTU != 1460 || a.HardwareAddr.String() != "42:01:0a:28:00:02" {
			t.Errorf("eth0 has MTU %d, MAC %s", a.MTU, a.HardwareAddr)
		}
		as, err := netlink.AddrList(l, netlink.FAMILY_V4)
		if err != nil || len(as) != 1 || as[0].IPNet.String() != "10.40.0.2/32" {
			t.Errorf("addresses %v, %v", as, err)
		}
		rs, err := netlink.RouteGet(net.IP{8, 8, 8, 8})
		if err != nil || len(rs) != 1 || rs[0].Gw.String() != "10.40.0.1" {
			t.Errorf("way out %v, %v", rs, err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for what, m := range map[string]emulator.Machine{
		"no address": vpctest.Machine(9, "bad", "10.40.0.9", func(m *emulator.Machine) { m.NIC.Address = netip.Addr{} }),
		"no MAC":     vpctest.Machine(9, "bad", "10.40.0.9", func(m *emulator.Machine) { m.NIC.MAC = "42:01" }),
		"taken":      vpctest.Machine(9, "bad", "10.40.0.2"),
		"taken pods": vpctest.Machine(9, "bad", "10.40.0.9", vpctest.Alias("10.64.0.0/16")),
	} {
		if _, err := w.Machine(m); err == nil || !strings.Contains(err.Error(), `instance "bad"`) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// echoes tells whether a line comes back in time.
func echoes(c net.Conn, r *bufio.Reader, wait time.Duration) bool {
	_ = c.SetDeadline(time.Now().Add(wait))
	if _, err := c.Write([]byte("echo\n")); err != nil {
		return false
	}
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return false
		}
		if line == "echo\n" {
			return true
		}
	}
}
