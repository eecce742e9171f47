// Package member has the facts about masters that are seen over ssh and at their API
// servers: that one is prepared, is in the rings, votes, serves, and what it takes to
// bring one back.
package member

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"hakube/cluster/env"
	"hakube/cluster/inventory"
	"hakube/cluster/plan"
	"hakube/cluster/refusal"
	"hakube/cluster/rings"
	"hakube/cluster/task"
	"hakube/replicate"
	"hakube/scripts/cure"
)

// A master's membership in a ring is three facts on the way in: it is a learner,
// its etcd runs and has caught up, it votes. On the way out the vote is the one
// that is taken away. Each is changed through another, healthy master.

// RingMember is what the three have in common.
type RingMember struct {
	env     *env.Env
	of      inventory.Object
	ring    string
	fellows []inventory.Object // the masters but the one it is about
	revives bool               // it was a member before, and is brought back
}

// EachRing makes a step of a kind for both rings.
func EachRing[S plan.Step](r *task.Task, of inventory.Object, step func(RingMember) S) (steps []plan.Step) {
	for _, name := range rings.Names {
		steps = append(steps, step(RingMember{r.Env, of, name, r.MastersBut(of.Name), r.Mode.Repairs}))
	}
	return steps
}

func (m RingMember) About() plan.Thing { return task.Thing(m.of) }

func (m RingMember) peerURL() string { return m.env.Peer(m.ring, m.of) }

// others are the masters but the one whose membership it is about.
func (m RingMember) others() []inventory.Object { return m.env.AsSeen(m.fellows) }

// all are the masters, with the one it is about, which this run may have made.
func (m RingMember) all() []inventory.Object {
	return m.env.AsSeen(append(slices.Clone(m.fellows), m.of))
}

// ask surveys the other masters and picks the one to act through.
func (m RingMember) ask(ctx context.Context) (s *rings.Survey, via inventory.Object, err error) {
	s = m.env.Survey(ctx, m.others())
	x, ok := s.Healthy()
	if !ok {
		return s, via, m.noneHealthy(s)
	}
	return s, env.InstanceOf(x), nil
}

func (m RingMember) noneHealthy(s *rings.Survey) error {
	return &refusal.Refused{
		Why:  fmt.Sprintf("no master but %s has quorum in both rings, so nobody can say or change who is in them:\n%v", m.of.Name, s.Why()),
		Cure: cure.Hint("bring the other masters back first", cure.Repair()),
	}
}

// state reads whether it is a member, and the ring's arithmetic.
func (m RingMember) state(ctx context.Context) (x replicate.Member, there bool, arithmetic string, err error) {
	all := m.env.Survey(ctx, m.all())
	if _, ok := all.Healthy(m.of.Name); !ok {
		return x, false, "", m.noneHealthy(all)
	}
	ring, _, _ := all.Ring(m.ring)
	x, there = ring.ByPeerURL(m.peerURL())
	return x, there, all.QuorumText(m.ring), nil
}

// through runs a change on a healthy master, again while etcd says that it is
// not the moment: it wants its members connected for five seconds before it
// takes another one, and one learner at a time.
func (m RingMember) through(ctx context.Context, change func(ctx context.Context, via replicate.Host) error) error {
	_, via, err := m.ask(ctx)
	if err != nil {
		return err
	}
	return m.env.Until(ctx, plan.Condition{
		For: "ring " + m.ring + " to take the change", Every: m.env.Poll, Limit: memberLimit,
		Check: func(ctx context.Context) (bool, string, error) {
			if err := m.env.Gate.Ask(ctx); err != nil {
				return false, "", plan.Permanent(err)
			}
			err := m.env.OverSSH(ctx, via, env.ScriptLimit, change)
			switch {
			case err == nil:
				return true, "", nil
			case errors.Is(err, replicate.ErrUnhealthy), errors.Is(err, replicate.ErrNotInSync), errors.Is(err, replicate.ErrTooManyLearners):
				return false, "", err
			}
			return false, "", plan.Permanent(err)
		},
	})
}

const memberLimit = time.Minute

// Learners: a learner gets all data and has no vote, so nothing is lost with it.
func Learners(r *task.Task, of inventory.Object) []plan.Step {
	return EachRing(r, of, func(m RingMember) learner { return learner{m} })
}

type learner struct{ RingMember }

func (l learner) String() string { return fmt.Sprintf("%s in etcd ring %s", l.of.Name, l.ring) }

func (l learner) Observe(ctx context.Context) (plan.State, error) {
	x, there, arithmetic, err := l.state(ctx)
	switch {
	case err != nil:
		return plan.State{}, err
	case !there:
		return plan.State{Is: plan.Absent, Why: arithmetic}, nil
	case x.Learner:
		return plan.Exists("as a learner; " + arithmetic)
	}
	return plan.Exists("as a voter; " + arithmetic)
}

func (l learner) Do(ctx context.Context) error {
	return l.through(ctx, func(ctx context.Context, via replicate.Host) error {
		_, err := replicate.AddLearner(ctx, l.env.Deps.SSH, via, l.ring, l.peerURL())
		return err
	})
}

