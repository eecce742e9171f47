package ruleset

import (
	"cmp"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// Whole is every IPv4 address.
var Whole = netip.MustParsePrefix("0.0.0.0/0")

// Merge sorts ranges and leaves out those inside another: nft takes no
// overlapping elements. IPv6 ranges are left out, since there is no IPv6 here.
func Merge(ranges []netip.Prefix) []netip.Prefix {
	var v4 []netip.Prefix
	for _, p := range ranges {
		if p.IsValid() && p.Addr().Is4() {
			v4 = append(v4, p.Masked())
		}
	}
	slices.SortFunc(v4, netip.Prefix.Compare)
	var out []netip.Prefix
	for _, p := range v4 {
		// Sorted by address and then length: a range follows what contains it.
		if n := len(out); n == 0 || !out[n-1].Overlaps(p) {
			out = append(out, p)
		}
	}
	return out
}

// One is the range of a single address.
func One(a netip.Addr) netip.Prefix { return netip.PrefixFrom(a, a.BitLen()) }

// Show writes a range as nft does: an address without /32.
func Show(p netip.Prefix) string {
	if p.IsSingleIP() {
		return p.Addr().String()
	}
	return p.String()
}

// set writes { a, b }. It must not be called for nothing: nft has no empty set.
func set(elements []string) string {
	return "{ " + strings.Join(elements, ", ") + " }"
}

func shown(ranges []netip.Prefix) []string {
	var s []string
	for _, p := range ranges {
		s = append(s, Show(p))
	}
	return s
}

type portRange struct{ first, last uint16 }

// ports reads "22" and "2382-65535", sorted and merged. What cannot be read is
// left out: a rule must not open more than it says.
func ports(specs []string) []portRange {
	var all []portRange
	for _, s := range specs {
		from, to, isRange := strings.Cut(s, "-")
		if !isRange {
			to = from
		}
		first, err1 := strconv.ParseUint(strings.TrimSpace(from), 10, 16)
		last, err2 := strconv.ParseUint(strings.TrimSpace(to), 10, 16)
		if err1 == nil && err2 == nil && first <= last {
			all = append(all, portRange{uint16(first), uint16(last)})
		}
	}
	slices.SortFunc(all, func(a, b portRange) int { return cmp.Or(cmp.Compare(a.first, b.first), cmp.Compare(a.last, b.last)) })
	var out []portRange
	for _, p := range all {
		if n := len(out); n > 0 && int(p.first) <= int(out[n-1].last)+1 {
			out[n-1].last = max(out[n-1].last, p.last)
			continue
		}
		out = append(out, p)
	}
	return out
}

func (p portRange) String() string {
	if p.first == p.last {
		return strconv.Itoa(int(p.first))
	}
	return strconv.Itoa(int(p.first)) + "-" + strconv.Itoa(int(p.last))
}
