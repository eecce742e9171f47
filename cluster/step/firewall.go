package step

import (
	"context"
	"strings"
	"sync"

	"cloud.google.com/go/compute/apiv1/computepb"

	"hakube/cluster/env"
	"hakube/cluster/inventory"
	"hakube/cluster/plan"
	"hakube/cluster/settings"
	"hakube/cluster/task"
	"hakube/gce"
)

// Firewalls are the rules, or those that were found when they go.
func Firewalls(r *task.Task) (steps []plan.Step) {
	if !r.Mode.Removes {
		get := r.GCE.Firewalls().Get
		if !r.Mode.Repairs && len(r.Have.Masters(r.Want.Names)) > 0 {
			get = (&listedRules{all: r.GCE.Firewalls()}).get
		}
		for _, w := range task.FirewallRules(&r.Want) {
			steps = append(steps, firewall(r, w, get))
		}
		return steps
	}
	for _, o := range r.Have.Of(inventory.Firewall) {
		if r.Keeps(inventory.Firewall, o.Name) {
			continue
		}
		steps = append(steps, Firewall(r, task.Rule{Name: o.Name, Shared: o.Role == inventory.RoleSSH}))
	}
	return steps
}

// listedRules are the rules of a project as one list has them, each of which is given
// out once; what is not on it is asked for by name. A list may show for a moment what is
// gone: it is asked for a cluster that has a master only, which is made after its rules
// and goes before them, so that no command that was cut has just taken one away.
type listedRules struct {
	all  gce.Firewalls
	mu   sync.Mutex
	read bool
	by   map[string]*computepb.Firewall
}

func (l *listedRules) get(ctx context.Context, name string) (*computepb.Firewall, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.read {
		list, err := l.all.List(ctx)
		if err != nil {
			return nil, err
		}
		l.read, l.by = true, map[string]*computepb.Firewall{}
		for _, f := range list {
			l.by[f.GetName()] = f
		}
	}
	if f := l.by[name]; f != nil {
		delete(l.by, name)
		return f, nil
	}
	return l.all.Get(ctx, name)
}

// Firewall is one of them.
func Firewall(r *task.Task, w task.Rule) plan.Step { return firewall(r, w, r.GCE.Firewalls().Get) }

func firewall(r *task.Task, w task.Rule, get func(context.Context, string) (*computepb.Firewall, error)) plan.Step {
	name := "firewall " + w.Name
	e, removes := r.Env, r.Mode.Removes
	mine := e.Owns
	if w.Shared && !removes {
		mine = anybodys
	}
	return Resource[*computepb.Firewall]{
		poll: r.Poll, clock: r.Deps.Clock, before: new(observed[*computepb.Firewall]),
		name: name, of: inventory.Object{Kind: inventory.Firewall, Name: w.Name},
		get:  func(ctx context.Context) (*computepb.Firewall, error) { return get(ctx, w.Name) },
		mine: mine,
		Check: func(f *computepb.Firewall) (plan.State, error) {
			if removes {
				return plan.Exists("")
			}
			all := []settings.Difference{{Variable: "KUBE_GCE_NETWORK", Was: gce.Base(f.GetNetwork()), Want: e.Want.Names.Network()}}
			if w.Role == "firewall-pods" {
				all = append(all, settings.Difference{Variable: "CLUSTER_IP_RANGE", Was: strings.Join(f.GetSourceRanges(), ","), Want: strings.Join(w.From, ",")})
			}
			if err := e.Want.Drift(name, all...); err != nil {
				return plan.State{}, err
			}
			// Who may reach it, an operator may have narrowed by hand: that is theirs to say.
			if !e.Owns(f.GetDescription()) {
				return plan.Exists("was there before and stays")
			}
			return plan.Exists(w.Summary())
		},
		insert: func(ctx context.Context) (*computepb.Firewall, error) {
			f := insertedFirewall(&e.Want, w)
			return f, e.GCE.Firewalls().Insert(ctx, f)
		},
		remove: func(ctx context.Context) error {
			if w.Shared {
				if err := aloneInNetwork(ctx, e, w.Name); err != nil {
					return err
				}
			}
			return e.GCE.Firewalls().Delete(ctx, w.Name)
		},
	}
}

// aloneInNetwork refuses to take away a rule that all of a network live by while
// others have rules there: every cluster does (kube-up's down took ssh from them
// all, D32b). That is about other clusters of hakube: what else is in a network of
// ours keeps it, and its ssh rule, from the start (package removal, Keep).
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
func insertedFirewall(s *settings.Spec, w task.Rule) *computepb.Firewall {
	f := &computepb.Firewall{
		Name:         &w.Name,
		Description:  new(s.Mark.For(w.Role)),
		Network:      new(s.Global("networks", s.Names.Network())),
		Direction:    new("INGRESS"),
		SourceRanges: w.From,
	}
	if w.FromTag != "" {
		f.SourceTags = []string{w.FromTag}
	}
	if w.To != "" {
		f.TargetTags = []string{w.To}
	}
	for _, a := range w.Allowed {
		protocol, ports, some := strings.Cut(a, ":")
		one := &computepb.Allowed{IPProtocol: &protocol}
		if some {
			one.Ports = strings.Split(ports, ",")
		}
		f.Allowed = append(f.Allowed, one)
	}
	return f
}
