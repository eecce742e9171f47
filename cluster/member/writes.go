package member

import (
	"cmp"
	"context"
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

// writes is the fact that a ring takes writes. What it had too much of is compacted
// away, its members give back the room one after the other, and only then the alarm goes.
type writes struct {
	env     *env.Env
	ring    string
	masters []inventory.Object
	early   bool     // data that differ are left for later
	with    []string // masters whose members took part when a round began
}

// TakesWrites is that fact, once members whose data differ are out of the ring.
func TakesWrites(r *task.Task, ring string, masters []inventory.Object) plan.Step {
	return writes{env: r.Env, ring: ring, masters: masters}
}

// HasRoom is the same before anybody is taken out.
func HasRoom(r *task.Task, ring string) plan.Step {
	return writes{env: r.Env, ring: ring, masters: r.Masters(), early: true}
}

func (w writes) String() string {
	if w.early {
		return "ring " + w.ring + " has room to write"
	}
	return "ring " + w.ring + " takes writes"
}

func (w writes) look(ctx context.Context) (*rings.Survey, replicate.Ring, plan.State) {
	s := w.env.SurveyWrites(ctx, w.env.AsSeen(w.masters))
	x, _, _ := s.Ring(w.ring)
	refusals := s.Refusals(w.ring)
	switch {
	case w.early && x.Has(replicate.AlarmCorrupt):
		return s, x, plan.State{Is: plan.Present, Why: "data that differ come first"}
	case !x.Healthy:
		return s, x, plan.State{Is: plan.Absent, Why: cmp.Or(x.Error, "nobody of it answers")}
	case len(refusals) > 0:
		return s, x, plan.State{Is: plan.Partial, Why: refusals[0].Why}
	}
	return s, x, plan.State{Is: plan.Present}
}

func (w writes) Observe(ctx context.Context) (plan.State, error) {
	_, _, st := w.look(ctx)
	return st, nil
}

// rounds is how often is done what an alarm asks for: one may hide another.
const rounds = 3

func (w writes) Do(ctx context.Context) error {
	for range rounds {
		s, x, st := w.look(ctx)
		w.with = healthyIn(s, w.ring)
		var err error
		switch {
		case st.Is == plan.Present:
			return nil
		case !x.Healthy:
			err = w.settled(ctx)
		case x.Has(replicate.AlarmCorrupt):
			err = w.accept(ctx, s, x)
		case len(x.Alarms) > 0:
			err = w.makeRoom(ctx, s)
		default:
			err = w.restart(ctx, s, x)
		}
		if err != nil {
			return err
		}
	}
	s, x, st := w.look(ctx)
	if st.Is == plan.Present {
		return nil
	}
	lead := leaderOf(x)
	own := s.Answers[lead][w.ring]
	return &refusal.Refused{
		Why: fmt.Sprintf("etcd ring %s still takes no writes: %s; on %s, which leads it, %s", w.ring, st.Why, lead, rings.SpaceText(own)),
		Cure: cure.Hints(cure.Hint("see each master", cure.Status()),
			cure.Hint("if nothing else fails, a new start of the machine that leads it, and then again", cure.Compute("instances reset "+lead+" --zone="+w.zoneOf(lead)), cure.Same())),
	}
}

func (writes) Undo(context.Context) error { return nil } // never unwanted

// accept disarms the alarm about data that differ when none is left who could have other
// data: they are out of the ring, or the ring has one member.
func (w writes) accept(ctx context.Context, s *rings.Survey, x replicate.Ring) error {
	for _, a := range x.Alarms {
		there := a.Member == "" || slices.ContainsFunc(x.Members, func(m replicate.Member) bool { return m.ID == a.Member })
		if a.Kind == replicate.AlarmCorrupt && there && len(x.Members) > 1 {
			return &refusal.Refused{
				Why:  fmt.Sprintf("etcd ring %s: %s: its data are still in the ring", w.ring, s.Refusals(w.ring)[0].Why),
				Cure: cure.Hint("look again, and have it taken out", cure.Repair()),
			}
		}
	}
	if len(x.Members) == 1 {
		w.env.Warn(fmt.Sprintf("etcd ring %s had an alarm for data that differ, and one member now, %s: what that has is what counts from here on", w.ring, x.NameOf(x.Members[0].ID)))
	}
	return w.disarm(ctx, s)
}

// makeRoom compacts the ring, defragments its members one after the other, and takes
// the alarm back if there is room then: or it would be raised again by the next write.
func (w writes) makeRoom(ctx context.Context, s *rings.Survey) error {
	_, via, _ := s.Ring(w.ring)
	if err := w.change(ctx, via.Name, "compacting", replicate.Compact); err != nil {
		return err
	}
	for _, name := range w.inTurn(s) {
		own := w.env.Survey(ctx, w.env.AsSeen(w.masters)).Answers[name][w.ring]
		if own.Quota > 0 && own.Size < own.Quota/2 {
			continue // an earlier run has done it
		}
		if err := w.change(ctx, name, "defragmenting", replicate.Defragment); err != nil {
			return err
		}
		if err := w.settled(ctx); err != nil {
			return err
		}
	}
	s = w.env.Survey(ctx, w.env.AsSeen(w.masters))
	for _, m := range s.Masters {
		if own := s.Answers[m.Name][w.ring]; own.Quota > 0 && own.Size*100 >= own.Quota*fullAt {
			return w.full(m.Name, own)
		}
	}
	return w.disarm(ctx, s)
}

// fullAt is how large a database may be, in percent of what it may be, for its alarm
// to be taken back.
const fullAt = 95

func (w writes) full(name string, own replicate.Ring) error {
	return &refusal.Refused{
		Why: fmt.Sprintf("etcd ring %s is full of what it needs: on %s, compacted and defragmented, %s; its alarm stays, since the next write would raise it again",
			w.ring, name, rings.SpaceText(own)),
		Cure: cure.Hint("it takes deletions all the same: delete what the cluster can do without (the API server counts objects by kind in its metric apiserver_storage_objects), and then", cure.Repair()),
	}
}

// inTurn are the masters whose members run, the leader last: it has all others to lead
// as long as possible.
func (w writes) inTurn(s *rings.Survey) (names []string) {
	x, _, _ := s.Ring(w.ring)
	for _, m := range s.Masters {
		if s.Answers[m.Name][w.ring].ID != "" && m.Name != leaderOf(x) {
			names = append(names, m.Name)
		}
	}
	if lead := leaderOf(x); s.Answers[lead][w.ring].ID != "" {
		names = append(names, lead)
	}
	return names
}

func leaderOf(x replicate.Ring) (name string) {
	for _, m := range x.Members {
		if m.ID == x.Leader {
			name, _ = rings.MachineOf(m)
		}
	}
	return name
}

// restart has an etcd begin anew that answers and takes no proposals: the leader's,
// through which all go, or else the one it was seen of.
func (w writes) restart(ctx context.Context, s *rings.Survey, x replicate.Ring) error {
	at := s.Refusals(w.ring)[0].Machine
	if lead := leaderOf(x); s.Answers[lead][w.ring].Writes != "" {
		at = lead
	}
	if err := w.change(ctx, at, "restarting", replicate.Restart); err != nil {
		return err
	}
	return w.settled(ctx)
}

func (w writes) disarm(ctx context.Context, s *rings.Survey) error {
	_, via, _ := s.Ring(w.ring)
	return w.change(ctx, via.Name, "disarming", replicate.Disarm)
}

// spaceLimit is how long one part of it may take: the script gives etcd ten minutes.
const spaceLimit = 11 * time.Minute

func (w writes) change(ctx context.Context, on, what string, do func(context.Context, *replicate.Runner, replicate.Host, string) error) error {
	if err := w.env.Gate.Ask(ctx); err != nil {
		return err
	}
	plan.Note(ctx, fmt.Sprintf("%s etcd %s on %s", what, w.ring, on))
	of := inventory.Object{Kind: inventory.Instance, Name: on, Zone: w.zoneOf(on), Role: inventory.RoleMaster}
	return w.env.OverSSH(ctx, of, spaceLimit, func(ctx context.Context, h replicate.Host) error {
		return do(ctx, w.env.Deps.SSH, h, w.ring)
	})
}

func (w writes) zoneOf(name string) string {
	for _, m := range w.masters {
		if m.Name == name {
			return m.Zone
		}
	}
	return ""
}

// healthyIn are the masters whose members of a ring vote and take part.
func healthyIn(s *rings.Survey, ring string) (names []string) {
	for _, m := range s.Members(ring) {
		if m.Voter && m.Healthy {
			names = append(names, m.Member)
		}
	}
	return names
}

// settled waits until all members take part again that did, so that no two are away at
// once.
func (w writes) settled(ctx context.Context) error {
	return w.env.Until(ctx, plan.Condition{
		For: "the members of ring " + w.ring + " to follow", Every: w.env.Poll, Limit: w.env.BootLimit(),
		Check: func(ctx context.Context) (bool, string, error) {
			s := w.env.Survey(ctx, w.env.AsSeen(w.masters))
			x, _, _ := s.Ring(w.ring)
			if !x.Healthy {
				return false, cmp.Or(x.Error, "nobody of it answers"), nil
			}
			now := healthyIn(s, w.ring)
			for _, name := range w.with {
				switch n := s.Behind(w.ring, name); {
				case !slices.Contains(now, name):
					return false, cmp.Or(s.Answers[name][w.ring].Error, "the etcd of "+name+" does not take part"), nil
				case n > env.MaxBehind:
					return false, fmt.Sprintf("%s is %d entries behind its leader", name, n), nil
				}
			}
			return true, "", nil
		},
	})
}
