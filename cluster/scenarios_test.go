package cluster

import (
	"context"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"hakube/cluster/live"
	"hakube/cluster/settings"
)

// A scenario is one of kube-up's end-to-end scenarios for masters in several
// zones (kubernetes/test/e2e/lifecycle/ha_master.go): its steps, in words.
type scenario struct {
	name  string
	steps []string
}

var scenarios = []scenario{
	{"same zone", []string{"none", "add b", "add b", "remove b", "remove b"}},
	{"different zones", []string{"none", "add c", "add d", "remove c", "remove d"}},
	{"multizone workers", []string{"none", "pool c", "pool d", "add c", "add d", "remove c", "remove d", "unpool c", "unpool d"}},
}

// TestScenarios runs them on model machines with their invariants: after each
// step every master is registered and Ready, every node is Ready, and what was
// written after any step before is there. Model machines run no pods, so what is
// written are ConfigMaps; the real ones have controllers (TestMultizoneWorkers).
func TestScenarios(t *testing.T) {
	besideOthers(t)
	for i, sc := range scenarios {
		if testing.Short() && i != 1 {
			continue
		}
		t.Run(sc.name, func(t *testing.T) {
			w, _ := newModelWorld(t)
			before := w.objects()
			o := w.operator(func(s *settings.Settings) { s.NumNodes = 3 })
			w.mustUp(o)
			masters, nodes := 1, 3
			for i, step := range sc.steps {
				var what, letter string
				_, _ = fmt.Sscan(step, &what, &letter) // "none" has no zone
				zone := settings.Zone("europe-west1-" + letter)
				switch what {
				case "add":
					w.mustUp(o.replica(zone))
					masters++
				case "remove":
					w.mustDown(o.replica(zone))
					masters--
				case "pool":
					w.mustUp(o.pool(zone, 3))
					nodes += 3
				case "unpool":
					w.mustDown(o.pool(zone, 3))
					nodes -= 3
				}
				w.invariants(t, o, step, i, masters, nodes)
			}
			w.mustDown(o)
			if diff := cmp.Diff(before, w.objects()); diff != "" {
				t.Errorf("objects after down (-before +after):\n%s", diff)
			}
		})
	}
}

func (w *world) invariants(t *testing.T, o *operator, step string, i, masters, nodes int) {
	t.Helper()
	ctx := context.Background()
	r := o.runFor(settings.Up, hold{})
	client, err := r.Kube(ctx)
	if err != nil {
		t.Fatal(err)
	}
	list, err := client.Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		t.Fatalf("after %q: %v", step, err)
	}
	has := map[bool]int{}
	for _, n := range live.NodesOf(list.Items) {
		has[n.Master]++
		if !n.Ready {
			t.Errorf("after %q: %s: %s", step, n.Name, n.Why)
		}
	}
	if has[true] != masters || has[false] != nodes {
		t.Errorf("after %q: %d masters and %d nodes are registered, want %d and %d", step, has[true], has[false], masters, nodes)
	}
	for j := range i + 1 {
		name := fmt.Sprintf("ha-master-%d", j)
		if j == i {
			c := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name}, Data: map[string]string{"after": step}}
			if _, err := client.ConfigMaps("default").Create(ctx, c, metav1.CreateOptions{}); err != nil {
				t.Fatalf("after %q: %v", step, err)
			}
		}
		if _, err := client.ConfigMaps("default").Get(ctx, name, metav1.GetOptions{}); err != nil {
			t.Errorf("after %q: %v", step, err)
		}
	}
}
