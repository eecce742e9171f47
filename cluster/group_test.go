package cluster

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"hakube/cluster/kube"
	"hakube/cluster/pool"
	"hakube/cluster/settings"
	"hakube/cluster/task"
)

// TestSeveralGroups: more nodes than a group may have are several groups, as
// with kube-up; they grow and shrink without one node going for another.
func TestSeveralGroups(t *testing.T) {
	besideOthers(t)
	w := newWorld(t)
	before := w.objects()
	o := w.operator(func(s *settings.Settings) { s.NumNodes, s.MaxPerGroup = 5, 2 })
	if got := nodesByZone(w.mustUp(o)); got[zoneB] != 5 {
		t.Fatalf("nodes %v", got)
	}
	sizes := func() string {
		var all []string
		groups, err := w.Client.InstanceGroupManagers(zoneB).List(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		for _, g := range groups {
			all = append(all, fmt.Sprintf("%s %d", strings.TrimPrefix(g.GetName(), "kubernetes-minion-"), g.GetTargetSize()))
		}
		slices.Sort(all)
		return strings.Join(all, ", ")
	}
	if got := sizes(); got != "group 2, group-1 2, group-2 1" {
		t.Errorf("groups %s", got)
	}
	for _, n := range []settings.Count{2, 6, 7} {
		was := w.byAge(o, zoneB)
		w.mustUp(o.again(func(s *settings.Settings) { s.NumNodes = n }))
		now := w.byAge(o, zoneB)
		both := slices.DeleteFunc(slices.Clone(was), func(m string) bool { return !slices.Contains(now, m) })
		if len(now) != int(n) || len(both) != min(len(was), int(n)) {
			t.Errorf("NUM_NODES=%d: %q became %q", n, was, now)
		}
	}
	if got := sizes(); got != "group 2, group-1 2, group-2 2, group-3 1" {
		t.Errorf("groups %s", got)
	}
	if _, change := w.counts(func() { w.mustUp(o.again(func(s *settings.Settings) { s.NumNodes = 7 })) }); change != 0 {
		t.Errorf("%d changing calls", change)
	}
	w.mustDown(o)
	if diff := cmp.Diff(before, w.objects()); diff != "" {
		t.Errorf("objects after down (-before +after):\n%s", diff)
	}
}

// TestOneNameTwice: a node of another zone is not the machine's, whatever its name.
func TestOneNameTwice(t *testing.T) {
	n := corev1.Node{ObjectMeta: metav1.ObjectMeta{
		Name: "kubernetes-minion-group-x1y2", Labels: map[string]string{corev1.LabelTopologyZone: zoneB},
		Annotations: map[string]string{kube.LeavingKey: kube.LeavingOurs},
	}}
	n.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}
	here, there := pool.Machine{Name: n.Name, Group: "kubernetes-minion-group", Zone: zoneB}, pool.Machine{Name: n.Name, Group: "kubernetes-minion-group", Zone: zoneC}
	p := pool.Pool{Machines: []pool.Machine{here, there}, Nodes: []corev1.Node{n}}
	if got := p.Missing(); !slices.Equal(got, []pool.Machine{there}) {
		t.Errorf("missing are %v", got)
	}
	if got := p.Regretted([]pool.Machine{here}); len(got) > 0 {
		t.Errorf("it would uncordon %v", got)
	}
}

func TestLevel(t *testing.T) {
	for _, c := range []struct {
		sizes   []int
		n, most int
		want    []int
	}{
		{[]int{0}, 3, 1000, []int{3}},
		{[]int{0, 0}, 1500, 1000, []int{750, 750}},
		{[]int{1000, 0}, 1500, 1000, []int{1000, 500}},
		{[]int{0, 750}, 1500, 1000, []int{750, 750}},
		{[]int{750, 750}, 500, 1000, []int{250, 250}},
		{[]int{5, 1}, 3, 1000, []int{2, 1}},
		{[]int{5}, 5, 2, []int{5}}, // a smaller limit moves nothing
		{[]int{2, 3}, 0, 1000, []int{0, 0}},
	} {
		got := slices.Clone(c.sizes)
		task.Level(got, c.n, c.most)
		if !slices.Equal(got, c.want) {
			t.Errorf("%v to %d, at most %d: %v, want %v", c.sizes, c.n, c.most, got, c.want)
		}
	}
}
