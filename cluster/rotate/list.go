package rotate

import (
	"context"
	"fmt"
	"time"

	"hakube/cluster/access"
	"hakube/cluster/env"
	"hakube/cluster/inventory"
	"hakube/cluster/live"
	"hakube/cluster/member"
	"hakube/cluster/metadata"
	"hakube/cluster/plan"
	"hakube/cluster/refusal"
	"hakube/cluster/rings"
	"hakube/cluster/task"
	"hakube/replicate"
	"hakube/scripts/cure"
)

// Lists are all that is left of a rotation, one list after the other. Each can be cut anywhere.
func (p *Plan) Lists(r *task.Task) (lists [][]plan.Item) {
	if !p.Any() {
		return nil
	}
	switch p.Of {
	case inventory.RotateJoinToken:
		l := task.Lines{Want: true}
		l.Then(member.API(r))
		l.Then(live.Kubeconfig(r))
		l.Each(metadata.Joining(r.Env, p.ID, p.Groups))
		return [][]plan.Item{l.Items}
	case inventory.RotateSSH:
		var masters []inventory.Object
		for _, m := range p.Masters {
			masters = append(masters, m.Object)
		}
		l := task.Lines{Want: true}
		l.Each(access.Steps(r.Env, p.ID, masters, p.Groups))
		return [][]plan.Item{l.Items}
	case inventory.RotateEncryptionKey:
		return p.exchange(r)
	case inventory.RotateTokenKey:
		return p.signing(r, tokenKey(p.ID))
	case inventory.DistrustTokenKey:
		return p.distrust(r)
	case inventory.RotateCA:
		return append(p.signing(r, authority(p.ID)), over(r))
	case inventory.DistrustCA:
		return p.alone(r)
	case inventory.RotateEtcdCA:
		return p.ofRings(r)
	}
	for _, m := range p.Left() {
		lists = append(lists, List(r, m, p.ID))
	}
	return lists
}

// List is the way of one master with its certificates: all are well, it has new ones, and all
// are well with these.
func List(r *task.Task, m Master, id string) []plan.Item {
	l := task.Lines{Want: true}
	l.Then(before(r, m))
	l.Then(certificates{r.Env, m.Object, id})
	l.Then(after(r, m))
	return l.Items
}

// before is that all masters are well, but for one that a run which was cut has left half done.
func before(r *task.Task, m Master) well {
	w := well{env: r.Env, of: m.Object, masters: r.Masters(), when: "before"}
	if m.Half {
		w.masters = r.MastersBut(m.Name)
	}
	return w
}

func after(r *task.Task, m Master) well {
	return well{env: r.Env, of: m.Object, masters: r.Masters(), when: "after"}
}

// certificates are the leaf certificates of a master: those of its API server, as a server
// and as a client of kubelets, extension servers and etcd; those in the kubeconfigs of
// controller-manager, scheduler and administrator; those of its members of both rings.
type certificates struct {
	env *env.Env
	of  inventory.Object
	id  string // of the rotation
}

func (c certificates) String() string    { return "new certificates of " + c.of.Name }
func (c certificates) About() plan.Thing { return task.Thing(c.of) }

func (c certificates) Observe(ctx context.Context) (plan.State, error) {
	s := c.env.Survey(ctx, []inventory.Object{c.of})
	if err := s.Silent[c.of.Name]; err != nil {
		return plan.State{}, err
	}
	if s.Rotated[c.of.Name] != c.id {
		return plan.State{Is: plan.Absent, Why: "it has those of before"}, nil
	}
	return plan.Exists("")
}

// limit is what the script may take: 120 s until what is shown is new, 180 s for each of two
// processes, 60 s for the API server, and a startup-script that is at work.
const limit = 15 * time.Minute

func (c certificates) Do(ctx context.Context) error {
	return c.env.OverSSH(ctx, c.of, limit, func(ctx context.Context, h replicate.Host) error {
		if err := c.env.Gate.Ask(ctx); err != nil {
			return err
		}
		return replicate.RotateCertificates(ctx, c.env.Deps.SSH, h, c.id)
	})
}

func (certificates) Undo(context.Context) error { return nil } // never unwanted

// well is the fact that masters vote in both rings, follow their leaders, take writes, and
// serve.
type well struct {
	env     *env.Env
	of      inventory.Object // which has something made anew
	masters []inventory.Object
	when    string
}

func (w well) String() string    { return "masters are well " + w.when + " " + w.of.Name }
func (w well) About() plan.Thing { return task.Thing(w.of) }
func (well) Waits()              {}

func (w well) Observe(ctx context.Context) (plan.State, error) {
	if why := w.why(ctx); why != "" {
		return plan.State{Is: plan.Absent, Why: why}, nil
	}
	return plan.Exists(fmt.Sprintf("%d masters", len(w.masters)))
}

// why they are not, "" if they are.
func (w well) why(ctx context.Context) string {
	masters := w.env.AsSeen(w.masters)
	now := w.env.SurveyWrites(ctx, masters)
	for _, ring := range rings.Names {
		if q := replicate.QuorumOf(now.Voters(ring)); !q.Holds() || q.Alive < len(masters) {
			return fmt.Sprintf("ring %s: %d of %d masters take part, of %d voters", ring, q.Alive, len(masters), q.Voters)
		}
		if why := member.Trailing(now, ring, masters); why != "" {
			return why
		}
		if no := now.Refusals(ring); len(no) > 0 {
			return fmt.Sprintf("ring %s takes no writes: %s", ring, no[0].Why)
		}
	}
	return member.Silent(ctx, w.env, masters)
}

// wellLimit is how long masters may take to be as well as they were.
const wellLimit = 3 * time.Minute

func (w well) Do(ctx context.Context) error {
	err := w.env.Until(ctx, plan.Condition{
		For: w.String(), Every: w.env.Poll, Limit: min(wellLimit, w.env.Want.Settings.InitTimeout.Duration()),
		Check: func(ctx context.Context) (bool, string, error) {
			why := w.why(ctx)
			return why == "", why, nil
		},
	})
	if err == nil || ctx.Err() != nil {
		return err
	}
	return &refusal.Refused{Why: fmt.Sprintf("no further master is touched: %v", err), Cure: cure.Hints(cure.Hint("bring back what fails", cure.Repair()), cure.Hint("then go on", cure.Same()))}
}

func (well) Undo(context.Context) error { return nil } // never unwanted
