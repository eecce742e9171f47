package emulator

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"
)

// Free addresses are looked for from where the last search ended, so that
// what is let go is not handed out again at once: nobody shall rely on a
// machine that is made anew having the address it had.

// freeExternal returns an address of the external pool that nobody has.
func (s *Server) freeExternal(t *tx) (netip.Addr, error) {
	taken := map[string]bool{}
	t.each("", "addresses", func(o obj) { taken[str(o, "address")] = true })
	t.each("", "forwardingRules", func(o obj) { taken[str(o, "IPAddress")] = true })
	t.each("", "instances", func(o obj) {
		for _, nic := range objects(o, "networkInterfaces") {
			for _, ac := range objects(nic, "accessConfigs") {
				taken[str(ac, "natIP")] = true
			}
		}
	})
	pool := s.opts.External
	n := int64(1)<<(32-pool.Bits()) - 2 // neither the first nor the last
	start := t.turn("external")
	for i := range n {
		a := nth(pool, 1+(start+i)%n)
		if !taken[a.String()] {
			if i > 0 {
				t.put("~turn/external", obj{"n": start + i + 1})
			}
			return a, nil
		}
	}
	return netip.Addr{}, exhausted("IN_USE_ADDRESSES", fmt.Sprintf("%d.0 (addresses of %s).", n, pool))
}

// internalAddress checks the address that is wanted in a subnetwork, or finds one.
// Of the range the first two (network, gateway) and the last two are Google's.
func internalAddress(t *tx, subnet ref, want, field string) (netip.Addr, error) {
	pool := netip.MustParsePrefix(str(t.get(subnet), "ipCidrRange"))
	size := int64(1) << (32 - pool.Bits())
	taken := internalTaken(t, subnet)
	if want != "" {
		a, err := netip.ParseAddr(want)
		if err != nil || !pool.Contains(a) {
			return a, invalid(field, want, fmt.Sprintf("Requested internal IP address is outside the subnetwork CIDR range %s.", pool))
		}
		if i := offset(pool, a); i < 2 || i >= size-2 {
			return a, invalid(field, want, "The address is reserved.")
		}
		if taken[a] {
			return a, &problem{409, "alreadyExists", "IP_IN_USE_BY_ANOTHER_RESOURCE", fmt.Sprintf("IP_IN_USE_BY_ANOTHER_RESOURCE - IP '%s' is already being used by another resource.", want)}
		}
		return a, nil
	}
	n := size - 4
	name := string(subnet)
	start := t.turn(name)
	for i := range n {
		if a := nth(pool, 2+(start+i)%n); !taken[a] {
			if i > 0 {
				t.put(ref("~turn/"+strings.ReplaceAll(name, "/", ",")), obj{"n": start + i + 1})
			}
			return a, nil
		}
	}
	return netip.Addr{}, &problem{400, "badRequest", "IP_SPACE_EXHAUSTED", fmt.Sprintf("IP space of '%s' is exhausted.", subnet)}
}

func internalTaken(t *tx, subnet ref) map[netip.Addr]bool {
	taken := map[netip.Addr]bool{}
	for _, nic := range nicsIn(t, subnet) {
		if a, err := netip.ParseAddr(str(nic, "networkIP")); err == nil {
			taken[a] = true
		}
		for _, al := range objects(nic, "aliasIpRanges") {
			if str(al, "subnetworkRangeName") != "" {
				continue
			}
			p := netip.MustParsePrefix(str(al, "ipCidrRange"))
			for a := p.Addr(); p.Contains(a); a = a.Next() {
				taken[a] = true
			}
		}
	}
	for _, o := range t.list("projects/" + subnet.project() + "/" + subnet.scope() + "/addresses") {
		if a, err := netip.ParseAddr(str(o, "address")); err == nil && str(o, "subnetwork") == subnet.link() {
			taken[a] = true
		}
	}
	return taken
}

// nicsIn are the network interfaces in a subnetwork.
func nicsIn(t *tx, subnet ref) (out []obj) {
	link := subnet.link()
	t.each(subnet.project(), "instances", func(o obj) {
		for _, nic := range objects(o, "networkInterfaces") {
			if str(nic, "subnetwork") == link {
				out = append(out, nic)
			}
		}
	})
	return out
}

