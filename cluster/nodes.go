package cluster

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"cloud.google.com/go/compute/apiv1/computepb"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"hakube/cluster/plan"
	"hakube/gce"
)

// nodes is the wait until each machine of the group is a Ready Node, by name.
func (r *run) nodes() plan.Step { return nodes{r} }

type nodes struct{ *run }

func (nodes) String() string { return "nodes are Ready" }
func (nodes) Waits()         {}

// A pool is the group's machines beside the cluster's Nodes.
type pool struct {
	machines []string // that are to stay
	leaving  []string // that are being removed
	stuck    []string // why a machine cannot be made: "kubernetes-minion-group-x1y2: quota …"
	nodes    []corev1.Node
}

// pool reads both sides. No group is an empty pool.
func (r *run) pool(ctx context.Context) (p pool, err error) {
	client, err := r.kube(ctx)
	if err != nil {
		return p, err
	}
	var machines []*computepb.ManagedInstance
	var list *corev1.NodeList
	err = together(func() (err error) {
		if !bool(r.want.settings.CreateNodes) {
			return nil
		}
		machines, err = r.gce.InstanceGroupManagers(r.want.zone).ListManagedInstances(ctx, r.want.names.Group())
		if gce.IsNotFound(err) {
			return nil
		}
		return err
	}, func() (err error) {
		list, err = client.Nodes().List(ctx, metav1.ListOptions{})
		return err
	})
	if err != nil {
		return p, err
	}
	p.nodes = list.Items
	for _, m := range machines {
		name := gce.Base(m.GetInstance())
		switch m.GetCurrentAction() {
		case "DELETING", "ABANDONING":
			p.leaving = append(p.leaving, name)
			continue
		}
		p.machines = append(p.machines, name)
		for _, e := range m.GetLastAttempt().GetErrors().GetErrors() {
			p.stuck = append(p.stuck, fmt.Sprintf("%s: %s", name, or(e.GetMessage(), e.GetCode())))
		}
	}
	slices.Sort(p.machines)
	return p, nil
}

func (p pool) node(name string) *corev1.Node {
	for i := range p.nodes {
		if p.nodes[i].Name == name {
			return &p.nodes[i]
		}
	}
	return nil
}

// missing are the machines that are no Ready Node.
func (p pool) missing() (names []string) {
	for _, m := range p.machines {
		if n := p.node(m); n == nil || notReady(n) != "" {
			names = append(names, m)
		}
	}
	return names
}

// notReady is why a Node is not Ready, "" if it is.
func notReady(n *corev1.Node) string {
	for _, c := range n.Status.Conditions {
		if c.Type == corev1.NodeReady {
			if c.Status == corev1.ConditionTrue {
				return ""
			}
			return or(c.Message, or(c.Reason, "not Ready"))
		}
	}
	return "its kubelet has not reported"
}

// short is how many machines are not there or not Ready.
func (n nodes) short(p pool) int {
	return int(n.want.settings.NumNodes) - len(p.machines) + len(p.missing())
}

func (n nodes) Observe(ctx context.Context) (plan.State, error) {
	want := int(n.want.settings.NumNodes)
	if !bool(n.want.settings.CreateNodes) {
		return exists("none are wanted")
	}
	p, err := n.pool(ctx)
	if err != nil {
		return plan.State{Is: plan.Absent, Why: plainly443(err)}, nil
	}
	short := n.short(p)
	switch {
	case len(p.leaving) > 0:
		return plan.State{Is: plan.Partial, Why: fmt.Sprintf("%d machines are being removed", len(p.leaving))}, nil
	case short > int(n.want.settings.AllowNotReady):
		return plan.State{Is: plan.Partial, Why: fmt.Sprintf("%d of %d Ready", want-short, want)}, nil
	}
	return exists(fmt.Sprintf("%d of %d Ready", want-short, want))
}

// pace is how often all nodes are listed: less often when there are many.
func (n nodes) pace() time.Duration {
	if n.want.settings.NumNodes > 100 {
		return 5 * n.poll
	}
	return n.poll
}

// Do waits, and says of those that are missing what they last reported. Nodes
// that may be missing are given some time once enough are there.
func (n nodes) Do(ctx context.Context) error {
	set := n.want.settings
	guests := map[string]*guest{}
	var enough time.Time // since when as many as must be are Ready
	return plan.Until(ctx, plan.Condition{
		For: fmt.Sprintf("%d nodes", set.NumNodes), Every: n.pace(), Limit: set.GroupTimeout.Duration(),
		Check: func(ctx context.Context) (bool, string, error) {
			p, err := n.pool(ctx)
			if err != nil {
				return false, "", err
			}
			short := n.short(p)
			if short <= int(set.AllowNotReady) && len(p.leaving) == 0 {
				if enough.IsZero() {
					enough = time.Now()
				}
				if short <= 0 || time.Since(enough) >= set.ReadyGrace.Duration() {
					return true, "", nil
				}
			}
			why, err := n.why(ctx, p, guests)
			return false, fmt.Sprintf("%d of %d Ready%s", int(set.NumNodes)-short, set.NumNodes, why), err
		},
	})
}

// whyMany is of how many missing nodes the reason is asked for in one look.
const whyMany = 4

// why is what keeps the missing nodes, the first few of them.
func (n nodes) why(ctx context.Context, p pool, guests map[string]*guest) (string, error) {
	if len(p.stuck) > 0 {
		return "; " + p.stuck[0], nil
	}
	if len(p.leaving) > 0 {
		return "; being removed: " + strings.Join(p.leaving, " "), nil
	}
	var words []string
	missing := p.missing()
	for _, name := range missing[:min(len(missing), whyMany)] {
		if node := p.node(name); node != nil {
			words = append(words, name+": "+notReady(node))
			continue
		}
		g := guests[name]
		if g == nil {
			g = &guest{run: n.run, zone: n.want.zone, name: name}
			guests[name] = g
		}
		phase, err := g.phase(ctx)
		switch {
		case gce.IsNotFound(err):
			phase = "is being made"
		case err != nil:
			return "", err
		}
		words = append(words, name+": "+or(phase, "boots"))
	}
	if len(missing) > whyMany {
		words = append(words, fmt.Sprintf("and %d more", len(missing)-whyMany))
	}
	if len(words) == 0 {
		return "", nil
	}
	return "; " + strings.Join(words, ", "), nil
}

func (nodes) Undo(context.Context) error { return nil } // never unwanted
