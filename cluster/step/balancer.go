package step

import (
	"context"
	"fmt"
	"slices"
	"time"

	"cloud.google.com/go/compute/apiv1/computepb"

	"hakube/cluster/env"
	"hakube/cluster/inventory"
	"hakube/cluster/plan"
	"hakube/cluster/settings"
	"hakube/cluster/span"
	"hakube/cluster/task"
	"hakube/gce"
)

// The balancer is a regional external passthrough one: it rewrites nothing, a
// master answers under the API's own address. Health checks ask each API server
// whether it is ready, which target pools cannot (kube-up's sent to dead masters,
// D19).

// DecideBalancer sets whether the API's address is to be on the balancer: from
// the second master on, and for as long as there are two; always if it is so
// from the start. Only a removal takes it back: a plain up finds what one that was
// cut left. A cluster that is made with several masters has it there before the second
// comes, so that it never moves; as long as nobody has the address, what is written down
// of that command says so. While a master that stays is in a group of its own it stays there.
func DecideBalancer(r *task.Task) {
	w, begun := span.Parse(r.Have.Holder.Span, r.Region())
	several := r.Mode.Several || begun && w.Masters > 1 && r.Have.Holder.Unassigned() && !r.Mode.Removes
	grouped := r.Have.Holder.Rule != "" && slices.ContainsFunc(r.Masters(), r.Grouped) // whose groups would make them again without the address
	r.Balanced = several || grouped || len(r.Masters()) > 1 || r.Want.Settings.LoadBalancer == settings.FromStart || r.Have.Holder.Rule != "" && !r.Mode.Removes
}

// drainLimit is how long the balancer lets connections to a master go on that
// has left its group.
const drainLimit = 10 * time.Second

// How the health check asks: a master that halts is found out in two rounds. One whose API server
// was killed refuses new connections until then, which nothing but asking again spares a client. Quicker
// checks would take out masters that are merely busy; and the connections that a sick one has
// stay with it, as Google's balancer does by default, since one that ends in order answers them.
const (
	CheckEvery   = 2 // seconds
	CheckTimeout = 2 // seconds
	CheckRounds  = 2 // results in a row that change the verdict
)

// HealthChecks is what asks each API server whether it is ready.
func HealthChecks(r *task.Task) (steps []plan.Step) {
	e := r.Env
	for _, o := range r.Parts(inventory.HealthCheck, inventory.Object{Name: r.Want.Names.HealthCheck()}) {
		steps = append(steps, Resource[*computepb.HealthCheck]{
			poll: r.Poll, clock: r.Deps.Clock, before: new(observed[*computepb.HealthCheck]),
			name: "health check " + o.Name, of: r.Regional(inventory.HealthCheck, o.Name),
			get: func(ctx context.Context) (*computepb.HealthCheck, error) {
				return e.GCE.HealthChecks().Get(ctx, o.Name)
			},
			mine: e.Owns,
			insert: func(ctx context.Context) (*computepb.HealthCheck, error) {
				x := &computepb.HealthCheck{
					Name: &o.Name, Description: new(e.Want.Mark.For(inventory.RoleHealthCheck)), Type: new("HTTPS"),
					HttpsHealthCheck: &computepb.HTTPSHealthCheck{Port: new(int32(443)), RequestPath: new("/readyz")},
					CheckIntervalSec: new(int32(CheckEvery)), TimeoutSec: new(int32(CheckTimeout)),
					HealthyThreshold: new(int32(CheckRounds)), UnhealthyThreshold: new(int32(CheckRounds)),
				}
				return x, e.GCE.HealthChecks().Insert(ctx, x)
			},
			remove: func(ctx context.Context) error {
				return e.LetGo(ctx, "health check "+o.Name, func(ctx context.Context) error { return e.GCE.HealthChecks().Delete(ctx, o.Name) })
			},
		})
	}
	return steps
}

// MasterGroups are the lists of masters, one for each of the zones.
func MasterGroups(r *task.Task, zones ...string) (steps []plan.Step) {
	e := r.Env
	var all []inventory.Object
	for _, zone := range zones {
		all = append(all, inventory.Object{Kind: inventory.InstanceGroup, Name: r.Want.Names.MasterGroup(), Zone: zone})
	}
	if r.Mode.TakesFound() {
		all = r.Have.Of(inventory.InstanceGroup)
	}
	for _, o := range all {
		name, groups := fmt.Sprintf("masters' group in %s", o.Zone), r.GCE.InstanceGroups(o.Zone)
		steps = append(steps, Resource[*computepb.InstanceGroup]{
			poll: r.Poll, clock: r.Deps.Clock, before: new(observed[*computepb.InstanceGroup]),
			name: name, of: inventory.Object{Kind: inventory.InstanceGroup, Name: o.Name, Zone: o.Zone},
			get:  func(ctx context.Context) (*computepb.InstanceGroup, error) { return groups.Get(ctx, o.Name) },
			mine: e.Owns,
			insert: func(ctx context.Context) (*computepb.InstanceGroup, error) {
				x := &computepb.InstanceGroup{Name: &o.Name, Description: new(e.Want.Mark.For(inventory.RoleMasterGroup))}
				return x, groups.Insert(ctx, x)
			},
			remove: func(ctx context.Context) error {
				return e.LetGo(ctx, name, func(ctx context.Context) error { return groups.Delete(ctx, o.Name) })
			},
		})
	}
	return steps
}

