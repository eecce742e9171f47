// Package model makes model guests the machines of an embedded GCE: what real
// machines get from Linux (addresses, a firewall, a metadata server, a balancer)
// is done here by function calls, on any operating system and without root.
package model

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"hakube/gce/emulator"
	"hakube/gce/local"
	"hakube/replicate/etcdtest"
)

// NewHost is what stands behind the embedded GCE with --machines=model.
func NewHost(dir string) (*local.Host, error) {
	m := New(filepath.Join(dir, "model"))
	return &local.Host{
		Backend: m,
		Attach:  func(api *emulator.Server) { m.Attach(api.MetadataFor) },
		Dial: func(ctx context.Context, address string) (net.Conn, error) {
			to, err := netip.ParseAddrPort(address)
			if err != nil {
				return nil, err
			}
			return m.Dial(ctx, to)
		},
		Halt: m.Halt,
		// They are no routes of this host, so there may be thousands: the range
		// set aside for testing at scale (RFC 2544).
		External: netip.MustParsePrefix("198.18.0.0/15"),
	}, nil
}

// Machines are model guests as the machines of an embedded GCE.
type Machines struct {
	dir   string
	world *etcdtest.World

	attached chan struct{} // closed by Attach; until then metadata must wait
	metadata func(emulator.MachineKey) (http.Handler, bool)

	mu      sync.Mutex
	guests  map[emulator.MachineKey]*etcdtest.Guest // that run
	network emulator.Network
}

var _ emulator.Backend = (*Machines)(nil)

// New keeps disks in dir.
func New(dir string) *Machines {
	return &Machines{
		dir: dir, world: etcdtest.NewWorld(etcdtest.Options{}),
		attached: make(chan struct{}), guests: map[emulator.MachineKey]*etcdtest.Guest{},
	}
}

// Attach says where machines find their metadata. Machines that boot before
// wait for it: the server starts them while it is being made.
func (m *Machines) Attach(metadata func(emulator.MachineKey) (http.Handler, bool)) {
	m.metadata = metadata
	close(m.attached)
}

// disk is the file of a disk. The id tells disks of one name apart.
func (m *Machines) disk(d emulator.Disk) string {
	return filepath.Join(m.dir, d.Name+"-"+strconv.FormatUint(d.ID, 36)+".json")
}

func (m *Machines) CreateDisk(_ context.Context, d emulator.Disk) error {
	return etcdtest.CreateDisk(m.disk(d))
}

func (m *Machines) DeleteDisk(_ context.Context, d emulator.Disk) error {
	return etcdtest.DeleteDisk(m.disk(d))
}

func (m *Machines) Start(_ context.Context, x emulator.Machine) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.guests[x.MachineKey] != nil {
		return nil
	}
	machine := etcdtest.Machine{Name: x.Name, Metadata: metadataServer{m, x.MachineKey}, Disks: map[string]string{}}
	for _, d := range x.Disks {
		if d.Boot {
			machine.Boot = m.disk(d.Disk)
		} else {
			machine.Disks[d.Device] = m.disk(d.Disk)
		}
	}
	g, err := m.world.Start(machine)
	if err != nil {
		return err
	}
	m.guests[x.MachineKey] = g
	m.connect()
	return nil
}

func (m *Machines) Stop(_ context.Context, x emulator.Machine, _ bool) error {
	m.mu.Lock()
	g := m.guests[x.MachineKey]
	delete(m.guests, x.MachineKey)
	m.connect()
	m.mu.Unlock()
	if g != nil {
		g.Stop()
	}
	return nil
}

// Halt stops all machines: no more is written to their disks.
func (m *Machines) Halt(context.Context) error {
	m.mu.Lock()
	guests := m.guests
	m.guests = map[emulator.MachineKey]*etcdtest.Guest{}
	m.connect()
	m.mu.Unlock()
	for _, g := range guests {
		g.Stop()
	}
	return nil
}

func (m *Machines) Sync(_ context.Context, n emulator.Network) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.network = n
	m.connect()
	return nil
}

// connect tells the machines how they reach each other. The lock is held.
func (m *Machines) connect() {
	to := map[netip.Addr][]*etcdtest.Guest{}
	for _, x := range m.network.Machines {
		if g := m.guests[x.MachineKey]; g != nil {
			for _, a := range addressesOf(x) {
				to[a] = append(to[a], g)
			}
		}
	}
	m.world.SetAddresses(to)
}

// addressesOf are those a machine answers to.
func addressesOf(x emulator.Machine) []netip.Addr {
	all := append([]netip.Addr{x.NIC.Address}, x.NIC.Forwarded...)
	if x.NIC.External.IsValid() {
		all = append(all, x.NIC.External)
	}
	return all
}

func (m *Machines) Serial(x emulator.Machine, start int64) ([]byte, error) {
	m.mu.Lock()
	g := m.guests[x.MachineKey]
	m.mu.Unlock()
	if g == nil {
		return nil, nil
	}
	return g.Serial(start), nil
}

