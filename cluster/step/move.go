package step

import (
	"context"
	"fmt"

	"cloud.google.com/go/compute/apiv1/computepb"

	"hakube/cluster/env"
	"hakube/cluster/inventory"
	"hakube/cluster/plan"
	"hakube/cluster/settings"
	"hakube/cluster/task"
	"hakube/gce"
)

// The address moves in two changes and nothing stands between them: off the
// master, onto the forwarding rule; and back the other way round. In between the
// API is dark for everybody but masters.

// Reachable is what must hold before masters can be asked anything: a cut while
// the address was on its way leaves a master that nobody reaches, and the API
// dark. The address goes back to where it was; from there all else is as usual.
func Reachable(r *task.Task) []plan.Item {
	l := task.Lines{Want: true}
	for _, m := range r.Have.Masters(r.Want.Names) {
		switch {
		case m.Status != "RUNNING" || m.External != "":
		case r.Have.Holder.Unassigned():
			return []plan.Item{{Step: AddressUnassigned(r.Env, m, nil), Want: false}}
		default:
			l.Beside(OwnAddresses(r.Env, m)...)
		}
	}
	return l.Items
}

// Reach makes it hold, and looks again.
func Reach(ctx context.Context, r *task.Task, report func(plan.Event)) error {
	items := Reachable(r)
	if len(items) == 0 {
		return nil
	}
	if err := plan.Run(ctx, r.Gate, items, report); err != nil {
		return err
	}
	have, err := r.Look(ctx)
	if err != nil {
		return err
	}
	r.Have = have
	r.SawMasters(r.Have)
	return nil
}

// AddressUnassigned is the fact that no machine has the API's address, so that a
// forwarding rule can take it. Undone, the master gets it back. It is not taken from the
// master while a ring of the masters behind the rule takes no writes.
func AddressUnassigned(r *env.Env, back inventory.Object, behind []inventory.Object) plan.Step {
	return unassigned{r, back, behind}
}

type unassigned struct {
	env    *env.Env
	back   inventory.Object // who gets the address when it is undone
	behind []inventory.Object
}

func (s unassigned) String() string {
	return "address " + s.env.Want.Names.Address() + " off the master"
}

func (s unassigned) Observe(ctx context.Context) (plan.State, error) {
	h, err := s.env.Holder(ctx)
	switch {
	case err != nil:
		return plan.State{}, err
	case h.Machine != "":
		return plan.State{Is: plan.Absent, Why: h.Machine + " has it"}, nil
	case h.Rule != "":
		return plan.Exists("the forwarding rule has it")
	}
	return plan.Exists("nobody has it")
}

// Change takes it off, or gives it back, which the operation tells: each call more in
// between is dark time.
func (s unassigned) Change(ctx context.Context, want bool) (plan.State, error) {
	if !want {
		return told(plan.Absent, s.Undo(ctx))
	}
	return told(plan.Present, s.Do(ctx))
}

func (s unassigned) Do(ctx context.Context) error {
	h, err := s.env.Holder(ctx)
	if err != nil || h.Machine == "" {
		return err
	}
	if err := s.env.SurveyWrites(ctx, s.env.AsSeen(s.behind)).MayChange(); err != nil {
		return err
	}
	instances := s.env.GCE.Instances(h.Zone)
	i, err := instances.Get(ctx, h.Machine)
	if err != nil {
		return err
	}
	config := inventory.AccessConfigOf(i)
	if config.GetNatIP() != h.IP {
		return fmt.Errorf("%s has the address %q, not %s", h.Machine, config.GetNatIP(), h.IP)
	}
	s.env.Moved(h.Machine)
	return instances.DeleteAccessConfig(ctx, h.Machine, inventory.NIC, config.GetName())
}

