package rotate

import (
	"context"
	"fmt"
	"slices"
	"time"

	"hakube/cluster/env"
	"hakube/cluster/inventory"
	"hakube/cluster/plan"
	"hakube/cluster/rings"
	"hakube/cluster/step"
	"hakube/cluster/task"
	"hakube/replicate"
)

// An exchanged key is one that all masters have to have the same of, and that is made anew in
// stages: no master comes to one before all have come to the stage before.
type exchanged struct {
	stages []string          // in their order
	texts  map[string]string // of steps, by stage
	// at is the stage a master has come to, "" before the first.
	at func(s *rings.Survey, master string) string
	// has tells whether a master has the new key, so that others get it from there.
	has func(s *rings.Survey, master string) bool
	why func(s *rings.Survey, master string) string // what it has instead
	// bring has a master come to a stage, with the new key of another one where that is given.
	bring func(ctx context.Context, r *replicate.Runner, from *replicate.Host, to replicate.Host, stage string) error
}

// stage is that all masters come to one, one after the other: all are well before the first,
// and with each; who has just been started anew is sent to again before the next one is.
func (p *Plan) stage(r *task.Task, x exchanged, stage string) []plan.Item {
	l := task.Lines{Want: true}
	for i, m := range p.Masters {
		if i == 0 {
			l.Then(before(r, m))
		}
		l.Then(key{exchanged: x, env: r.Env, of: m.Object, others: r.MastersBut(m.Name), stage: stage})
		l.Then(after(r, m))
		if r.Balanced {
			l.Then(step.BackendsHealthy(r.Env))
		}
	}
	return l.Items
}

// key is the fact that a master has come to a stage, its API server too.
type key struct {
	exchanged
	env    *env.Env
	of     inventory.Object
	others []inventory.Object // one of which may have the new key already
	stage  string
}

func (k key) String() string    { return k.texts[k.stage] + k.of.Name }
func (k key) About() plan.Thing { return task.Thing(k.of) }

func (k key) Observe(ctx context.Context) (plan.State, error) {
	s := k.env.Survey(ctx, []inventory.Object{k.of})
	if err := s.Silent[k.of.Name]; err != nil {
		return plan.State{}, err
	}
	if slices.Index(k.stages, k.at(s, k.of.Name)) < slices.Index(k.stages, k.stage) {
		return plan.State{Is: plan.Absent, Why: k.why(s, k.of.Name)}, nil
	}
	return plan.Exists("")
}

// keyLimit is what a script may take: 240 s until the API server has what is new, which it
// reads each minute or when it starts, 60 s until it is ready, 180 s for another process, and
// a startup-script that is at work.
const keyLimit = 15 * time.Minute

func (k key) Do(ctx context.Context) error {
	from, err := k.whoHas(ctx)
	if err != nil {
		return err
	}
	return k.env.OverSSH(ctx, k.of, keyLimit, func(ctx context.Context, to replicate.Host) error {
		var has *replicate.Host
		if from != nil {
			h, err := k.env.Host(ctx, *from)
			if err != nil {
				return err
			}
			has = &h
		}
		if err := k.env.Gate.Ask(ctx); err != nil {
			return err
		}
		return k.bring(ctx, k.env.Deps.SSH, has, to, k.stage)
	})
}

// whoHas is another master that has the new key, nil if none has: then it is made. Each of
// them has to say so: two keys of one name would be the end of what is written with one.
func (k key) whoHas(ctx context.Context) (*inventory.Object, error) {
	if k.stage != k.stages[0] {
		return nil, nil
	}
	s := k.env.Survey(ctx, k.env.AsSeen(k.others))
	for _, m := range k.others {
		if k.has(s, m.Name) {
			return &m, nil
		}
	}
	for _, m := range k.others {
		if err := s.Silent[m.Name]; err != nil {
			return nil, fmt.Errorf("asking %s whether it has the new key: %w", m.Name, err)
		}
	}
	return nil, nil
}

func (key) Undo(context.Context) error { return nil } // never unwanted
