// Package cluster makes a Kubernetes cluster on Compute Engine and takes it
// away again. It is the middle of hakube: above it cmd/hakube, which alone
// prints, exits and reads the command line; below it gce (Compute Engine),
// replicate (masters, over ssh) and scripts (what machines run). It never
// learns whether it talks to Google or to the embedded GCE.
//
// README.md here is the plan of the house: the packages below, which may know which,
// and how to add a setting, a step, a kind or a mode. What is in this package, in the
// order to read:
//
//   - modes.go: what each command is about, one row each; items.go: their lists, a
//     story each, which package plan walks. testdata/modes.txt shows all of them
//     beside each other.
//   - cluster.go: what commands call; up.go: how a list comes to be, run.go what a walk
//     over it ends with. regroup.go: up, and masters that come into groups by it.
//   - join.go and pick.go: whether a pool or a master may be added, or a master go.
//   - grow.go: the walk, the way back after a failure, and what is said, and taken back,
//     when a zone has no machines. summary.go: what it ends with, and the meter.
//   - span.go and span_judge.go: one command for all zones; span_beside.go: what a new
//     cluster of several masters has made beside each other, and all that leaves a zone.
//   - repair.go: masters that fail, and certificates; roll.go: machines that are well, made again.
//     face.go: names of the packages below that commands handle. REFUSALS.md lists what can be refused.
//
// Rules the steps keep:
//
//   - One fact a step. Observe only reads, Do and Undo make one changing call,
//     and nothing is remembered from one run to the next: running again is
//     how it resumes. (What a wait saw fail before the run began it may
//     restart, once: env/guest.go.)
//   - An object is found by its exact name and is ours by the mark in its
//     description, set by the call that makes it. One with our name and
//     without our mark is refused. The network and its ssh rule are used when
//     they are there, and then never removed.
//   - Nothing is changed without the lease. The address that carries it is of the
//     first objects to be made and the last to go.
//   - What differs from the settings and cannot be changed is refused, with
//     the variable and the value it was made with.
//   - A removal needs no living cluster: it asks Compute Engine only, for
//     everything that carries the mark, whatever it is called. What hakube did not
//     make goes only when somebody says so and it is shown to be this cluster's. A pool that is
//     removed from a living one is drained first; if that cannot be, it is said.
//   - The modes of a zone's pool change nothing of another zone, nor a master
//     but for this operator's ssh key.
//   - Who is in a ring is changed through a master that is not the one it is
//     about and whose members of both rings have quorum, one fact at a time, and
//     read back by peer URL. What would leave fewer alive than quorum is refused.
//   - Unreachable is not absent: when no master can be asked who is in a ring,
//     that is an error.
//   - Until a new master votes, a failure takes back all that was made of it.
//     The address moves as late as that allows, which is later than where the
//     balancer's parts could be made: what cannot be made never moves it.
//   - Facts inside the cluster that cannot be asked for are not taken for
//     absent in a way that matters: their Do needs the same API and fails.
package cluster

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	// the operator's key is a signer

	"hakube/cluster/backup"
	"hakube/cluster/env"
	"hakube/cluster/inventory"
	"hakube/cluster/lease"
	"hakube/cluster/live"
	"hakube/cluster/plan"
	"hakube/cluster/preflight"
	"hakube/cluster/refusal"
	"hakube/cluster/removal"
	"hakube/cluster/settings"
	"hakube/cluster/span"
	"hakube/cluster/status"
	"hakube/cluster/sweep"
	"hakube/gce"
	"hakube/scripts/cure"
)

// A Cluster is what the settings describe, in the cloud that Deps reach. It
// holds nothing of what is there: each method looks for itself.
type Cluster struct {
	settings  settings.Settings
	deps      env.Deps
	orphans   func(context.Context, sweep.Found) (bool, error) // see OnOrphans
	smaller   func(context.Context, Smaller) error             // see OnSmaller
	span      func(Spanning) error                             // see OnSpan
	warning   func(string)                                     // see OnWarning
	upgrades  bool                                             // see Upgrade
	rolls     func(Rolling) error                              // see OnRoll
	rotates   func(Rotating) error                             // see OnRotate
	note      *inventory.Roll                                  // of the roll that this is a part of
	part      func(settings.Verb, settings.Settings)           // see OnPart
	founds    []string                                         // zones of the masters of a cluster that is founded, where these are several
	unsettled bool                                             // see run
	source    *backup.Source                                   // see run
	leaves    span.Leaving                                     // of an evacuation
}

// New makes no call.
func New(s settings.Settings, d env.Deps) *Cluster {
	return &Cluster{settings: s, deps: d.OrDefaults()}
}

// OnOrphans has f called in a down or a preview of the whole cluster when
// something was found that hakube did not make, before anything is changed.
// Whether f returns true or HAKUBE_SWEEP is, Ours are removed with the cluster;
// an error ends the run. Without f the setting alone decides.
func (c *Cluster) OnOrphans(f func(context.Context, sweep.Found) (sweep bool, err error)) {
	c.orphans = f
}

