package rotate

import (
	"context"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"hakube/cluster/env"
	"hakube/cluster/inventory"
	"hakube/cluster/kube"
	"hakube/cluster/live"
	"hakube/cluster/member"
	"hakube/cluster/plan"
	"hakube/cluster/pool"
	"hakube/cluster/refusal"
	"hakube/cluster/rings"
	"hakube/cluster/status"
	"hakube/cluster/task"
	"hakube/replicate"
	"hakube/scripts/cure"
)

// The cluster's certificate authority is exchanged as Kubernetes documents it (tasks/tls/
// manual-rotation-of-ca-certificates): all masters trust the new one before any has a certificate
// by it, and the one of before is trusted until somebody ends that. What masters show from
// then on is vouched for by both, so nobody has to be over for the next step: neither nodes,
// which are made again by a roll, nor pods and people.

// authority is the exchange of it, as far as its stages go.
func authority(id string) exchanged {
	return exchanged{
		texts: map[string]string{
			replicate.TokenKeyTrusted: "the new authority is trusted by ",
			replicate.TokenKeySigns:   "the new authority signs on ",
			replicate.TokenKeyAlone:   "no other authority is trusted by ",
		},
		stages: replicate.TokenStages,
		at:     func(s *rings.Survey, m string) string { return s.AuthorityStage(m, id) },
		has:    func(s *rings.Survey, m string) bool { return s.AuthorityStage(m, id) != "" },
		why: func(s *rings.Survey, m string) string {
			return fmt.Sprintf("it trusts %d", s.Authorities[m].Trusts)
		},
		bring: func(ctx context.Context, r *replicate.Runner, from *replicate.Host, to replicate.Host, stage string) error {
			return replicate.ExchangeAuthority(ctx, r, from, to, stage, id)
		},
	}
}

// ofRings is the exchange of the authority of both rings. Nobody but masters trusts it, so it comes
// to its end at once; where there is one master, by one start of its members and not two.
func (p *Plan) ofRings(r *task.Task) (lists [][]plan.Item) {
	id, only := p.ID, len(p.Masters) == 1
	x := exchanged{
		texts: map[string]string{
			replicate.TokenKeyTrusted: "the new authority of etcd is trusted by ",
			replicate.TokenKeySigns:   "the new authority of etcd signs on ",
			replicate.TokenKeyAlone:   "no other authority of etcd is trusted by ",
		},
		stages: replicate.TokenStages,
		at:     func(s *rings.Survey, m string) string { return s.EtcdAuthorityStage(m, id) },
		has:    func(s *rings.Survey, m string) bool { return s.EtcdAuthorityStage(m, id) != "" },
		why: func(s *rings.Survey, m string) string {
			return fmt.Sprintf("it trusts %d", s.EtcdAuthorities[m].Trusts)
		},
		bring: func(ctx context.Context, r *replicate.Runner, from *replicate.Host, to replicate.Host, stage string) error {
			return replicate.ExchangeEtcdAuthority(ctx, r, from, to, stage, id, only)
		},
	}
	stages := x.stages
	if only {
		stages = stages[len(stages)-1:]
	}
	for _, stage := range stages {
		lists = append(lists, p.stage(r, x, stage))
	}
	return lists
}

// alone is how the authority of before comes to an end.
func (p *Plan) alone(r *task.Task) [][]plan.Item {
	return [][]plan.Item{over(r), p.stage(r, authority(p.ID), replicate.TokenKeyAlone)}
}

// over is this operator's kubeconfig, by the authority that signs.
func over(r *task.Task) []plan.Item {
	l := task.Lines{Want: true}
	l.Then(member.API(r))
	l.Then(operator{r})
	l.Then(told{r})
	return l.Items
}

// told is the fact that pods that start, and who asks which authority signs, are told of the one
// that does, where anything is told: controller-manager does that when it leads.
type told struct{ task *task.Task }

func (told) String() string    { return "pods are told of the authority that signs" }
func (told) About() plan.Thing { return plan.Thing{Kind: "authority", Name: "told"} }
func (told) Waits()            {}

func (x told) Observe(ctx context.Context) (plan.State, error) {
	client, err := x.task.Kube(ctx)
	if err != nil {
		return plan.State{Is: plan.Absent, Why: err.Error()}, nil
	}
	list := client.Published(ctx)
	if len(list) == 0 {
		return plan.Exists("they are told of none")
	}
	if signs := x.task.SurveyWrites(ctx, x.task.AsSeen(x.task.Masters())).Signing(); signs == "" || list[0] != signs {
		return plan.State{Is: plan.Absent, Why: fmt.Sprintf("masters sign with %q, and they are told of %d authorities: %q", signs, len(list), list)}, nil
	}
	return plan.Exists("")
}

// toldLimit is what controller-manager may take until it leads and has told all namespaces.
const toldLimit = 2 * time.Minute

