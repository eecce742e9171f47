package networks

import (
	"encoding/binary"
	"net/netip"

	"hakube/gce/emulator/internal/problem"
)

// parsePrefix reads an IPv4 range whose address is its first.
func parsePrefix(s, field string) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(s)
	if err != nil || !p.Addr().Is4() || p.Masked() != p {
		return p, problem.Invalid(field, s, "Must be a CIDR address range.")
	}
	return p, nil
}

// looseRange reads a range of a rule: a lone address is one too, and only
// IPv4 is known here.
func looseRange(s string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(s); err == nil {
		return a.Prefix(a.BitLen())
	}
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return p, err
	}
	return p.Masked(), nil
}

func nth(p netip.Prefix, i int64) netip.Addr {
	b := p.Addr().As4()
	binary.BigEndian.PutUint32(b[:], binary.BigEndian.Uint32(b[:])+uint32(i))
	return netip.AddrFrom4(b)
}

func offset(p netip.Prefix, a netip.Addr) int64 {
	first, b := p.Addr().As4(), a.As4()
	return int64(binary.BigEndian.Uint32(b[:])) - int64(binary.BigEndian.Uint32(first[:]))
}
