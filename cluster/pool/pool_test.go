package pool

import (
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"hakube/cluster/kube"
)

// TestOneNameTwice: a node of another zone is not the machine's, whatever its name.
func TestOneNameTwice(t *testing.T) {
	n := corev1.Node{ObjectMeta: metav1.ObjectMeta{
		Name: "kubernetes-minion-group-x1y2", Labels: map[string]string{corev1.LabelTopologyZone: "europe-west1-b"},
		Annotations: map[string]string{kube.LeavingKey: kube.LeavingOurs},
	}}
	n.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}
	here, there := Machine{Name: n.Name, Group: "kubernetes-minion-group", Zone: "europe-west1-b"}, Machine{Name: n.Name, Group: "kubernetes-minion-group", Zone: "europe-west1-c"}
	p := Pool{Machines: []Machine{here, there}, Nodes: []corev1.Node{n}}
	if got := p.Missing(); !slices.Equal(got, []Machine{there}) {
		t.Errorf("missing are %v", got)
	}
	if got := p.Regretted([]Machine{here}); len(got) > 0 {
		t.Errorf("it would uncordon %v", got)
	}
}
