// Package pool is machines of managed groups beside the cluster's Nodes.
package pool

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"cloud.google.com/go/compute/apiv1/computepb"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/version"

	"hakube/cluster/env"
	"hakube/cluster/inventory"
	"hakube/cluster/kube"
	"hakube/gce"
)

// A Machine is a machine of a group. Those of two zones may have one name, by chance.
type Machine struct{ Name, Group, Zone, Template string }

// NamesOf is the machines for people.
func NamesOf(machines []Machine) []string {
	names := make([]string, len(machines))
	for i, m := range machines {
		names[i] = m.Name
	}
	return names
}

// Few is some machines for people, when there may be many.
func Few(machines []Machine) string { return FewOf(NamesOf(machines)) }

// FewOf does so with names.
func FewOf(all []string) string {
	names := slices.Clone(all[:min(len(all), WhyMany)])
	if more := len(all) - len(names); more > 0 {
		names = append(names, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(names, " ")
}

// A Pool is the machines of groups beside the cluster's Nodes.
type Pool struct {
	Machines []Machine        // that are to stay
	Leaving  []string         // that are being removed
	Stuck    []error          // why a machine cannot be made: "creating instance kubernetes-minion-group-x1y2: Quota …"
	Nodes    []corev1.Node    // of the whole cluster
	index    map[string][]int // of those, by name; nil: they are few
}

// Beside is the same machines beside other Nodes.
func (p Pool) Beside(nodes []corev1.Node) Pool {
	p.Nodes, p.index = nodes, make(map[string][]int, len(nodes))
	for i := range nodes {
		p.index[nodes[i].Name] = append(p.index[nodes[i].Name], i)
	}
	return p
}

// Of is other machines of the same pool, beside the same Nodes.
func (p Pool) Of(machines []Machine) Pool {
	p.Machines, p.Leaving = machines, nil
	return p
}

// Read reads the Nodes first and the machines after that: one that joins in
// between must not look like a Node without a machine. A group that is not
// there has no machines.
func Read(ctx context.Context, r *env.Env, groups []inventory.Object) (p Pool, err error) {
	client, err := r.Kube(ctx)
	if err != nil {
		return p, err
	}
	nodes, err := client.ListNodes(ctx)
	if err != nil {
		return p, err
	}
	p, err = MachinesOf(ctx, r, groups)
	return p.Beside(nodes), err
}

// Recent is that with the machines as they were last listed in this run, if they were
// and the groups were not changed since. What it lacks may have come meanwhile.
func Recent(ctx context.Context, r *env.Env, groups []inventory.Object) (p Pool, err error) {
	client, err := r.Kube(ctx)
	if err != nil {
		return p, err
	}
	nodes, err := client.ListNodes(ctx)
	if err != nil {
		return p, err
	}
	p, err = machinesOf(groups, func(o inventory.Object) ([]*computepb.ManagedInstance, error) {
		if list, was := r.Seen.Managed(o); was {
			return list, nil
		}
		return managed(ctx, r, o)
	}, r.GCE.AttemptError)
	return p.Beside(nodes), err
}

// managed lists the machines of a group, none of one that is not there.
func managed(ctx context.Context, r *env.Env, o inventory.Object) ([]*computepb.ManagedInstance, error) {
	list, err := r.GCE.InstanceGroupManagers(o.Zone).ListManagedInstances(ctx, o.Name)
	if err != nil && !gce.IsNotFound(err) {
		return nil, err
	}
	r.Seen.SawManaged(o, list)
	return list, nil
}

// MachinesOf is the one side of a pool: the machines of groups.
func MachinesOf(ctx context.Context, r *env.Env, groups []inventory.Object) (Pool, error) {
	return machinesOf(groups, func(o inventory.Object) ([]*computepb.ManagedInstance, error) { return managed(ctx, r, o) }, r.GCE.AttemptError)
}

// Listed is those of one group as they were last listed in this run. keep is to have others
// take what is listed now for that too.
func Listed(ctx context.Context, r *env.Env, group inventory.Object, keep bool) (Pool, error) {
	return machinesOf([]inventory.Object{group}, func(o inventory.Object) ([]*computepb.ManagedInstance, error) {
		if list, was := r.Seen.Managed(o); was {
			return list, nil
		}
		if !keep {
			defer r.Seen.ForgetManaged(o)
		}
		return managed(ctx, r, o)
	}, r.GCE.AttemptError)
}

func machinesOf(groups []inventory.Object, list func(inventory.Object) ([]*computepb.ManagedInstance, error), why func(*computepb.ManagedInstance) error) (p Pool, err error) {
	found := make([][]*computepb.ManagedInstance, len(groups))
	var reads []func() error
	for i, o := range groups {
		reads = append(reads, func() (err error) {
			found[i], err = list(o)
			return err
		})
	}
	if err := gce.Parallel(reads...); err != nil {
		return p, err
	}
	for i, machines := range found {
		for _, m := range machines {
			if err := why(m); p.add(groups[i], m) && err != nil {
				p.Stuck = append(p.Stuck, err)
			}
		}
	}
	slices.SortFunc(p.Machines, func(a, b Machine) int { return cmp.Or(cmp.Compare(a.Zone, b.Zone), cmp.Compare(a.Name, b.Name)) })
	return p, nil
}

// add takes a machine in; false if it is being removed.
func (p *Pool) add(group inventory.Object, m *computepb.ManagedInstance) bool {
	name := gce.Base(m.GetInstance())
	switch m.GetCurrentAction() {
	case "DELETING", "ABANDONING":
		p.Leaving = append(p.Leaving, name)
		return false
	}
	p.Machines = append(p.Machines, Machine{name, group.Name, group.Zone, gce.Base(m.GetVersion().GetInstanceTemplate())})
	return true
}

// Node is the machine's Node, nil if it has none. One of another zone with its
// name is none of its.
func (p Pool) Node(m Machine) *corev1.Node {
	if p.index == nil {
		p = p.Beside(p.Nodes)
	}
	for _, i := range p.index[m.Name] {
		if zone := p.Nodes[i].Labels[corev1.LabelTopologyZone]; zone == "" || zone == m.Zone {
			return &p.Nodes[i]
		}
	}
	return nil
}

// Regretted are the machines that were chosen to go and do not go now.
func (p Pool) Regretted(goes []Machine) (stay []Machine) {
	for _, m := range p.Machines {
		if n := p.Node(m); n != nil && kube.IsLeaving(n) && !slices.Contains(goes, m) {
			stay = append(stay, m)
		}
	}
	return stay
}

// Autoscaled are the machines that the cluster autoscaler is about to remove.
func (p Pool) Autoscaled() (list []Machine) {
	for _, m := range p.Machines {
		if n := p.Node(m); n != nil && kube.BeingAutoscaled(n) {
			list = append(list, m)
		}
	}
	return list
}

// Missing are the machines that are no Ready Node. One that the cluster autoscaler is
// removing is none of them.
func (p Pool) Missing() (list []Machine) {
	for _, m := range p.Machines {
		if n := p.Node(m); n == nil || kube.NotReady(n) != "" && !kube.BeingAutoscaled(n) {
			list = append(list, m)
		}
	}
	return list
}

// Leavers are the n machines of a group that go when it has too many: those
// that were chosen before, so that a run that was cut goes on with the same;
// then those that are no Ready Node; then the newest.
func (p Pool) Leavers(group string, n int) []Machine {
	var all []Machine
	for _, m := range p.Machines {
		if m.Group == group {
			all = append(all, m)
		}
	}
	type rank struct {
		class int
		born  int64
	}
	ranks := map[Machine]rank{}
	for _, m := range all {
		x, class := p.Node(m), 2
		switch {
		case x == nil:
			ranks[m] = rank{class: 1}
			continue
		case kube.IsLeaving(x):
			class = 0
		case kube.NotReady(x) != "":
			class = 1
		}
		ranks[m] = rank{class, x.CreationTimestamp.Unix()}
	}
	slices.SortFunc(all, func(a, b Machine) int {
		return cmp.Or(cmp.Compare(ranks[a].class, ranks[b].class), cmp.Compare(ranks[b].born, ranks[a].born), cmp.Compare(b.Name, a.Name))
	})
	return all[:max(0, min(n, len(all)))]
}

// WhyMany is of how many missing nodes the reason is asked for in one look.
const WhyMany = 4

// WhyMissing is what the Nodes of the first few of them say.
func (p Pool) WhyMissing(missing []Machine) string {
	var words []string
	for _, m := range missing[:min(len(missing), WhyMany)] {
		why := "is no Node"
		if n := p.Node(m); n != nil {
			why = kube.NotReady(n)
		}
		words = append(words, m.Name+": "+why)
	}
	if more := len(missing) - len(words); more > 0 {
		words = append(words, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(words, "; ")
}

// Versions are those of the kubelets of its machines' Nodes, the oldest first.
func (p Pool) Versions() []string {
	list := []string{}
	for _, m := range p.Machines {
		if n := p.Node(m); n != nil && !slices.Contains(list, n.Status.NodeInfo.KubeletVersion) {
			list = append(list, n.Status.NodeInfo.KubeletVersion)
		}
	}
	slices.SortFunc(list, func(a, b string) int {
		x, err := version.ParseSemantic(a)
		if err != nil {
			return -1 // of a Node that has not said it yet
		}
		c, err := x.Compare(b)
		if err != nil {
			return 1
		}
		return c
	})
	return list
}
