package model

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"syscall"
	"testing"
	"time"

	"hakube/gce/emulator"
	"hakube/replicate/etcdtest"
	"hakube/scripts"
)

var vip = netip.MustParseAddr("198.51.100.9")

// masters are machines that are each the master of a cluster of its own: who
// answers is told by the certificate.
type masters struct {
	t   *testing.T
	m   *Machines
	net emulator.Network
}

func newMasters(t *testing.T, names ...string) *masters {
	t.Helper()
	s := &masters{t: t, m: New(t.TempDir()), net: emulator.Network{Firewalls: firewalls}}
	t.Cleanup(func() {
		if err := s.m.Close(); err != nil {
			t.Error(err)
		}
	})
	metadata := map[string]*etcdtest.Metadata{}
	s.m.Attach(func(k emulator.MachineKey) (http.Handler, bool) { return metadata[k.Name], true })
	for _, name := range names {
		metadata[name] = &etcdtest.Metadata{}
	}
	for i, name := range names {
		disk := func(kind string) emulator.Disk {
			return emulator.Disk{Project: "local", Zone: "z", Name: name + kind, ID: uint64(i + 1)}
		}
		x := emulator.Machine{
			MachineKey: emulator.MachineKey{Project: "local", Zone: "z", Name: name, ID: uint64(i + 1)}, Tags: []string{"m"},
			NIC:   emulator.NIC{Network: "default", Address: netip.AddrFrom4([4]byte{10, 40, 0, byte(i + 2)})},
			Disks: []emulator.Attachment{{Disk: disk("-boot"), Boot: true}, {Disk: disk("-pd"), Device: "master-pd"}},
		}
		meta := metadata[name]
		meta.Project, meta.Zone, meta.Name, meta.Address, meta.Aliases = "local", "europe-west1-b", name, x.NIC.Address, []string{"10.64.0.0/24"}
		for k, v := range map[string]string{
			scripts.KeyStartupScript: scripts.Startup(), scripts.KeyRole: scripts.RoleMaster, scripts.KeyAddress: vip.String(),
			scripts.KeyCluster: "local/kubernetes", scripts.KeyClusterName: "kubernetes", scripts.KeyPodRange: "10.64.0.0/14",
			scripts.KeyDNSIP: "10.0.0.10", scripts.KeyServiceRange: "10.0.0.0/16",
		} {
			meta.Set(k, v)
		}
		s.net.Machines = append(s.net.Machines, x)
		s.start(i)
	}
	s.sync()
	return s
}

func (s *masters) start(i int) {
	s.t.Helper()
	ctx, x := context.Background(), s.net.Machines[i]
	if err := errors.Join(s.m.CreateDisk(ctx, x.Disks[0].Disk), s.m.CreateDisk(ctx, x.Disks[1].Disk), s.m.Start(ctx, x)); err != nil {
		s.t.Fatal(err)
	}
	g := s.m.guests[x.MachineKey]
	for deadline := time.Now().Add(time.Minute); g.Phase() != scripts.PhaseRunning; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			s.t.Fatal(g.Phase())
		}
	}
}

func (s *masters) sync() {
	s.t.Helper()
	if err := s.m.Sync(context.Background(), s.net); err != nil {
		s.t.Fatal(err)
	}
}

// behind puts machines behind the address, and has the guest agents of others
// that drain keep it.
func (s *masters) behind(drains []int, backends ...int) {
	s.t.Helper()
	b := emulator.Balancer{
		Project: "local", Region: "r", Name: "m", Address: vip, Protocol: "TCP", Ports: []string{"443"},
		Backends: []emulator.Backends{{Zone: "z", Group: "g", Network: "default"}}, Check: emulator.HealthCheck{Protocol: "HTTPS", Port: 443, Path: "/readyz"},
	}
	for i := range s.net.Machines {
		s.net.Machines[i].NIC.Forwarded = nil
		if slices.Contains(backends, i) {
			b.Backends[0].Machines = append(b.Backends[0].Machines, s.net.Machines[i].NIC.Address)
		}
		if slices.Contains(backends, i) || slices.Contains(drains, i) {
			s.net.Machines[i].NIC.Forwarded = []netip.Addr{vip}
		}
	}
	s.net.Balancers = []emulator.Balancer{b}
	s.sync()
}

// call connects to the API by an address and tells whose it is.
func (s *masters) call(to string) (net.Conn, string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	c, err := s.m.Dial(ctx, netip.MustParseAddrPort(to))
	if err != nil {
		return nil, "", err
	}
	own := tls.Client(c, &tls.Config{InsecureSkipVerify: true})
	if err := own.Handshake(); err != nil {
		return nil, "", err
	}
	for _, name := range own.ConnectionState().PeerCertificates[0].DNSNames {
		if i := slices.IndexFunc(s.net.Machines, func(x emulator.Machine) bool { return x.Name == name }); i >= 0 {
			return own, name, nil
		}
	}
	return own, "nobody", nil
}

