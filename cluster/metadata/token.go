package metadata

import (
	"context"
	"fmt"
	"slices"
	"time"

	"cloud.google.com/go/compute/apiv1/computepb"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"hakube/cluster/env"
	"hakube/cluster/inventory"
	"hakube/cluster/kube"
	"hakube/cluster/plan"
	"hakube/cluster/pool"
	"hakube/cluster/step"
	"hakube/gce"
	"hakube/scripts"
)

// The join token is what machines of nodes ask for their certificates with. It stands in the
// metadata of templates and machines, which whoever may look at the project can read. It is
// exchanged for one of another id, so that both are taken while machines come to the new one:
// templates first, then those that run, whose metadata are brought to their group's template as
// they are, so that no node is made again. Who was being made meanwhile has joined with either
// before the one of before is taken away.

// Joining are the steps of it: machines know the new token before the one of before is taken away, and
// what would make others of that goes first.
func Joining(e *env.Env, rotation string, groups []inventory.Object) (steps []plan.Step) {
	j := joining{e, rotation, step.Token{Env: e}}
	nodes := Nodes{
		Env: e, Rotation: rotation, Do: "have the new join token", Before: "the join token of before", Knows: j.knows,
		Tell: func(ctx context.Context, m *computepb.Metadata) error {
			value, err := j.value(ctx)
			step.Set(m, scripts.KeyJoinToken, value)
			return err
		},
	}
	steps = append([]plan.Step{newToken{j}}, nodes.Steps(groups)...)
	if len(groups) > 0 {
		steps = append(steps, joined{j, groups}, nodes.Gone())
	}
	return append(steps, withdrawn{j})
}

// joining is what its steps have in common.
type joining struct {
	env   *env.Env
	id    string // of the rotation
	token step.Token
}

func (joining) Undo(context.Context) error { return nil } // never unwanted

// knows tells whether machines of a template join with the new token.
func (j joining) knows(m *computepb.Metadata) bool {
	token, _ := step.TokenIn(m)
	return token == j.token.Of(j.id)
}

// value is the new token as machines are given it.
func (j joining) value(ctx context.Context) (string, error) {
	client, err := j.env.Kube(ctx)
	if err != nil {
		return "", fmt.Errorf("asking the API: %w", err)
	}
	return j.token.Of(j.id).Value(ctx, client)
}

// newToken is the fact that the new token is taken.
type newToken struct{ joining }

func (newToken) String() string    { return "new join token" }
func (newToken) About() plan.Thing { return plan.Thing{Kind: "join token", Name: "new"} }

func (n newToken) Observe(ctx context.Context) (plan.State, error) {
	client, err := n.env.Kube(ctx)
	if err != nil {
		return plan.State{Is: plan.Absent, Why: err.Error()}, nil
	}
	token := n.token.Of(n.id)
	switch s, err := token.Read(ctx, client); {
	case apierrors.IsNotFound(err):
		return plan.State{Is: plan.Absent}, nil
	case err != nil:
		return plan.State{Is: plan.Partial, Why: "it cannot be asked for: " + kube.Plainly(err)}, nil
	default:
		if why := token.Unlike(s, ""); why != "" {
			return plan.State{Is: plan.Partial, Why: why}, nil
		}
	}
	return plan.Exists("")
}

func (n newToken) Do(ctx context.Context) error {
	client, err := n.env.Kube(ctx)
	if err != nil {
		return fmt.Errorf("asking the API: %w", err)
	}
	return n.token.Of(n.id).Write(ctx, client, "", n.token.Described(n.id))
}

// joined is that machines which have begun with the token of before have joined.
type joined struct {
	joining
	groups []inventory.Object
}

func (joined) String() string { return "machines that were being made have joined" }
func (joined) Waits()         {}

// missing are the machines that run and are no Nodes.
func (j joined) missing(ctx context.Context) (names []string, err error) {
	client, err := j.env.Kube(ctx)
	if err != nil {
		return nil, err
	}
	nodes, err := client.ListNodes(ctx)
	if err != nil {
		return nil, err
	}
	p := pool.Pool{}.Beside(nodes)
	for _, g := range j.groups {
		list, err := j.env.GCE.InstanceGroupManagers(g.Zone).ListManagedInstances(ctx, g.Name)
		if err != nil {
			return nil, err
		}
		for _, m := range list {
			name := gce.Base(m.GetInstance())
			switch m.GetInstanceStatus() {
			case "PROVISIONING", "STAGING", "RUNNING":
				if action := m.GetCurrentAction(); action != "DELETING" && action != "ABANDONING" && p.Node(pool.Machine{Name: name, Zone: g.Zone}) == nil {
					names = append(names, name)
				}
			}
		}
	}
	return names, nil
}

func (j joined) Observe(ctx context.Context) (plan.State, error) {
	names, err := j.missing(ctx)
	if err != nil {
		return plan.State{Is: plan.Absent, Why: kube.Plainly(err)}, nil
	}
	if len(names) > 0 {
		return plan.State{Is: plan.Partial, Why: fmt.Sprintf("%d have not: %s", len(names), pool.FewOf(names))}, nil
	}
	return plan.Exists("")
}

// joinLimit is how long a machine tries to join with what it read first (scripts/startup/
// 80-node.sh), and some for its boot.
const joinLimit = 20 * time.Minute

// Do waits. Who has not joined by the limit has given up, or knows the new token: it keeps
// nobody from taking the one of before away, which somebody may have stolen.
func (j joined) Do(ctx context.Context) error {
	var names []string
	err := j.env.Until(ctx, plan.Condition{
		For: j.String(), Every: j.env.Poll, Limit: joinLimit,
		Check: func(ctx context.Context) (ok bool, missing string, err error) {
			names, err = j.missing(ctx)
			return err == nil && len(names) == 0, pool.FewOf(names), err
		},
	})
	if err != nil && ctx.Err() == nil && len(names) > 0 {
		j.env.Warn(fmt.Sprintf("%d machines have not joined: %s; those that are to join read the new token when they boot", len(names), pool.FewOf(names)))
		return nil
	}
	return err
}

// withdrawn is the fact that nobody joins with a token of before.
type withdrawn struct{ joining }

func (withdrawn) String() string    { return "nobody joins with the token of before" }
func (withdrawn) About() plan.Thing { return plan.Thing{Kind: "join token", Name: "of before"} }

// old are all that hakube made but the new one.
func (w withdrawn) old(ctx context.Context) (*kube.Client, []kube.JoinToken, error) {
	client, err := w.env.Kube(ctx)
	if err != nil {
		return nil, nil, err
	}
	all, err := w.token.All(ctx, client)
	return client, slices.DeleteFunc(all, func(t kube.JoinToken) bool { return t == w.token.Of(w.id) }), err
}

func (w withdrawn) Observe(ctx context.Context) (plan.State, error) {
	_, old, err := w.old(ctx)
	if err != nil {
		return plan.State{Is: plan.Absent, Why: kube.Plainly(err)}, nil
	}
	if len(old) > 0 {
		return plan.State{Is: plan.Absent, Why: "it is taken"}, nil
	}
	return plan.Exists("")
}

func (w withdrawn) Do(ctx context.Context) error {
	client, old, err := w.old(ctx)
	if err != nil {
		return fmt.Errorf("asking the API: %w", err)
	}
	for _, t := range old {
		if err := t.Withdraw(ctx, client); err != nil {
			return err
		}
	}
	return nil
}