// aliasRange makes an alias range out of what is asked for: a range, an
// address, or only a size ("/24"), in a named secondary range or the primary one.
func aliasRange(t *tx, subnet ref, want, rangeName, field string) (netip.Prefix, error) {
	o := t.get(subnet)
	pool := netip.MustParsePrefix(str(o, "ipCidrRange"))
	if rangeName != "" {
		pool = netip.Prefix{}
		for _, s := range objects(o, "secondaryIpRanges") {
			if str(s, "rangeName") == rangeName {
				pool = netip.MustParsePrefix(str(s, "ipCidrRange"))
			}
		}
		if !pool.IsValid() {
			return pool, invalid(field+".subnetworkRangeName", rangeName, "The referenced secondary range was not found in the subnetwork.")
		}
	}
	var taken []netip.Prefix
	for _, nic := range nicsIn(t, subnet) {
		for _, a := range objects(nic, "aliasIpRanges") {
			if str(a, "subnetworkRangeName") == rangeName {
				taken = append(taken, netip.MustParsePrefix(str(a, "ipCidrRange")))
			}
		}
		if a, err := netip.ParseAddr(str(nic, "networkIP")); err == nil && rangeName == "" {
			taken = append(taken, netip.PrefixFrom(a, 32))
		}
	}
	field += ".ipCidrRange"
	if bits, ok := strings.CutPrefix(want, "/"); ok {
		return freeRange(t, subnet, rangeName, pool, atoi(bits), taken, field, want)
	}
	p, err := looseRange(want)
	if err != nil || !pool.Contains(p.Addr()) || p.Bits() < pool.Bits() {
		return p, invalid(field, want, fmt.Sprintf("Alias IP range must be inside %s.", pool))
	}
	for _, u := range taken {
		if u.Overlaps(p) {
			return p, &problem{409, "alreadyExists", "IP_IN_USE_BY_ANOTHER_RESOURCE", fmt.Sprintf("IP_IN_USE_BY_ANOTHER_RESOURCE - IP '%s' is already being used by another resource.", want)}
		}
	}
	return p, nil
}

func freeRange(t *tx, subnet ref, rangeName string, pool netip.Prefix, bits int, taken []netip.Prefix, field, want string) (netip.Prefix, error) {
	if bits < pool.Bits() || bits > 32 {
		return pool, invalid(field, want, fmt.Sprintf("No such range fits in %s.", pool))
	}
	n := int64(1) << (bits - pool.Bits())
	name := fmt.Sprintf("%s %s /%d", subnet, rangeName, bits)
	start := t.turn(name)
	same := map[netip.Prefix]bool{} // most are of the same size: no search among them
	var others []netip.Prefix
	for _, u := range taken {
		if u.Bits() == bits {
			same[u] = true
		} else {
			others = append(others, u)
		}
	}
search:
	for i := range n {
		p := netip.PrefixFrom(nth(pool, (start+i)%n<<(32-bits)), bits)
		if same[p] {
			continue
		}
		for _, u := range others {
			if u.Overlaps(p) {
				continue search
			}
		}
		if rangeName == "" && (i+start)%n == 0 {
			continue // the gateway's
		}
		if i > 0 {
			t.put(ref("~turn/"+strings.ReplaceAll(name, "/", ",")), obj{"n": start + i + 1})
		}
		return p, nil
	}
	return pool, &problem{400, "badRequest", "IP_SPACE_EXHAUSTED", fmt.Sprintf("IP space of '%s-%s' is exhausted.", subnet, rangeName)}
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

// subnetworkOf finds the subnetwork a NIC or address means: the one it names,
// or that of an automatic network in the region.
func subnetworkOf(t *tx, project, region, subnet, network, field string) (ref, error) {
	if subnet != "" {
		r := parse(subnet, project, "regions/"+region, "subnetworks")
		if r == "" {
			return "", invalid(field, subnet, "The URL is malformed.")
		}
		if r.place() != region {
			return "", invalid(field, subnet, "The subnetwork is not in region '"+region+"'.")
		}
		o := t.get(r)
		if o == nil {
			return "", notFound(r)
		}
		if network != "" {
			if n := parse(network, project, "global", "networks"); n.link() != str(o, "network") {
				return "", invalid(field, subnet, "The subnetwork is not of the network.")
			}
		}
		return r, nil
	}
	n, err := networkOf(t, project, network, "resource.network")
	if err != nil {
		return "", err
	}
	if !flag(t.get(n), "autoCreateSubnetworks") {
		return "", invalid(field, "", "Network interface must specify a subnet if the network resource is in custom subnet mode.")
	}
	r := in(project, "regions/"+region, "subnetworks", n.name())
	if t.get(r) == nil {
		return "", notFound(r)
	}
	return r, nil
}
