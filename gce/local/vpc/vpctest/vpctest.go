// Package vpctest has the machines, firewall rules and balancers that the tests of
// the VPC and of its rules are about.
package vpctest

import (
	"fmt"
	"net/netip"
	"strings"

	"hakube/gce/emulator"
)

// VIP is the balancers' address in tests.
var VIP = netip.MustParseAddr("198.51.100.240")

// Balancer balances tcp:443 over the machines at the given addresses.
func Balancer(name string, address netip.Addr, at ...string) emulator.Balancer {
	b := emulator.Balancer{
		Project: "p", Region: "europe-west1", Name: name, Address: address, Protocol: "TCP", Ports: []string{"443"},
		Affinity: "NONE", Check: emulator.HealthCheck{Protocol: "TCP", Port: 443},
	}
	for _, a := range at {
		b.Backends = append(b.Backends, emulator.Backends{Zone: "europe-west1-b", Group: a, Machines: []netip.Addr{netip.MustParseAddr(a)}})
	}
	return b
}

// Machine is a machine of project "p" and network "default" unless changed.
func Machine(id uint64, name, address string, change ...func(*emulator.Machine)) emulator.Machine {
	a := netip.MustParseAddr(address)
	b := a.As4()
	m := emulator.Machine{
		MachineKey: emulator.MachineKey{Project: "p", Zone: "europe-west1-b", Name: name, ID: id},
		NIC: emulator.NIC{
			Network: "default", Gateway: netip.MustParseAddr("10.40.0.1"), Address: a, MTU: 1460,
			MAC: fmt.Sprintf("42:01:%02x:%02x:%02x:%02x", b[0], b[1], b[2], b[3]),
		},
	}
	for _, f := range change {
		f(&m)
	}
	return m
}

// Tags gives a machine these network tags.
func Tags(names ...string) func(*emulator.Machine) {
	return func(m *emulator.Machine) { m.Tags = names }
}

// External gives a machine an external address.
func External(a string) func(*emulator.Machine) {
	return func(m *emulator.Machine) { m.NIC.External = netip.MustParseAddr(a) }
}

// Alias gives a machine an alias IP range.
func Alias(p string) func(*emulator.Machine) {
	return func(m *emulator.Machine) { m.NIC.Aliases = append(m.NIC.Aliases, netip.MustParsePrefix(p)) }
}

// On puts a machine on another project's network.
func On(project, network string) func(*emulator.Machine) {
	return func(m *emulator.Machine) { m.Project, m.NIC.Network = project, network }
}

// Allow is an ingress rule from ranges, "tcp:22,443" and the like.
func Allow(name, from string, what ...string) emulator.Firewall {
	f := emulator.Firewall{Project: "p", Network: "default", Name: name, Priority: 1000}
	for r := range strings.FieldsSeq(from) {
		f.Ranges = append(f.Ranges, netip.MustParsePrefix(r))
	}
	for _, w := range what {
		proto, list, _ := strings.Cut(w, ":")
		p := emulator.Protocol{Name: proto}
		if list != "" {
			p.Ports = strings.Split(list, ",")
		}
		f.Allowed = append(f.Allowed, p)
	}
	return f
}
