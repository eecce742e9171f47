package drill

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"hakube/cluster/inventory"
	"hakube/cluster/kube"
	"hakube/cluster/refusal"
	"hakube/cluster/rings"
	"hakube/cluster/status"
	"hakube/replicate"
	"hakube/scripts/cure"
)

// prepare chooses what is to fail, and refuses what must not or cannot. It changes nothing.
func (f *Field) prepare(ctx context.Context, s *status.Status, x Scenario) (p Plan, err error) {
	p = Plan{Scenario: x, masters: len(s.Masters)}
	switch x.target {
	case aMaster:
		p.On, err = f.master(ctx, s, x)
	case aNode:
		p.On, err = f.node(ctx, x)
	case aZone:
		p.On, p.machines, err = f.zone(ctx, s, x)
	case aThing:
		p.On, err = f.namespace(ctx, x)
	}
	if err != nil {
		return p, err
	}
	if x.target == aMaster || x.target == aNode {
		p.machines = []inventory.Object{p.On}
	}
	if x.failure == stops && f.kept(p.On) {
		p.Scenario = x.ofKept()
	}
	p.arithmetic = reckon(s, x, p.names())
	if why := p.refused(); why != "" && !f.Anyway {
		return p, &refusal.Refused{
			Why:  fmt.Sprintf("drill %s of %s is not made: %s", x.Name, p.On.Name, why),
			Cure: cure.Hint("make it all the same, and let the cluster be without quorum meanwhile", f.anyway(p.On.Name, x.Name)),
		}
	}
	return p, f.can(ctx, p)
}

// kept tells that a master's own group makes its machine again.
func (f *Field) kept(m inventory.Object) bool { return f.Have.OwnGroupOf(m).Name != "" }

// anyway is the same drill without a refusal for what the cluster is or would be.
func (f *Field) anyway(on, name string) cure.Command {
	words := append(slices.Clone(f.Said), "--anyway")
	if on != "" {
		words = append(words, "--on="+on)
	}
	return cure.Drill(append(words, name)...)
}

// can asks the machines whether they can make the failure of themselves.
func (f *Field) can(ctx context.Context, p Plan) error {
	if p.failure == stops || p.failure == resets {
		return nil
	}
	return each(p.machines, func(m inventory.Object) error {
		err := f.OverSSH(ctx, m, askLimit, func(ctx context.Context, h replicate.Host) error {
			return replicate.CheckFailure(ctx, f.Deps.SSH, h, p.failure)
		})
		if err != nil {
			err = &refusal.Refused{Why: fmt.Sprintf("drill %s cannot be made on %s: %v", p.Name, m.Name, err), Cure: "choose another machine with --on, or another drill"}
		}
		return err
	})
}

// master takes the one that was named, or else the one whose failure is worth most: that which
// leads ring main, or has all of the cluster's DNS where it loses its power.
func (f *Field) master(ctx context.Context, s *status.Status, x Scenario) (chosen inventory.Object, err error) {
	dns := ""
	if x.failure == stops || x.failure == resets {
		if dns, err = f.allNamesOn(ctx); err != nil {
			return chosen, err
		}
	}
	for _, m := range s.Masters {
		if m.State != status.StateReady || f.On != "" && m.Name != f.On && m.Zone != f.On {
			continue
		}
		leads := slices.ContainsFunc(s.Rings[cmp.Or(slices.Concat(x.Rings, both)...)], func(r rings.Member) bool { return r.Member == m.Name && r.Leader })
		if chosen.Name == "" || leads && chosen.Name != dns || m.Name == dns {
			chosen = inventory.Object{Kind: inventory.Instance, Name: m.Name, Zone: m.Zone, Role: inventory.RoleMaster, Status: "RUNNING"}
		}
	}
	if chosen.Name == "" {
		return chosen, &refusal.Refused{Why: fmt.Sprintf("drill %s needs a master that is ready%s, and there is none", x.Name, named(f.On)), Cure: cure.Hint("see what fails", cure.Validate())}
	}
	return chosen, nil
}

