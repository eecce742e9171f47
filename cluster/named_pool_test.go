package cluster

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"hakube/cluster/label"
	"hakube/cluster/plan"
	"hakube/cluster/refusal"
	"hakube/cluster/settings"
)

// named is the same operator, who speaks of a zone's pool of that name, whose nodes have
// taints if any are given.
func (o *operator) named(name settings.PoolName, zone settings.Zone, n settings.Count, taints label.Taints) *operator {
	return o.pool(zone, n).again(func(s *settings.Settings) { s.Pool, s.NodeTaints = name, taints })
}

// nodesOf are the Nodes of a pool, by the label that hakube gives them; of "" those without.
func (w *world) nodesOf(o *operator, pool string) (list []corev1.Node) {
	w.t.Helper()
	for _, n := range w.nodes(o) {
		if _, master := n.Labels["node-role.kubernetes.io/control-plane"]; !master && n.Labels[label.PoolKey] == pool {
			list = append(list, n)
		}
	}
	return list
}

func taintsOf(n corev1.Node) (list []string) {
	for _, t := range n.Spec.Taints {
		list = append(list, t.ToString())
	}
	return list
}

// TestTwoPools: a zone has several pools, each with its own size, type, labels and taints.
// What is done to one changes nothing of another, and what nobody sets is as that pool is.
func TestTwoPools(t *testing.T) {
	long(t, "TestPools")
	besideOthers(t)
	w := newWorld(t)
	before := w.objects()
	o := w.operator()
	w.mustUp(o)
	first := w.objectsOf(zoneB)
	gpu := o.named("gpu", zoneB, 1, "dedicated=gpu:NoSchedule").again(func(s *settings.Settings) { s.NodeSize, s.NodeLabels = "e2-standard-4", "tier=fast" })
	w.mustUp(gpu)
	nodes := w.nodesOf(o, "gpu")
	if len(nodes) != 1 || !strings.HasPrefix(nodes[0].Name, "kubernetes-minion-gpu-group-") || nodes[0].Labels["tier"] != "fast" ||
		!slices.Equal(taintsOf(nodes[0]), []string{"dedicated=gpu:NoSchedule"}) || nodes[0].Labels[corev1.LabelInstanceTypeStable] != "e2-standard-4" {
		t.Errorf("nodes of gpu are %+v", nodes)
	}
	if plain := w.nodesOf(o, ""); len(plain) != 2 || len(taintsOf(plain[0])) > 0 {
		t.Errorf("nodes without a pool's name are %+v", plain)
	}
	for path, doc := range w.objectsOf(zoneB) {
		if was := first[path]; was != nil && !cmp.Equal(was, doc) && !strings.Contains(path, "/zones/"+zoneB+"/disks/kubernetes-master") {
			t.Errorf("the second pool changed %s:\n%s", path, cmp.Diff(was, doc))
		}
	}
	bare := func(name settings.PoolName) *operator { // a new shell, in which nothing of a pool is set
		x := o.again(func(s *settings.Settings) { s.Pool, s.UseExistingMaster = name, true })
		x.settings = x.settings.Said("NUM_NODES", false)
		return x
	}
	for _, same := range []*operator{gpu, o, bare("gpu"), bare("")} {
		nothingToDo(t, w, same)
	}
	s, err := o.Status(context.Background())
	if err != nil || len(s.Unfinished) > 0 || len(s.Pools) != 2 || s.Pools[0].Name != "" || s.Pools[0].Nodes != 2 || s.Pools[1].Name != "gpu" || s.Pools[1].Nodes != 1 {
		t.Errorf("status %+v, %v", s, err)
	}

	t.Run("larger, smaller, changed", func(t *testing.T) {
		w.mustUp(gpu.again(func(s *settings.Settings) { s.NumNodes = 3 }))
		w.mustUp(bare("gpu").again(func(s *settings.Settings) { *s = s.Said("NUM_NODES", true) })) // 2
		if a, b := len(w.nodesOf(o, "gpu")), len(w.nodesOf(o, "")); a != 2 || b != 2 {
			t.Errorf("%d and %d nodes", a, b)
		}
		w.mustUp(bare("gpu").again(func(s *settings.Settings) { s.NodeTaints = "dedicated=gpu:NoExecute" }))
		for _, n := range w.nodesOf(o, "gpu") {
			if !slices.Equal(taintsOf(n), []string{"dedicated=gpu:NoExecute"}) || n.Labels["tier"] != "fast" || n.Labels[corev1.LabelInstanceTypeStable] != "e2-standard-4" {
				t.Errorf("%s has %v and %v", n.Name, taintsOf(n), n.Labels)
			}
		}
		if got := w.templates(); len(got) != 2 || !slices.Contains(got, "kubernetes-minion-template") {
			t.Errorf("templates %q", got)
		}
		nothingToDo(t, w, bare("gpu"))
		nothingToDo(t, w, o)
	})

	t.Run("removed", func(t *testing.T) {
		if s := w.mustDown(o.named("spot", zoneB, 0, "")); !s.Nothing || len(s.Warnings) != 1 || !strings.Contains(s.Warnings[0], "HAKUBE_POOL=gpu hakube down") {
			t.Errorf("there is no pool spot: %+v", s)
		}
		w.mustDown(bare("gpu"))
		if a, b := len(w.nodesOf(o, "gpu")), len(w.nodesOf(o, "")); a != 0 || b != 2 {
			t.Errorf("%d and %d nodes", a, b)
		}
		if diff := cmp.Diff(slices.Sorted(maps.Keys(first)), slices.Sorted(maps.Keys(w.objectsOf(zoneB)))); diff != "" {
			t.Errorf("objects (-before the second pool +after):\n%s", diff)
		}
		w.mustUp(gpu)
		w.mustDown(bare(""))
		if a, b := len(w.nodesOf(o, "gpu")), len(w.nodesOf(o, "")); a != 1 || b != 0 {
			t.Errorf("%d and %d nodes", a, b)
		}
		if _, err := o.Validate(context.Background()); err != nil {
			t.Error(err)
		}
		w.mustUp(o.named("", zoneC, 1, "")) // made like what there is, without its marks
		for _, n := range w.nodesOf(o, "") {
			if len(taintsOf(n)) > 0 || n.Labels["tier"] != "" || n.Labels[corev1.LabelInstanceTypeStable] != "e2-standard-4" {
				t.Errorf("%s has %v and %v", n.Name, taintsOf(n), n.Labels)
			}
		}
		w.mustUp(o.named("gpu", zoneC, 1, "dedicated=gpu:NoSchedule"))
		_, err := o.Down(context.Background(), nil)
		var no *refusal.Refused
		if !errors.As(err, &no) || !strings.Contains(no.Hint(), "KUBE_GCE_ZONE=europe-west1-c KUBE_USE_EXISTING_MASTER=true hakube down\n\t"+
			"KUBE_GCE_ZONE=europe-west1-c KUBE_USE_EXISTING_MASTER=true HAKUBE_POOL=gpu hakube down\n\tKUBE_GCE_ZONE=europe-west1-b hakube down\n") {
			t.Errorf("down while there are pools elsewhere: %v", err)
		}
	})
	w.mustDown(o.again(func(s *settings.Settings) { s.Zone = "" }))
	if diff := cmp.Diff(before, w.objects()); diff != "" {
		t.Errorf("objects after down (-before +after):\n%s", diff)
	}
}

