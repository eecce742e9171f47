package networks

import (
	"net/netip"
	"slices"
	"strings"

	"hakube/gce/emulator/internal/api"
	"hakube/gce/emulator/internal/doc"
	"hakube/gce/emulator/internal/problem"
	"hakube/gce/emulator/internal/store"
)

// Who has which address.

// AddressUser is who has an address, "" if nobody.
func AddressUser(o doc.Obj) doc.Ref {
	if l := doc.Strings(o, "users"); len(l) > 0 {
		return doc.RefOf(l[0])
	}
	return ""
}

// Holder is an instance that has an address and keeps it from being released, "" if
// none does. A forwarding rule does not: on Google its address becomes an ephemeral
// one, which goes with the rule.
func Holder(t *store.Tx, r doc.Ref) doc.Ref {
	for _, user := range doc.Strings(t.Get(r), "users") {
		if by := doc.RefOf(user); by.Kind() != "forwardingRules" {
			return by
		}
	}
	return ""
}

// promoted gives a new address object the address that an instance or forwarding
// rules of its region have already, and makes it theirs. Not ok means that nobody
// has it so. key is what those who have it are found by.
func promoted(t *store.Tx, r doc.Ref, o doc.Obj, want, key string) (ok bool) {
	var users []any
	for found := range t.Found(key) {
		if found.Kind() == "addresses" || found.Project() != r.Project() || found.Region() != r.Region() {
			return false
		}
		users = append(users, found.Link())
	}
	if len(users) == 0 {
		return false
	}
	slices.SortFunc(users, func(a, b any) int { return strings.Compare(a.(string), b.(string)) })
	o["address"], o["status"], o["users"] = want, "IN_USE", users
	return true
}

// ReservedAs finds the address object that holds an external IP address.
func ReservedAs(t *store.Tx, ip string) (r doc.Ref) {
	for found, o := range t.Found(addressKey(ip)) {
		if found.Kind() == "addresses" && doc.Str(o, "addressType") == "EXTERNAL" {
			r = found
		}
	}
	return r
}

// Use marks an address as the user's; only forwarding rules share one.
func Use(t *store.Tx, address, user doc.Ref) {
	if o := t.Edit(address); o != nil {
		o["status"], o["users"] = "IN_USE", append(doc.Without(doc.List(o, "users"), user.Link()), user.Link())
	}
}

// unuse undoes use; nothing happens if the address is not the user's.
func unuse(t *store.Tx, address, user doc.Ref) {
	if !slices.Contains(doc.Strings(t.Get(address), "users"), user.Link()) {
		return
	}
	o := t.Edit(address)
	if o["users"] = doc.Without(doc.List(o, "users"), user.Link()); len(doc.List(o, "users")) == 0 {
		o["status"] = "RESERVED"
		delete(o, "users")
	}
}

// ClaimExternal gives a user the external address it asks for, which must be
// reserved in its region and free, or any.
func ClaimExternal(s *api.Server, t *store.Tx, user doc.Ref, want, field string) (string, error) {
	if want == "" {
		a, err := FreeExternal(s, t)
		return a.String(), err
	}
	var r doc.Ref
	if _, err := netip.ParseAddr(want); err != nil {
		r = doc.ParseRef(want, user.Project(), "regions/"+user.Region(), "addresses")
	} else {
		r = ReservedAs(t, want)
	}
	o := t.Get(r)
	if o == nil || r.Project() != user.Project() || r.Place() != user.Region() || doc.Str(o, "addressType") != "EXTERNAL" {
		return "", problem.Invalid(field, want, "The specified external IP address '"+want+"' was not found in region '"+user.Region()+"'.")
	}
	if by := AddressUser(o); by != "" {
		return "", problem.New(400, "invalid", "IP_IN_USE_BY_ANOTHER_RESOURCE",
			"Invalid value for field '"+field+"': '"+doc.Str(o, "address")+"'. External IP address is already in-use.")
	}
	Use(t, r, user)
	return doc.Str(o, "address"), nil
}

// ReleaseExternal undoes claimExternal.
func ReleaseExternal(t *store.Tx, user doc.Ref, ip string) {
	if r := ReservedAs(t, ip); r != "" {
		unuse(t, r, user)
	}
}

// ClaimInternal gives a NIC the internal address it asks for (also one that is
// reserved for this), or a free one.
func ClaimInternal(t *store.Tx, r, subnet doc.Ref, nic doc.Obj, field string) error {
	want := doc.Str(nic, "networkIP")
	if want != "" {
		if _, err := netip.ParseAddr(want); err != nil {
			if a := t.Get(doc.ParseRef(want, r.Project(), "regions/"+r.Region(), "addresses")); a != nil {
				want = doc.Str(a, "address")
			}
		}
		if a := reservedInside(t, subnet, want); a != "" {
			if by := AddressUser(t.Get(a)); by != "" {
				return problem.InUse("address", a, by)
			}
			Use(t, a, r)
			nic["networkIP"] = want
			return nil
		}
	}
	a, err := internalAddress(t, subnet, want, field)
	nic["networkIP"] = a.String()
	return err
}

// ClaimForRule gives an internal forwarding rule the address it asks for, by its
// number or its object's name, or a free one. shares says whether the rule may have an
// address that others have.
func ClaimForRule(t *store.Tx, r, subnet doc.Ref, want string, shares func(doc.Ref) bool) (string, error) {
	const field = "resource.IPAddress"
	if _, err := netip.ParseAddr(want); want != "" && err != nil {
		a := t.Get(doc.ParseRef(want, r.Project(), r.Scope(), "addresses"))
		if a == nil || doc.Str(a, "subnetwork") != subnet.Link() {
			return "", problem.Invalid(field, want, "Invalid IP address specified.")
		}
		want = doc.Str(a, "address")
	}
	if a := reservedInside(t, subnet, want); want != "" && a != "" {
		if AddressUser(t.Get(a)) != "" && !shares(a) {
			return "", takenInside(want)
		}
		Use(t, a, r)
		return want, nil
	}
	a, err := internalAddress(t, subnet, want, field)
	return a.String(), err
}

// ReleaseRule lets a forwarding rule's address go, if it is a reserved one.
func ReleaseRule(t *store.Tx, r doc.Ref, rule doc.Obj) {
	ip := doc.Str(rule, "IPAddress")
	if subnet := doc.Str(rule, "subnetwork"); subnet != "" {
		if a := reservedInside(t, doc.RefOf(subnet), ip); a != "" {
			unuse(t, a, r)
		}
		return
	}
	ReleaseExternal(t, r, ip)
}

// ReleaseInternal frees a reserved internal address.
func ReleaseInternal(t *store.Tx, r doc.Ref, nic doc.Obj) {
	if a := reservedInside(t, doc.RefOf(doc.Str(nic, "subnetwork")), doc.Str(nic, "networkIP")); a != "" {
		unuse(t, a, r)
	}
}

// reservedInside finds the address object that holds an internal IP address.
func reservedInside(t *store.Tx, subnet doc.Ref, ip string) (r doc.Ref) {
	for found, o := range t.Found(addressKey(ip)) {
		if found.Kind() == "addresses" && doc.Str(o, "subnetwork") == subnet.Link() {
			r = found
		}
	}
	return r
}
