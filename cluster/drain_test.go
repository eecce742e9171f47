package cluster

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"hakube/cluster/kube"
	"hakube/cluster/settings"
)

// put lets a pod run on a node.
func (p *plane) put(name, node string, change ...func(*corev1.Pod)) {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "default"}, Spec: corev1.PodSpec{NodeName: node}}
	for _, f := range change {
		f(pod)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pods["default/"+name] = pod
}

func daemon(pod *corev1.Pod) {
	pod.OwnerReferences = []metav1.OwnerReference{{Kind: "DaemonSet", Name: "d", Controller: new(true)}}
}

func mirror(pod *corev1.Pod) { pod.Annotations = map[string]string{corev1.MirrorPodAnnotationKey: "x"} }

// byAge are the nodes of a zone, oldest first.
func (p *plane) byAge(zone string) (names []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for name, n := range p.nodes {
		if n.Labels[corev1.LabelTopologyZone] == zone && name != "kubernetes-master" {
			names = append(names, name)
		}
	}
	slices.SortFunc(names, func(a, b string) int { return p.nodes[a].CreationTimestamp.Compare(p.nodes[b].CreationTimestamp.Time) })
	return names
}

// TestShrink: not Ready nodes go first, then the newest, each drained before;
// the others keep their pods.
func TestShrink(t *testing.T) {
	w := newPlaneWorld(t)
	o := w.operator(func(s *settings.Settings) { s.NumNodes = 4 })
	w.mustUp(o)
	p := w.plane()
	names := p.byAge(zoneB)
	p.mu.Lock()
	p.nodes[names[0]].Status.Conditions[0].Status = corev1.ConditionFalse
	p.mu.Unlock()
	for _, n := range names {
		p.put("web-"+n, n)
		p.put("job-"+n, n, func(pod *corev1.Pod) { pod.Status.Phase = corev1.PodSucceeded })
		p.put("agent-"+n, n, daemon)
		p.put("static-"+n, n, mirror)
	}
	s := w.mustUp(o.again(func(s *settings.Settings) { s.NumNodes = 2 }))
	if len(s.Warnings) != 2 || !strings.Contains(s.Warnings[0], "had no controller") {
		t.Errorf("warnings %q", s.Warnings)
	}
	if diff := cmp.Diff(names[1:3], p.byAge(zoneB)); diff != "" {
		t.Errorf("nodes that stayed (-want +got):\n%s", diff)
	}
	slices.Sort(p.evicted)
	want := []string{"default/web-" + names[0], "default/web-" + names[3]}
	slices.Sort(want)
	if diff := cmp.Diff(want, p.evicted); diff != "" {
		t.Errorf("evicted (-want +got):\n%s", diff)
	}
}

// TestDrainGoesOn: a budget that does not give way holds it up for a while
// only; then it is said.
func TestDrainGoesOn(t *testing.T) {
	w := newPlaneWorld(t)
	o := w.operator()
	w.mustUp(o)
	p := w.plane()
	names := p.byAge(zoneB)
	p.put("db", names[1])
	p.kept["default/db"] = true
	s := w.mustUp(o.again(func(s *settings.Settings) { s.NumNodes, s.DrainTimeout = 1, settings.Seconds(50*time.Millisecond) }))
	if len(s.Warnings) != 1 || !strings.Contains(s.Warnings[0], "pod default/db on "+names[1]+": Cannot evict pod as it would violate") {
		t.Errorf("warnings %q", s.Warnings)
	}
	if got := p.byAge(zoneB); !slices.Equal(got, names[:1]) {
		t.Errorf("nodes %q", got)
	}
}

// TestDrainResumes: a run that was interrupted while draining is gone on with,
// with the same nodes; and nodes that may stay after all take pods again.
func TestDrainResumes(t *testing.T) {
	w := newPlaneWorld(t)
	o := w.operator(func(s *settings.Settings) { s.NumNodes = 3 })
	w.mustUp(o)
	p := w.plane()
	names := p.byAge(zoneB)
	for _, n := range names[1:] {
		p.put("db-"+n, n)
		p.kept["default/db-"+n] = true
	}
	smaller := o.again(func(s *settings.Settings) { s.NumNodes = 1 })
	ctx, stop := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer stop()
	if _, err := smaller.Up(ctx, nil); err == nil {
		t.Fatal("the budget did not hold it up")
	}
	w.mustUp(o.again(func(s *settings.Settings) { s.NumNodes, s.DrainTimeout = 2, 0 })) // one of them goes
	if got := p.byAge(zoneB); !slices.Equal(got, names[:2]) {
		t.Errorf("nodes %q", got)
	}
	for name, n := range p.nodes {
		if n.Spec.Unschedulable || kube.IsLeaving(n) {
			t.Errorf("%s stays and is cordoned", name)
		}
	}
}
