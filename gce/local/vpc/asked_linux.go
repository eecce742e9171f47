package vpc

import (
	"net/netip"

	"hakube/gce/emulator"
)

// From is who asks a service inside the VPC: the network as the asker's own and
// others with different addresses have it, and the asker's address as its
// machine knows it. Two networks may have the same addresses: only what comes
// from here tells them apart.
func (v *VPC) From(asker netip.Addr) (emulator.Network, netip.Addr) {
	p := v.plain.Load()
	if p == nil {
		return emulator.Network{}, asker
	}
	return p.From(asker.Unmap())
}
