package vpc

import (
	"net/netip"

	"hakube/gce/emulator"
)

// An appearance is a network as the API has it, and the guises it goes about in.
type appearance struct {
	emulator.Network
	guises guises
}

// from is who an address inside the namespace is of: the network as those in
// the same guise see it, with nobody else's machines, and the address as its
// machine knows it.
func (p *appearance) from(a netip.Addr) (emulator.Network, netip.Addr) {
	n := p.Network
	n.Machines = nil
	for _, m := range p.Machines {
		if p.guises[networkOf(m)] == guiseOf(a) {
			n.Machines = append(n.Machines, m)
		}
	}
	return n, undisguised(a)
}
