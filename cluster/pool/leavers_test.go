package pool

import (
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"hakube/cluster/kube"
)

// TestLeavers: of a group that has too many go those that were chosen before, then those
// that serve nobody, then the newest; never one that runs while another does not.
func TestLeavers(t *testing.T) {
	born := time.Date(2026, 11, 28, 0, 0, 0, 0, time.UTC)
	node := func(name string, ready bool, age int, leaving string) corev1.Node {
		n := corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, CreationTimestamp: metav1.NewTime(born.Add(-time.Duration(age) * time.Hour))}}
		if ready {
			n.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}
		}
		if leaving != "" {
			n.Annotations = map[string]string{kube.LeavingKey: leaving}
		}
		return n
	}
	p := Pool{Nodes: []corev1.Node{node("old", true, 9, ""), node("new", true, 1, ""), node("sick", false, 5, ""), node("chosen", true, 8, "hakube")}}
	for _, name := range []string{"old", "new", "sick", "chosen", "unborn"} {
		p.Machines = append(p.Machines, Machine{Name: name, Group: "g"})
	}
	p.Machines = append(p.Machines, Machine{Name: "another's", Group: "h"})
	order := []string{"chosen", "sick", "unborn", "new", "old"}
	for n := range len(order) + 2 {
		got := NamesOf(p.Leavers("g", n))
		want := slices.Clone(order[:min(n, len(order))])
		slices.Sort(got[:min(3, len(got))]) // which of the two that serve nobody goes first is all the same
		slices.Sort(want[:min(3, len(want))])
		if n != 2 && !slices.Equal(got, want) {
			t.Errorf("%d go: %v, want %v", n, got, want)
		}
	}
	if got := p.Leavers("g", -1); len(got) != 0 {
		t.Errorf("of a group that grows go %v", got)
	}
}
