package instances

import (
	"fmt"

	"hakube/gce/emulator/internal/api"
	"hakube/gce/emulator/internal/doc"
	"hakube/gce/emulator/internal/networks"
	"hakube/gce/emulator/internal/problem"
	"hakube/gce/emulator/internal/store"
)

// newNICs gives a new instance its network interface and addresses.
func newNICs(s *api.Server, t *store.Tx, r doc.Ref, o doc.Obj) error {
	nics := doc.Objects(o, "networkInterfaces")
	if len(nics) == 0 {
		return problem.Invalid("resource.networkInterfaces", "", "At least one network interface is required.")
	}
	nic, field := nics[0], "resource.networkInterfaces[0]"
	subnet, err := networks.SubnetworkOf(t, r.Project(), r.Region(), doc.Str(nic, "subnetwork"), doc.Str(nic, "network"), field+".subnetwork")
	if err != nil {
		return err
	}
	nic["kind"], nic["name"], nic["subnetwork"], nic["network"] = "compute#networkInterface", "nic0", subnet.Link(), doc.Str(t.Get(subnet), "network")
	nic["stackType"] = "IPV4_ONLY"
	if err := networks.ClaimInternal(t, r, subnet, nic, field+".networkIP"); err != nil {
		return err
	}
	for i, a := range doc.Objects(nic, "aliasIpRanges") {
		at := fmt.Sprintf("%s.aliasIpRanges[%d]", field, i)
		p, err := networks.AliasRange(t, subnet, doc.Str(a, "ipCidrRange"), doc.Str(a, "subnetworkRangeName"), at)
		if err != nil {
			return err
		}
		a["ipCidrRange"] = p.String()
	}
	configs := doc.Objects(nic, "accessConfigs")
	if len(configs) > 1 {
		return problem.Invalid(field+".accessConfigs", len(configs), "At most one access config currently supported.")
	}
	for _, ac := range configs {
		if err := newAccessConfig(s, t, r, ac, field+".accessConfigs[0].natIP"); err != nil {
			return err
		}
	}
	nic["fingerprint"] = doc.Fingerprint(nic["networkIP"], nic["aliasIpRanges"], o["id"])
	return nil
}

// newAccessConfig completes an access config and claims its address.
func newAccessConfig(s *api.Server, t *store.Tx, r doc.Ref, ac doc.Obj, field string) error {
	doc.Fill(ac, doc.Obj{"type": "ONE_TO_ONE_NAT", "name": "External NAT"})
	doc.Fill(ac, doc.Obj{"networkTier": "PREMIUM"})
	ac["kind"] = "compute#accessConfig"
	ip, err := networks.ClaimExternal(s, t, r, doc.Str(ac, "natIP"), field)
	ac["natIP"] = ip
	return err
}
