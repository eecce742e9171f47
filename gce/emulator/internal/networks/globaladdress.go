package networks

import (
	"context"
	"fmt"
	"net/netip"

	"hakube/gce/emulator/internal/api"
	"hakube/gce/emulator/internal/doc"
	"hakube/gce/emulator/internal/identity"
	"hakube/gce/emulator/internal/problem"
	"hakube/gce/emulator/internal/store"
)

// globalAddresses are external ones, which nothing here can use, and ranges that are
// kept free of subnetworks for networks that peer.
func globalAddresses() api.Collection {
	return api.Collection{
		Resource: "globalAddresses", Kind: "addresses", Item: "compute#address",
		Methods: map[string]api.Handler{"insert": insertGlobalAddress, "delete": deleteAddress, "setLabels": identity.LabelsSetter("addresses")},
		Works: map[string]api.Work{
			"insert": {}, "setLabels": {AtOnce: true},
			"delete": {Late: true, Run: func(ctx context.Context, k *api.Job) error {
				return k.Remove(ctx, "address", Holder)
			}},
		},
	}
}

func insertGlobalAddress(c *api.Call) (doc.Obj, error) {
	if v := doc.Str(c.Body, "ipVersion"); v != "" && v != "IPV4" && v != "UNSPECIFIED_VERSION" {
		return nil, problem.NotWritten("globalAddresses.insert with " + v)
	}
	if p := doc.Str(c.Body, "purpose"); p != "" && p != "VPC_PEERING" {
		return nil, problem.NotWritten("globalAddresses.insert for " + p)
	}
	r := c.Ref("addresses", doc.Str(c.Body, "name"))
	return c.Change(r, nil, func(t *store.Tx) error {
		o := doc.Clone(c.Body)
		if t.Get(r) != nil {
			return problem.Exists(r)
		}
		doc.Fill(o, doc.Obj{"kind": "compute#address", "addressType": "EXTERNAL", "description": "", "networkTier": "PREMIUM"})
		var err error
		if doc.Str(o, "addressType") == "INTERNAL" {
			err = reserveRange(t, r, o)
		} else {
			err = reserveExternal(c.S, t, r, o)
		}
		if err != nil {
			return err
		}
		o["status"], o["labelFingerprint"] = "RESERVED", doc.Fingerprint(nil)
		_, err = c.Create(t, "addresses", o)
		return err
	})
}

// reserveRange keeps a range of a network free: the one that is asked for, or the
// first of its size that nothing overlaps.
func reserveRange(t *store.Tx, r doc.Ref, o doc.Obj) error {
	network, err := NetworkOf(t, r.Project(), doc.Str(o, "network"), "resource.network")
	if err != nil {
		return err
	}
	bits := int(doc.Num(o, "prefixLength"))
	if bits < 8 || bits > 30 {
		return problem.Invalid("resource.prefixLength", bits, "Must be between 8 and 30.")
	}
	o["network"], o["purpose"] = network.Link(), "VPC_PEERING"
	var taken []netip.Prefix
	for _, s := range t.All(network.Project(), "subnetworks") {
		if doc.Str(s, "network") == network.Link() {
			taken = append(taken, RangesOf(s)...)
		}
	}
	for _, p := range keptRanges(t, network) {
		taken = append(taken, p)
	}
	free := func(p netip.Prefix) bool {
		for _, x := range taken {
			if x.Overlaps(p) {
				return false
			}
		}
		return true
	}
	if want := doc.Str(o, "address"); want != "" {
		a, err := netip.ParseAddr(want)
		if err != nil || !a.Is4() || netip.PrefixFrom(a, bits).Masked().Addr() != a {
			return problem.Invalid("resource.address", want, "Must be the first address of a range of the given prefix length.")
		}
		if p := netip.PrefixFrom(a, bits); !free(p) {
			return problem.Invalid("resource.address", want, fmt.Sprintf("Requested range %s conflicts with a subnetwork or a range of the network.", p))
		}
		return nil
	}
	pool := netip.MustParsePrefix("10.0.0.0/8")
	for i := range int64(1) << (bits - pool.Bits()) {
		p := netip.PrefixFrom(nth(pool, i<<(32-bits)), bits)
		if free(p) && !netip.MustParsePrefix(autoRange).Overlaps(p) {
			o["address"] = p.Addr().String()
			return nil
		}
	}
	return problem.New(400, "badRequest", "IP_SPACE_EXHAUSTED", fmt.Sprintf("No range of /%d is free in '%s'.", bits, network))
}

// keptRanges are the ranges of a network that are kept free, by name.
func keptRanges(t *store.Tx, network doc.Ref) map[string]netip.Prefix {
	out := map[string]netip.Prefix{}
	for _, o := range t.List("projects/" + network.Project() + "/global/addresses") {
		if a, err := netip.ParseAddr(doc.Str(o, "address")); err == nil && doc.Str(o, "network") == network.Link() {
			out[doc.Str(o, "name")] = netip.PrefixFrom(a, int(doc.Num(o, "prefixLength")))
		}
	}
	return out
}
