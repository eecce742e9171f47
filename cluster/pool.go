package cluster

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"cloud.google.com/go/compute/apiv1/computepb"
	corev1 "k8s.io/api/core/v1"

	"hakube/cluster/env"
	"hakube/cluster/inventory"
	"hakube/cluster/kube"
	"hakube/gce"
)

// A member is a machine of a group. Those of two zones may have one name, by chance.
type member struct{ name, group, zone string }

// namesOf is the machines for people.
func namesOf(machines []member) []string {
	names := make([]string, len(machines))
	for i, m := range machines {
		names[i] = m.name
	}
	return names
}

// few is some machines for people, when there may be many.
func few(machines []member) string {
	names := namesOf(machines[:min(len(machines), whyMany)])
	if more := len(machines) - len(names); more > 0 {
		names = append(names, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(names, " ")
}

// A pool is the machines of groups beside the cluster's Nodes.
type pool struct {
	machines []member      // that are to stay
	leaving  []string      // that are being removed
	stuck    []error       // why a machine cannot be made: "creating instance kubernetes-minion-group-x1y2: Quota …"
	nodes    []corev1.Node // of the whole cluster
}

// poolOf reads the Nodes first and the machines after that: one that joins in
// between must not look like a Node without a machine. A group that is not
// there has no machines.
func readPool(ctx context.Context, r *env.Env, groups []inventory.Object) (p pool, err error) {
	client, err := r.Kube(ctx)
	if err != nil {
		return p, err
	}
	nodes, err := client.ListNodes(ctx)
	if err != nil {
		return p, err
	}
	p, err = machinesOf(ctx, r, groups)
	p.nodes = nodes
	return p, err
}

// machinesOf is the one side of a pool: the machines of groups.
func machinesOf(ctx context.Context, r *env.Env, groups []inventory.Object) (p pool, err error) {
	found := make([][]*computepb.ManagedInstance, len(groups))
	var reads []func() error
	for i, o := range groups {
		reads = append(reads, func() (err error) {
			found[i], err = r.GCE.InstanceGroupManagers(o.Zone).ListManagedInstances(ctx, o.Name)
			if gce.IsNotFound(err) {
				return nil
			}
			return err
		})
	}
	if err := gce.Parallel(reads...); err != nil {
		return p, err
	}
	for i, machines := range found {
		for _, m := range machines {
			if err := r.GCE.AttemptError(m); p.add(groups[i], m) && err != nil {
				p.stuck = append(p.stuck, err)
			}
		}
	}
	slices.SortFunc(p.machines, func(a, b member) int { return cmp.Or(cmp.Compare(a.zone, b.zone), cmp.Compare(a.name, b.name)) })
	return p, nil
}

// add takes a machine in; false if it is being removed.
func (p *pool) add(group inventory.Object, m *computepb.ManagedInstance) bool {
	name := gce.Base(m.GetInstance())
	switch m.GetCurrentAction() {
	case "DELETING", "ABANDONING":
		p.leaving = append(p.leaving, name)
		return false
	}
	p.machines = append(p.machines, member{name, group.Name, group.Zone})
	return true
}

// node is the machine's Node, nil if it has none. One of another zone with its
// name is none of its.
func (p pool) node(m member) *corev1.Node {
	for i := range p.nodes {
		if zone := p.nodes[i].Labels[corev1.LabelTopologyZone]; p.nodes[i].Name == m.name && (zone == "" || zone == m.zone) {
			return &p.nodes[i]
		}
	}
	return nil
}

// regretted are the machines that were chosen to go and do not go now.
func (p pool) regretted(goes []member) (stay []member) {
	for _, m := range p.machines {
		if n := p.node(m); n != nil && kube.IsLeaving(n) && !slices.Contains(goes, m) {
			stay = append(stay, m)
		}
	}
	return stay
}

// missing are the machines that are no Ready Node.
func (p pool) missing() (list []member) {
	for _, m := range p.machines {
		if n := p.node(m); n == nil || kube.NotReady(n) != "" {
			list = append(list, m)
		}
	}
	return list
}

// leavers are the n machines of a group that go when it has too many: those
// that were chosen before, so that a run that was cut goes on with the same;
// then those that are no Ready Node; then the newest.
func (p pool) leavers(group string, n int) []member {
	var all []member
	for _, m := range p.machines {
		if m.group == group {
			all = append(all, m)
		}
	}
	type rank struct {
		class int
		born  int64
	}
	ranks := map[member]rank{}
	for _, m := range all {
		x, class := p.node(m), 2
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
	slices.SortFunc(all, func(a, b member) int {
		return cmp.Or(cmp.Compare(ranks[a].class, ranks[b].class), cmp.Compare(ranks[b].born, ranks[a].born), cmp.Compare(b.name, a.name))
	})
	return all[:max(0, min(n, len(all)))]
}

// whyMany is of how many missing nodes the reason is asked for in one look.
const whyMany = 4

// whyMissing is what the Nodes of the first few of them say.
func (p pool) whyMissing(missing []member) string {
	var words []string
	for _, m := range missing[:min(len(missing), whyMany)] {
		why := "is no Node"
		if n := p.node(m); n != nil {
			why = kube.NotReady(n)
		}
		words = append(words, m.name+": "+why)
	}
	if more := len(missing) - len(words); more > 0 {
		words = append(words, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(words, "; ")
}
