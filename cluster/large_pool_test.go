package cluster

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"hakube/cluster/kube"
	"hakube/cluster/settings"
	"hakube/gce/emulator"
	"hakube/replicate/etcdtest"
)

// A workload is pods of which at most some may be away at the same moment: what evicts
// more is refused as by a PodDisruptionBudget. One that was evicted is soon put on another
// node, as a ReplicaSet and the scheduler do.
type workload struct {
	w    *world
	o    *operator
	most int

	mu    sync.Mutex
	on    map[string]string // by pod, the node it is on; "" while it is away
	away  int
	worst int            // that were away at the same moment
	kept  int            // evictions that were refused
	calls map[string]int // of the API
}

// fault watches calls to the API, and keeps the budget.
func (x *workload) fault(a etcdtest.Asked) etcdtest.Fault {
	if a.Request == nil {
		return etcdtest.Fault{}
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	verb := a.Request.Method
	if strings.HasSuffix(a.Request.URL.Path, "/eviction") {
		verb = "evict"
	}
	if a.Request.UserAgent() == "hakube" {
		x.calls[verb]++
	}
	if verb != "evict" {
		return etcdtest.Fault{}
	}
	pod := path.Base(path.Dir(a.Request.URL.Path))
	if x.away >= x.most {
		x.kept++
		return etcdtest.Fault{Fail: true, Status: http.StatusTooManyRequests, Message: "Cannot evict pod as it would violate the pod's disruption budget."}
	}
	if x.on[pod] != "" {
		x.on[pod] = ""
		x.away++
		x.worst = max(x.worst, x.away)
	}
	return etcdtest.Fault{}
}

// place puts each pod that is away on a node that takes pods, by turns, until ctx ends.
func (x *workload) place(ctx context.Context, client *kube.Client) {
	for turn := 0; ; {
		select {
		case <-ctx.Done():
			return
		case <-time.After(20 * time.Millisecond):
		}
		x.mu.Lock()
		var gone []string
		for pod, node := range x.on {
			if node == "" {
				gone = append(gone, pod)
			}
		}
		x.mu.Unlock()
		if len(gone) == 0 {
			continue
		}
		nodes, err := client.ListNodes(context.Background())
		if err != nil {
			continue
		}
		nodes = slices.DeleteFunc(nodes, func(n corev1.Node) bool {
			return n.Spec.Unschedulable || kube.NotReady(&n) != "" || strings.HasPrefix(n.Name, "kubernetes-master")
		})
		for _, pod := range gone {
			turn++
			again := pod + "r"
			if err := x.put(client, again, nodes[turn%len(nodes)].Name); err != nil && !apierrors.IsAlreadyExists(err) {
				x.mu.Lock()
				delete(x.on, again)
				x.mu.Unlock()
				break // whoever is too busy is asked again
			}
			x.mu.Lock()
			delete(x.on, pod)
			x.away--
			x.mu.Unlock()
		}
	}
}

func (x *workload) put(client *kube.Client, name, node string) error {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "default", OwnerReferences: []metav1.OwnerReference{{Kind: "ReplicaSet", Name: "web", Controller: new(true)}}}, Spec: corev1.PodSpec{NodeName: node}}
	x.mu.Lock()
	x.on[name] = node
	x.mu.Unlock()
	_, err := client.Pods("default").Create(context.Background(), pod, metav1.CreateOptions{})
	return err
}

// deletion is of a call to Compute Engine that deletes machines: none of them may have one
// of the pods.
func (x *workload) deletion(r *http.Request) (is bool, err error) {
	if !strings.HasSuffix(r.URL.Path, "/deleteInstances") {
		return false, nil
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return true, err
	}
	r.Body = io.NopCloser(strings.NewReader(string(body)))
	x.mu.Lock()
	defer x.mu.Unlock()
	for pod, node := range x.on {
		if node != "" && strings.Contains(string(body), "/"+node+"\"") {
			err = fmt.Errorf("%s is deleted with pod %s on it", node, pod)
		}
	}
	return true, err
}