func (l learner) Undo(ctx context.Context) error {
	return l.through(ctx, func(ctx context.Context, via replicate.Host) error {
		return replicate.Remove(ctx, l.env.Deps.SSH, via, l.ring, l.peerURL())
	})
}

// Started: the member runs on its own machine, with keys that came from a
// master through this process' memory.
func Started(r *task.Task, of inventory.Object) []plan.Step {
	return EachRing(r, of, func(m RingMember) EtcdStarted { return EtcdStarted{m} })
}

// EtcdStarted is the fact that a member runs on its own machine.
type EtcdStarted struct{ RingMember }

func (s EtcdStarted) String() string { return fmt.Sprintf("etcd %s on %s", s.ring, s.of.Name) }

func (s EtcdStarted) Observe(ctx context.Context) (plan.State, error) {
	st, _, err := s.look(ctx)
	return st, err
}

// look is Observe, with what the machine says of its member.
func (s EtcdStarted) look(ctx context.Context) (plan.State, replicate.Ring, error) {
	x, there, _, err := s.state(ctx)
	if err != nil {
		return plan.State{}, replicate.Ring{}, err
	}
	if !there {
		return plan.State{Is: plan.Absent, Why: "it is no member"}, replicate.Ring{}, nil
	}
	answers, err := s.env.RingsOn(ctx, s.of)
	if run := (*replicate.RunError)(nil); errors.As(err, &run) && run.Err == nil {
		return plan.State{Is: plan.Absent, Why: "it has no keys yet"}, replicate.Ring{}, nil
	}
	if errors.Is(err, env.ErrNoAddress) { // a stopped one is started before anybody acts
		return plan.State{Is: plan.Absent, Why: err.Error()}, replicate.Ring{}, nil
	}
	if err != nil {
		return plan.State{}, replicate.Ring{}, err
	}
	own := answers[s.ring]
	if own.ID != x.ID {
		return plan.State{Is: plan.Absent, Why: cmp.Or(own.Error, "it is another member's data")}, own, nil
	}
	st, err := plan.Exists("")
	return st, own, err
}

func (s EtcdStarted) Do(ctx context.Context) error {
	around, via, err := s.ask(ctx)
	if err != nil {
		return err
	}
	from, err := s.env.Host(ctx, via)
	if err != nil {
		return err
	}
	keys, err := s.keysOf(ctx, from)
	if err != nil {
		return err
	}
	ring, _, _ := around.Ring(s.ring)
	start := replicate.StartMember
	if s.revives {
		start = replicate.StartMemberAgain
	} else if x, _ := ring.ByPeerURL(s.peerURL()); !x.Learner {
		if err := s.HasItsData(ctx); err != nil {
			return err
		}
	}
	err = s.env.OverSSH(ctx, s.of, 2*env.ScriptLimit, func(ctx context.Context, to replicate.Host) error {
		if err := replicate.WriteKeys(ctx, s.env.Deps.SSH, keys, to); err != nil {
			return err
		}
		return start(ctx, s.env.Deps.SSH, to, s.ring, ring, s.peerURL(), s.of.Name)
	})
	if err != nil {
		return err
	}
	return s.await(ctx, s.String(), StallLimit, s.look)
}

// keysOf are the cluster's keys by a master, which is waited for while it founds the cluster:
// its API and its rings answer before that is through.
func (s EtcdStarted) keysOf(ctx context.Context, from replicate.Host) (keys []byte, err error) {
	err = s.env.Until(ctx, plan.Condition{
		For: "keys of " + from.Name, Every: s.env.Poll, Limit: s.env.Want.Settings.InitTimeout.Duration(),
		Check: func(ctx context.Context) (bool, string, error) {
			keys, err = replicate.ReadKeys(ctx, s.env.Deps.SSH, from)
			if errors.Is(err, replicate.ErrFounding) {
				return false, replicate.ErrFounding.Error(), nil
			}
			if err != nil {
				return false, "", plan.Permanent(err)
			}
			return true, "", nil
		},
	})
	return keys, err
}

// HasItsData refuses to start a voter that has lost its data: it would forget what
// it has voted for, and raft relies on that.
func (s EtcdStarted) HasItsData(ctx context.Context) error {
	var x replicate.Revived
	// The script waits for its etcds, which may wait for an entry in a quiet ring: the
	// machine's phase, if it is still that from before its start, has not waited for them.
	err := s.env.WhileStirred(ctx, s.fellows, func(ctx context.Context) error {
		return s.env.OverSSH(ctx, s.of, 2*env.ScriptLimit, func(ctx context.Context, h replicate.Host) (err error) {
			x, err = replicate.ReviveEtcd(ctx, s.env.Deps.SSH, h)
			return err
		})
	})
	if err != nil || x.Disk && x.Rings[s.ring].State == replicate.RingRuns {
		return err
	}
	return &refusal.Refused{
		Why:  fmt.Sprintf("%s in %s votes in ring %s and has no data of it (%s): with none it would break what it has promised the others", s.of.Name, s.of.Zone, s.ring, task.VerdictText(x)),
		Cure: cure.Hint("have it taken out of the ring and join again", cure.Repair(s.of.Name)),
	}
}

