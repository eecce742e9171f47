package cluster

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"hakube/cluster/backup"
	"hakube/cluster/env"
	"hakube/cluster/live"
	"hakube/cluster/plan"
	"hakube/cluster/settings"
	"hakube/cluster/status"
	"hakube/cluster/sweep"
	"hakube/cluster/task"
)

// A run is one walk over the items, and what it ended with.
type run struct {
	*task.Task
	outcome
	unsettled bool           // more is to come, and somebody else sees to it that all of it is valid
	stages    stages         // of its list, see foundList
	source    *backup.Source // what the cluster is made of, where it is one of a backup
	again     string         // why the pool's nodes are made again, in a roll; "" if they are as they are to be
}

// stages are where those of a list begin of which others go beside some.
type stages struct{ network, balancer, machine, nodes int }

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
	// Rotated are the masters of which something was made anew.
	Rotated []string `json:"rotated"`
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
	From    string // an upgrade: the oldest version that a master runs
	To      string // to which version it is; "" of a roll
	Dark    bool   // while each of the masters is away nobody serves: there are fewer than two others
}

// Rotating is what a rotation comes to: the masters of which something is made anew, with what,
// and those that have been through it by now, without.
type Rotating struct {
	Masters []Rolled
	Since   string // when a run began it that was cut; "" where this one begins it
	// Ends is what is let in no more by it, a line each, which a person may want to wait for.
	Ends []string
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

// How the API is probed while a run goes on that touches its address.
const (
	probeEvery = 100 * time.Millisecond
	probeLimit = time.Second
)

// An Outage is how long the API was dark, at its reserved address, as probes saw
// it: from the beginning of the first that failed to the beginning of the next
// that did not. Times are in seconds.
type Outage struct {
	Step    string  `json:"step"` // in which the first of the failed probes began; "" is the whole run
	Longest float64 `json:"longest"`
	Total   float64 `json:"total"`
	Probes  int     `json:"probes"`
	Failed  int     `json:"failed"`
}

// A probe is one question to the API.
type probe struct {
	at   time.Time
	step string
	ok   bool
	done bool
}

// A meter probes the API ten times a second and keeps book of it by step. A
// probe that takes its time keeps no other waiting.
type meter struct {
	ask  func(context.Context) error
	stop context.CancelFunc
	work sync.WaitGroup

	mu     sync.Mutex
	step   string
	probes []*probe
}

// startMeter begins at once.
func startMeter(ctx context.Context, ask func(context.Context) error) *meter {
	m := &meter{ask: ask}
	ctx, m.stop = context.WithCancel(context.WithoutCancel(ctx))
	m.work.Go(func() {
		tick := time.NewTicker(probeEvery)
		defer tick.Stop()
		for {
			m.work.Go(func() { m.probeOnce(ctx) })
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		}
	})
	return m
}

func (m *meter) probeOnce(ctx context.Context) {
	m.mu.Lock()
	p := &probe{at: time.Now(), step: m.step}
	m.probes = append(m.probes, p)
	m.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, probeLimit)
	defer cancel()
	err := m.ask(ctx)
	m.mu.Lock()
	defer m.mu.Unlock()
	p.ok = err == nil
	p.done = p.ok || context.Cause(ctx) != context.Canceled // the end of the run says nothing
}

// follow notes which step is under way. Of several at the same time it is the
// one that began last.
func (m *meter) follow(report func(plan.Event)) func(plan.Event) {
	return func(e plan.Event) {
		switch e.Kind {
		case plan.Looking, plan.Making, plan.Removing:
			m.mu.Lock()
			m.step = e.Step
			m.mu.Unlock()
		}
		if report != nil {
			report(e)
		}
	}
}

// end stops probing and returns the whole and the steps with failed probes.
func (m *meter) end() (all Outage, steps []Outage) {
	m.stop()
	m.work.Wait()
	m.mu.Lock()
	defer m.mu.Unlock()
	return outages(m.probes)
}

// outages reads the book.
func outages(probes []*probe) (all Outage, steps []Outage) {
	index := map[string]int{}
	var of int          // the step in which it went dark
	var since time.Time // it is dark since then
	light := func(at time.Time) {
		dark := at.Sub(since).Seconds()
		for _, o := range []*Outage{&all, &steps[of]} {
			o.Total += dark
			o.Longest = max(o.Longest, dark)
		}
		since = time.Time{}
	}
	count := map[string]int{}
	for _, p := range probes {
		if !p.done {
			continue
		}
		all.Probes++
		count[p.step]++
		switch {
		case p.ok && !since.IsZero():
			light(p.at)
		case p.ok:
		default:
			all.Failed++
			if since.IsZero() {
				i, known := index[p.step]
				if !known {
					i = len(steps)
					index[p.step] = i
					steps = append(steps, Outage{Step: p.step})
				}
				of, since = i, p.at
			}
			steps[of].Failed++
		}
	}
	if !since.IsZero() {
		light(probes[len(probes)-1].at)
	}
	round := func(o *Outage) {
		o.Longest, o.Total = math.Round(o.Longest*1000)/1000, math.Round(o.Total*1000)/1000
	}
	round(&all)
	for i := range steps {
		round(&steps[i])
		steps[i].Probes = max(count[steps[i].Step], steps[i].Failed)
	}
	return all, steps
}
