package emulator

import (
	"context"
	"net/netip"
	"slices"
)

func addresses() collection {
	return collection{
		resource: "addresses", kind: "addresses", item: "compute#address",
		methods: map[string]handler{"insert": insertAddress, "delete": deleteAddress, "setLabels": labelsSetter("addresses")},
		works: map[string]work{
			"insert": {}, "setLabels": {},
			"delete": {late: true, run: func(ctx context.Context, k *task) error {
				return k.remove(ctx, "address", func(t *tx, r ref) ref { return addressUser(t.get(r)) })
			}},
		},
	}
}

// globalAddresses can be listed, since gcloud lists both; there are none.
func globalAddresses() collection {
	return collection{resource: "globalAddresses", kind: "addresses", item: "compute#address"}
}

func insertAddress(c *call) (obj, error) {
	if v := str(c.body, "ipVersion"); v != "" && v != "IPV4" && v != "UNSPECIFIED_VERSION" {
		return nil, notWritten("addresses.insert with " + v)
	}
	r := c.ref("addresses", str(c.body, "name"))
	return c.change(r, nil, func(t *tx) error {
		o := clone(c.body)
		if t.get(r) != nil {
			return exists(r)
		}
		fill(o, obj{"kind": "compute#address", "addressType": "EXTERNAL", "description": ""})
		var err error
		if str(o, "addressType") == "INTERNAL" {
			err = reserveInternal(t, r, o)
		} else {
			err = c.s.reserveExternal(t, r, o)
		}
		if err != nil {
			return err
		}
		o["status"], o["region"], o["labelFingerprint"] = "RESERVED", regionLink(r.project(), r.place()), fingerprint(o["labels"])
		_, err = c.create(t, "addresses", o)
		return err
	})
}

func (s *Server) reserveExternal(t *tx, r ref, o obj) error {
	if has(o, "subnetwork") || has(o, "network") {
		return refuse("An external address has no network and no subnetwork.")
	}
	fill(o, obj{"networkTier": "PREMIUM"})
	if want := str(o, "address"); want != "" {
		// Google can make an address that a machine happens to have a reserved
		// one; here every reserved address is a new one.
		return invalid("resource.address", want, "Specified IP address is not available.")
	}
	a, err := s.freeExternal(t)
	if err != nil {
		return err
	}
	o["address"] = a.String()
	return nil
}

func reserveInternal(t *tx, r ref, o obj) error {
	subnet, err := subnetworkOf(t, r.project(), r.place(), str(o, "subnetwork"), str(o, "network"), "resource.subnetwork")
	if err != nil {
		return err
	}
	o["subnetwork"] = subnet.link()
	delete(o, "network")
	fill(o, obj{"networkTier": "PREMIUM", "purpose": "GCE_ENDPOINT"})
	a, err := internalAddress(t, subnet, str(o, "address"), "resource.address")
	if err != nil {
		return err
	}
	o["address"] = a.String()
	return nil
}

func deleteAddress(c *call) (obj, error) {
	r := c.target("addresses")
	return c.change(r, nil, func(t *tx) error {
		o := t.get(r)
		if o == nil {
			return notFound(r)
		}
		if by := addressUser(o); by != "" {
			return inUse("address", r, by)
		}
		return nil
	})
}

func addressUser(o obj) ref {
	if l := stringsOf(o, "users"); len(l) > 0 {
		return toRef(l[0])
	}
	return ""
}

// reservedAs finds the address object that holds an external IP address.
func reservedAs(t *tx, ip string) (r ref) {
	t.each("", "addresses", func(o obj) {
		if str(o, "address") == ip && str(o, "addressType") == "EXTERNAL" {
			r = toRef(str(o, "selfLink"))
		}
	})
	return r
}

// use marks an address as the user's; only forwarding rules share one.
func use(t *tx, address, user ref) {
	if o := t.edit(address); o != nil {
		o["status"], o["users"] = "IN_USE", append(without(list(o, "users"), user.link()), user.link())
	}
}

// unuse undoes use; nothing happens if the address is not the user's.
func unuse(t *tx, address, user ref) {
	if !slices.Contains(stringsOf(t.get(address), "users"), user.link()) {
		return
	}
	o := t.edit(address)
	if o["users"] = without(list(o, "users"), user.link()); len(list(o, "users")) == 0 {
		o["status"] = "RESERVED"
		delete(o, "users")
	}
}

// claimExternal gives a user the external address it asks for, which must be
// reserved in its region and free, or any.
func (s *Server) claimExternal(t *tx, user ref, want, field string) (string, error) {
	if want == "" {
		a, err := s.freeExternal(t)
		return a.String(), err
	}
	var r ref
	if _, err := netip.ParseAddr(want); err != nil {
		r = parse(want, user.project(), "regions/"+user.region(), "addresses")
	} else {
		r = reservedAs(t, want)
	}
	o := t.get(r)
	if o == nil || r.project() != user.project() || r.place() != user.region() || str(o, "addressType") != "EXTERNAL" {
		return "", invalid(field, want, "The specified external IP address '"+want+"' was not found in region '"+user.region()+"'.")
	}
	if by := addressUser(o); by != "" {
		return "", &problem{400, "invalid", "IP_IN_USE_BY_ANOTHER_RESOURCE",
			"Invalid value for field '" + field + "': '" + str(o, "address") + "'. External IP address is already in-use."}
	}
	use(t, r, user)
	return str(o, "address"), nil
}

// releaseExternal undoes claimExternal.
func releaseExternal(t *tx, user ref, ip string) {
	if r := reservedAs(t, ip); r != "" {
		unuse(t, r, user)
	}
}
