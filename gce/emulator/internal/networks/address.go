package networks

import (
	"context"
	"net/netip"

	"hakube/gce/emulator/internal/api"
	"hakube/gce/emulator/internal/doc"
	"hakube/gce/emulator/internal/identity"
	"hakube/gce/emulator/internal/problem"
	"hakube/gce/emulator/internal/store"
)

func addresses() api.Collection {
	return api.Collection{
		Resource: "addresses", Kind: "addresses", Item: "compute#address",
		Methods: map[string]api.Handler{"insert": insertAddress, "delete": deleteAddress, "setLabels": identity.LabelsSetter("addresses")},
		Lacks:   map[string][]string{"insert": {"ipVersion!IPV4|UNSPECIFIED_VERSION", "networkTier!PREMIUM", "purpose=VPC_PEERING|IPSEC_INTERCONNECT|PRIVATE_SERVICE_CONNECT|NAT_AUTO"}},
		Works: map[string]api.Work{
			"insert": {}, "setLabels": {AtOnce: true},
			"delete": {Late: true, Run: func(ctx context.Context, k *api.Job) error {
				return k.Remove(ctx, "address", Holder)
			}},
		},
	}
}

func insertAddress(c *api.Call) (doc.Obj, error) {
	r := c.Ref("addresses", doc.Str(c.Body, "name"))
	return c.Change(r, nil, func(t *store.Tx) error {
		o := doc.Clone(c.Body)
		if t.Get(r) != nil {
			return problem.Exists(r)
		}
		if err := reserve(c.S, t, r, o); err != nil {
			return err
		}
		_, err := c.Create(t, "addresses", o)
		return err
	})
}

// reserve completes a new address object with the address that it asks for, or a free one.
func reserve(s *api.Server, t *store.Tx, r doc.Ref, o doc.Obj) error {
	doc.Fill(o, doc.Obj{"kind": "compute#address", "addressType": "EXTERNAL", "description": ""})
	var err error
	if doc.Str(o, "addressType") == "INTERNAL" {
		err = reserveInternal(t, r, o)
	} else {
		err = reserveExternal(s, t, r, o)
	}
	if err != nil {
		return err
	}
	o["region"], o["labelFingerprint"] = doc.RegionLink(r.Project(), r.Place()), doc.Fingerprint(nil) // labels come by setLabels
	doc.Fill(o, doc.Obj{"status": "RESERVED"})
	return nil
}

func reserveExternal(s *api.Server, t *store.Tx, r doc.Ref, o doc.Obj) error {
	if doc.Has(o, "subnetwork") || doc.Has(o, "network") {
		return problem.Refuse("An external address has no network and no subnetwork.")
	}
	doc.Fill(o, doc.Obj{"networkTier": "PREMIUM"})
	if want := doc.Str(o, "address"); want != "" {
		if promoted(t, r, o, want, addressKey(want)) {
			return nil
		}
		return problem.Invalid("resource.address", want, "Specified IP address is not available.")
	}
	a, err := FreeExternal(s, t)
	if err != nil {
		return err
	}
	o["address"] = a.String()
	return nil
}

func reserveInternal(t *store.Tx, r doc.Ref, o doc.Obj) error {
	subnet, err := SubnetworkOf(t, r.Project(), r.Place(), doc.Str(o, "subnetwork"), doc.Str(o, "network"), "resource.subnetwork")
	if err != nil {
		return err
	}
	o["subnetwork"] = subnet.Link()
	delete(o, "network")
	doc.Fill(o, doc.Obj{"networkTier": "PREMIUM", "purpose": "GCE_ENDPOINT"})
	want := doc.Str(o, "address")
	if a, err := netip.ParseAddr(want); err == nil && promoted(t, r, o, want, rangeKey(subnet, "", netip.PrefixFrom(a, a.BitLen()))) {
		return nil
	}
	a, err := internalAddress(t, subnet, want, "resource.address")
	if err != nil {
		return err
	}
	o["address"] = a.String()
	return nil
}

func deleteAddress(c *api.Call) (doc.Obj, error) {
	return c.Removal("addresses", "address", Holder)
}