func (EtcdStarted) Undo(context.Context) error { return nil } // it ends with its membership

// InSync is the wait until a learner has what the ring has.
func InSync(r *task.Task, of inventory.Object) []plan.Step {
	return EachRing(r, of, func(m RingMember) inSync { return inSync{m} })
}

type inSync struct{ RingMember }

func (s inSync) String() string { return fmt.Sprintf("%s in sync in ring %s", s.of.Name, s.ring) }
func (inSync) Waits()           {}

func (s inSync) Observe(ctx context.Context) (plan.State, error) {
	st, _, err := s.look(ctx)
	return st, err
}

func (s inSync) look(ctx context.Context) (plan.State, replicate.Ring, error) {
	all := s.env.Survey(ctx, s.all())
	if err := all.Silent[s.of.Name]; err != nil {
		return plan.State{Is: plan.Absent, Why: err.Error()}, replicate.Ring{}, nil
	}
	ring, via, _ := all.Ring(s.ring)
	x, there := ring.ByPeerURL(s.peerURL())
	own, theirs := all.Answers[s.of.Name][s.ring], all.Answers[via.Name][s.ring]
	why := fmt.Sprintf("entry %d of %d", own.Index, theirs.Index)
	st := plan.State{Is: plan.Present, Why: why}
	switch {
	case !there:
		st = plan.State{Is: plan.Absent, Why: "it is no member"}
	case !x.Learner:
		st.Why = "it votes"
	case own.ID != x.ID:
		st = plan.State{Is: plan.Absent, Why: cmp.Or(own.Error, "its etcd does not answer")}
	case !rings.Near(own.Index, theirs.Index):
		st.Is = plan.Partial
	}
	return st, own, nil
}

func (s inSync) Do(ctx context.Context) error { return s.await(ctx, s.String(), StallLimit, s.look) }

func (inSync) Undo(context.Context) error { return nil } // never unwanted

// Votes: from here on the ring counts on it. A failure before leaves the ring
// as it was, one after does not.
func Votes(r *task.Task, of inventory.Object) []plan.Step {
	return EachRing(r, of, func(m RingMember) Vote { return Vote{m} })
}

// A Vote is the fact that a member votes.
type Vote struct{ RingMember }

func (v Vote) String() string { return fmt.Sprintf("%s votes in ring %s", v.of.Name, v.ring) }

func (v Vote) Observe(ctx context.Context) (plan.State, error) {
	x, there, arithmetic, err := v.state(ctx)
	switch {
	case err != nil:
		return plan.State{}, err
	case !there || x.Learner:
		return plan.State{Is: plan.Absent, Why: arithmetic}, nil
	}
	return plan.Exists(arithmetic)
}

func (v Vote) Do(ctx context.Context) error {
	on, err := v.env.Host(ctx, v.of)
	if err != nil {
		return err
	}
	if err := v.env.SurveyWrites(ctx, v.all()).MayChange(); err != nil {
		return err // nobody counts on it yet
	}
	err = v.await(ctx, v.of.Name+" to follow ring "+v.ring, StallLimit, func(ctx context.Context) (plan.State, replicate.Ring, error) {
		return v.follows(ctx, on)
	})
	if err != nil {
		return err
	}
	return v.through(ctx, func(ctx context.Context, via replicate.Host) error {
		return replicate.Promote(ctx, v.env.Deps.SSH, via, v.ring, v.peerURL())
	})
}

// follows asks one of the other masters whether the learner is in sync. A learner that
// lacks something still is no failure, nor is a master that takes no proposals for the
// moment.
func (v Vote) follows(ctx context.Context, on replicate.Host) (st plan.State, own replicate.Ring, err error) {
	_, o, err := v.ask(ctx)
	if err != nil {
		return st, own, plan.Permanent(err)
	}
	err = v.env.OverSSH(ctx, o, env.ScriptLimit, func(ctx context.Context, via replicate.Host) (err error) {
		own, err = replicate.Follows(ctx, v.env.Deps.SSH, via, on, v.ring)
		return err
	})
	if err == nil {
		st, err = plan.Exists("")
	} else if !errors.Is(err, replicate.ErrNotInSync) && !errors.Is(err, replicate.ErrBusy) {
		err = plan.Permanent(err)
	}
	return st, own, err
}

// Undo takes the member out, if enough of the others live. The ring is asked again for
// that: it may have changed since the run began.
func (v Vote) Undo(ctx context.Context) error {
	now := v.env.SurveyWrites(ctx, v.all())
	if err := replicate.MayRemove(v.ring, now.Voters(v.ring), v.of.Name); err != nil {
		return err
	}
	if err := now.MayChange(v.of.Name); err != nil && !v.revives { // a repair takes out what keeps the ring from writing
		return err
	}
	return v.through(ctx, func(ctx context.Context, via replicate.Host) error {
		return replicate.Remove(ctx, v.env.Deps.SSH, via, v.ring, v.peerURL())
	})
}
