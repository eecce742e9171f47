package drill

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"hakube/cluster/inventory"
	"hakube/cluster/kube"
	"hakube/cluster/refusal"
	"hakube/cluster/rings"
	"hakube/cluster/status"
	"hakube/replicate"
	"hakube/scripts/cure"
)

// A Plan is a drill that may be made.
type Plan struct {
	Scenario
	On      inventory.Object // what is to fail
	masters int
	arithmetic
}

// Arithmetic is what it would leave, for people.
func (p Plan) Arithmetic() []string { return p.lines }

// Text is what it would do.
func (p Plan) Text() string {
	return fmt.Sprintf("%s: %s: %s in %s; %s", p.Name, p.Fails, p.On.Name, p.On.Zone, p.Undo)
}

// prepare chooses what is to fail, and refuses what must not or cannot. It changes nothing.
func (f *Field) prepare(ctx context.Context, s *status.Status, x Scenario) (Plan, error) {
	on, err := f.choose(ctx, s, x)
	if err != nil {
		return Plan{}, err
	}
	p := Plan{Scenario: x, On: on, masters: len(s.Masters), arithmetic: reckon(s, x, []string{on.Name})}
	if why := p.refused(); why != "" && !f.Anyway {
		return p, &refusal.Refused{
			Why:  fmt.Sprintf("drill %s of %s is not made: %s", x.Name, on.Name, why),
			Cure: cure.Hint("make it all the same, and let the cluster be without quorum meanwhile", f.anyway(on.Name, x.Name)),
		}
	}
	if x.failure == stops || x.failure == resets {
		return p, nil
	}
	err = f.OverSSH(ctx, on, askLimit, func(ctx context.Context, h replicate.Host) error {
		return replicate.CheckFailure(ctx, f.Deps.SSH, h, x.failure)
	})
	if err != nil {
		return p, &refusal.Refused{Why: fmt.Sprintf("drill %s cannot be made on %s: %v", x.Name, on.Name, err), Cure: "choose another machine with --on, or another drill"}
	}
	return p, nil
}

// choose takes the machine that was named, or else the one whose failure is worth most: the
// master that leads ring main, and the first node.
func (f *Field) choose(ctx context.Context, s *status.Status, x Scenario) (inventory.Object, error) {
	if x.target == aNode {
		return f.node(ctx, x)
	}
	var ready []string
	chosen := inventory.Object{}
	for _, m := range s.Masters {
		if m.State != status.StateReady || f.On != "" && m.Name != f.On {
			continue
		}
		ready = append(ready, m.Name)
		leads := slices.ContainsFunc(s.Rings[cmp.Or(slices.Concat(x.Rings, both)...)], func(r rings.Member) bool { return r.Member == m.Name && r.Leader })
		if chosen.Name == "" || leads {
			chosen = inventory.Object{Kind: inventory.Instance, Name: m.Name, Zone: m.Zone, Role: inventory.RoleMaster, Status: "RUNNING"}
		}
	}
	if len(ready) == 0 {
		return chosen, &refusal.Refused{Why: fmt.Sprintf("drill %s needs a master that is ready%s, and there is none", x.Name, named(f.On)), Cure: cure.Hint("see what fails", cure.Validate())}
	}
	return chosen, nil
}

func named(on string) string {
	if on == "" {
		return ""
	}
	return " and called " + on
}

// node is a Ready Node that is no master.
func (f *Field) node(ctx context.Context, x Scenario) (inventory.Object, error) {
	e, err := f.entry(ctx)
	if err != nil {
		return inventory.Object{}, err
	}
	client, err := f.ClientOf(e)
	if err != nil {
		return inventory.Object{}, err
	}
	nodes, err := client.ListNodes(ctx)
	if err != nil {
		return inventory.Object{}, err
	}
	for i := range nodes {
		n := &nodes[i]
		if master(n) || kube.NotReady(n) != "" || f.On != "" && n.Name != f.On {
			continue
		}
		parts := strings.Split(n.Spec.ProviderID, "/") // gce://PROJECT/ZONE/NAME
		if len(parts) == 5 {
			return inventory.Object{Kind: inventory.Instance, Name: n.Name, Zone: parts[3], Role: inventory.RoleNode, Status: "RUNNING"}, nil
		}
	}
	return inventory.Object{}, &refusal.Refused{Why: fmt.Sprintf("drill %s needs a Ready node%s that is no master, and there is none", x.Name, named(f.On)), Cure: cure.Hint("see what there is", cure.Status())}
}

func master(n *corev1.Node) bool {
	_, is := n.Labels["node-role.kubernetes.io/control-plane"]
	return is
}

// witness is a master that does not fail, through which Nodes are watched; the one that
// fails if there is no other.
func (f *Field) witness(s *status.Status, p Plan) inventory.Object {
	for _, m := range s.Masters {
		if m.Name != p.On.Name && m.State == status.StateReady {
			return inventory.Object{Kind: inventory.Instance, Name: m.Name, Zone: m.Zone, Role: inventory.RoleMaster}
		}
	}
	m := s.Masters[0]
	return inventory.Object{Kind: inventory.Instance, Name: m.Name, Zone: m.Zone, Role: inventory.RoleMaster}
}