// callers are who answers at the address, one for each call.
func (s *masters) callers(n int) (names []string) {
	s.t.Helper()
	for range n {
		c, name, err := s.call(vip.String() + ":443")
		if err != nil {
			name = err.Error()
		} else if err := c.Close(); err != nil {
			s.t.Error(err)
		}
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func (s *masters) want(what string, n int, names ...string) {
	s.t.Helper()
	if got := s.callers(n); !slices.Equal(got, names) {
		s.t.Errorf("%s: %q answer, want %q", what, got, names)
	}
}

func (s *masters) health() (well []string) {
	s.t.Helper()
	all, err := s.m.Health(s.net.Balancers[0])
	if err != nil {
		s.t.Fatal(err)
	}
	for _, x := range s.net.Machines {
		if all[x.NIC.Address] {
			well = append(well, x.Name)
		}
	}
	return well
}

// TestBalancer: who is behind the address answers there, if its check passes.
func TestBalancer(t *testing.T) {
	s := newMasters(t, "a", "b")
	_, _, err := s.call(vip.String() + ":443")
	if timeout := net.Error(nil); !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Errorf("an address that is nobody's: %v", err)
	}
	s.net.Firewalls = slices.Clone(firewalls)
	s.net.Firewalls[1].Ranges = prefixes("192.0.2.0/24") // who calls here, and no prober
	s.behind(nil, 0, 1)
	if got := s.health(); len(got) != 0 {
		t.Errorf("%v pass where the firewall drops all probes", got)
	}
	s.want("none passes, so all get calls", 4, "a", "b")
	s.net.Firewalls = append(s.net.Firewalls, emulator.Firewall{
		Project: "local", Network: "default", Name: "m-probes", Priority: 1000, Ranges: prefixes("35.191.0.0/16"), TargetTags: []string{"m"}, Allowed: tcp("443"),
	})
	s.sync()
	if got := s.health(); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("%v pass, want both", got)
	}
	s.want("both pass", 4, "a", "b")
	// A machine of another network has an address of theirs, and is no backend.
	s.net.Machines[1].NIC.Network = "other"
	s.sync()
	if got := s.health(); !slices.Equal(got, []string{"a"}) {
		t.Errorf("%v pass, of which only a is in the group's network", got)
	}
	s.net.Machines[1].NIC.Network = "default"
	s.sync()
	if err := s.m.Stop(context.Background(), s.net.Machines[0], true); err != nil {
		t.Fatal(err)
	}
	if got := s.health(); !slices.Equal(got, []string{"b"}) {
		t.Errorf("%v pass, a is off", got)
	}
	s.want("a is off", 4, "b")
	s.start(0)
	s.want("a is back", 4, "a", "b")
	s.net.Balancers[0].Affinity = "CLIENT_IP"
	s.sync()
	s.want("one caller stays with one machine", 4, "a")
	s.net.Firewalls = firewalls[:1]
	s.sync()
	_, _, err = s.call(vip.String() + ":443")
	if timeout := net.Error(nil); !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Errorf("without the rule for 443: %v", err)
	}

	if _, err := s.m.Dial(context.Background(), netip.AddrPortFrom(vip, 22)); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("a port that is not forwarded: %v", err)
	}
	s.behind(nil)
	if _, err := s.m.Dial(context.Background(), netip.AddrPortFrom(vip, 443)); !errors.Is(err, syscall.EHOSTUNREACH) {
		t.Errorf("without backends: %v", err)
	}
}

// TestConnectionsFollow: a connection lasts while its address leads to its
// machine, a drain included, and not longer.
func TestConnectionsFollow(t *testing.T) {
	s := newMasters(t, "a", "b")
	s.net.Machines[0].NIC.External = vip
	s.sync()
	c, name, err := s.call(vip.String() + ":443")
	if err != nil || name != "a" {
		t.Fatal(name, err)
	}
	inside, _, err := s.call("10.40.0.2:443")
	if err != nil {
		t.Fatal(err)
	}
	s.net.Machines[0].NIC.External = netip.Addr{}
	s.sync()
	if err := ask(c); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("after the address was taken off: %v", err)
	}
	if err := ask(inside); err != nil {
		t.Errorf("by the internal address: %v", err)
	}

	s.behind(nil, 0, 1)
	var both [2]net.Conn
	for both[0] == nil || both[1] == nil {
		c, name, err := s.call(vip.String() + ":443")
		if err != nil {
			t.Fatal(err)
		}
		both[map[string]int{"a": 0, "b": 1}[name]] = c
	}
	s.behind([]int{1}, 0)
	s.want("b drains", 4, "a")
	for i, c := range both {
		if err := ask(c); err != nil {
			t.Errorf("%d while b drains: %v", i, err)
		}
	}
	s.behind(nil, 0)
	if err := ask(both[0]); err != nil {
		t.Errorf("a, that stays: %v", err)
	}
	if err := ask(both[1]); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("b after the drain: %v", err)
	}
}

// ask makes a request and reads the beginning of the answer.
func ask(c net.Conn) error {
	if _, err := io.WriteString(c, "GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		return err
	}
	if err := c.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		return err
	}
	_, err := c.Read(make([]byte, 4<<10))
	return err
}

// TestProxyLeadsToMachines: what the daemon's proxy dials is machines of the
// embedded GCE, never this host, its network or a name somebody resolves.
func TestProxyLeadsToMachines(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	host, err := NewHost(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer host.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	for _, address := range []string{
		l.Addr().String(), "localhost:" + port, "[::1]:" + port, "[::ffff:127.0.0.1]:" + port, "0.0.0.0:" + port, "0:" + port,
		"169.254.169.254:80", "example.com:80", "198.18.0.1", "198.18.0.1:ssh", "",
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		if conn, err := host.Dial(ctx, address); err == nil {
			conn.Close()
			t.Errorf("%q: connected", address)
		}
		cancel()
	}
}
