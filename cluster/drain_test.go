package cluster

import (
	"context"
	"fmt"
	"net/http"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"hakube/cluster/kube"
	"hakube/cluster/settings"
	"hakube/replicate/etcdtest"
)

// Budgets are disruption budgets, which keep pods, and who watches what is evicted.
type budgets struct {
	mu      sync.Mutex
	kept    map[string]bool // by pod
	evicted []string
	from    func(pod string) error // asked before each eviction
	held    func()                 // called when a pod is kept
}

// newDrainWorld is a world in which evictions are watched.
func newDrainWorld(t *testing.T, more ...func(*etcdtest.Options)) (*world, *budgets) {
	b := &budgets{kept: map[string]bool{}}
	return newWorld(t, func(o *etcdtest.Options) {
		for _, f := range more {
			f(o)
		}
		o.Fault = func(a etcdtest.Asked) etcdtest.Fault {
			if a.Request == nil || !strings.HasSuffix(a.Request.URL.Path, "/eviction") || !strings.Contains(a.Request.URL.Path, "/default/") {
				return etcdtest.Fault{}
			}
			pod := path.Base(path.Dir(a.Request.URL.Path))
			b.mu.Lock()
			defer b.mu.Unlock()
			if b.kept[pod] {
				if b.held != nil {
					b.held()
				}
				return etcdtest.Fault{Fail: true, Status: http.StatusTooManyRequests, Message: "Cannot evict pod as it would violate the pod's disruption budget."}
			}
			if b.from != nil {
				if err := b.from(pod); err != nil {
					t.Error(err)
				}
			}
			b.evicted = append(b.evicted, pod)
			return etcdtest.Fault{}
		}
	}), b
}

func (b *budgets) keep(pod string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.kept[pod] = true
}

// put lets a pod run on a node.
func (w *world) put(o *operator, name, node string, change ...func(*corev1.Pod)) {
	w.t.Helper()
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "default"}, Spec: corev1.PodSpec{NodeName: node}}
	for _, f := range change {
		f(pod)
	}
	if _, err := w.kube(o).Pods("default").Create(context.Background(), pod, metav1.CreateOptions{}); err != nil {
		w.t.Fatal(err)
	}
}

func daemon(pod *corev1.Pod) {
	pod.OwnerReferences = []metav1.OwnerReference{{Kind: "DaemonSet", Name: "d", Controller: new(true)}}
}

func mirror(pod *corev1.Pod) { pod.Annotations = map[string]string{corev1.MirrorPodAnnotationKey: "x"} }

// TestShrink: not Ready nodes go first, then the newest, each drained before;
// the others keep their pods.
func TestShrink(t *testing.T) {
	besideOthers(t)
	w, b := newDrainWorld(t)
	o := w.operator(func(s *settings.Settings) { s.NumNodes = 4 })
	w.mustUp(o)
	names := w.byAge(o, zoneB)
	w.silence(names[0])
	for _, n := range names {
		w.put(o, "web-"+n, n)
		w.put(o, "agent-"+n, n, daemon)
		w.put(o, "static-"+n, n, mirror)
	}
	client := w.kube(o)
	b.from = func(pod string) error {
		n, err := client.Nodes().Get(context.Background(), strings.TrimPrefix(pod, "web-"), metav1.GetOptions{})
		if err == nil && !n.Spec.Unschedulable {
			err = fmt.Errorf("pod %s was evicted from a node that takes it back", pod)
		}
		return err
	}
	s := w.mustUp(o.again(func(s *settings.Settings) { s.NumNodes = 2 }))
	if len(s.Warnings) != 2 || !strings.Contains(s.Warnings[0], "had no controller") {
		t.Errorf("warnings %q", s.Warnings)
	}
	if diff := cmp.Diff(names[1:3], w.byAge(o, zoneB)); diff != "" {
		t.Errorf("nodes that stayed (-want +got):\n%s", diff)
	}
	slices.Sort(b.evicted)
	want := []string{"web-" + names[0], "web-" + names[3]}
	slices.Sort(want)
	if diff := cmp.Diff(want, b.evicted); diff != "" {
		t.Errorf("evicted (-want +got):\n%s", diff)
	}
}

// TestDrainGoesOn: a budget that does not give way holds it up for a while
// only; then it is said.
func TestDrainGoesOn(t *testing.T) {
	besideOthers(t)
	w, b := newDrainWorld(t)
	o := w.operator()
	w.mustUp(o)
	names := w.byAge(o, zoneB)
	w.put(o, "db", names[1])
	b.keep("db")
	s := w.mustUp(o.again(func(s *settings.Settings) { s.NumNodes, s.DrainTimeout = 1, settings.Seconds(2*time.Second) }))
	if len(s.Warnings) != 1 || !strings.Contains(s.Warnings[0], "pod default/db on "+names[1]+": Cannot evict pod as it would violate") {
		t.Errorf("warnings %q", s.Warnings)
	}
	if got := w.byAge(o, zoneB); !slices.Equal(got, names[:1]) {
		t.Errorf("nodes %q", got)
	}
}

// TestDrainResumes: a run that was interrupted while draining is gone on with,
// with the same nodes; and nodes that may stay after all take pods again.
func TestDrainResumes(t *testing.T) {
	besideOthers(t)
	w, b := newDrainWorld(t)
	o := w.operator(func(s *settings.Settings) { s.NumNodes = 3 })
	w.mustUp(o)
	names := w.byAge(o, zoneB)
	for _, n := range names[1:] {
		w.put(o, "db-"+n, n)
		b.keep("db-" + n)
	}
	smaller := o.again(func(s *settings.Settings) { s.NumNodes = 1 })
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	b.held = stop
	if _, err := smaller.Up(ctx, nil); err == nil {
		t.Fatal("the budget did not hold it up")
	}
	w.mustUp(o.again(func(s *settings.Settings) { s.NumNodes, s.DrainTimeout = 2, 0 })) // one of them goes
	if got := w.byAge(o, zoneB); !slices.Equal(got, names[:2]) {
		t.Errorf("nodes %q", got)
	}
	for _, n := range w.nodes(o) {
		if n.Spec.Unschedulable || kube.IsLeaving(&n) {
			t.Errorf("%s stays and is cordoned", n.Name)
		}
	}
}
