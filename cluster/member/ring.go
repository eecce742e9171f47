package member

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"hakube/cluster/env"
	"hakube/cluster/inventory"
	"hakube/cluster/plan"
	"hakube/cluster/refusal"
	"hakube/cluster/rings"
	"hakube/cluster/task"
	"hakube/replicate"
)

// QuorumLives is the wait for both rings to agree again, once all machines that
// could be brought back are. Without that nobody's membership can be changed.
type QuorumLives struct {
	Env *env.Env
	task.Outlook
}

func (QuorumLives) String() string { return "both rings have quorum" }
func (QuorumLives) Waits()         {}

func (q QuorumLives) Observe(ctx context.Context) (plan.State, error) {
	return q.judge(q.Env.Survey(ctx, q.All()))
}

func (q QuorumLives) judge(s *rings.Survey) (plan.State, error) {
	if m, ok := s.Healthy(); ok {
		return plan.Exists("by " + m.Name)
	}
	for _, ring := range rings.Names {
		if x, _, _ := s.Ring(ring); x.Healthy {
			continue // somebody has it, if not the same master as of the other
		}
		voters := s.Voters(ring)
		lost := 0
		for _, v := range voters {
			if q.CannotReturn(v.Name, ring) {
				lost++
			}
		}
		if left, need := len(voters)-lost, len(voters)/2+1; len(voters) > 0 && left < need {
			return plan.State{}, q.Hopeless(fmt.Sprintf("etcd ring %s has lost quorum for good: %d of its %d voters have their data, it takes %d to agree on anything", ring, left, len(voters), need), s)
		}
	}
	return plan.State{Is: plan.Absent, Why: strings.ReplaceAll(s.Why().Error(), "\n", "; ")}, nil
}

func (q QuorumLives) Do(ctx context.Context) error {
	far, moved := rings.Courses{}, false
	err := q.Env.Until(ctx, plan.Condition{
		For: "quorum of both rings", Every: q.Env.Poll, Limit: syncLimit, Stall: q.Env.BootLimit(), Moved: func() bool { return moved },
		Check: func(ctx context.Context) (bool, string, error) {
			s := q.Env.Survey(ctx, q.All())
			st, err := q.judge(s)
			moved = far.Moved(s)
			if err != nil {
				err = plan.Permanent(err)
			}
			return st.Is == plan.Present, st.Why, err
		},
	})
	if err == nil || ctx.Err() != nil {
		return err
	}
	s := q.Env.Survey(ctx, q.All())
	for _, ring := range rings.Names {
		runs := 0
		for _, m := range q.All() {
			if s.Answers[m.Name][ring].ID != "" {
				runs++
			}
		}
		if x, _, _ := s.Ring(ring); !x.Healthy && runs > len(s.Voters(ring))/2 {
			return partitioned(q.Env, fmt.Sprintf("enough members of etcd ring %s run for a quorum, and are cut off from each other: %v", ring, err))
		}
	}
	return q.Hopeless(err.Error(), nil)
}

// Rings is the wait for a master that has founded the rings to tell who is in them. Its API
// answers before its startup-script is through, and a machine that is busy with that, and
// with pulling images, may be silent for a while: who asked it then whom it takes was told
// that it is no member of any ring.
type Rings struct {
	Env *env.Env
	Of  inventory.Object
}

func (a Rings) String() string { return a.Of.Name + " tells its rings" }
func (Rings) Waits()           {}

func (a Rings) Observe(ctx context.Context) (plan.State, error) {
	s := a.Env.SurveyWrites(ctx, a.Env.AsSeen([]inventory.Object{a.Of}))
	if m, ok := s.Healthy(); ok {
		return plan.Exists("by " + m.Name)
	}
	return plan.State{Is: plan.Absent, Why: strings.ReplaceAll(s.Why().Error(), "\n", "; ")}, ctx.Err()
}

func (a Rings) Do(ctx context.Context) error {
	return a.Env.Until(ctx, plan.Condition{
		For: "both rings of " + a.Of.Name, Every: a.Env.Poll, Limit: a.Env.Want.Settings.InitTimeout.Duration(),
		Check: func(ctx context.Context) (bool, string, error) {
			st, err := a.Observe(ctx)
			return st.Is == plan.Present, st.Why, err
		},
	})
}

