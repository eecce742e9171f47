package cluster

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hakube/cluster/kube"
	"hakube/cluster/plan"
	"hakube/cluster/refusal"
	"hakube/cluster/settings"
)

func (w *world) mustUp(o *operator) *Summary {
	w.t.Helper()
	s, err := o.Up(context.Background(), w.events())
	if err != nil {
		w.t.Fatalf("up: %v", err)
	}
	return s
}

func (w *world) mustDown(o *operator) *Summary {
	w.t.Helper()
	s, err := o.Down(context.Background(), w.events())
	if err != nil {
		w.t.Fatalf("down: %v", err)
	}
	return s
}

// counts returns what f costs in calls.
func (w *world) counts(f func()) (read, change int64) {
	r0, c0 := w.Server.Counts()
	f()
	r, c := w.Server.Counts()
	return r - r0, c - c0
}

// idleReads is how many reading calls an up may make that finds everything as
// it should be.
const idleReads = 15

func TestLifecycle(t *testing.T) {
	besideOthers(t)
	w := newWorld(t)
	before := w.objects()
	o := w.operator()

	s := w.mustUp(o)
	if s.Address == "" || s.URL != "https://"+s.Address || s.Context != "local_kubernetes" || s.Kubeconfig != o.kubeconfig {
		t.Errorf("summary %+v", s)
	}
	if s.Evidence == nil || len(s.Evidence.Nodes) != 3 || !s.Evidence.Nodes[0].Master || s.Evidence.Ready != "ok" ||
		!s.Evidence.Rings["events"].Healthy || s.Evidence.CoreDNS != "2 of 2 pods ready" {
		t.Errorf("evidence %+v", s.Evidence)
	}
	for _, x := range w.Server.Snapshot() {
		// What the group and the machines made carries the mark too: that is
		// how it is found when it is left behind.
		if d, _ := x.Doc["description"].(string); strings.Contains(x.Path, "kubernetes") && !strings.HasPrefix(d, "hakube: cluster=kubernetes project=local ") &&
			!strings.Contains(x.Path, "/instanceGroups/") && !strings.Contains(x.Path, "/routes/") {
			t.Errorf("%s carries no mark: %q", x.Path, d)
		}
	}

	read, change := w.counts(func() { w.mustUp(o) })
	t.Logf("an idle up makes %d reading calls", read)
	if change != 0 {
		t.Errorf("the second up made %d changing calls", change)
	}
	if read > idleReads {
		t.Errorf("the second up made %d reading calls, more than %d", read, idleReads)
	}

	var changes int
	var err error
	if _, change = w.counts(func() { changes, err = o.PreviewUp(context.Background(), nil) }); err != nil || changes != 0 || change != 0 {
		t.Errorf("preview of a third up: %d steps to take, %d changing calls, error %v", changes, change, err)
	}
	if _, change = w.counts(func() { changes, err = o.PreviewDown(context.Background(), nil) }); err != nil || changes < 10 || change != 0 {
		t.Errorf("preview of down: %d steps to take, %d changing calls, error %v", changes, change, err)
	}

	if s = w.mustDown(o); s.Nothing || len(s.Left) > 0 {
		t.Errorf("summary of down %+v", s)
	}
	if diff := cmp.Diff(before, w.objects()); diff != "" {
		t.Errorf("objects after down (-before +after):\n%s", diff)
	}
	if _, change = w.counts(func() { s = w.mustDown(o) }); !s.Nothing || change != 0 {
		t.Errorf("the second down: %+v, %d changing calls", s, change)
	}
}

// TestPreviewFromNothing lists every step before there is anything to ask.
func TestPreviewFromNothing(t *testing.T) {
	w := newWorld(t)
	o := w.operator()
	var would []string
	n, err := o.PreviewUp(context.Background(), func(e plan.Event) {
		if e.Kind.Final() && e.Kind != plan.Kept {
			would = append(would, e.Step)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if n != len(would) || !slices.Contains(would, "machine kubernetes-master") || !slices.Contains(would, "cluster is valid") {
		t.Errorf("%d: %q", n, would)
	}
}

// TestDownWithoutZone finds the region by itself, and needs no living cluster.
func TestDownWithoutZone(t *testing.T) {
	besideOthers(t)
	w := newWorld(t)
	before := w.objects()
	o := w.operator()
	w.mustUp(o)
	if err := w.models.Halt(t.Context()); err != nil { // the power fails everywhere
		t.Fatal(err)
	}
	s := w.mustDown(o.again(func(s *settings.Settings) { s.Zone = "" }))
	if s.Nothing || len(s.Left) > 0 {
		t.Errorf("summary %+v", s)
	}
	if diff := cmp.Diff(before, w.objects()); diff != "" {
		t.Errorf("objects after down (-before +after):\n%s", diff)
	}
	config, err := kube.LoadFile(o.kubeconfig)
	if err != nil || kube.HasEntry(config, "local_kubernetes") || config.CurrentContext != "" {
		t.Errorf("kubeconfig after down: %+v, %v", config, err)
	}
}

// TestOtherZone refuses to make a second cluster of the name, or to take the
// first away by a zone it is not in.
func TestOtherZone(t *testing.T) {
	besideOthers(t)
	w := newWorld(t)
	o := w.operator()
	w.mustUp(o)
	there := o.again(func(s *settings.Settings) { s.Zone = "europe-west1-c" })
	_, err := there.Up(context.Background(), nil)
	var no *refusal.Refused
	if !errors.As(err, &no) || !strings.Contains(no.Why, "lives in zone europe-west1-b, not in europe-west1-c") ||
		!strings.Contains(no.Hint(), "KUBE_USE_EXISTING_MASTER") || !strings.Contains(no.Hint(), "KUBE_REPLICATE_EXISTING_MASTER") {
		t.Errorf("up in another zone: %v", err)
	}
	_, err = there.Down(context.Background(), nil)
	if !errors.As(err, &no) || !strings.Contains(no.Hint(), "KUBE_GCE_ZONE=europe-west1-b hakube down") {
		t.Errorf("down in another zone: %v", err)
	}
}
