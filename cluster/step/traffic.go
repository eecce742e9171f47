package step

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"hakube/cluster/env"
	"hakube/cluster/inventory"
	"hakube/cluster/plan"
	"hakube/cluster/task"
	"hakube/gce"
)

// TrafficTo is the fact that a master is in its zone's group, so that the balancer
// sends it connections. It is the last thing a master gets and the first it loses.
func TrafficTo(r *env.Env, masters ...inventory.Object) (steps []plan.Step) {
	for _, m := range masters {
		steps = append(steps, Traffic{r, m})
	}
	return steps
}

// Traffic is the fact that the balancer sends to a master.
type Traffic struct {
	Env *env.Env
	Of  inventory.Object
}

func (t Traffic) String() string    { return t.Of.Name + " in the balancer's group" }
func (t Traffic) About() plan.Thing { return task.Thing(t.Of) }

func (t Traffic) Observe(ctx context.Context) (plan.State, error) {
	all, err := t.Env.GCE.InstanceGroups(t.Of.Zone).ListInstances(ctx, t.Env.Want.Names.MasterGroup())
	if gce.IsNotFound(err) {
		return plan.State{Is: plan.Absent, Why: "there is no group"}, nil
	}
	if err != nil {
		return plan.State{}, err
	}
	for _, x := range all {
		if gce.Base(x.GetInstance()) == t.Of.Name {
			return plan.Exists("")
		}
	}
	return plan.State{Is: plan.Absent}, nil
}

// Change adds it to the group, or takes it out, which the operation tells.
func (t Traffic) Change(ctx context.Context, want bool) (plan.State, error) {
	if !want {
		return told(plan.Absent, t.Undo(ctx))
	}
	return told(plan.Present, t.Do(ctx))
}

func (t Traffic) Do(ctx context.Context) error {
	return t.Env.GCE.InstanceGroups(t.Of.Zone).AddInstances(ctx, t.Env.Want.Names.MasterGroup(), t.Of.Name)
}

func (t Traffic) Undo(ctx context.Context) error {
	return t.Env.GCE.InstanceGroups(t.Of.Zone).RemoveInstances(ctx, t.Env.Want.Names.MasterGroup(), t.Of.Name)
}

// BackendsHealthy is the wait until the balancer itself calls every master in
// its groups healthy: only then does the loss of one cost nobody anything.
func BackendsHealthy(r *env.Env) plan.Step { return healthyBackends{r} }

type healthyBackends struct{ env *env.Env }

func (healthyBackends) String() string { return "balancer finds its masters healthy" }
func (healthyBackends) Waits()         {}

// healthyLimit is how long the verdict may take: on Google probes begin some
// seconds after the forwarding rule is there.
const healthyLimit = 3 * time.Minute

// A Backend is a master as the balancer sees it.
type Backend struct {
	Name    string `json:"name"`
	Zone    string `json:"zone"`
	Healthy bool   `json:"healthy"`
}

// Backends asks the balancer about its masters, those in no group left out; nil
// when there is no balancer.
func Backends(ctx context.Context, r *env.Env) ([]Backend, error) {
	x, err := r.GCE.BackendServices().Get(ctx, r.Want.Names.BackendService())
	if gce.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	found := make([][]Backend, len(x.GetBackends()))
	var reads []func() error
	for i, b := range x.GetBackends() {
		reads = append(reads, func() error {
			zone := zoneOf(b.GetGroup())
			members, err := r.GCE.InstanceGroups(zone).ListInstances(ctx, gce.Base(b.GetGroup()))
			if err != nil {
				return err
			}
			health, err := r.GCE.BackendServices().GetHealth(ctx, x.GetName(), b.GetGroup())
			if err != nil {
				return err
			}
			for _, m := range members {
				one := Backend{Name: gce.Base(m.GetInstance()), Zone: zone}
				for _, h := range health {
					one.Healthy = one.Healthy || gce.Base(h.GetInstance()) == one.Name && h.GetHealthState() == "HEALTHY"
				}
				found[i] = append(found[i], one)
			}
			return nil
		})
	}
	err = gce.Parallel(reads...)
	return slices.Concat(found...), err
}

func (h healthyBackends) Observe(ctx context.Context) (plan.State, error) {
	all, err := Backends(ctx, h.env)
	if err != nil {
		return plan.State{}, err
	}
	var unhealthy, healthy []string
	for _, b := range all {
		if b.Healthy {
			healthy = append(healthy, b.Name)
		} else {
			unhealthy = append(unhealthy, b.Name)
		}
	}
	switch {
	case len(unhealthy) > 0:
		return plan.State{Is: plan.Partial, Why: "not healthy: " + strings.Join(unhealthy, " ")}, nil
	case len(healthy) == 0:
		return plan.State{Is: plan.Absent, Why: "it has no master"}, nil
	}
	return plan.Exists(fmt.Sprintf("%d: %s", len(healthy), strings.Join(healthy, " ")))
}

func (h healthyBackends) Do(ctx context.Context) error {
	return h.env.Until(ctx, plan.Condition{
		For: "the balancer to find its masters healthy", Every: h.env.Poll, Limit: healthyLimit,
		Check: func(ctx context.Context) (bool, string, error) {
			s, err := h.Observe(ctx)
			return s.Is == plan.Present, s.Why, err
		},
	})
}

func (healthyBackends) Undo(context.Context) error { return nil } // never unwanted

// zoneOf is the zone in the URL of something zonal.
func zoneOf(url string) string {
	_, rest, _ := strings.Cut(url, "/zones/")
	zone, _, _ := strings.Cut(rest, "/")
	return zone
}
