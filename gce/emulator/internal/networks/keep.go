package networks

import (
	"hakube/gce/emulator/internal/api"
	"hakube/gce/emulator/internal/doc"
	"hakube/gce/emulator/internal/store"
)

// KeepInternal reserves the internal address that an instance's interface has, under a
// name, and returns the address object: one that was reserved before is kept as it is.
func KeepInternal(s *api.Server, t *store.Tx, i doc.Ref, nic doc.Obj, name string) (doc.Ref, error) {
	ip, subnet := doc.Str(nic, "networkIP"), doc.Str(nic, "subnetwork")
	if r := reservedInside(t, doc.RefOf(subnet), ip); r != "" {
		return r, nil
	}
	return kept(s, t, i, name, doc.Obj{"addressType": "INTERNAL", "address": ip, "subnetwork": subnet})
}

// KeepExternal is KeepInternal of the external address, "" of an interface that has none.
func KeepExternal(s *api.Server, t *store.Tx, i doc.Ref, nic doc.Obj, name string) (doc.Ref, error) {
	ip := ""
	for _, ac := range doc.Objects(nic, "accessConfigs") {
		ip = doc.Str(ac, "natIP")
	}
	if ip == "" {
		return "", nil
	}
	if r := ReservedAs(t, ip); r != "" {
		return r, nil
	}
	return kept(s, t, i, name, doc.Obj{"address": ip})
}

func kept(s *api.Server, t *store.Tx, i doc.Ref, name string, o doc.Obj) (doc.Ref, error) {
	r := doc.RefIn(i.Project(), "regions/"+i.Region(), "addresses", name)
	o["name"] = name
	if err := reserve(s, t, r, o); err != nil {
		return "", err
	}
	return r, s.New(t, r, o)
}