// TestMarksReadBack: labels and taints that somebody takes from a node by hand, or changes,
// are seen by plan, status and validate, and set again; what else a node has is left.
func TestMarksReadBack(t *testing.T) {
	besideOthers(t)
	w := newWorld(t)
	ctx := context.Background()
	o := w.operator(func(s *settings.Settings) {
		s.NodeLabels, s.NodeTaints = "tier=web,zone-of=b", "dedicated=web:NoSchedule"
	})
	w.mustUp(o)
	bare := o.again(func(s *settings.Settings) {
		*s = s.Said("KUBE_NODE_LABELS", false).Said("KUBE_NODE_TAINTS", false)
		s.NodeLabels, s.NodeTaints = "", ""
	})
	bare.settings = bare.settings.Said("KUBE_NODE_LABELS", false).Said("KUBE_NODE_TAINTS", false)
	nothingToDo(t, w, bare)
	nodes := w.nodesOf(o, "")
	for name, patch := range map[string]string{
		nodes[0].Name: `{"metadata":{"labels":{"tier":"db","mine":"yes"}},"spec":{"taints":[{"key":"mine","effect":"NoSchedule"},{"key":"dedicated","value":"db","effect":"NoSchedule"}]}}`,
		nodes[1].Name: `{"metadata":{"labels":{"zone-of":null}},"spec":{"taints":null}}`,
	} {
		if _, err := w.kube(o).Nodes().Patch(ctx, name, types.MergePatchType, []byte(patch), metav1.PatchOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	var why string
	if n, err := bare.PreviewUp(ctx, func(e plan.Event) {
		if e.Step == "nodes have their labels and taints" {
			why += e.Why
		}
	}); err != nil || n != 1 || !strings.Contains(why, nodes[0].Name+" has label tier=db and not web, lacks taint dedicated=web:NoSchedule") ||
		!strings.Contains(why, nodes[1].Name+" lacks label zone-of=b, lacks taint dedicated=web:NoSchedule") {
		t.Errorf("plan: %d, %v, %q", n, err, why)
	}
	s, err := bare.Status(ctx)
	if err != nil || len(s.Unfinished) != 1 || !strings.Contains(s.Unfinished[0].Step, "2 of 2 nodes have not the labels and taints") {
		t.Fatalf("status %+v, %v", s.Unfinished, err)
	}
	if v, err := bare.Validate(ctx); err == nil && v.Valid {
		t.Error("it is valid")
	}
	machines := w.made(zoneB)
	if err := w.follow(bare, s.Unfinished[0].Command); err != nil {
		t.Fatal(err)
	}
	want := map[string][]string{nodes[0].Name: {"mine:NoSchedule", "dedicated=web:NoSchedule"}, nodes[1].Name: {"dedicated=web:NoSchedule"}}
	for _, n := range w.nodesOf(o, "") {
		if !slices.Equal(taintsOf(n), want[n.Name]) || n.Labels["tier"] != "web" || n.Labels["zone-of"] != "b" {
			t.Errorf("%s has %v and %v", n.Name, taintsOf(n), n.Labels)
		}
	}
	if diff := cmp.Diff(machines, w.made(zoneB)); diff != "" {
		t.Errorf("machines were replaced (-before +after):\n%s", diff)
	}
	nothingToDo(t, w, bare)

	// Another value, and none, replace the nodes, with the reason.
	other := bare.again(func(s *settings.Settings) { s.NodeTaints = "none" })
	other.settings.NodeTaints = ""
	other.settings = other.settings.Said("KUBE_NODE_TAINTS", true)
	why = ""
	if _, err := other.PreviewUp(ctx, func(e plan.Event) { why += e.Why }); err != nil || !strings.Contains(why, "2 of 2 to be replaced, KUBE_NODE_TAINTS=dedicated=web:NoSchedule (now it is none)") {
		t.Errorf("plan: %v, %q", err, why)
	}
	w.mustUp(other)
	for _, n := range w.nodesOf(o, "") {
		if len(taintsOf(n)) > 0 || n.Labels["tier"] != "web" || n.Labels["zone-of"] != "b" {
			t.Errorf("%s has %v and %v", n.Name, taintsOf(n), n.Labels)
		}
	}
	nothingToDo(t, w, bare)
}

// TestSpotPool: of the two kinds of machine that may be taken away the one that is said counts,
// and the other way round too.
func TestSpotPool(t *testing.T) {
	w := newWorld(t)
	o := w.operator(func(s *settings.Settings) { s.NumNodes, s.PreemptibleNode = 1, true })
	w.mustUp(o)
	model := func() string {
		for name := range w.made(zoneB) {
			i, err := w.Client.Instances(zoneB).Get(context.Background(), name)
			if err != nil {
				t.Fatal(err)
			}
			return i.GetScheduling().GetProvisioningModel()
		}
		return ""
	}
	if got := model(); got != "STANDARD" {
		t.Errorf("preemptible: %s", got)
	}
	neither := o.again(func(s *settings.Settings) { s.PreemptibleNode = false })
	neither.settings = neither.settings.Said("PREEMPTIBLE_NODE", false)
	spot := neither.again(func(s *settings.Settings) { s.SpotNode = true })
	w.mustUp(spot)
	if got := model(); got != "SPOT" {
		t.Errorf("spot: %s", got)
	}
	nothingToDo(t, w, spot)
	nothingToDo(t, w, neither)
	w.mustUp(neither.again(func(s *settings.Settings) { s.PreemptibleNode = true }))
	if got := model(); got != "STANDARD" {
		t.Errorf("preemptible again: %s", got)
	}
	nothingToDo(t, w, neither)
}
