package cluster

import (
	"context"
	"slices"

	"cloud.google.com/go/compute/apiv1/computepb"

	"hakube/cluster/inventory"
	"hakube/cluster/lease"
	"hakube/cluster/plan"
	"hakube/cluster/refusal"
	"hakube/cluster/settings"
	"hakube/cluster/sweep"
	"hakube/replicate"
)

// A run is one walk over the items: what is wanted, what was there when it
// began, and what it saw on the way.
type run struct {
	*env
	have *inventory.Inventory
	mode mode
	// replica is the master that is added or removed, in the modes for one.
	replica inventory.Object
	source  *computepb.Instance // the master it is made like
	// patients are the masters that are repaired, and what was found out of them.
	patients []inventory.Object
	verdicts map[string]replicate.Revived // by name
	givenUp  []inventory.Object           // masters that are not to come back
	// balanced tells whether the API's address is to be on the balancer.
	balanced bool
	smaller  *Smaller // the pool, when it is made so
	rejoins  rejoining
	nodeless []inventory.Object // masters that vote and are no Nodes, when validate last looked
	taken    map[string]bool    // variables that are not set and were read back from what is there

	evidence  *Evidence
	left      []string
	silent    *string           // why the cluster cannot be asked, once a removal tried; "" if it can
	gaveUp    map[string]string // by node: why draining it was given up
	states    map[string]string // of masters, by name: RUNNING, TERMINATED …
	unretired *string           // why a master could not be stopped in order, once that was tried
	dark      *Outage
	outages   []Outage
	cpus      map[string]int // of machine types, by name
	crowded   *string        // why CoreDNS was left on one machine, once that was tried

	// What the cluster leaves behind that hakube did not make, and whether it is
	// removed with it; kept is what of our own then stays, and so the mark.
	strays, perhaps []*sweep.Orphan
	sweeping        bool
	kept            []inventory.Object
}

func (c *Cluster) run(verb settings.Verb) *run {
	return newRun(newEnv(c.settings, c.deps), rowOf(c.settings.Mode(verb)))
}

// newRun is one that has found nothing yet.
func newRun(e *env, m mode) *run {
	return &run{env: e, mode: m, gaveUp: map[string]string{}, verdicts: map[string]replicate.Revived{}, states: map[string]string{}}
}

// An action is what may be done before the list is known: nothing in a preview.
// It returns false when the list cannot be known without.
type action func(context.Context, *run) (ok bool, err error)

func doing(report func(plan.Event)) action {
	return func(ctx context.Context, r *run) (bool, error) { return true, r.reach(ctx, report) }
}

func looking(_ context.Context, r *run) (bool, error) { return len(r.reachable()) == 0, nil }

// up looks around and lists what is to be true. What comes first of all is left
// to act; if that may do nothing, it is the list.
func (c *Cluster) up(ctx context.Context, l *lease.Lease, act action) (*run, []plan.Item, error) {
	r := c.run(settings.Up)
	r.Lease = l
	have, err := r.look(ctx)
	if err != nil {
		return r, nil, r.misplaced(ctx, err)
	}
	r.have = have
	r.sawExternals()
	unfit, err := r.preflight(ctx)
	if err != nil {
		return r, nil, unfit.Besides(err)
	}
	own, err := r.kubeconfigProblems(ctx)
	if err != nil {
		return r, nil, err
	}
	unfit = append(unfit, own...)
	for _, text := range r.want.Settings.DNSProblems() { // the range is known now, also when nobody set it
		unfit = append(unfit, &refusal.Refused{Why: text, Cure: "leave KUBE_DNS_SERVER_IP out, or set that"})
	}
	if no := slices.Concat(unfit, r.inTheWay()); len(no) > 0 && len(r.reachable()) > 0 {
		return r, nil, no // before the first change, which is to reach masters
	}
	if err := c.consent(ctx, r); err != nil {
		return r, nil, err
	}
	r.notes()
	if r.mode.masters {
		if ok, err := act(ctx, r); err != nil || !ok {
			return r, r.reachable(), err
		}
	}
	err = r.mode.judge(r, ctx)
	if err == nil {
		err = have.SameNames(&r.want)
	}
	if err == nil {
		r.decideBalancer()
		err = r.room(ctx)
	}
	r.grows()
	if err != nil {
		return r, nil, unfit.Besides(err)
	}
	items := r.items()
	return r, items, r.foresee(ctx, items, unfit)
}

// down looks for what is to go, and lists it; nothing found is an empty list.
func (c *Cluster) down(ctx context.Context, l *lease.Lease, act action, preview bool) (r *run, items []plan.Item, err error) {
	r = c.run(settings.Down)
	r.Lease = l
	first, any, err := r.mode.find(r, ctx, c, act, preview)
	if err != nil || !any {
		return r, first, err
	}
	items, err = r.removal(ctx)
	return r, items, err
}

// owns tells whether an object's description carries this cluster's mark.
func (r *env) owns(description string) bool { return r.want.Mark.Owns(description) }

// shares is for the network and its ssh rule: whoever made them, they are used
// when they are there; but only what is ours is removed.
func (r *run) shares(description string) bool { return !r.mode.removes || r.owns(description) }

// twoMasters is the warning at the one number of masters that is worse than both
// its neighbours.
const twoMasters = "two masters survive the loss of neither: both must live for a quorum of two; add a third, or remove one"

func (r *run) summary() *Summary {
	if r.mode.one && len(r.masters()) == 2 {
		r.mu.Lock()
		r.warn(twoMasters)
		r.mu.Unlock()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	s := &Summary{
		Mode: r.mode.name, Context: r.want.Context, Kubeconfig: r.kubeFiles().Of(r.want.Context), Zone: r.want.Zone,
		Evidence: r.evidence, Left: r.left, Warnings: r.warnings, Replica: r.replica.Name, Dark: r.dark, Outages: r.outages,
	}
	s.Leftovers, s.Perhaps = r.staying(), told(r.perhaps)
	if !r.mode.removes {
		s.Smaller = r.smaller
		s.Version = string(r.want.Settings.KubeVersion)
		s.Address = r.ip
		s.URL = "https://" + r.ip
	}
	return s
}
