package status

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"hakube/cluster/env"
	"hakube/cluster/inventory"
	"hakube/replicate"
	"hakube/scripts/cure"
)

// A kept range is one of pods' addresses whose machine takes what is sent there for
// itself: Google's agent made a local route of it. Its Node stays Ready, and nothing of
// Kubernetes tells that no pod there is reached.
type keptRange struct {
	of        inventory.Object
	addresses string
}

func (k keptRange) problem() Problem {
	return Problem{
		Why:     fmt.Sprintf("%s in %s keeps what is sent to its pods (%s) for itself, by a local route: they are not reached", k.of.Name, k.of.Zone, k.addresses),
		Command: cure.Compute(fmt.Sprintf("instances reset %s --zone=%s", k.of.Name, k.of.Zone)).String(),
	}
}

// askPods asks a master that answers about all machines of the cluster that run, in
// one call: from where the cluster is, since pods are reached from nowhere else.
func askPods(ctx context.Context, r *env.Env, s *Snapshot) {
	i := slices.IndexFunc(s.Masters, func(m ObservedMaster) bool { return m.Status == "RUNNING" && s.Rings.Silent[m.Name] == nil })
	if i < 0 {
		return // which is said
	}
	of := map[string]inventory.Object{}
	for _, m := range r.Seen.Machines {
		for _, nic := range m.GetNetworkInterfaces() {
			for _, a := range nic.GetAliasIpRanges() {
				if m.GetStatus() == "RUNNING" {
					of[a.GetIpCidrRange()] = inventory.InstanceOf(m)
				}
			}
		}
	}
	ranges := slices.Sorted(maps.Keys(of))
	host, err := r.Host(ctx, s.Masters[i].Object)
	if err == nil {
		var kept []string
		kept, err = replicate.KeptRanges(ctx, r.Deps.SSH, host, ranges...)
		for _, x := range kept {
			if m, ok := of[x]; ok {
				s.kept = append(s.kept, keptRange{m, x})
			}
		}
	}
	if err != nil {
		s.missed("whether pods are reached could not be asked", err)
	}
}
