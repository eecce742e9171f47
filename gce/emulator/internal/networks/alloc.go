package networks

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"hakube/gce/emulator/internal/api"
	"hakube/gce/emulator/internal/doc"
	"hakube/gce/emulator/internal/problem"
	"hakube/gce/emulator/internal/store"
)

// Free addresses are looked for from where the last search ended, so that
// what is let go is not handed out again at once: nobody shall rely on a
// machine that is made anew having the address it had.

// FreeExternal returns an address of the external pool that nobody has.
func FreeExternal(s *api.Server, t *store.Tx) (netip.Addr, error) {
	pool := s.Opts.External
	n := int64(1)<<(32-pool.Bits()) - 2 // neither the first nor the last
	start := t.Turn("external")
	for i := range n {
		a := nth(pool, 1+(start+i)%n)
		if !t.Has(addressKey(a.String())) {
			if i > 0 {
				t.Put("~turn/external", doc.Obj{"n": start + i + 1})
			}
			return a, nil
		}
	}
	return netip.Addr{}, problem.Exhausted("IN_USE_ADDRESSES", fmt.Sprintf("%d.0 (addresses of %s).", n, pool))
}

// internalAddress checks the address that is wanted in a subnetwork, or finds one.
// Of the range the first two (network, gateway) and the last two are Google's.
func internalAddress(t *store.Tx, subnet doc.Ref, want, field string) (netip.Addr, error) {
	pool := netip.MustParsePrefix(doc.Str(t.Get(subnet), "ipCidrRange"))
	size := int64(1) << (32 - pool.Bits())
	taken := func(a netip.Addr) bool { return overlapped(t, subnet, "", netip.PrefixFrom(a, 32)) }
	if want != "" {
		a, err := netip.ParseAddr(want)
		if err != nil || !pool.Contains(a) {
			return a, problem.Invalid(field, want, fmt.Sprintf("Requested internal IP address is outside the subnetwork CIDR range %s.", pool))
		}
		if i := offset(pool, a); i < 2 || i >= size-2 {
			return a, problem.Invalid(field, want, "The address is reserved.")
		}
		if taken(a) {
			return a, takenInside(want)
		}
		return a, nil
	}
	n := size - 4
	name := string(subnet)
	start := t.Turn(name)
	for i := range n {
		if a := nth(pool, 2+(start+i)%n); !taken(a) {
			if i > 0 {
				t.Put(doc.Ref("~turn/"+strings.ReplaceAll(name, "/", ",")), doc.Obj{"n": start + i + 1})
			}
			return a, nil
		}
	}
	return netip.Addr{}, problem.New(400, "badRequest", "IP_SPACE_EXHAUSTED", fmt.Sprintf("IP space of '%s' is exhausted.", subnet))
}

// takenInside is an internal address, or a range of them, that somebody has.
func takenInside(want string) error {
	return problem.New(409, "alreadyExists", "IP_IN_USE_BY_ANOTHER_RESOURCE", fmt.Sprintf("IP_IN_USE_BY_ANOTHER_RESOURCE - IP '%s' is already being used by another resource.", want))
}

// AliasRange makes an alias range out of what is asked for: a range, an
// address, or only a size ("/24"), in a named secondary range or the primary one.
func AliasRange(t *store.Tx, subnet doc.Ref, want, rangeName, field string) (netip.Prefix, error) {
	o := t.Get(subnet)
	pool := netip.MustParsePrefix(doc.Str(o, "ipCidrRange"))
	if rangeName != "" {
		pool = netip.Prefix{}
		for _, s := range doc.Objects(o, "secondaryIpRanges") {
			if doc.Str(s, "rangeName") == rangeName {
				pool = netip.MustParsePrefix(doc.Str(s, "ipCidrRange"))
			}
		}
		if !pool.IsValid() {
			return pool, problem.Invalid(field+".subnetworkRangeName", rangeName, "The referenced secondary range was not found in the subnetwork.")
		}
	}
	field += ".ipCidrRange"
	if bits, ok := strings.CutPrefix(want, "/"); ok {
		return freeRange(t, subnet, rangeName, pool, int(doc.Number(bits)), field, want)
	}
	p, err := looseRange(want)
	if err != nil || !pool.Contains(p.Addr()) || p.Bits() < pool.Bits() {
		return p, problem.Invalid(field, want, fmt.Sprintf("Alias IP range must be inside %s.", pool))
	}
	if rangeName == "" && googles(pool, p) {
		return p, problem.Invalid(field, want, "The range has an address that is reserved.")
	}
	if overlapped(t, subnet, rangeName, p) {
		return p, takenInside(want)
	}
	return p, nil
}

func freeRange(t *store.Tx, subnet doc.Ref, rangeName string, pool netip.Prefix, bits int, field, want string) (netip.Prefix, error) {
	if bits < pool.Bits() || bits > 32 {
		return pool, problem.Invalid(field, want, fmt.Sprintf("No such range fits in %s.", pool))
	}
	n := int64(1) << (bits - pool.Bits())
	name := fmt.Sprintf("%s %s /%d", subnet, rangeName, bits)
	start := t.Turn(name)
	for i := range n {
		p := netip.PrefixFrom(nth(pool, (start+i)%n<<(32-bits)), bits)
		if overlapped(t, subnet, rangeName, p) {
			continue
		}
		if rangeName == "" && googles(pool, p) {
			continue
		}
		if i > 0 {
			t.Put(doc.Ref("~turn/"+strings.ReplaceAll(name, "/", ",")), doc.Obj{"n": start + i + 1})
		}
		return p, nil
	}
	return pool, problem.New(400, "badRequest", "IP_SPACE_EXHAUSTED", fmt.Sprintf("IP space of '%s-%s' is exhausted.", subnet, rangeName))
}

// googles tells of a part of a subnetwork's primary range that it has one of Google's four
// addresses: the network's, the gateway's and the last two.
func googles(pool, part netip.Prefix) bool {
	last := int64(1)<<(32-pool.Bits()) - 1
	return slices.ContainsFunc([]int64{0, 1, last - 1, last}, func(i int64) bool { return part.Contains(nth(pool, i)) })
}
