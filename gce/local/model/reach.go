package model

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"

	"hakube/gce/emulator"
	"hakube/replicate/etcdtest"
)

// outside is where the firewall believes connections of this host to come
// from: an address of the internet that is nobody's (RFC 5737).
var outside = netip.MustParseAddr("192.0.2.1")

// prober is an address Google's health checks come from.
var prober = netip.MustParseAddr("35.191.0.1")

// Dial connects this host to a machine by its external or internal address or a
// balancer's, as far as the firewall lets outsiders in. Packets that it drops, or
// that have nowhere to go, are never answered: Dial then returns when ctx ends. A
// balancer without backends, and its ports that are not forwarded, refuse.
func (m *Machines) Dial(ctx context.Context, to netip.AddrPort) (net.Conn, error) {
	fail := func(err error) (net.Conn, error) {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Addr: net.TCPAddrFromAddrPort(to), Err: err}
	}
	m.mu.Lock()
	x, err := m.reached(to)
	guest := m.guests[x.MachineKey]
	m.mu.Unlock()
	switch {
	case err != nil:
		return fail(err)
	case guest == nil:
		<-ctx.Done()
		return fail(os.ErrDeadlineExceeded)
	}
	conn, err := guest.Dial(ctx, int(to.Port()))
	if err != nil {
		return nil, err
	}
	c := &call{Conn: conn, m: m, to: to.Addr(), key: x.MachineKey}
	m.mu.Lock()
	m.calls[c] = struct{}{}
	m.mu.Unlock()
	return c, nil
}

// reached is the machine that a new connection from outside comes to; none has
// no name. The lock is held.
func (m *Machines) reached(to netip.AddrPort) (x emulator.Machine, err error) {
	called := to.Addr()
	for _, b := range m.network.Balancers {
		if b.Address == to.Addr() {
			if x, err = m.pick(b, to.Port()); err != nil {
				return x, err
			}
		}
	}
	for _, o := range m.network.Machines {
		if slices.Contains(addressesOf(o), to.Addr()) {
			x, called = o, o.NIC.Address
		}
	}
	if !admits(m.network.Firewalls, x, to.Port(), outside, called) {
		return emulator.Machine{}, nil
	}
	return x, nil
}

// pick takes a balancer's backends in turn, of those that pass its check or, when
// none does, of all. All callers are one here, so with an affinity that goes by
// the caller it is always the same.
func (m *Machines) pick(b emulator.Balancer, port uint16) (x emulator.Machine, err error) {
	forwards := len(b.Ports) == 0 || slices.ContainsFunc(b.Ports, func(p string) bool { return inPorts(p, port) })
	if b.Protocol == "UDP" || !forwards {
		return x, os.NewSyscallError("connect", syscall.ECONNREFUSED)
	}
	all := m.members(b)
	at := func(a netip.Addr) int {
		return slices.IndexFunc(all, func(x emulator.Machine) bool { return x.NIC.Address == a })
	}
	picked := b.Picked(
		func(a netip.Addr) bool { return at(a) >= 0 },
		func(a netip.Addr) bool { return m.passes(all[at(a)], b) })
	if len(picked) == 0 {
		return x, os.NewSyscallError("connect", syscall.EHOSTUNREACH)
	}
	well := make([]emulator.Machine, len(picked))
	for i, a := range picked {
		well[i] = all[at(a)]
	}
	if strings.HasPrefix(b.Affinity, "CLIENT_IP") && b.Affinity != "CLIENT_IP_PORT_PROTO" {
		return well[0], nil
	}
	m.turn++
	return well[m.turn%len(well)], nil
}

// members are a balancer's backends that are on. The lock is held.
func (m *Machines) members(b emulator.Balancer) (list []emulator.Machine) {
	for _, group := range b.Backends {
		for _, x := range m.network.Machines {
			if x.Project == b.Project && x.NIC.Network == group.Network && slices.Contains(group.Machines, x.NIC.Address) {
				list = append(list, x)
			}
		}
	}
	return list
}

// Health is what a probe of the backends would find now: model machines are
// ready or are not, and their network loses nothing. A probe is let in by the
// firewall or it is not.
func (m *Machines) Health(b emulator.Balancer) (map[netip.Addr]bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	healthy := map[netip.Addr]bool{}
	for _, x := range m.members(b) {
		healthy[x.NIC.Address] = m.passes(x, b)
	}
	return healthy, nil
}

// passes tells whether a machine passes a balancer's check. The model has no
// other port with something to check than the API server's. The lock is held.
func (m *Machines) passes(x emulator.Machine, b emulator.Balancer) bool {
	g := m.guests[x.MachineKey]
	if b.Check.Protocol == "" {
		return g != nil
	}
	called := b.Address
	if !called.IsValid() {
		called = x.NIC.Address
	}
	well := (*etcdtest.Guest).Ready
	if b.Check.Protocol == "TCP" || b.Check.Path == "/version" { // which tell nothing of its etcd
		well = (*etcdtest.Guest).Answers
	}
	return g != nil && b.Check.Port == 443 && admits(m.network.Firewalls, x, 443, prober, called) && well(g)
}

// addressesOf are a machine's own.
func addressesOf(x emulator.Machine) []netip.Addr {
	all := []netip.Addr{x.NIC.Address}
	if x.NIC.External.IsValid() {
		all = append(all, x.NIC.External)
	}
	return all
}

// connect tells the machines how they reach each other, and ends connections of
// addresses that have gone elsewhere. The lock is held.
func (m *Machines) connect() {
	to := map[netip.Addr][]*etcdtest.Guest{}
	kept := map[netip.Addr][]emulator.MachineKey{}
	for _, x := range m.network.Machines {
		g := m.guests[x.MachineKey]
		for _, a := range addressesOf(x) {
			kept[a] = append(kept[a], x.MachineKey)
			if g != nil {
				to[a] = append(to[a], g)
			}
		}
		for _, a := range x.NIC.Forwarded { // also while it drains
			kept[a] = append(kept[a], x.MachineKey)
		}
	}
	for _, b := range m.network.Balancers {
		for _, x := range m.members(b) {
			if g := m.guests[x.MachineKey]; g != nil {
				to[b.Address] = append(to[b.Address], g)
			}
		}
	}
	m.world.SetAddresses(to)
	for c := range m.calls {
		if !slices.Contains(kept[c.to], c.key) {
			c.cut.Store(true)
			delete(m.calls, c)
			_ = c.Conn.Close()
		}
	}
}

// A call is a connection that was dialled by an address. Where the address has
// gone elsewhere Google's network leaves both ends without an answer; here they
// are told.
type call struct {
	net.Conn
	m   *Machines
	to  netip.Addr
	key emulator.MachineKey
	cut atomic.Bool
}

func (c *call) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	return n, c.reset("read", err)
}

func (c *call) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	return n, c.reset("write", err)
}

func (c *call) reset(op string, err error) error {
	if err != nil && c.cut.Load() {
		return &net.OpError{Op: op, Net: "tcp", Addr: c.RemoteAddr(), Err: os.NewSyscallError(op, syscall.ECONNRESET)}
	}
	return err
}

// CloseWrite says that no more will come, as TCP's.
func (c *call) CloseWrite() error {
	half, ok := c.Conn.(interface{ CloseWrite() error })
	if !ok {
		return errors.ErrUnsupported
	}
	return half.CloseWrite()
}

func (c *call) Close() error {
	c.m.mu.Lock()
	delete(c.m.calls, c)
	c.m.mu.Unlock()
	return c.Conn.Close()
}