// Down removes the cluster and everything that carries its mark, or with
// KUBE_USE_EXISTING_MASTER the zone's pool of nodes, or with
// KUBE_DELETE_NODES=false one master ([Settings.Mode]). Only the last needs a
// living cluster; from one that lives nodes are drained first. When something
// with the mark is left the error is a [removal.Undeleted], when something is left that
// hakube did not make a [*OrphansLeft]; the summary lists both too.
func (c *Cluster) Down(ctx context.Context, report func(plan.Event)) (s *Summary, err error) {
	warning, err := c.withLease(ctx, settings.Down, report, func(ctx context.Context, h hold, report func(plan.Event)) error {
		s = nil
		r, items, err := c.down(ctx, h, doing(report), false)
		if err != nil {
			return err
		}
		if len(items) == 0 {
			s = &Summary{Nothing: true, Mode: r.Mode.Name, Context: r.Want.Context, Zone: r.Want.Zone, Warnings: r.Warnings()}
			return nil
		}
		if items, err = c.quieted(ctx, r, items, report); err == nil {
			err = r.walk(ctx, items, report)
		}
		if err == nil {
			err = removal.OrphansLeftBy(r.Task)
		}
		s = r.summary()
		errors.As(err, (*removal.Undeleted)(&s.Left))
		return err
	})
	return s.warned(warning), err
}

// PreviewDown is the walk of Down without acting.
func (c *Cluster) PreviewDown(ctx context.Context, report func(plan.Event)) (changes int, err error) {
	r, items, err := c.down(ctx, hold{}, looking, true)
	if err != nil {
		return 0, err
	}
	changes, err = plan.Preview(ctx, items, report)
	c.warn(r)
	return changes, err
}

// OnWarning has f called at the end of a preview with each warning that the run itself
// would end with, as far as it is known before.
func (c *Cluster) OnWarning(f func(string)) { c.warning = f }

func (c *Cluster) warn(runs ...*run) {
	said := map[string]bool{}
	for _, r := range runs {
		if c.warning == nil || r == nil {
			continue
		}
		for _, text := range r.Warnings() {
			if !said[text] {
				c.warning(text)
			}
			said[text] = true
		}
	}
}

// Waiting passes on why a verb of the cloud has not returned yet; it is for
// [gce.Options].
func Waiting(w gce.Wait) {
	if w.Context != nil {
		plan.Note(w.Context, w.String())
	}
}

// Status looks at the cluster and changes nothing. It is an error only when the
// cloud could not be read, or has no such cluster ([*NoCluster]); whatever else
// could not be asked is in the result.
func (c *Cluster) Status(ctx context.Context) (*status.Status, error) {
	s, err := status.Read(ctx, c.runFor(settings.StatusVerb, hold{}).Task)
	if err != nil {
		return nil, err
	}
	return s.Conclude(), nil
}

// Validate looks and judges. What could not be asked is not valid. It changes
// nothing; an error is one of Status.
func (c *Cluster) Validate(ctx context.Context) (*status.Validity, error) {
	return status.Validate(ctx, c.runFor(settings.StatusVerb, hold{}).Task)
}

// validatePause is between two looks.
const validatePause = 2 * time.Second

// ValidateWithin looks again and again until the cluster is valid, or the time is
// over; what it saw last is the result. told hears each result before that.
func (c *Cluster) ValidateWithin(ctx context.Context, limit time.Duration, told func(*status.Validity, error)) (*status.Validity, error) {
	end := time.Now().Add(limit)
	for {
		v, err := c.Validate(ctx)
		left := time.Until(end)
		if ctx.Err() != nil || err == nil && v.Valid || left <= 0 {
			return v, err
		}
		told(v, err)
		select {
		case <-ctx.Done():
			return v, context.Cause(ctx)
		case <-time.After(min(validatePause, 2*c.deps.Poll, left)):
		}
	}
}

// Credentials are an operator's way into the API, as they were written.
type Credentials struct {
	Context string `json:"context"`
	File    string `json:"file"`
	Server  string `json:"server"`
	User    string `json:"user"`  // as the audit log has it
	Until   string `json:"until"` // the certificate's end
}