func (Rings) Undo(context.Context) error { return nil } // never unwanted

// partitioned is the refusal of what only the network can mend.
func partitioned(r *env.Env, why string) error {
	return &refusal.Refused{
		Why: why,
		Cure: fmt.Sprintf("firewall %s and the tag %s are as they should be; look for what else keeps machines with that tag from each other's ports 2380 and 2381",
			r.Want.Names.MasterEtcd(), r.Want.Names.MasterTag()),
	}
}

func (QuorumLives) Undo(context.Context) error { return nil } // never unwanted

// LostMember is a member that cannot come back, which is to go: etcd takes no new
// member while a voter is dead. It is taken out through a healthy master, and only
// if the others have quorum without it.
type LostMember struct {
	Vote
	Outlook task.Outlook
}

func (l LostMember) String() string {
	return fmt.Sprintf("dead member of %s in ring %s", l.of.Name, l.ring)
}

func (l LostMember) Observe(ctx context.Context) (plan.State, error) {
	all := l.env.Survey(ctx, l.all())
	ring, _, ok := all.Ring(l.ring)
	if !ok || !ring.Healthy {
		return plan.State{}, l.Outlook.Hopeless(fmt.Sprintf("etcd ring %s has no quorum:\n%v", l.ring, all.Why()), all)
	}
	x, there := ring.ByPeerURL(l.peerURL())
	own := all.Answers[l.of.Name][l.ring]
	switch {
	case !there:
		return plan.State{Is: plan.Absent, Why: "it is no member"}, nil
	case ring.Corrupt(x.ID):
		return plan.Exists("its data differ from the others'; " + all.QuorumText(l.ring))
	case own.ID == x.ID:
		return plan.State{Is: plan.Absent, Why: "it lives"}, nil
	case l.Outlook.CannotReturn(l.of.Name, l.ring), own.ID != "": // another member's data
		return plan.Exists(all.QuorumText(l.ring))
	}
	return plan.State{Is: plan.Absent, Why: cmp.Or(own.Error, "it may come back")}, nil
}

func (LostMember) Do(context.Context) error { return nil } // never wanted

// ReachesOthers is the fact that a member that votes takes part: its ring agrees
// through it, and it has nearly all that the ring has.
type ReachesOthers struct{ RingMember }

func (o ReachesOthers) String() string {
	return fmt.Sprintf("etcd %s on %s reaches the others", o.ring, o.of.Name)
}
func (ReachesOthers) Waits() {}

func (o ReachesOthers) Observe(ctx context.Context) (plan.State, error) {
	st, _, err := o.look(ctx)
	return st, err
}

func (o ReachesOthers) look(ctx context.Context) (plan.State, replicate.Ring, error) {
	all := o.env.Survey(ctx, o.all())
	if err := all.Silent[o.of.Name]; err != nil {
		return plan.State{}, replicate.Ring{}, err
	}
	own := all.Answers[o.of.Name][o.ring]
	if !own.Healthy {
		return plan.State{Is: plan.Absent, Why: cmp.Or(own.Error, "not healthy")}, own, nil
	}
	if n := all.Behind(o.ring, o.of.Name); n > env.MaxBehind {
		return plan.State{Is: plan.Partial, Why: fmt.Sprintf("it is %d entries behind its leader", n)}, own, nil
	}
	st, err := plan.Exists("")
	return st, own, err
}

// reachLimit is how long a member that finds the others may come no nearer to what
// they have, unless the API is given less.
const reachLimit = 30 * time.Second

func (o ReachesOthers) Do(ctx context.Context) error {
	err := o.await(ctx, o.String(), min(reachLimit, o.env.BootLimit()), o.look)
	if err == nil || ctx.Err() != nil {
		return err
	}
	var others []string
	for _, m := range o.others() {
		others = append(others, fmt.Sprintf("%s in %s", m.Name, m.Zone))
	}
	return partitioned(o.env, fmt.Sprintf("etcd %s runs on %s in %s and is cut off from %s: %v", o.ring, o.of.Name, o.of.Zone, strings.Join(others, " and "), err))
}

func (ReachesOthers) Undo(context.Context) error { return nil } // never unwanted
