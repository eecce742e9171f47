package member

import (
	"context"
	"fmt"
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

// spared is the fact that the others do without a master: each of them votes in both rings,
// is near their leaders and takes writes, and serves. With fewer than two others it cannot
// be, which is for whoever asks for it to say beforehand.
type spared struct {
	env    *env.Env
	of     inventory.Object
	others []inventory.Object
}

// Spared is that fact about a master that is to go for a while.
func Spared(r *task.Task, of inventory.Object) plan.Step {
	return spared{r.Env, of, r.MastersBut(of.Name)}
}

func (s spared) String() string    { return "the others do without " + s.of.Name }
func (s spared) About() plan.Thing { return task.Thing(s.of) }
func (spared) Waits()              {}

func (s spared) Observe(ctx context.Context) (plan.State, error) {
	if len(s.others) < 2 {
		return plan.Exists(fmt.Sprintf("%d others: the API is dark meanwhile", len(s.others)))
	}
	if why := s.why(ctx); why != "" {
		return plan.State{Is: plan.Absent, Why: why}, nil
	}
	return plan.Exists(fmt.Sprintf("%d masters", len(s.others)))
}

// why they do not, "" if they do.
func (s spared) why(ctx context.Context) string {
	others := s.env.AsSeen(s.others)
	now := s.env.SurveyWrites(ctx, others)
	for _, ring := range rings.Names {
		voters := now.Voters(ring)
		if q := replicate.QuorumOf(voters); !q.Holds() || q.Alive < len(others) {
			return fmt.Sprintf("ring %s: %d of the other %d masters take part, of %d voters", ring, q.Alive, len(others), q.Voters)
		}
		if why := Trailing(now, ring, others); why != "" {
			return why
		}
	}
	if err := now.MayChange(s.of.Name); err != nil {
		return err.Error()
	}
	return Silent(ctx, s.env, others)
}

// Trailing is which of these masters is too far behind in a ring for it to do without
// another one, "" if none is.
func Trailing(now *rings.Survey, ring string, masters []inventory.Object) string {
	for _, m := range masters {
		if n := now.Behind(ring, m.Name); n > env.MaxBehind {
			return fmt.Sprintf("ring %s: %s is %d entries behind its leader", ring, m.Name, n)
		}
	}
	return ""
}

// Silent is which of these masters' API servers is not ready, and why, "" if all are.
func Silent(ctx context.Context, e *env.Env, masters []inventory.Object) string {
	for _, m := range masters {
		ip, err := e.External(ctx, m)
		if err != nil {
			return err.Error()
		}
		if why := e.Ready(ctx, ip); why != "" {
			return fmt.Sprintf("the API server of %s: %s", m.Name, why)
		}
	}
	return ""
}

// sparedLimit is how long the others may take to be as good as they were: the one that was
// made again last may still be reading.
const sparedLimit = 2 * time.Minute

func (s spared) Do(ctx context.Context) error {
	err := s.env.Until(ctx, plan.Condition{
		For: s.String(), Every: s.env.Poll, Limit: min(sparedLimit, s.env.Want.Settings.InitTimeout.Duration()),
		Check: func(ctx context.Context) (bool, string, error) {
			why := s.why(ctx)
			return why == "", why, nil
		},
	})
	if err == nil || ctx.Err() != nil {
		return err
	}
	return &refusal.Refused{Why: fmt.Sprintf("%s is not taken away: %v", s.of.Name, err), Cure: cure.Hint("bring the others back first", cure.Repair())}
}

func (spared) Undo(context.Context) error { return nil } // never unwanted