func (x told) Do(ctx context.Context) error {
	return x.task.Until(ctx, plan.Condition{
		For: x.String(), Every: x.task.Poll, Limit: toldLimit,
		Check: func(ctx context.Context) (bool, string, error) {
			s, err := x.Observe(ctx)
			return s.Is == plan.Present, s.Why, err
		},
	})
}

func (told) Undo(context.Context) error { return nil } // never unwanted

// operator is the fact that this operator's entry knows the authority that signs, and is by it.
type operator struct{ task *task.Task }

func (o operator) String() string {
	return live.Kubeconfig(o.task).String() + " is by the authority that signs"
}
func (o operator) About() plan.Thing { return live.Kubeconfig(o.task).About() }
func (operator) Local()              {}

func (o operator) Observe(ctx context.Context) (plan.State, error) {
	s := o.task.SurveyWrites(ctx, o.task.AsSeen(o.task.Masters()))
	signs := s.Signing()
	if signs == "" {
		return plan.State{Is: plan.Absent, Why: "masters sign with several, or do not tell"}, nil
	}
	e, err := o.task.Entry()
	if err != nil {
		return plan.State{Is: plan.Absent, Why: err.Error()}, nil
	}
	if id, err := e.CAHash(); err != nil || id != signs || !e.By() {
		return plan.State{Is: plan.Partial, Why: "it is by the authority of before"}, nil
	}
	return live.Kubeconfig(o.task).Observe(ctx)
}

// Do has a master make credentials as they were, by its authority.
func (o operator) Do(ctx context.Context) error { return live.Kubeconfig(o.task).Do(ctx) }

func (operator) Undo(context.Context) error { return nil } // never unwanted

// reissues refuses another authority beside two.
func (p *Plan) reissues(s *status.Snapshot) error {
	if s.Trusted() < 2 || p.Begun {
		return nil
	}
	return &refusal.Refused{
		Why:  "masters trust two certificate authorities already: that of before the last rotation is not distrusted",
		Cure: cure.Hint("end that first", cure.Distrust(inventory.RotateCA)),
	}
}

// distrustsAuthority refuses to distrust an authority that somebody needs whom hakube knows.
// Where there is no other one it has been done.
func (p *Plan) distrustsAuthority(s *status.Snapshot) error {
	if s.Trusted() < 2 && !p.Begun {
		for i := range p.Masters {
			p.Masters[i].Done = true
		}
		return nil
	}
	if s.Rings.Signing() == "" {
		return &refusal.Refused{
			Why:  "masters sign with several certificate authorities",
			Cure: cure.Hint("have all sign with one first", cure.Rotate(inventory.RotateCA)),
		}
	}
	machines, pools := s.OfAnotherAuthority()
	switch {
	case len(machines) > 0:
		return &refusal.Refused{
			Why:  fmt.Sprintf("%d nodes know the certificate authority of before alone, and would be lost: %s", len(machines), pool.FewOf(machines)),
			Cure: cure.Hint("have them made again first, drained", cure.Roll()),
		}
	case len(pools) > 0:
		return &refusal.Refused{
			Why:  fmt.Sprintf("the %s would make nodes that know the certificate authority of before alone", pools[0]),
			Cure: cure.Hint("have it make others first", cure.Roll()),
		}
	}
	p.Until = s.ExchangedAuthority()
	return nil
}

// endsAuthority is whom the end of an authority may hit, as far as it can be asked.
func (p *Plan) endsAuthority(ctx context.Context, e *env.Env) []string {
	lines := []string{"kubeconfigs and certificates by the authority of before are not let in any more, and who knows that one alone takes no master for one"}
	if !p.Until.IsZero() {
		lines[0] += "; it signed until the rotation of " + p.Until.Format(time.RFC3339)
	}
	client, err := e.Kube(ctx)
	var old []string
	if err == nil {
		old, err = podsBefore(ctx, client, p.Until)
	}
	switch {
	case err != nil:
		lines = append(lines, "which pods have run since before could not be asked: "+kube.Plainly(err))
	case len(old) > 0:
		lines = append(lines, fmt.Sprintf("%d pods have run since before, and may have read then whom to trust, once: %s", len(old), pool.FewOf(old)))
	}
	return lines
}

// podsBefore are pods that run since before, and have what they are told to trust.
func podsBefore(ctx context.Context, client *kube.Client, at time.Time) (names []string, err error) {
	options := metav1.ListOptions{FieldSelector: "status.phase=Running", Limit: 500}
	for {
		list, err := client.Pods("").List(ctx, options)
		if err != nil {
			return nil, fmt.Errorf("asking for pods: %w", err)
		}
		for _, p := range list.Items {
			if p.Status.StartTime != nil && p.Status.StartTime.Time.Before(at) && kube.ReadsAuthorities(&p) {
				names = append(names, p.Namespace+"/"+p.Name)
			}
		}
		if options.Continue = list.Continue; options.Continue == "" {
			return names, nil
		}
	}
}