// Services is the backend service, made with the groups of the zones behind it.
func Services(r *task.Task, zones ...string) (steps []plan.Step) {
	e := r.Env
	for _, o := range r.Parts(inventory.BackendService, inventory.Object{Name: r.Want.Names.BackendService()}) {
		name, services := "backend service "+o.Name, r.GCE.BackendServices()
		steps = append(steps, Resource[*computepb.BackendService]{
			poll: r.Poll, clock: r.Deps.Clock, before: new(observed[*computepb.BackendService]),
			name: name, of: r.Regional(inventory.BackendService, o.Name),
			get:  func(ctx context.Context) (*computepb.BackendService, error) { return services.Get(ctx, o.Name) },
			mine: e.Owns,
			insert: func(ctx context.Context) (*computepb.BackendService, error) {
				x := &computepb.BackendService{
					Name: &o.Name, Description: new(e.Want.Mark.For(inventory.RoleService)),
					LoadBalancingScheme: new("EXTERNAL"), Protocol: new("TCP"),
					HealthChecks:       []string{e.Want.Regional(e.Region(), "healthChecks", e.Want.Names.HealthCheck())},
					ConnectionDraining: &computepb.ConnectionDraining{DrainingTimeoutSec: new(int32(drainLimit.Seconds()))},
				}
				for _, zone := range zones {
					x.Backends = append(x.Backends, backend(e, zone, e.Want.Names.MasterGroup()))
				}
				return x, services.Insert(ctx, x)
			},
			remove: func(ctx context.Context) error {
				return e.LetGo(ctx, name, func(ctx context.Context) error { return services.Delete(ctx, o.Name) })
			},
		})
	}
	return steps
}

func backend(r *env.Env, zone, group string) *computepb.Backend {
	return &computepb.Backend{Group: new(r.Want.Zonal(zone, "instanceGroups", group)), BalancingMode: new("CONNECTION")}
}

// BackendZones is the fact that a zone's group is behind the balancer.
func BackendZones(r *env.Env, zones ...string) (steps []plan.Step) {
	for _, z := range zones {
		steps = append(steps, backendOf{r, "masters' group in " + z, z, r.Want.Names.MasterGroup()})
	}
	return steps
}

// OwnBackend is the fact that a master's own group is behind the balancer.
func OwnBackend(r *env.Env, m inventory.Object) plan.Telling {
	return backendOf{r, "group of " + m.Name, m.Zone, m.Name}
}

type backendOf struct {
	env               *env.Env
	name, zone, group string
}

func (b backendOf) String() string { return b.name + " is a backend" }
func (b backendOf) About() plan.Thing {
	return plan.Thing{Kind: "backend", Name: b.group, Zone: b.zone}
}

// find returns the service and where in its backends the group is, -1 if not.
func (b backendOf) find(ctx context.Context) (*computepb.BackendService, int, error) {
	x, err := b.env.GCE.BackendServices().Get(ctx, b.env.Want.Names.BackendService())
	if err != nil {
		return nil, -1, err
	}
	return x, slices.IndexFunc(x.GetBackends(), func(y *computepb.Backend) bool {
		return gce.Base(y.GetGroup()) == b.group && zoneOf(y.GetGroup()) == b.zone
	}), nil
}

func (b backendOf) Observe(ctx context.Context) (plan.State, error) {
	_, i, err := b.find(ctx)
	switch {
	case gce.IsNotFound(err):
		return plan.State{Is: plan.Absent, Why: "there is no balancer"}, nil
	case err != nil:
		return plan.State{}, err
	case i < 0:
		return plan.State{Is: plan.Absent}, nil
	}
	return plan.Exists("")
}

// Change edits the service, which the operation tells.
func (b backendOf) Change(ctx context.Context, want bool) (plan.State, error) {
	if !want {
		return told(plan.Absent, b.Undo(ctx))
	}
	return told(plan.Present, b.Do(ctx))
}

func (b backendOf) Do(ctx context.Context) error {
	return b.change(ctx, func(x *computepb.BackendService, i int) bool {
		if i >= 0 {
			return false
		}
		x.Backends = append(x.Backends, backend(b.env, b.zone, b.group))
		return true
	})
}

func (b backendOf) Undo(ctx context.Context) error {
	return b.change(ctx, func(x *computepb.BackendService, i int) bool {
		if i < 0 {
			return false
		}
		x.Backends = slices.Delete(x.Backends, i, i+1)
		return true
	})
}

// change edits the service. Somebody who does so at the same moment is noticed
// by the fingerprint; then it is read again.
func (b backendOf) change(ctx context.Context, edit func(*computepb.BackendService, int) bool) error {
	for try := 0; ; try++ {
		x, i, err := b.find(ctx)
		if err != nil || !edit(x, i) {
			return err
		}
		err = b.env.GCE.BackendServices().SetBackends(ctx, x)
		if !gce.Stale(err) || try == 3 {
			return err
		}
	}
}