func (s unassigned) Undo(ctx context.Context) error {
	ip, err := s.env.Address(ctx)
	if err != nil {
		return err
	}
	s.env.Moved(s.back.Name)
	return s.env.TakeOver(ctx, func(ctx context.Context) error {
		return s.env.GCE.Instances(s.back.Zone).AddAccessConfig(ctx, s.back.Name, inventory.NIC, external(ip))
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

// Forwarding is the forwarding rule that has the API's address.
func Forwarding(r *task.Task) (steps []plan.Step) {
	e := r.Env
	for _, o := range r.Parts(inventory.ForwardingRule, inventory.Object{Name: r.Want.Names.ForwardingRule()}) {
		name, rules := "forwarding rule "+o.Name, r.GCE.ForwardingRules()
		var seen *computepb.ForwardingRule
		steps = append(steps, Resource[*computepb.ForwardingRule]{
			poll: r.Poll, clock: r.Deps.Clock, before: new(observed[*computepb.ForwardingRule]),
			name: name,
			of:   r.Regional(inventory.ForwardingRule, o.Name),
			get: func(ctx context.Context) (_ *computepb.ForwardingRule, err error) {
				seen, err = rules.Get(ctx, o.Name)
				return seen, err
			},
			mine: e.Owns,
			Check: func(x *computepb.ForwardingRule) (plan.State, error) {
				if x.GetLabels()[settings.Label] == "" {
					return plan.State{Is: plan.Partial, Why: x.GetIPAddress() + " without its label"}, nil
				}
				return plan.Exists(x.GetIPAddress())
			},
			insert: func(ctx context.Context) (*computepb.ForwardingRule, error) {
				if seen == nil {
					err := e.TakeOver(ctx, func(ctx context.Context) error { return rules.Insert(ctx, forwardingRule(e, o.Name)) })
					if err != nil {
						return nil, err
					}
				}
				return nil, labelRule(ctx, e, o.Name) // the API is not dark any more
			},
			remove: func(ctx context.Context) error { return rules.Delete(ctx, o.Name) },
		})
	}
	return steps
}

// labelRule gives the rule its label, which Compute Engine does not take with an insert.
func labelRule(ctx context.Context, r *env.Env, name string) error {
	x, err := r.GCE.ForwardingRules().Get(ctx, name)
	if err != nil {
		return err
	}
	labels := r.Want.Labels()
	for k, v := range x.GetLabels() {
		labels[k] = v
	}
	return r.GCE.ForwardingRules().SetLabels(ctx, name, x.GetLabelFingerprint(), labels)
}

func forwardingRule(r *env.Env, name string) *computepb.ForwardingRule {
	return &computepb.ForwardingRule{
		Name: &name, Description: new(r.Want.Mark.For(inventory.RoleRule)),
		LoadBalancingScheme: new("EXTERNAL"), IPProtocol: new("TCP"), Ports: []string{"443"},
		IPAddress:      new(r.Want.Regional(r.Region(), "addresses", r.Want.Names.Address())),
		BackendService: new(r.Want.Regional(r.Region(), "backendServices", r.Want.Names.BackendService())),
	}
}

// OwnAddresses is an external address of its own for each master, which it is
// reached by over ssh while the balancer has the API's.
func OwnAddresses(r *env.Env, masters ...inventory.Object) (steps []plan.Step) {
	for _, m := range masters {
		steps = append(steps, ownAddress{r, m})
	}
	return steps
}

type ownAddress struct {
	env *env.Env
	of  inventory.Object
}

func (a ownAddress) String() string    { return "own external address of " + a.of.Name }
func (a ownAddress) About() plan.Thing { return task.Thing(a.of) }

func (a ownAddress) config(ctx context.Context) (*computepb.AccessConfig, error) {
	i, err := a.env.GCE.Instances(a.of.Zone).Get(ctx, a.of.Name)
	return inventory.AccessConfigOf(i), err
}

func (a ownAddress) Observe(ctx context.Context) (plan.State, error) {
	c, err := a.config(ctx)
	if gce.IsNotFound(err) {
		return plan.State{Is: plan.Absent, Why: "there is no such machine"}, nil
	}
	if err != nil {
		return plan.State{}, err
	}
	ip, err := a.env.Address(ctx)
	switch {
	case err != nil:
		return plan.State{}, err
	case c == nil:
		return plan.State{Is: plan.Absent}, nil
	case c.GetNatIP() == ip && ip != "":
		return plan.State{Is: plan.Absent, Why: "it has the API's"}, nil
	}
	return plan.Exists(c.GetNatIP()) // "" while the machine is stopped
}

func (a ownAddress) Do(ctx context.Context) error {
	a.env.Moved(a.of.Name)
	return a.env.GCE.Instances(a.of.Zone).AddAccessConfig(ctx, a.of.Name, inventory.NIC, external(""))
}

func (a ownAddress) Undo(ctx context.Context) error {
	c, err := a.config(ctx)
	if err != nil || c == nil {
		return err
	}
	a.env.Moved(a.of.Name)
	return a.env.GCE.Instances(a.of.Zone).DeleteAccessConfig(ctx, a.of.Name, inventory.NIC, c.GetName())
}
