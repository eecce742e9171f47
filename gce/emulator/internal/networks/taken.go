package networks

import (
	"fmt"
	"net/netip"

	"hakube/gce/emulator/internal/doc"
	"hakube/gce/emulator/internal/store"
)

// Keys are what the store finds documents by, for who hands out addresses: an external
// address, a range of a subnetwork, and which sizes of ranges there are in one.
func Keys(r doc.Ref, o doc.Obj) (keys []string) {
	inside := func(subnet doc.Ref, name string, p netip.Prefix) {
		keys = append(keys, rangeKey(subnet, name, p), sizeKey(subnet, name, p.Bits()))
	}
	switch r.Kind() {
	case "addresses":
		a, err := netip.ParseAddr(doc.Str(o, "address"))
		if err != nil {
			return nil
		}
		keys = append(keys, addressKey(a.String()))
		if subnet := doc.Str(o, "subnetwork"); subnet != "" {
			inside(doc.RefOf(subnet), "", netip.PrefixFrom(a, a.BitLen()))
		}
	case "forwardingRules":
		a, err := netip.ParseAddr(doc.Str(o, "IPAddress"))
		if subnet := doc.Str(o, "subnetwork"); err == nil && subnet != "" {
			inside(doc.RefOf(subnet), "", netip.PrefixFrom(a, a.BitLen()))
		} else {
			keys = append(keys, addressKey(doc.Str(o, "IPAddress")))
		}
	case "instances":
		for _, nic := range doc.Objects(o, "networkInterfaces") {
			subnet := doc.RefOf(doc.Str(nic, "subnetwork"))
			if a, err := netip.ParseAddr(doc.Str(nic, "networkIP")); err == nil {
				inside(subnet, "", netip.PrefixFrom(a, a.BitLen()))
			}
			for _, alias := range doc.Objects(nic, "aliasIpRanges") {
				if p, err := netip.ParsePrefix(doc.Str(alias, "ipCidrRange")); err == nil {
					inside(subnet, doc.Str(alias, "subnetworkRangeName"), p.Masked())
				}
			}
			for _, c := range doc.Objects(nic, "accessConfigs") {
				keys = append(keys, addressKey(doc.Str(c, "natIP")))
			}
		}
	}
	return keys
}

// addressKey is of any address, also of an internal one that an address object holds.
func addressKey(ip string) string { return "address " + ip }

func rangeKey(subnet doc.Ref, name string, p netip.Prefix) string {
	return string(subnet) + " " + name + " " + p.String()
}

func sizeKey(subnet doc.Ref, name string, bits int) string {
	return fmt.Sprintf("%s %s /%d", subnet, name, bits)
}

// overlapped reports whether somebody has a part of a range: the primary range of a
// subnetwork, or the secondary one of a name.
func overlapped(t *store.Tx, subnet doc.Ref, name string, p netip.Prefix) bool {
	p = p.Masked()
	if t.Has(rangeKey(subnet, name, p)) {
		return true
	}
	for bits := range 33 {
		if bits == p.Bits() || !t.Has(sizeKey(subnet, name, bits)) {
			continue
		}
		if bits < p.Bits() {
			if larger, _ := p.Addr().Prefix(bits); t.Has(rangeKey(subnet, name, larger)) {
				return true
			}
			continue
		}
		for i := range int64(1) << (bits - p.Bits()) {
			if t.Has(rangeKey(subnet, name, netip.PrefixFrom(nth(p, i<<(32-bits)), bits))) {
				return true
			}
		}
	}
	return false
}
