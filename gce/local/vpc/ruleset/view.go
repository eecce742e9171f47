package ruleset

import (
	"net/netip"

	"hakube/gce/emulator"
)

// A View is a network as the API has it, and how it is mapped.
type View struct {
	emulator.Network
	Mappings Mappings
}

// From is who an address inside the namespace is of: the network as those in
// the same mapping see it, with nobody else's machines, and the address as its
// machine knows it.
func (p *View) From(a netip.Addr) (emulator.Network, netip.Addr) {
	n := p.Network
	n.Machines = nil
	for _, m := range p.Machines {
		if p.Mappings[NetworkOf(m)] == MappingOf(a) {
			n.Machines = append(n.Machines, m)
		}
	}
	return n, Unmapped(a)
}
