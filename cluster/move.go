package cluster

import (
	"context"
	"errors"
	"fmt"
	"time"

	"cloud.google.com/go/compute/apiv1/computepb"

	"hakube/cluster/plan"
	"hakube/gce"
)

// The address moves in two changes and nothing stands between them: off the
// master, onto the forwarding rule; and back the other way round. In between the
// API is dark for everybody but masters.

// reachable is what must hold before masters can be asked anything: a cut while
// the address was on its way leaves a master that nobody reaches, and the API
// dark. The address goes back to where it was; from there all else is as usual.
func (r *run) reachable() []plan.Item {
	l := lines{want: true}
	for _, m := range r.have.masters(r.want.Names) {
		switch {
		case m.status != "RUNNING" || m.external != "":
		case r.have.held.inTheAir():
			return []plan.Item{{Step: r.released(m), Want: false}}
		default:
			l.beside(r.ownAddresses(m)...)
		}
	}
	return l.items
}

// reach makes it hold, and looks again.
func (r *run) reach(ctx context.Context, report func(plan.Event)) error {
	items := r.reachable()
	if len(items) == 0 {
		return nil
	}
	if err := plan.Run(ctx, items, report); err != nil {
		return err
	}
	have, err := r.look(ctx)
	if err != nil {
		return err
	}
	r.have = have
	r.sawExternals()
	return nil
}

// released is the fact that no machine has the API's address, so that a
// forwarding rule can take it. Undone, the master gets it back.
func (r *run) released(back object) plan.Step { return released{r, back} }

type released struct {
	*run
	back object // who gets the address when it is undone
}

func (s released) String() string { return "address " + s.want.Names.Address() + " off the master" }

func (s released) Observe(ctx context.Context) (plan.State, error) {
	h, err := s.holder(ctx)
	switch {
	case err != nil:
		return plan.State{}, err
	case h.machine != "":
		return plan.State{Is: plan.Absent, Why: h.machine + " has it"}, nil
	case h.rule != "":
		return exists("the forwarding rule has it")
	}
	return exists("nobody has it")
}

func (s released) Do(ctx context.Context) error {
	h, err := s.holder(ctx)
	if err != nil || h.machine == "" {
		return err
	}
	instances := s.gce.Instances(h.zone)
	i, err := instances.Get(ctx, h.machine)
	if err != nil {
		return err
	}
	config := accessConfigOf(i)
	if config.GetNatIP() != h.ip {
		return fmt.Errorf("%s has the address %q, not %s", h.machine, config.GetNatIP(), h.ip)
	}
	s.moved(h.machine)
	return instances.DeleteAccessConfig(ctx, h.machine, nicOf, config.GetName())
}

func (s released) Undo(ctx context.Context) error {
	ip, err := s.address(ctx)
	if err != nil {
		return err
	}
	s.moved(s.back.name)
	return s.takeOver(ctx, func(ctx context.Context) error {
		return s.gce.Instances(s.back.zone).AddAccessConfig(ctx, s.back.name, nicOf, external(ip))
	})
}

// external is an access config with a reserved address, or an ephemeral one if
// ip is "".
func external(ip string) *computepb.AccessConfig {
	c := &computepb.AccessConfig{Name: new("External NAT"), Type: new("ONE_TO_ONE_NAT")}
	if ip != "" {
		c.NatIP = &ip
	}
	return c
}

// takeOver gives the address to something else. Google says "in use" for a
// moment after its holder has let go; each pause here is dark time.
func (r *run) takeOver(ctx context.Context, give func(context.Context) error) error {
	var last error
	err := plan.Until(ctx, plan.Condition{
		For: "the address to be free", Every: min(r.poll, 200*time.Millisecond), Limit: r.deps.LetGo,
		Check: func(ctx context.Context) (bool, string, error) {
			err := give(ctx)
			if last == nil || ctx.Err() == nil {
				last = err
			}
			if gce.InUse(err) {
				return false, err.Error(), nil
			}
			return true, "", nil
		},
	})
	return errors.Join(err, last)
}

// forwarding is the forwarding rule that has the API's address.
func (r *run) forwarding() (steps []plan.Step) {
	for _, o := range r.parts(kindRule, object{name: r.want.Names.ForwardingRule()}) {
		name, rules := "forwarding rule "+o.name, r.gce.ForwardingRules()
		steps = append(steps, resource[*computepb.ForwardingRule]{
			name:  name,
			of:    r.regional(kindRule, o.name),
			get:   func(ctx context.Context) (*computepb.ForwardingRule, error) { return rules.Get(ctx, o.name) },
			mine:  r.owns,
			check: func(x *computepb.ForwardingRule) (plan.State, error) { return exists(x.GetIPAddress()) },
			insert: func(ctx context.Context) error {
				return r.takeOver(ctx, func(ctx context.Context) error { return rules.Insert(ctx, r.forwardingRule(o.name)) })
			},
			remove: func(ctx context.Context) error { return rules.Delete(ctx, o.name) },
		})
	}
	return steps
}

func (r *run) forwardingRule(name string) *computepb.ForwardingRule {
	return &computepb.ForwardingRule{
		Name: &name, Description: new(r.want.Mark.For(roleRule)), Labels: r.want.Labels(),
		LoadBalancingScheme: new("EXTERNAL"), IPProtocol: new("TCP"), Ports: []string{"443"},
		IPAddress:      new(r.want.Regional(r.region(), "addresses", r.want.Names.Address())),
		BackendService: new(r.want.Regional(r.region(), "backendServices", r.want.Names.BackendService())),
	}
}

// ownAddresses is an external address of its own for each master, which it is
// reached by over ssh while the balancer has the API's.
func (r *run) ownAddresses(masters ...object) (steps []plan.Step) {
	for _, m := range masters {
		steps = append(steps, ownAddress{r, m})
	}
	return steps
}

type ownAddress struct {
	*run
	of object
}

func (a ownAddress) String() string { return "own external address of " + a.of.name }

func (a ownAddress) config(ctx context.Context) (*computepb.AccessConfig, error) {
	i, err := a.gce.Instances(a.of.zone).Get(ctx, a.of.name)
	return accessConfigOf(i), err
}

func (a ownAddress) Observe(ctx context.Context) (plan.State, error) {
	c, err := a.config(ctx)
	if gce.IsNotFound(err) {
		return plan.State{Is: plan.Absent, Why: "there is no such machine"}, nil
	}
	if err != nil {
		return plan.State{}, err
	}
	ip, err := a.address(ctx)
	switch {
	case err != nil:
		return plan.State{}, err
	case c == nil:
		return plan.State{Is: plan.Absent}, nil
	case c.GetNatIP() == ip && ip != "":
		return plan.State{Is: plan.Absent, Why: "it has the API's"}, nil
	}
	return exists(c.GetNatIP()) // "" while the machine is stopped
}

func (a ownAddress) Do(ctx context.Context) error {
	a.moved(a.of.name)
	return a.gce.Instances(a.of.zone).AddAccessConfig(ctx, a.of.name, nicOf, external(""))
}

func (a ownAddress) Undo(ctx context.Context) error {
	c, err := a.config(ctx)
	if err != nil || c == nil {
		return err
	}
	a.moved(a.of.name)
	return a.gce.Instances(a.of.zone).DeleteAccessConfig(ctx, a.of.name, nicOf, c.GetName())
}
