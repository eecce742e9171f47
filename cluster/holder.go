package cluster

import (
	"context"
	"strings"

	"cloud.google.com/go/compute/apiv1/computepb"

	"hakube/cluster/lease"
	"hakube/cluster/settings"
	"hakube/gce"
)

// held is the reserved address and who has it, as the address itself tells
// (addresses.users): a machine, by an access config, a forwarding rule, or, for
// the moment in which it moves, nobody.
type held struct {
	ip      string            // "" while none is reserved
	machine string            // the instance that has it
	zone    string            // of that instance
	rule    string            // the forwarding rule that has it
	lease   lease.Record      // on its labels
	growing map[string]growth // pools that a run was making larger, by zone
	begun   map[string]string // the settings the cluster was begun with
	labels  map[string]string // what was said of it since, among them (later.go)
}

// inTheAir tells that nobody has the address: the API is dark.
func (h held) inTheAir() bool { return h.ip != "" && h.machine == "" && h.rule == "" }

func heldOf(a *computepb.Address) held {
	h := held{ip: a.GetAddress(), lease: lease.RecordOf(a.GetLabels()), growing: growthsOf(a.GetLabels()), begun: settings.MarkFields(a.GetDescription()), labels: a.GetLabels()}
	for _, u := range a.GetUsers() {
		switch {
		case strings.Contains(u, "/forwardingRules/"):
			h.rule = gce.Base(u)
		case strings.Contains(u, "/instances/"):
			zone, _, _ := strings.Cut(u, "/instances/")
			h.machine, h.zone = gce.Base(u), gce.Base(zone)
		}
	}
	return h
}

// holder reads who has the address now; the zero value when none is reserved.
func (r *run) holder(ctx context.Context) (held, error) {
	a, err := r.gce.Addresses().Get(ctx, r.want.Names.Address())
	if gce.IsNotFound(err) {
		r.lease.Observe(r.gce.Addresses(), nil)
		return held{}, nil
	}
	if err != nil {
		return held{}, err
	}
	if !r.owns(a.GetDescription()) {
		return held{}, foreign("address "+a.GetName(), r.regional(kindAddress, a.GetName()), a.GetDescription())
	}
	r.sawAddress(a)
	return heldOf(a), nil
}

// interfaces is the interface of a machine; they have one.
const nicOf = "nic0"

// accessConfigOf is what gives a machine its external address, nil if nothing does.
func accessConfigOf(i *computepb.Instance) *computepb.AccessConfig {
	for _, n := range i.GetNetworkInterfaces() {
		for _, c := range n.GetAccessConfigs() {
			return c
		}
	}
	return nil
}

// externalOf is a machine's external address, "" if it has none.
func externalOf(i *computepb.Instance) string { return accessConfigOf(i).GetNatIP() }
