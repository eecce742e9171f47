package cluster

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"hakube/cluster/addons"
	"hakube/cluster/kube"
	"hakube/cluster/plan"
	"hakube/cluster/settings"
)

// autoscaled is the same operator of a cluster whose pools the cluster autoscaler sizes.
func (o *operator) autoscaled(least, most settings.Count) *operator {
	return o.again(func(s *settings.Settings) {
		s.Autoscaler, s.ScalesToLeast, s.ScalesToMost, s.MasterAccount = true, least, most, "default"
		*s = s.Said("NUM_NODES", false)
	})
}

// resize gives the zone's first group another size, as the cluster autoscaler does.
func (w *world) resize(zone string, n int) {
	w.t.Helper()
	if err := w.Client.InstanceGroupManagers(zone).Resize(context.Background(), "kubernetes-minion-group", n); err != nil {
		w.t.Fatal(err)
	}
}

// sizeOf is how many machines the zone's first group is to have.
func (w *world) sizeOf(zone string) int {
	w.t.Helper()
	x, err := w.Client.InstanceGroupManagers(zone).Get(context.Background(), "kubernetes-minion-group")
	if err != nil {
		w.t.Fatal(err)
	}
	return int(x.GetTargetSize())
}

// scaling is the groups that the cluster autoscaler is told of; running tells whether it
// is there.
func scaling(t *testing.T, client *kube.Client) (groups []string, running bool) {
	t.Helper()
	row, _ := addons.Named(settings.ClusterAutoscaler)
	path := row.Workloads[0].Path()
	running, err := client.There(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	if !running {
		return nil, false
	}
	text, err := client.RESTClient().Get().AbsPath(path).Do(t.Context()).Raw()
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range strings.Split(string(text), `"--nodes=`)[1:] {
		word, _, _ := strings.Cut(part, `"`)
		groups = append(groups, word)
	}
	return groups, true
}

// sizedAs is what the cluster autoscaler is told of a zone's group.
func sizedAs(least, most int, zone string) string {
	return fmt.Sprintf("%d:%d:https://www.googleapis.com/compute/v1/projects/local/zones/%s/instanceGroups/kubernetes-minion-group", least, most, zone)
}

// TestAutoscaler: a cluster whose pools are sized by load. The sizes that the autoscaler
// gives them stay, limits change later and bring a pool back, pools come and go, and
// switched off it leaves nothing.
func TestAutoscaler(t *testing.T) {
	besideOthers(t)
	ctx := t.Context()
	w, _ := newModelWorld(t)
	empty, o := w.objects(), w.operator()
	shell := func(variables ...string) *operator {
		more := map[string]string{}
		for _, v := range variables {
			name, value, _ := strings.Cut(v, "=")
			more[name] = value
		}
		return o.shell(t, more)
	}
	w.mustUp(shell("KUBE_ENABLE_CLUSTER_AUTOSCALER=true", "KUBE_AUTOSCALER_MIN_NODES=1", "KUBE_AUTOSCALER_MAX_NODES=5", "NUM_NODES=2", "HAKUBE_MASTER_SERVICE_ACCOUNT=default"))
	client := w.kube(shell())
	told := func(when string, want ...string) {
		t.Helper()
		got, running := scaling(t, client)
		if diff := cmp.Diff(want, got); diff != "" || !running {
			t.Errorf("%s the autoscaler runs: %t, and is told of (-want +got):\n%s", when, running, diff)
		}
	}
	told("created,", sizedAs(1, 5, zoneB))
	s, err := shell().Status(ctx)
	if err != nil || len(s.Unfinished) != 0 || !healthy(s.Addons, settings.ClusterAutoscaler) || !healthy(s.Addons, settings.CloudController) {
		t.Fatalf("%+v, %+v, %v", s.Unfinished, s.Addons, err)
	}
	if p := s.Pools[0]; p.Nodes != 2 || p.Least == nil || *p.Least != 1 || *p.Most != 5 {
		t.Errorf("pool %+v", p)
	}

	w.resize(zoneB, 4)
	said := ""
	n, err := shell("NUM_NODES=2").PreviewUp(ctx, func(e plan.Event) {
		if strings.HasPrefix(e.Step, "group kubernetes-minion-group") {
			said += e.Why
		}
	})
	if err != nil || n > 1 || said != "4 machines, left alone: the cluster autoscaler keeps them between 1 and 5" { // the one: nodes that boot yet
		t.Errorf("plan: %d steps, %q, %v", n, said, err)
	}
	sum := w.mustUp(shell("NUM_NODES=2"))
	if got := nodesByZone(sum)[zoneB]; got != 4 || w.sizeOf(zoneB) != 4 {
		t.Errorf("up left %d Ready nodes of %d", got, w.sizeOf(zoneB))
	}
	if !slices.ContainsFunc(sum.Warnings, func(s string) bool { return strings.HasPrefix(s, "NUM_NODES=2 has no effect on the pool of "+zoneB) }) {
		t.Errorf("up warned %q", sum.Warnings)
	}
	nothingToDo(t, w, shell())

	w.mustUp(shell("KUBE_GCE_ZONE="+zoneC, "KUBE_USE_EXISTING_MASTER=true", "NUM_NODES=1"))
	told("with another pool", sizedAs(1, 5, zoneB), sizedAs(1, 5, zoneC))
	nothingToDo(t, w, shell())

	w.mustUp(shell("KUBE_AUTOSCALER_MAX_NODES=3"))
	told("with another limit", sizedAs(1, 3, zoneB), sizedAs(1, 3, zoneC))
	if n := w.sizeOf(zoneB); n != 3 {
		t.Errorf("brought to the limit it has %d nodes", n)
	}
	w.mustUp(shell("KUBE_AUTOSCALER_MIN_NODES=2"))
	if b, c := w.sizeOf(zoneB), w.sizeOf(zoneC); b != 3 || c != 1 {
		t.Errorf("sizes are %d and %d", b, c) // c's is brought there by its own up, or the autoscaler
	}
	w.mustUp(shell("KUBE_GCE_ZONE="+zoneC, "KUBE_USE_EXISTING_MASTER=true"))
	if n := w.sizeOf(zoneC); n != 2 {
		t.Errorf("brought to the least it has %d nodes", n)
	}
	nothingToDo(t, w, shell())

	w.mustDown(shell("KUBE_GCE_ZONE="+zoneC, "KUBE_USE_EXISTING_MASTER=true"))
	told("with a pool less", sizedAs(2, 3, zoneB))
	nothingToDo(t, w, shell())

	node := w.nodes(shell())[0].Name
	taints := `{"spec":{"taints":[{"key":"ToBeDeletedByClusterAutoscaler","value":"1","effect":"NoSchedule"},{"key":"mine","effect":"NoSchedule"}]}}`
	if _, err := client.Nodes().Patch(ctx, node, types.MergePatchType, []byte(taints), metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
	w.mustUp(shell("KUBE_ENABLE_CLUSTER_AUTOSCALER=false", "NUM_NODES=2"))
	if _, running := scaling(t, client); running || w.sizeOf(zoneB) != 2 {
		t.Errorf("switched off it runs: %t, and there are %d nodes", running, w.sizeOf(zoneB))
	}
	for _, n := range w.nodes(shell()) {
		if kube.BeingAutoscaled(&n) {
			t.Errorf("%s has %+v", n.Name, n.Spec.Taints)
		}
	}
	if s, err := shell().Status(ctx); err != nil || len(s.Addons) != 0 || s.Pools[0].Most != nil {
		t.Errorf("%+v, %+v, %v", s.Addons, s.Pools, err)
	}
	nothingToDo(t, w, shell())
	w.mustUp(shell("KUBE_ENABLE_CLUSTER_AUTOSCALER=true")) // with the limits of before
	told("switched on again", sizedAs(2, 3, zoneB))
	w.mustDown(shell())
	if diff := cmp.Diff(empty, w.objects()); diff != "" {
		t.Errorf("objects after down (-before +after):\n%s", diff)
	}
}

// TestAutoscalerRefusals: what cannot be is said before the first change, of a cluster that
// is new and of one that lives.
func TestAutoscalerRefusals(t *testing.T) {
	besideOthers(t)
	w := newWorld(t)
	o := w.operator()
	all := map[string]string{"NUM_NODES": "2", "KUBE_ENABLE_CLUSTER_AUTOSCALER": "true", "KUBE_AUTOSCALER_MIN_NODES": "1", "KUBE_AUTOSCALER_MAX_NODES": "5", "HAKUBE_MASTER_SERVICE_ACCOUNT": "default"}
	refused := func(what, why string, variables ...string) {
		t.Helper()
		said := map[string]string{}
		for k, v := range all {
			said[k] = v
		}
		for i := 0; i < len(variables); i += 2 {
			said[variables[i]] = variables[i+1]
			if variables[i+1] == "" {
				delete(said, variables[i])
			}
		}
		before := w.objects()
		for _, preview := range []bool{true, false} {
			var err error
			if preview {
				_, err = o.shell(t, said).PreviewUp(t.Context(), w.events())
			} else {
				_, err = o.shell(t, said).Up(t.Context(), w.events())
			}
			if err == nil || !strings.Contains(err.Error(), why) {
				t.Errorf("%s, preview %t: %v, want %q", what, preview, err, why)
			}
			if unchanged := (*Unchanged)(nil); !preview && !errors.As(err, &unchanged) {
				t.Errorf("%s: something may have been changed: %v", what, err)
			}
		}
		if diff := cmp.Diff(before, w.objects()); diff != "" {
			t.Errorf("%s (-before +after):\n%s", what, diff)
		}
	}
	both := func(when string) {
		refused(when+" with limits the wrong way", "the least is more than the most", "KUBE_AUTOSCALER_MIN_NODES", "6")
		refused(when+" above", "NUM_NODES=9 is not between KUBE_AUTOSCALER_MIN_NODES=1 and KUBE_AUTOSCALER_MAX_NODES=5", "NUM_NODES", "9")
		refused(when+" below", "NUM_NODES=0 is not between", "NUM_NODES", "0")
		refused(when+" of all zones", "NUM_NODES=9 is not between", "NUM_NODES", "9", "HAKUBE_ZONES", zoneB+","+zoneC)
	}
	refused("new without a limit", "KUBE_AUTOSCALER_MAX_NODES is not set", "KUBE_AUTOSCALER_MAX_NODES", "")
	refused("new without an account", "HAKUBE_MASTER_SERVICE_ACCOUNT is none", "HAKUBE_MASTER_SERVICE_ACCOUNT", "none")
	o.deps.MirrorDefault = "http://mirror.internal" // as where machines are real
	refused("real machines of the embedded GCE", "has no image of cluster-autoscaler")
	o.deps.MirrorDefault = ""
	both("new")
	w.mustUp(o.shell(t, all))
	both("living")
}

// TestAutoscalerKeepsOff: while a pool is changed, and while nodes that are too many are
// drained, no autoscaler runs: it would add nodes for pods that wait, and take new ones. It
// is there again afterwards. Nodes that are drained are marked for any other one.
func TestAutoscalerKeepsOff(t *testing.T) {
	long(t, "TestAutoscaler")
	besideOthers(t)
	w, b := newDrainWorld(t)
	o := w.operator().autoscaled(1, 5)
	w.mustUp(o)
	client := w.kube(o)
	if n := w.sizeOf(zoneB); n != int(o.settings.NumNodes) {
		t.Fatalf("%d nodes", n)
	}
	asked := 0
	b.from = func(string) error {
		asked++
		if _, running := scaling(t, client); running {
			return errors.New("pods are evicted, and an autoscaler runs")
		}
		nodes, err := client.ListNodes(context.Background())
		marked := slices.ContainsFunc(nodes, func(n corev1.Node) bool {
			return kube.IsLeaving(&n) && n.Annotations["cluster-autoscaler.kubernetes.io/scale-down-disabled"] == "true"
		})
		if err == nil && !marked {
			err = errors.New("no node that goes is marked for autoscalers")
		}
		return err
	}
	again := func(when string) {
		t.Helper()
		if _, running := scaling(t, client); !running || asked == 0 {
			t.Errorf("%s: the autoscaler runs: %t, and %d pods were evicted", when, running, asked)
		}
		nothingToDo(t, w, o.again(func(s *settings.Settings) { *s = s.Said("NODE_SIZE", false) }))
		asked = 0
	}
	pods := func() {
		for _, n := range w.byAge(o, zoneB) {
			w.put(o, "web-"+n, n)
		}
	}
	pods()
	w.mustUp(o.ofType("e2-standard-4"))
	again("after another machine type")
	pods()
	o = o.again(func(s *settings.Settings) { s.ScalesToMost = 1 })
	w.mustUp(o)
	if n := w.sizeOf(zoneB); n != 1 {
		t.Errorf("brought to the most it has %d nodes", n)
	}
	again("after another limit")
}

// TestAutoscalerRemovesNodes: a node that the autoscaler is removing is neither failing nor
// unfinished, before its machine goes and after.
func TestAutoscalerRemovesNodes(t *testing.T) {
	besideOthers(t)
	ctx := t.Context()
	w := newWorld(t)
	o := w.operator().autoscaled(1, 5)
	w.mustUp(o)
	client := w.kube(o)
	node := w.byAge(o, zoneB)[0]
	taint := `{"spec":{"taints":[{"key":"ToBeDeletedByClusterAutoscaler","value":"1","effect":"NoSchedule"}]}}`
	if _, err := client.Nodes().Patch(ctx, node, types.MergePatchType, []byte(taint), metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
	looks := func(when string, leaving int) {
		t.Helper()
		s, err := o.Status(ctx)
		if err != nil || len(s.Unfinished) != 0 {
			t.Fatalf("%s: %+v, %v", when, s.Unfinished, err)
		}
		if p := s.Pools[0]; p.Leaving != leaving || p.Ready == nil || *p.Ready != p.Nodes {
			t.Errorf("%s: pool %+v", when, p)
		}
	}
	looks("tainted", 1)
	if err := w.Client.InstanceGroupManagers(zoneB).DeleteInstances(ctx, "kubernetes-minion-group", []string{node}); err != nil {
		t.Fatal(err)
	}
	for begin := time.Now(); w.made(zoneB)[node] != ""; time.Sleep(time.Millisecond) {
		if time.Since(begin) > 3*time.Minute {
			t.Fatal("its machine is there after a minute")
		}
	}
	looks("gone", 0)
}
