package step

import (
	"context"
	"errors"

	"cloud.google.com/go/compute/apiv1/computepb" // Compute Engine's own messages

	"hakube/cluster/inventory"
	"hakube/cluster/plan"
	"hakube/cluster/refusal"
	"hakube/cluster/settings"
	"hakube/cluster/task"
	"hakube/gce"
	"hakube/scripts/cure"
)

// Networks is the VPC network. One that is there already is used, whoever made
// it, and only one we made is ever removed.
func Networks(r *task.Task) (steps []plan.Step) {
	e, removes := r.Env, r.Mode.Removes
	mine := e.Owns
	if !removes {
		mine = anybodys
	}
	for _, o := range r.Or(inventory.Network, inventory.Object{Name: r.Want.Names.Network()}) {
		if r.Keeps(inventory.Network, o.Name) {
			continue
		}
		steps = append(steps, Resource[*computepb.Network]{
			poll: r.Poll, clock: r.Deps.Clock, before: new(observed[*computepb.Network]),
			name: "network " + o.Name, of: inventory.Object{Kind: inventory.Network, Name: o.Name},
			get:  func(ctx context.Context) (*computepb.Network, error) { return e.GCE.Networks().Get(ctx, o.Name) },
			mine: mine,
			Check: func(n *computepb.Network) (plan.State, error) {
				if n.GetIPv4Range() != "" && !removes {
					return plan.State{}, &refusal.Refused{
						Why:  "network " + o.Name + " is a legacy network, which has no subnetworks",
						Cure: "name another one with KUBE_GCE_NETWORK; hakube makes it if there is none of that name",
					}
				}
				if !e.Owns(n.GetDescription()) {
					return plan.Exists("was there before and stays")
				}
				return plan.Exists("")
			},
			insert: func(ctx context.Context) (*computepb.Network, error) {
				n := &computepb.Network{
					Name:        &o.Name,
					Description: new(e.Want.Mark.For(inventory.RoleNetwork)),
					// Left out, the API would make a legacy network.
					AutoCreateSubnetworks: new(false),
					RoutingConfig:         &computepb.NetworkRoutingConfig{RoutingMode: new("REGIONAL")},
				}
				return n, e.GCE.Networks().Insert(ctx, n)
			},
			remove: func(ctx context.Context) error {
				err := e.LetGo(ctx, "network "+o.Name, func(ctx context.Context) error {
					return e.GCE.Networks().Delete(ctx, o.Name)
				})
				if gce.InUse(err) {
					return errors.Join(err, strangerInNetwork("something"))
				}
				return err
			},
		})
	}
	return steps
}

// anybodys is for the network and its ssh rule when they are to be there: whoever made
// them, they are used; but only what is ours is removed.
func anybodys(string) bool { return true }

// strangerInNetwork is why the network and what all in it live by have to stay.
func strangerInNetwork(what string) *refusal.Refused {
	return &refusal.Refused{
		Why:  what + " that is not this cluster's is in its network",
		Cure: cure.Hint("leave the network and its ssh rule where they are", cure.Same().With("KUBE_DELETE_NETWORK", "false")),
	}
}

// Subnetworks is the subnetwork of the region: machines take their addresses
// from its range, pods from its secondary range pods-default.
func Subnetworks(r *task.Task) (steps []plan.Step) {
	e, removes := r.Env, r.Mode.Removes
	for _, o := range r.Or(inventory.Subnetwork, inventory.Object{Name: r.Want.Names.Subnetwork()}) {
		name := "subnetwork " + o.Name
		steps = append(steps, Resource[*computepb.Subnetwork]{
			poll: r.Poll, clock: r.Deps.Clock, before: new(observed[*computepb.Subnetwork]),
			name: name, of: r.Regional(inventory.Subnetwork, o.Name),
			get: func(ctx context.Context) (*computepb.Subnetwork, error) {
				return e.GCE.Subnetworks().Get(ctx, o.Name)
			},
			mine: e.Owns,
			Check: func(n *computepb.Subnetwork) (plan.State, error) {
				if removes {
					return plan.Exists("")
				}
				secondary := map[string]string{}
				for _, x := range n.GetSecondaryIpRanges() {
					secondary[x.GetRangeName()] = x.GetIpCidrRange()
				}
				s := e.Want.Settings
				if err := e.Want.Drift(name,
					settings.Difference{Variable: "KUBE_GCE_NETWORK", Was: gce.Base(n.GetNetwork()), Want: e.Want.Names.Network()},
					settings.Difference{Variable: "NODE_IP_RANGE", Was: n.GetIpCidrRange(), Want: s.NodeRange.String()},
					settings.Difference{Variable: "CLUSTER_IP_RANGE", Was: secondary[settings.PodsRange], Want: s.ClusterRange.String()},
					settings.Difference{Variable: "SERVICE_CLUSTER_IP_RANGE", Was: secondary[settings.ServicesRange], Want: s.ServiceRange.String()},
					settings.Difference{Variable: "MULTIZONE", Was: settings.MarkFields(n.GetDescription())["multizone"], Want: settings.BoolText(s.Multizone)},
				); err != nil {
					return plan.State{}, err
				}
				return plan.Exists(n.GetIpCidrRange())
			},
			insert: func(ctx context.Context) (*computepb.Subnetwork, error) {
				s := e.Want.Settings
				n := &computepb.Subnetwork{
					Name:        &o.Name,
					Description: new(e.Want.Mark.For(inventory.RoleSubnetwork)),
					Network:     new(e.Want.Global("networks", e.Want.Names.Network())),
					IpCidrRange: new(s.NodeRange.String()),
					SecondaryIpRanges: []*computepb.SubnetworkSecondaryRange{
						{RangeName: new(settings.PodsRange), IpCidrRange: new(s.ClusterRange.String())},
						{RangeName: new(settings.ServicesRange), IpCidrRange: new(s.ServiceRange.String())},
					},
				}
				return n, e.GCE.Subnetworks().Insert(ctx, n)
			},
			remove: func(ctx context.Context) error {
				return e.LetGo(ctx, name, func(ctx context.Context) error { return e.GCE.Subnetworks().Delete(ctx, o.Name) })
			},
		})
	}
	return steps
}