// Credentials makes this operator's entry in the kubeconfig anew, with a certificate
// that a master makes for it over ssh. It changes nothing of the cluster.
func (c *Cluster) Credentials(ctx context.Context) (*Credentials, error) {
	r := c.runFor(settings.StatusVerb, hold{})
	if err := status.Find(ctx, r.Task); err != nil {
		return nil, &Unchanged{err}
	}
	m := r.Master()
	switch {
	case !r.Have.Runs(m):
		return nil, &Unchanged{&refusal.Refused{
			Why:  fmt.Sprintf("cluster %s has no master that runs and could make a certificate", r.Want.Names.Prefix),
			Cure: cure.Hint("bring back first what fails", cure.Repair()),
		}}
	case r.IP() == "":
		return nil, &Unchanged{&refusal.Refused{
			Why:  fmt.Sprintf("cluster %s has no address %s, so its API cannot be reached", r.Want.Names.Prefix, r.Want.Names.Address()),
			Cure: cure.Hint("finish the cluster first", cure.Up(m.Zone)),
		}}
	}
	if err := preflight.Fit(ctx, r.Task); err != nil {
		return nil, &Unchanged{err}
	}
	e, err := live.RenewKubeconfig(ctx, r.Task)
	if err != nil {
		return nil, err
	}
	user, until := e.User()
	return &Credentials{
		Context: r.Want.Context, File: r.KubeFiles().Of(r.Want.Context), Server: e.Server,
		User: user, Until: until.UTC().Format(time.RFC3339),
	}, nil
}

// withLease runs f under the lease of the cluster. When another run has it, or came
// between f's look and its first change, f is run again from the beginning once
// that one is through: what f saw does not hold any more.
//
// An error before the first change is an [*Unchanged].
func (c *Cluster) withLease(ctx context.Context, verb settings.Verb, report func(plan.Event), f func(context.Context, hold, func(plan.Event)) error) (warning string, err error) {
	mode := c.settings.Mode(verb)
	l, t := c.lease(mode), &touch{}
	gate := t.gate(l.Guard)
	for {
		err = f(ctx, hold{l, gate}, t.watch(report))
		var held *lease.HeldError
		if !errors.As(err, &held) || ctx.Err() != nil {
			break
		}
		wait := &lease.Wait{Lease: l, Poll: c.deps.Poll, Clock: c.deps.Clock}
		if err = plan.Run(ctx, nil, []plan.Item{{Step: wait, Want: true}}, wait.Watch(report)); err != nil {
			break
		}
	}
	unfinished := err == nil && mode.Pool() && l.Done(inventory.GrowthKey(c.pool()))
	if row := rowOf(mode); err == nil && row.Whole && !row.Removes { // whoever says so leaves an up of the whole cluster at what there is
		unfinished = l.Done(inventory.SpanKey) || unfinished
	}
	if row := rowOf(mode); err == nil && row.Removes && row.Nodes && !row.Whole {
		unfinished = l.Done(inventory.PerGroupKey(c.pool())) || unfinished
	}
	if err == nil && (unfinished || l.Abandoned()) {
		err = gate(ctx) // all that the cut run was at is done: nothing is to speak of it any more
		if held := (*lease.HeldError)(nil); errors.As(err, &held) {
			err = nil // another run is at work by now, and speaks for itself
		}
	}
	if back := l.Release(ctx); back != nil {
		warning = back.Error()
	}
	return warning, t.judge(err)
}

// A hold is what a run has of a cluster that it may change. The zero value is that of
// one which only looks.
type hold struct {
	lease *lease.Lease
	gate  plan.Gate // takes the lease before the first change, and guards it before each
}

// pool is the one that the settings speak of.
func (c *Cluster) pool() settings.PoolID {
	return settings.PoolID{Zone: string(c.settings.Zone), Name: string(c.settings.Pool)}
}

// lease is one that was not taken yet.
func (c *Cluster) lease(mode settings.Mode) *lease.Lease {
	return lease.New(lease.Options{
		Address: settings.NamesOf(&c.settings).Address(), User: c.deps.User, PID: c.deps.PID, Purpose: string(mode), Zone: string(c.settings.Zone),
		Length: c.deps.Lease, Breaks: bool(c.settings.BreakLock), Labels: map[string]string{settings.Label: settings.NamesOf(&c.settings).Prefix},
	})
}

// Unchanged is why a run ended before it changed anything: neither the cloud,
// nor the cluster, nor this machine, nor who has the lease. Who is told so need
// not look for what a half-done run left.
type Unchanged struct{ Err error }

func (e *Unchanged) Error() string { return e.Err.Error() }

func (e *Unchanged) Unwrap() error { return e.Err }

// A touch tells whether a run has changed anything yet. It is not concluded from
// the kind of an error: it hears of each changing call and of each step that acts.
type touch struct{ any atomic.Bool }

// gate passes on what another gate says, and notes that a change follows.
func (t *touch) gate(guard plan.Gate) plan.Gate {
	return func(ctx context.Context) error {
		err := guard(ctx)
		if !lease.IsOusted(err) { // taking the lease is a change, also when it failed half-way
			t.any.Store(true)
		}
		return err
	}
}

// watch passes on what a walk reports, and notes the steps that act.
func (t *touch) watch(report func(plan.Event)) func(plan.Event) {
	return func(e plan.Event) {
		if e.Kind == plan.Making || e.Kind == plan.Removing {
			t.any.Store(true)
		}
		if report != nil {
			report(e)
		}
	}
}

// judge says of an error that nothing was changed, if that is so.
func (t *touch) judge(err error) error {
	if err == nil || t.any.Load() {
		return err
	}
	return &Unchanged{err}
}
