package cluster

import (
	"context"
	"strings"

	"cloud.google.com/go/compute/apiv1/computepb"

	"hakube/cluster/env"
	"hakube/cluster/inventory"
	"hakube/cluster/plan"
	"hakube/cluster/settings"
	"hakube/gce"
)

// A rule is a firewall rule as kube-up has it.
type rule struct {
	name, role string
	from       []string // ranges
	fromTag    string   // or machines with this tag
	to         string   // tag; "" is every machine of the network
	allowed    []string // "tcp:1-2379,2382-65535", "icmp"
	shared     bool     // with other clusters on the network
}

// internal is where a VPC's own addresses are from, in kube-up's rules.
const internal = "10.0.0.0/8"

// probers are where Google's health checks come from, for passthrough network
// balancers too. (https://cloud.google.com/load-balancing/docs/health-check-concepts#ip-ranges)
var probers = []string{"35.191.0.0/16", "130.211.0.0/22", "209.85.152.0/22", "209.85.204.0/22"}

func firewallRules(s *settings.Spec) []rule {
	n := s.Names
	pods := s.Settings.ClusterRange.String()
	return []rule{
		// The ports of etcd's peers are cut out: M-etcd opens them for masters only.
		{name: n.InternalMaster(), role: "firewall-internal-master", from: []string{internal}, to: n.MasterTag(),
			allowed: []string{"tcp:1-2379,2382-65535", "udp:1-65535", "icmp"}},
		{name: n.InternalNode(), role: "firewall-internal-node", from: []string{internal}, to: n.NodeTag(),
			allowed: []string{"tcp:1-65535", "udp:1-65535", "icmp"}},
		{name: n.SSH(), role: inventory.RoleSSH, from: []string{"0.0.0.0/0"}, allowed: []string{"tcp:22"}, shared: true},
		{name: n.MasterHTTPS(), role: "firewall-https", from: []string{"0.0.0.0/0"}, to: n.MasterTag(), allowed: []string{"tcp:443"}},
		{name: n.MasterEtcd(), role: "firewall-etcd", fromTag: n.MasterTag(), to: n.MasterTag(), allowed: []string{"tcp:2380,2381"}},
		{name: n.NodeAll(), role: "firewall-pods", from: []string{pods}, to: n.NodeTag(),
			allowed: []string{"tcp", "udp", "icmp", "esp", "ah", "sctp"}},
		{name: n.MasterHealth(), role: "firewall-health-check", from: probers, to: n.MasterTag(), allowed: []string{"tcp:443"}},
	}
}

func (r *run) firewalls() (steps []plan.Step) {
	if !r.mode.removes {
		for _, w := range firewallRules(&r.Want) {
			steps = append(steps, r.firewall(w))
		}
		return steps
	}
	for _, o := range r.have.Of(inventory.Firewall) {
		if r.keeps(inventory.Firewall, o.Name) {
			continue
		}
		steps = append(steps, r.firewall(rule{name: o.Name, shared: o.Role == inventory.RoleSSH}))
	}
	return steps
}

func (r *run) firewall(w rule) plan.Step {
	name := "firewall " + w.name
	mine := r.Owns
	if w.shared {
		mine = r.shares
	}
	return resource[*computepb.Firewall]{
		name: name, of: inventory.Object{Kind: inventory.Firewall, Name: w.name},
		get:  func(ctx context.Context) (*computepb.Firewall, error) { return r.GCE.Firewalls().Get(ctx, w.name) },
		mine: mine,
		check: func(f *computepb.Firewall) (plan.State, error) {
			if r.mode.removes {
				return plan.Exists("")
			}
			all := []settings.Difference{{Variable: "KUBE_GCE_NETWORK", Was: gce.Base(f.GetNetwork()), Want: r.Want.Names.Network()}}
			if w.role == "firewall-pods" {
				all = append(all, settings.Difference{Variable: "CLUSTER_IP_RANGE", Was: strings.Join(f.GetSourceRanges(), ","), Want: strings.Join(w.from, ",")})
			}
			if err := r.Want.Drift(name, all...); err != nil {
				return plan.State{}, err
			}
			// Who may reach it, an operator may have narrowed by hand: that is theirs to say.
			if !r.Owns(f.GetDescription()) {
				return plan.Exists("was there before and stays")
			}
			return plan.Exists(w.summary())
		},
		insert: func(ctx context.Context) error { return r.GCE.Firewalls().Insert(ctx, insertedFirewall(&r.Want, w)) },
		remove: func(ctx context.Context) error {
			if w.shared {
				if err := aloneInNetwork(ctx, r.Env, w.name); err != nil {
					return err
				}
			}
			return r.GCE.Firewalls().Delete(ctx, w.name)
		},
	}
}

// aloneInNetwork refuses to take away a rule that all of a network live by while
// others have rules there: every cluster does (kube-up's down took ssh from them
// all, D32b). That is about other clusters of hakube: what else is in a network of
// ours keeps it, and its ssh rule, from the start ([run.keep]).
func aloneInNetwork(ctx context.Context, r *env.Env, name string) error {
	all, err := r.GCE.Firewalls().List(ctx)
	if err != nil {
		return err
	}
	network := ""
	for _, f := range all {
		if f.GetName() == name {
			network = f.GetNetwork()
		}
	}
	for _, f := range all {
		if f.GetNetwork() == network && !r.Owns(f.GetDescription()) && settings.MarkFields(f.GetDescription()) != nil {
			return strangerInNetwork("firewall " + f.GetName())
		}
	}
	return nil
}

// insertedFirewall is the rule as the API takes it.
func insertedFirewall(s *settings.Spec, w rule) *computepb.Firewall {
	f := &computepb.Firewall{
		Name:         &w.name,
		Description:  new(s.Mark.For(w.role)),
		Network:      new(s.Global("networks", s.Names.Network())),
		Direction:    new("INGRESS"),
		SourceRanges: w.from,
	}
	if w.fromTag != "" {
		f.SourceTags = []string{w.fromTag}
	}
	if w.to != "" {
		f.TargetTags = []string{w.to}
	}
	for _, a := range w.allowed {
		protocol, ports, some := strings.Cut(a, ":")
		one := &computepb.Allowed{IPProtocol: &protocol}
		if some {
			one.Ports = strings.Split(ports, ",")
		}
		f.Allowed = append(f.Allowed, one)
	}
	return f
}

// summary is the rule in a few words.
func (w rule) summary() string {
	from := strings.Join(w.from, " ")
	if w.fromTag != "" {
		from = "machines " + w.fromTag
	}
	return strings.Join(w.allowed, " ") + " from " + from
}
