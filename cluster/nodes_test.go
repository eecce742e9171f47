package cluster

import (
	"cmp"
	"context"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"hakube/cluster/kube"
	"hakube/cluster/settings"
)

// kube is the API of an operator's cluster, for what somebody else does there.
func (w *world) kube(o *operator) *kube.Client {
	w.t.Helper()
	client, err := o.runFor(settings.StatusVerb, hold{}).Kube(context.Background())
	if err != nil {
		w.t.Fatal(err)
	}
	return client
}

func (w *world) nodes(o *operator) []corev1.Node {
	w.t.Helper()
	list, err := w.kube(o).Nodes().List(context.Background(), metav1.ListOptions{})
	if err != nil {
		w.t.Fatal(err)
	}
	return list.Items
}

// byAge are the nodes of a zone, or of all, but the first master: in the order in which
// they would stay if there were too many, oldest first.
func (w *world) byAge(o *operator, zone string) (names []string) {
	w.t.Helper()
	list := w.nodes(o)
	slices.SortFunc(list, func(a, b corev1.Node) int {
		return cmp.Or(a.CreationTimestamp.Compare(b.CreationTimestamp.Time), cmp.Compare(a.Name, b.Name))
	})
	for _, n := range list {
		if (zone == "" || n.Labels[corev1.LabelTopologyZone] == zone) && n.Name != "kubernetes-master" {
			names = append(names, n.Name)
		}
	}
	return names
}

// addNode makes a Ready Node by hand: the kubelet that is heard of is the master's.
func (w *world) addNode(o *operator, name, zone string, labels map[string]string) {
	w.t.Helper()
	client := w.kube(o)
	n, err := client.Nodes().Get(context.Background(), "kubernetes-master", metav1.GetOptions{})
	if err != nil {
		w.t.Fatal(err)
	}
	n.ObjectMeta = metav1.ObjectMeta{Name: name, Labels: map[string]string{corev1.LabelTopologyZone: zone}}
	for k, v := range labels {
		n.Labels[k] = v
	}
	n.Spec = corev1.NodeSpec{}
	if _, err := client.Nodes().Create(context.Background(), n, metav1.CreateOptions{}); err != nil {
		w.t.Fatal(err)
	}
}

// silence cuts a machine of the first zone off.
func (w *world) silence(name string) {
	w.t.Helper()
	g, err := w.models.Guest(name, zoneB)
	if err == nil {
		err = g.CutOff()
	}
	if err != nil {
		w.t.Fatal(err)
	}
}
