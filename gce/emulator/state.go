package emulator

import (
	"hakube/gce/emulator/backend"
	"hakube/gce/emulator/internal/balancers"
	"hakube/gce/emulator/internal/doc"
	"hakube/gce/emulator/internal/machine"
	"hakube/gce/emulator/internal/members"
	"hakube/gce/emulator/internal/networks"
	"hakube/gce/emulator/internal/store"
)

// networkState is all that decides where packets go.
func networkState(t *store.Tx) backend.Network {
	var n backend.Network
	for _, p := range t.Projects() {
		for _, o := range t.All(p, "subnetworks") {
			ranges := networks.RangesOf(o)
			n.Subnets = append(n.Subnets, backend.Subnet{
				Project: p, Network: doc.Ref(doc.Str(o, "network")).Name(), Name: doc.Str(o, "name"), Range: ranges[0], Secondary: ranges[1:],
			})
		}
		reached := members.Forwarded(t, p)
		for _, o := range t.All(p, "instances") {
			if doc.Str(o, "status") != "TERMINATED" {
				n.Machines = append(n.Machines, machine.Of(t, doc.RefOf(doc.Str(o, "selfLink")), o, reached))
			}
		}
		for _, o := range t.List("projects/" + p + "/global/firewalls") {
			if !doc.Bool(o, "disabled") {
				n.Firewalls = append(n.Firewalls, networks.FirewallOf(p, o))
			}
		}
		n.Balancers = append(n.Balancers, balancers.BalancersOf(t, p)...)
	}
	return n
}
