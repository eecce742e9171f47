package cluster

import (
	"context"
	"fmt"
	"strings"

	"hakube/cluster/kube"
)

// A Smaller is a pool that up makes smaller, because NUM_NODES says so: a default
// never does. What runs on the nodes that go is evicted, what is on their disks is
// lost.
type Smaller struct {
	Zone  string   `json:"zone"`
	From  int      `json:"from"`
	To    int      `json:"to"`
	Nodes []string `json:"nodes"` // that go; empty when the cluster could not be asked which
	Why   string   `json:"why"`
}

func (s Smaller) String() string {
	text := fmt.Sprintf("%d of %d nodes of zone %s", s.From-s.To, s.From, s.Zone)
	if len(s.Nodes) == 0 {
		return text + ", and which could not be asked: " + s.Why
	}
	return text + ": " + strings.Join(s.Nodes, " ")
}

// OnSmaller has f called in an up, or a preview of one, that removes nodes, before
// anything is changed. An error of f ends the run.
func (c *Cluster) OnSmaller(f func(context.Context, Smaller) error) { c.smaller = f }

// consent tells of nodes that go, and asks whether they may.
func (c *Cluster) consent(ctx context.Context, r *run) error {
	if !r.mode.name.Pool() {
		return nil
	}
	s := Smaller{Zone: r.want.Zone, Nodes: []string{}}
	groups := r.poolGroups()
	for _, g := range groups {
		s.From += g.Size
		s.To += g.wants
	}
	if s.To >= s.From {
		return nil
	}
	p, err := r.pool(ctx)
	if err != nil {
		s.Why = kube.Plainly(err)
	} else {
		for _, g := range groups {
			s.Nodes = append(s.Nodes, namesOf(p.leavers(g.Name, g.Size-g.wants))...)
		}
	}
	r.smaller = &s
	if c.smaller == nil {
		return nil
	}
	return c.smaller(ctx, s)
}