// TestLargePoolChanged: a pool of 200 nodes (40 in a short test, 1,000 by make large, which
// takes five minutes) gets another machine type, a tenth or less at a time. Its pods' budget is kept, no machine goes with a pod on it, what is
// asked grows with the nodes and not faster, and a run that is cut on the way is gone on
// with by whoever sets nothing.
func TestLargePoolChanged(t *testing.T) {
	long(t, "TestPoolChanged")
	besideOthers(t)
	size, surge := 200, 20
	if n, err := strconv.Atoi(os.Getenv("POOL_NODES")); err == nil {
		size, surge = n, max(1, n/20)
	}
	x := &workload{most: max(2, size/20), on: map[string]string{}, calls: map[string]int{}}
	x.w, _ = modelWorld(t, modelsFor(t, func(o *etcdtest.Options) { o.Fault = x.fault }), func(o *emulator.Options) {
		o.External = netip.MustParsePrefix("198.18.0.0/16") // each machine has an address of it
	})
	long := settings.Seconds(10 * time.Minute)
	x.o = x.w.operator(func(s *settings.Settings) {
		s.NumNodes, s.MasterSize, s.NodeRange.Prefix = settings.Count(size), "e2-standard-2", netip.MustParsePrefix("10.40.0.0/21")
		s.ClusterRange.Prefix = netip.MustParsePrefix("10.64.0.0/13")   // room for those that are there at once
		s.NodeDiskSize, s.GroupTimeout, s.DrainTimeout = 20, long, long // within the region's quota
	})
	x.w.mustUp(x.o)
	client := x.w.kube(x.o)
	names := x.w.byAge(x.o, zoneB)
	if err := kube.Each(len(names), func(i int) error { return x.put(client, fmt.Sprintf("web-%d", i), names[i]) }); err != nil {
		t.Fatal(err)
	}
	ctx, end := context.WithCancel(context.Background())
	var placing sync.WaitGroup
	placing.Go(func() { x.place(ctx, client) })
	stop := sync.OnceFunc(func() {
		end()
		placing.Wait()
	})
	defer stop()

	larger := x.o.again(func(s *settings.Settings) { s.NodeSize, s.Surge = "e2-standard-4", settings.Count(surge) })
	bare := x.o.again(func(s *settings.Settings) {
		*s = s.Said("NUM_NODES", false)
		s.Surge = settings.Count(surge)
	})
	bare.settings = bare.settings.Said("NUM_NODES", false)
	x.mu.Lock()
	clear(x.calls)
	x.mu.Unlock()
	most, runs := 0, 0
	reads, changes := x.w.counts(func() {
		for who := larger; ; who = bare {
			runs++
			if runs > 5 {
				t.Fatal("it is not done after five runs")
			}
			if err := x.run(t, who, runs, &most); err == nil {
				break
			}
		}
	})
	stop()
	x.w.setFault(nil)
	for name, of := range x.w.made(zoneB) {
		if of != "e2-standard-4" || slices.Contains(names, name) {
			t.Fatalf("%s is an %s", name, of)
		}
	}
	if n := len(x.w.made(zoneB)); n != size || runs != 4 {
		t.Errorf("%d machines after %d runs", n, runs)
	}
	if len(x.on) != size || x.away > 0 {
		t.Errorf("%d pods, of which %d are away", len(x.on), x.away)
	}
	if x.worst > x.most || most > size+surge {
		t.Errorf("%d pods were away at once, %d machines were there", x.worst, most)
	}
	nothingToDo(t, x.w, bare)
	each := func(n int64) float64 { return float64(n) / float64(size) }
	fmt.Printf("REPORT TestLargePoolChanged: %d nodes by %d in %d runs: Compute Engine %.2f reads and %.3f changes a node; the API %.2f reads, %.2f patches, %.2f evictions (%.2f refused), %.2f deletions\n",
		size, surge, runs, each(reads), each(changes), each(int64(x.calls["GET"])), each(int64(x.calls["PATCH"])), each(int64(x.calls["evict"])), each(int64(x.kept)), each(int64(x.calls["DELETE"])))
	if limit := int64(4*(size/surge) + 40); changes > limit {
		t.Errorf("%d changes of Compute Engine's objects, at most %d", changes, limit)
	}
	if n := x.calls["PATCH"] + x.calls["DELETE"] + x.calls["evict"] - x.kept; n > 5*size {
		t.Errorf("%d changes in the cluster of %d nodes", n, size)
	}
}

// run is one run, the first three of which are cut: when machines are to be deleted,
// when that was asked for, and when more are to be made.
func (x *workload) run(t *testing.T, who *operator, nth int, most *int) error {
	ctx, stop := context.WithCancelCause(context.Background())
	defer stop(nil)
	var mu sync.Mutex
	round, dead := 0, false
	x.w.setFault(func(r *http.Request) emulator.Fault {
		gone, err := x.deletion(r)
		if err != nil {
			t.Error(err)
		}
		mu.Lock()
		defer mu.Unlock()
		if dead {
			return emulator.Fault{CutBefore: true}
		}
		grows := strings.HasSuffix(r.URL.Path, "/resize")
		if !gone && !grows {
			return emulator.Fault{}
		}
		if gone {
			round++
		}
		if n := x.w.size(zoneB); n > *most {
			*most = n
		}
		cutting := nth == 1 && gone && round == 2 || nth == 2 && gone && round == 3 || nth == 3 && grows && round == 2
		if !cutting {
			return emulator.Fault{}
		}
		dead = true
		stop(errKilled)
		return emulator.Fault{CutBefore: nth != 2, CutAfter: nth == 2}
	})
	_, err := who.Up(ctx, x.w.events())
	if err != nil && !dead {
		t.Fatalf("run %d: %v", nth, err)
	}
	t.Logf("run %d: %v", nth, err)
	return err
}

// size is how many machines the pool of a zone has, without asking anybody.
func (w *world) size(zone string) (n int) {
	for _, o := range w.Server.Snapshot() {
		if strings.Contains(o.Path, "/zones/"+zone+"/instances/kubernetes-minion-group-") {
			n++
		}
	}
	return n
}
