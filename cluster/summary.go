package cluster

import (
	"fmt"
	"slices"
	"strings"

	"hakube/cluster/env"
	"hakube/cluster/live"
	"hakube/cluster/settings"
	"hakube/cluster/status"
	"hakube/cluster/sweep"
	"hakube/cluster/task"
)

// A run is one walk over the items, and what it ended with.
type run struct {
	*task.Task
	outcome
	unsettled bool   // more is to come, and somebody else sees to it that all of it is valid
	stages    [2]int // of its list, see foundList
	again     string // why the pool's nodes are made again, in a roll; "" if they are as they are to be
}

// An outcome is what a run tells of itself when it is through.
type outcome struct {
	smaller  *Smaller       // the pool, when it is made so
	evidence *live.Evidence // that the cluster works
	dark     *Outage        // of the API, when it was probed
	outages  []Outage       // by step
}

func newRunOf(t *task.Task) *run { return &run{Task: t} }

func newRun(e *env.Env, about task.Aim) *run { return &run{Task: task.New(e, about)} }

// A Summary is what a run ends with, for its closing lines.
type Summary struct {
	// Nothing is set by Down when there was nothing to remove.
	Nothing bool `json:"nothing"`

	Address    string `json:"address"` // of the API: the reserved address
	URL        string `json:"url"`     // of the API
	Context    string `json:"context"` // in the kubeconfig
	Kubeconfig string `json:"kubeconfig"`
	Zone       string `json:"zone"`
	Version    string `json:"version"` // of Kubernetes

	Mode settings.Mode `json:"mode"` // what was done
	// Replica is the master that was added or removed.
	Replica string `json:"replica"`
	// Smaller is the pool that was made smaller, with the nodes that went; nil when
	// none was.
	Smaller *Smaller `json:"smaller"`
	// Reduced are all pools that were: of all zones in an up of the whole cluster,
	// where Smaller is nil when they are several.
	Reduced []Smaller `json:"reduced"`
	// Surplus is what is more than an up of the whole cluster named, and was left.
	Surplus []string `json:"surplus"`
	// Repaired are the masters that were brought back, GivenUp those that were not.
	Repaired []string `json:"repaired"`
	GivenUp  []string `json:"givenUp"`
	// Rolled are the masters that were made again, RolledPools the pools whose nodes were.
	Rolled      []string     `json:"rolled"`
	RolledPools []RolledPool `json:"rolledPools"`
	// Dark is what the probes of the API saw while the run went on, Outages the
	// same for each step in which any failed; absent when nothing was probed.
	Dark    *Outage  `json:"dark"`
	Outages []Outage `json:"outages"`
	// Warnings are what went otherwise than it should, without ending the run:
	// nodes that went undrained.
	Warnings []string `json:"warnings"`

	Evidence *live.Evidence `json:"evidence"` // up: that it works
	Left     []string       `json:"left"`     // down: what still carries our mark
	// Orphans are what the cluster leaves behind that hakube did not make and
	// did not remove, Perhaps what may be another's.
	Orphans []sweep.Orphan `json:"leftovers"`
	Perhaps []sweep.Orphan `json:"perhaps"`
}

// NothingRemoved is the summary of a Down of what is nowhere.
func NothingRemoved(s settings.Settings) *Summary {
	return &Summary{Nothing: true, Mode: s.Mode(settings.Down), Context: settings.SpecOf(s, settings.Operator{}).Context, Zone: string(s.Zone)}
}

// warned adds a warning to a summary, if there are both.
func (s *Summary) warned(text string) *Summary {
	if s != nil && text != "" {
		s.Warnings = append(s.Warnings, text)
	}
	return s
}

// with takes over what another step of the same run tells of itself.
func (s *Summary) with(x *Summary) {
	if x.Evidence != nil {
		s.Evidence = x.Evidence
	}
	s.Reduced = append(s.Reduced, x.Reduced...)
	if s.Smaller = nil; len(s.Reduced) == 1 {
		s.Smaller = &s.Reduced[0]
	}
	if x.Dark != nil {
		if s.Dark == nil {
			s.Dark = &Outage{}
		}
		s.Dark.Longest = max(s.Dark.Longest, x.Dark.Longest)
		s.Dark.Total += x.Dark.Total
		s.Dark.Probes += x.Dark.Probes
		s.Dark.Failed += x.Dark.Failed
	}
	s.Outages = append(s.Outages, x.Outages...)
	for _, text := range x.Warnings {
		if text != status.TwoMasters && !slices.Contains(s.Warnings, text) { // on the way there are two
			s.Warnings = append(s.Warnings, text)
		}
	}
}

// A Smaller is a pool that up makes smaller, because NUM_NODES says so: a default
// never does. What runs on the nodes that go is evicted, what is on their disks is
// lost.
type Smaller struct {
	Zone  string   `json:"zone"`
	Pool  string   `json:"pool"` // HAKUBE_POOL
	From  int      `json:"from"`
	To    int      `json:"to"`
	Nodes []string `json:"nodes"` // that go; empty when the cluster could not be asked which
	Why   string   `json:"why"`
}

func (s Smaller) String() string {
	text := fmt.Sprintf("%d of %d nodes of zone %s", s.From-s.To, s.From, settings.PoolID{Zone: s.Zone, Name: s.Pool}.Short())
	if len(s.Nodes) == 0 {
		return text + ", and which could not be asked: " + s.Why
	}
	return text + ": " + strings.Join(s.Nodes, " ")
}

// Rolling is what a roll is about, before anything is changed.
type Rolling struct {
	Masters []Rolled
	Pools   []RolledPool
	Dark    bool // while each of the masters is away nobody serves: there are fewer than two others
}

// A RolledPool is a pool whose nodes are made again, or are left as they are.
type RolledPool struct {
	Zone  string `json:"zone"`
	Pool  string `json:"pool"`  // HAKUBE_POOL
	Nodes int    `json:"nodes"` // that it has, before and after
	Why   string `json:"why"`   // null: they are as they are to be, and are left
}

// A Rolled is a machine that is made again, or is left as it is.
type Rolled struct {
	Name string `json:"name"`
	Zone string `json:"zone"`
	Why  string `json:"why"` // null: it is as it is to be, and is left
}