// zone is that of a master, chosen as one is or named, with all machines in it.
func (f *Field) zone(ctx context.Context, s *status.Status, x Scenario) (on inventory.Object, here []inventory.Object, err error) {
	m, err := f.master(ctx, s, x)
	if err != nil {
		return on, nil, err
	}
	own, err := f.own(ctx)
	if err != nil {
		return on, nil, err
	}
	for _, o := range own {
		if o.Zone == m.Zone && o.Status == "RUNNING" {
			here = append(here, o)
		}
	}
	if len(here) == len(own) {
		return on, nil, &refusal.Refused{Why: fmt.Sprintf("drill %s needs machines in several zones, and all are in %s", x.Name, m.Zone), Cure: cure.Hint("see what there is", cure.Status())}
	}
	return inventory.Object{Kind: "zone", Name: m.Zone, Zone: m.Zone}, here, nil
}

// own are the cluster's machines in all zones.
func (f *Field) own(ctx context.Context) (list []inventory.Object, err error) {
	all, err := f.GCE.AggregatedInstances(ctx)
	for _, i := range all {
		if f.Owns(i.GetDescription()) {
			list = append(list, inventory.InstanceOf(i))
		}
	}
	return list, err
}

func named(on string) string {
	if on == "" {
		return ""
	}
	return " and called " + on
}

// node is a Ready Node that is no master: of all the one with the most pods of CoreDNS, which is worth most.
func (f *Field) node(ctx context.Context, x Scenario) (inventory.Object, error) {
	client, err := f.client(ctx)
	if err != nil {
		return inventory.Object{}, err
	}
	nodes, err := client.nodes(ctx)
	if err != nil {
		return inventory.Object{}, err
	}
	names, err := f.namesOn(ctx)
	if err != nil {
		return inventory.Object{}, err
	}
	chosen := inventory.Object{}
	for i := range nodes {
		n := &nodes[i]
		if master(n) || kube.NotReady(n) != "" || f.On != "" && n.Name != f.On {
			continue
		}
		parts := strings.Split(n.Spec.ProviderID, "/") // gce://PROJECT/ZONE/NAME
		if len(parts) == 5 && (chosen.Name == "" || names[n.Name] > names[chosen.Name]) {
			chosen = inventory.Object{Kind: inventory.Instance, Name: n.Name, Zone: parts[3], Role: inventory.RoleNode, Status: "RUNNING"}
		}
	}
	if chosen.Name != "" {
		return chosen, nil
	}
	return chosen, &refusal.Refused{Why: fmt.Sprintf("drill %s needs a Ready node%s that is no master, and there is none", x.Name, named(f.On)), Cure: cure.Hint("see what there is", cure.Status())}
}

func master(n *corev1.Node) bool {
	_, is := n.Labels["node-role.kubernetes.io/control-plane"]
	return is
}

// namesOn are the pods of CoreDNS by their Nodes.
func (f *Field) namesOn(ctx context.Context) (map[string]int, error) {
	client, err := f.client(ctx)
	if err != nil {
		return nil, err
	}
	pods, err := client.Pods("kube-system").List(ctx, metav1.ListOptions{LabelSelector: "k8s-app=kube-dns"})
	if err != nil {
		return nil, fmt.Errorf("asking where CoreDNS runs: %w", err)
	}
	on := map[string]int{}
	for i := range pods.Items {
		on[pods.Items[i].Spec.NodeName]++
	}
	return on, nil
}

// allNamesOn is the one machine that all of the cluster's DNS runs on; "" where several have it.
func (f *Field) allNamesOn(ctx context.Context) (string, error) {
	on, err := f.namesOn(ctx)
	if err != nil || len(on) != 1 {
		return "", err
	}
	return slices.Collect(maps.Keys(on))[0], nil
}

// witness is a master that does not fail, through which Nodes are watched; the one that
// fails if there is no other.
func (f *Field) witness(s *status.Status, p Plan) inventory.Object {
	for _, m := range s.Masters {
		if !p.fails(m.Name) && m.State == status.StateReady {
			return inventory.Object{Kind: inventory.Instance, Name: m.Name, Zone: m.Zone, Role: inventory.RoleMaster}
		}
	}
	m := s.Masters[0]
	return inventory.Object{Kind: inventory.Instance, Name: m.Name, Zone: m.Zone, Role: inventory.RoleMaster}
}
