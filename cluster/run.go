package cluster

import (
	"context"
	"sync"
	"time"

	"hakube/cluster/plan"
	"hakube/gce"
)

// A run is one walk over the items: what is wanted, what was there when it
// began, and what it saw on the way.
type run struct {
	deps Deps
	want spec
	have *inventory
	gce  *gce.Client
	poll time.Duration
	mode Mode
	// removing tells that the nouns are to go. Then nothing is compared with the
	// settings, and they stand for what was found, not for what the settings say.
	removing bool

	mu       sync.Mutex
	ip       string // the reserved address, once seen: it does not change
	opened   bool   // the kubeconfig entry was seen to open this cluster's API
	client   *kubeClient
	evidence *Evidence
	left     []string
	silent   *string // why the cluster cannot be asked, once a removal tried; "" if it can
	warnings []string
	gaveUp   map[string]string // by node: why draining it was given up
}

func (c *Cluster) run(verb Verb) *run {
	mode := c.settings.Mode(verb)
	return &run{
		deps: c.deps, want: specOf(c.settings, c.deps), gce: c.deps.GCE, poll: c.deps.Poll,
		mode: mode, removing: mode.removes(), gaveUp: map[string]string{},
	}
}

// up looks around and lists what is to be true.
func (c *Cluster) up(ctx context.Context) (*run, []plan.Item, error) {
	r := c.run(Up)
	if err := r.preflight(ctx); err != nil {
		return r, nil, err
	}
	have, err := r.look(ctx)
	if err != nil {
		return r, nil, err
	}
	r.have = have
	if r.mode == AddPool {
		err = r.join(ctx)
	} else {
		err = have.livesHere(&r.want)
	}
	if err != nil {
		return r, nil, err
	}
	if err := have.sameNames(&r.want); err != nil {
		return r, nil, err
	}
	if err := r.room(ctx); err != nil {
		return r, nil, err
	}
	return r, r.items(), nil
}

// down looks for everything that carries the mark, or for the zone's pool, and
// lists it; nothing found is an empty list.
func (c *Cluster) down(ctx context.Context) (*run, []plan.Item, error) {
	r := c.run(Down)
	if r.mode == RemovePool {
		any, err := r.leave(ctx)
		if err != nil || !any {
			return r, nil, err
		}
		return r, r.items(), nil
	}
	if err := r.findRegion(ctx); err != nil {
		return r, nil, err
	}
	have, err := r.lookForMarks(ctx)
	if err != nil {
		return r, nil, err
	}
	r.have = have
	if err := have.allHere(&r.want); err != nil {
		return r, nil, err
	}
	if r.nothingLeft() {
		return r, nil, nil
	}
	return r, r.items(), nil
}

func (r *run) region() string { return r.gce.Region() }

// owns tells whether an object's description carries this cluster's mark.
func (r *run) owns(description string) bool { return r.want.mark.Owns(description) }

// shares is for the network and its ssh rule: whoever made them, they are used
// when they are there; but only what is ours is removed.
func (r *run) shares(description string) bool { return !r.removing || r.owns(description) }

func (r *run) summary() *Summary {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := &Summary{
		Mode: r.mode, Context: r.want.context, Kubeconfig: r.want.kubeconfig, Zone: r.want.zone,
		Evidence: r.evidence, Left: r.left, Warnings: r.warnings,
	}
	if !r.removing {
		s.Version = string(r.want.settings.KubeVersion)
		s.Address = r.ip
		s.URL = "https://" + r.ip
	}
	return s
}
