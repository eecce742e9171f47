package inventory

import (
	"cmp"
	"context"
	"strings"

	"cloud.google.com/go/compute/apiv1/computepb"

	"hakube/cluster/lease"
	"hakube/cluster/settings"
	"hakube/gce"
)

// Holder is the reserved address and who has it, as the address itself tells
// (addresses.users): a machine, by an access config, a forwarding rule, or, for
// the moment in which it moves, nobody.
type Holder struct {
	IP       string                     // "" while none is reserved
	Tier     string                     // its network tier
	Machine  string                     // the instance that has it
	Zone     string                     // of that instance
	Rule     string                     // the forwarding rule that has it
	Lease    lease.Record               // on its labels
	Growing  map[settings.PoolID]Growth // pools that a run was making larger
	Begun    map[string]string          // the settings the cluster was begun with
	Span     string                     // an up of the whole cluster that was begun and is not done
	Roll     *Roll                      // one that was begun and is not done; nil if none is
	Drill    string                     // one whose failure was not taken back
	DrillOn  string                     // the machine that it is of
	Rotation *Rotation                  // one that was begun and is not done; nil if none is
	Restore  string                     // the snapshot of a restore that is not done
	Restored string                     // the backup of which a cluster is made, of a restore that is not done
	labels   map[string]string          // what was said of it since, among them
}

// Unassigned tells that nobody has the address: the API is dark.
func (h Holder) Unassigned() bool { return h.IP != "" && h.Machine == "" && h.Rule == "" }

// HolderOf is who has an address, and what its labels and its description record.
func HolderOf(a *computepb.Address) Holder {
	h := Holder{IP: a.GetAddress(), Tier: a.GetNetworkTier(), Lease: lease.RecordOf(a.GetLabels()), Growing: growthsOf(a.GetLabels()), Span: a.GetLabels()[SpanKey], Roll: rollOf(a.GetLabels()), Rotation: rotationOf(a.GetLabels()), Restore: a.GetLabels()[RestoreKey], Restored: a.GetLabels()[RestoredKey], Drill: a.GetLabels()[DrillKey], DrillOn: a.GetLabels()[DrillOnKey], Begun: settings.MarkFields(a.GetDescription()), labels: a.GetLabels()}
	if h.Lease == (lease.Record{}) { // nobody has come as far as its labels
		h.Growing, h.Span, h.Restored = growthsOf(h.Begun), h.Begun[SpanKey], h.Begun[RestoredKey]
	}
	for _, u := range a.GetUsers() {
		switch {
		case strings.Contains(u, "/forwardingRules/"):
			h.Rule = gce.Base(u)
		case strings.Contains(u, "/instances/"):
			zone, _, _ := strings.Cut(u, "/instances/")
			h.Machine, h.Zone = gce.Base(u), gce.Base(zone)
		}
	}
	return h
}

// Holder reads who has the address of the name now; the zero value when none is
// reserved. told is told of the address if it is ours.
func (r *Reader) Holder(ctx context.Context, name string, told func(*computepb.Address)) (Holder, error) {
	a, err := r.GCE.Addresses().Get(ctx, name)
	r.Seen.Unreserved = gce.IsNotFound(err)
	if r.Seen.Unreserved {
		r.Lease.Observe(r.GCE.Ungated().Addresses(), nil)
		return Holder{}, nil
	}
	if err != nil {
		return Holder{}, err
	}
	if !r.Mark.Owns(a.GetDescription()) {
		return Holder{}, Foreign("address "+a.GetName(), r.Regional(Address, a.GetName()), a.GetDescription())
	}
	told(a)
	r.Seen.Asked(r.Regional(Address, name), a)
	return HolderOf(a), nil
}

// LaterLabel is the label of such a variable, "" of all others. What is of a pool has
// one for each.
func LaterLabel(variable string, of settings.PoolID) string {
	switch variable {
	case "HAKUBE_LOAD_BALANCER":
		return "hakube-load-balancer"
	case "HAKUBE_ADDONS":
		return "hakube-addons"
	case "NETWORK_POLICY_PROVIDER":
		return "hakube-network-policy-provider"
	case "KUBE_ENABLE_CLUSTER_AUTOSCALER":
		return "hakube-autoscaler"
	case "KUBE_AUTOSCALER_MIN_NODES":
		return "hakube-autoscaler-min"
	case "KUBE_AUTOSCALER_MAX_NODES":
		return "hakube-autoscaler-max"
	case "KUBE_AUTOSCALER_ENABLE_SCALE_DOWN":
		return "hakube-autoscaler-scale-down"
	case "HAKUBE_DISK_SNAPSHOTS":
		return "hakube-disk-snapshots"
	case "MAX_INSTANCES_PER_MIG":
		return PerGroupKey(of)
	}
	return ""
}

// PerGroupKey is the label of what a pool's groups may hold, once that is another than when
// they were made. It goes with the pool.
func PerGroupKey(of settings.PoolID) string { return "hakube-per-group-" + of.Key() }

// Said is what is written down of a variable.
func (v *Inventory) Said(variable string, of settings.PoolID) string {
	label := v.Holder.labels[LaterLabel(variable, of)]
	if variable == "HAKUBE_ADDONS" || variable == "NETWORK_POLICY_PROVIDER" || variable == "HAKUBE_DISK_SNAPSHOTS" {
		if v.Holder.IP == "" {
			return "" // the address was not read yet, as where no zone is named: what it says comes later
		}
		return cmp.Or(ListOf(label), v.Holder.Begun[variable], "none")
	}
	if variable != "MAX_INSTANCES_PER_MIG" {
		return cmp.Or(label, v.Holder.Begun[variable])
	}
	for _, o := range v.Objects {
		if o.Kind == ManagedGroup && o.OfPool(of) {
			return cmp.Or(label, o.Most)
		}
	}
	return ""
}

// Labels take no commas: a list has underscores there.

// LabelText is a setting as a label takes it.
func LabelText(value string) string { return strings.ReplaceAll(value, ",", "_") }

// ListOf is LabelText read back.
func ListOf(label string) string { return strings.ReplaceAll(label, "_", ",") }

// SpokenOf tells whether a list was ever anything but none, or a switch anything but off:
// at the beginning, or by a later run, whose label stays.
func SpokenOf(h Holder, variable string) bool {
	begun, later := h.Begun[variable], h.labels[LaterLabel(variable, settings.PoolID{})]
	return later != "" || begun != "" && begun != "none" && begun != "false"
}

// NIC is the interface of a machine; they have one.
const NIC = "nic0"

// AccessConfigOf is what gives a machine its external address, nil if nothing does.
func AccessConfigOf(i *computepb.Instance) *computepb.AccessConfig {
	for _, n := range i.GetNetworkInterfaces() {
		for _, c := range n.GetAccessConfigs() {
			return c
		}
	}
	return nil
}

// ExternalOf is a machine's external address, "" if it has none.
func ExternalOf(i *computepb.Instance) string { return AccessConfigOf(i).GetNatIP() }