// Health is what a probe of the backends would find now: model machines are
// ready or are not, and their network loses nothing. A probe is let in by the
// firewall or it is not.
func (m *Machines) Health(b emulator.Balancer) (map[netip.Addr]bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	healthy := map[netip.Addr]bool{}
	for _, group := range b.Backends {
		for _, a := range group.Machines {
			for _, x := range m.network.Machines {
				if x.NIC.Address == a && x.Project == b.Project {
					healthy[a] = m.passes(x, uint16(b.Check.Port))
				}
			}
		}
	}
	return healthy, nil
}

// passes tells whether a machine passes a health check. The lock is held.
func (m *Machines) passes(x emulator.Machine, port uint16) bool {
	g := m.guests[x.MachineKey]
	return g != nil && admits(m.network.Firewalls, x, port, prober) && g.Ready()
}

// Watch has nothing to tell: model machines do not end by themselves.
func (m *Machines) Watch(func(emulator.MachineKey)) {}

// Close stops all machines. The next process starts them again from their disks.
func (m *Machines) Close() error { return m.world.Close() }

// outside is where the firewall believes connections of this host to come
// from: an address of the internet that is nobody's (RFC 5737).
var outside = netip.MustParseAddr("192.0.2.1")

// prober is an address Google's health checks come from.
var prober = netip.MustParseAddr("35.191.0.1")

// Dial connects this host to a machine by its external or internal address, as
// far as the firewall lets outsiders in. Packets that it drops, or that have
// nowhere to go, are never answered: Dial then returns when ctx ends.
func (m *Machines) Dial(ctx context.Context, to netip.AddrPort) (net.Conn, error) {
	m.mu.Lock()
	guest := m.reached(to)
	m.mu.Unlock()
	if guest != nil {
		return guest.Dial(ctx, int(to.Port()))
	}
	<-ctx.Done()
	return nil, &net.OpError{Op: "dial", Net: "tcp", Addr: net.TCPAddrFromAddrPort(to), Err: os.ErrDeadlineExceeded}
}

// reached is the machine that a connection from outside comes to, nil if none.
// A balancer picks one that passes its checks, or any if none does. The lock is
// held.
func (m *Machines) reached(to netip.AddrPort) *etcdtest.Guest {
	var any *etcdtest.Guest
	for _, x := range m.network.Machines {
		g := m.guests[x.MachineKey]
		if g == nil || !slices.Contains(addressesOf(x), to.Addr()) || !admits(m.network.Firewalls, x, to.Port(), outside) {
			continue
		}
		if !slices.Contains(x.NIC.Forwarded, to.Addr()) || m.passes(x, to.Port()) {
			return g
		}
		any = cmp.Or(any, g)
	}
	return any
}

// admits is the VPC firewall's word on a TCP connection from an address: of
// the rules that speak of it the one with the lowest priority number decides,
// at equal numbers one that denies, and without any nothing gets in.
func admits(rules []emulator.Firewall, x emulator.Machine, port uint16, from netip.Addr) bool {
	var best *emulator.Firewall
	for i := range rules {
		r := &rules[i]
		if r.Egress || r.Project != x.Project || r.Network != x.NIC.Network || !speaksOf(r, x, port, from) {
			continue
		}
		if best == nil || r.Priority < best.Priority || r.Priority == best.Priority && r.Deny {
			best = r
		}
	}
	return best != nil && !best.Deny
}

func speaksOf(r *emulator.Firewall, x emulator.Machine, port uint16, from netip.Addr) bool {
	isTarget := len(r.TargetTags) == 0 || slices.ContainsFunc(r.TargetTags, func(t string) bool { return slices.Contains(x.Tags, t) })
	isSource := slices.ContainsFunc(r.Ranges, func(p netip.Prefix) bool { return p.Contains(from) })
	return isTarget && isSource && slices.ContainsFunc(r.Allowed, func(p emulator.Protocol) bool {
		switch strings.ToLower(p.Name) {
		case "all":
			return true
		case "tcp", "6":
			return len(p.Ports) == 0 || slices.ContainsFunc(p.Ports, func(s string) bool { return inPorts(s, port) })
		}
		return false
	})
}

// inPorts reads "22" and "2382-65535". What is neither holds no port.
func inPorts(ports string, port uint16) bool {
	from, to, isRange := strings.Cut(ports, "-")
	if !isRange {
		to = from
	}
	low, err := strconv.ParseUint(from, 10, 16)
	if err != nil {
		return false
	}
	high, err := strconv.ParseUint(to, 10, 16)
	return err == nil && uint64(port) >= low && uint64(port) <= high
}

// metadataServer is a machine's metadata server.
type metadataServer struct {
	m   *Machines
	key emulator.MachineKey
}

func (s metadataServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	select {
	case <-s.m.attached:
	case <-r.Context().Done():
		http.Error(w, "the machine is stopped", http.StatusServiceUnavailable)
		return
	}
	h, ok := s.m.metadata(s.key)
	if !ok {
		http.Error(w, fmt.Sprintf("no instance %s", s.key.Name), http.StatusServiceUnavailable)
		return
	}
	h.ServeHTTP(w, r)
}
