package cluster

import (
	"context"
	"math"
	"sync"
	"time"

	"hakube/cluster/plan"
)

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
