package preflight

import (
	"context"
	"fmt"
	"net/netip"

	"hakube/cluster/inventory"
	"hakube/cluster/refusal"
	"hakube/cluster/settings"
	"hakube/cluster/task"
	"hakube/gce"
)

// addresses are a range that machines take parts of.
type addresses struct {
	name, text string
	each       int // the length of a machine's part
	kept       int // how many Compute Engine keeps for itself
}

// Room refuses more machines than the subnetwork has addresses for, all zones
// counted: the settings alone tell of one zone only (rangeProblems). Without
// it the pool would wait for machines that cannot be made.
func Room(ctx context.Context, r *task.Task) error {
	others, masters := 0, max(1, len(r.Have.Masters(r.Want.Names)))
	nodes := int(r.Want.Settings.NumNodes)
	if r.Mode.One {
		masters, nodes = masters+1, 0 // the zone's pool stays as it is
	}
	for _, o := range r.Have.Objects {
		if o.Kind == inventory.ManagedGroup && (!o.OfPool(r.Want.Pool()) || r.Mode.One) {
			others += o.Size
		}
	}
	if r.Seen.Unreserved || !lacks(r) { // nothing is there yet: the settings' own ranges were looked at
		return nil
	}
	what := fmt.Sprintf("%d masters, %d nodes in other pools and NUM_NODES=%d", masters, others, nodes)
	if more := r.Surging(); more > 0 {
		nodes += more
		what += fmt.Sprintf(", with %d more while nodes are replaced (HAKUBE_SURGE),", more)
	}
	return roomFor(ctx, r, others+masters+nodes, what)
}

// RoomForAll refuses more machines than there are addresses for, of a cluster that is
// there or of one that is made.
func RoomForAll(ctx context.Context, r *task.Task, masters, nodes int) error {
	what := fmt.Sprintf("%d masters and %d nodes", masters, nodes)
	if !r.Seen.Unreserved {
		return roomFor(ctx, r, masters+nodes, what)
	}
	s := r.Want.Settings
	return hasRoom(r, masters+nodes, what, addresses{"NODE_IP_RANGE", s.NodeRange.String(), 32, 4},
		addresses{"CLUSTER_IP_RANGE", s.ClusterRange.String(), settings.MachineBits, 0})
}

func roomFor(ctx context.Context, r *task.Task, machines int, what string) error {
	subnet, err := r.GCE.Subnetworks().Get(ctx, r.Want.Names.Subnetwork())
	if gce.IsNotFound(err) {
		return nil // a step will say so
	}
	if err != nil {
		return err
	}
	has := []addresses{{"NODE_IP_RANGE", subnet.GetIpCidrRange(), 32, 4}}
	for _, x := range subnet.GetSecondaryIpRanges() {
		if x.GetRangeName() == settings.PodsRange {
			has = append(has, addresses{"CLUSTER_IP_RANGE", x.GetIpCidrRange(), settings.MachineBits, 0})
		}
	}
	return hasRoom(r, machines, what, has...)
}

func hasRoom(r *task.Task, machines int, what string, has ...addresses) error {
	for _, h := range has {
		p, err := netip.ParsePrefix(h.text)
		if err != nil {
			return fmt.Errorf("reading the ranges of subnetwork %s: %w", r.Want.Names.Subnetwork(), err)
		}
		if room := settings.Subranges(p, h.each) - h.kept; machines > room {
			return &refusal.Refused{
				Why:  fmt.Sprintf("%s=%s of cluster %s has room for %d machines; %s are %d", h.name, h.text, r.Want.Names.Prefix, room, what, machines),
				Cure: "a smaller NUM_NODES or HAKUBE_SURGE, or smaller pools elsewhere; the ranges are fixed when the cluster is made",
			}
		}
	}
	return nil
}
