package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"hakube/cluster/addons"
	"hakube/cluster/elsewhere"
	"hakube/cluster/inventory"
	"hakube/cluster/plan"
	"hakube/cluster/repair"
	"hakube/cluster/settings"
)

// An original is a cluster with addons, and with objects that these tend at Google.
type original struct {
	*sickCluster
	*keeper
	path string // of its backup
}

const (
	balancedService = "/api/v1/namespaces/default/services/web"
	plainService    = "/api/v1/namespaces/default/services/inside"
	boundVolume     = "/api/v1/persistentvolumes/pvc-1"
	itsController   = "/apis/apps/v1/namespaces/kube-system/daemonsets/cloud-controller-manager"
	itsMetrics      = "/apis/apps/v1/namespaces/kube-system/deployments/metrics-server"
)

func originalIn(t *testing.T, w *world, change ...func(*settings.Settings)) *original {
	t.Helper()
	c := sickOf(t, w, 1, append(change, func(s *settings.Settings) { s.Addons, s.MasterAccount = allAddons, "default" })...)
	for path, text := range map[string]string{
		balancedService: `{"apiVersion":"v1","kind":"Service","metadata":{"name":"web","namespace":"default","labels":{"a":"b"},"finalizers":["service.kubernetes.io/load-balancer-cleanup"]},
			"spec":{"type":"LoadBalancer","clusterIP":"10.0.7.7","ports":[{"port":80,"nodePort":30080}]},"status":{"loadBalancer":{"ingress":[{"ip":"192.0.2.7"}]}}}`,
		plainService: `{"apiVersion":"v1","kind":"Service","metadata":{"name":"inside","namespace":"default"},"spec":{"type":"ClusterIP","clusterIP":"10.0.7.8"}}`,
		boundVolume:  tended["claim"].text,
		"/apis/storage.k8s.io/v1/volumeattachments/csi-1": `{"apiVersion":"storage.k8s.io/v1","kind":"VolumeAttachment","metadata":{"name":"csi-1"},"spec":{"nodeName":"x"}}`,
	} {
		if err := w.kube(c.o).Apply(t.Context(), path, []byte(text)); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
	}
	k := keeperOf(t, c.o)
	path, _ := k.backup(t, "b")
	return &original{c, k, path}
}

// there is an object, or nil.
func (w *world) there(o *operator, path string) map[string]any {
	w.t.Helper()
	client := w.kube(o)
	is, err := client.There(context.Background(), path)
	if err != nil {
		w.t.Fatal(err)
	}
	if !is {
		return nil
	}
	text, err := client.RESTClient().Get().AbsPath(path).Do(context.Background()).Raw()
	var x map[string]any
	if err == nil {
		err = json.Unmarshal(text, &x)
	}
	if err != nil {
		w.t.Fatal(err)
	}
	return x
}

// copyOf is who restores it under another name.
func (w *world) copyOf(change ...func(*settings.Settings)) *operator {
	o := w.operator(append([]func(*settings.Settings){func(s *settings.Settings) {
		s.Prefix, s.Network, s.MasterAccount, s.InitTimeout = "copy", "copy", "default", settings.Seconds(20*time.Second)
	}}, change...)...)
	o.settings = o.settings.Said("NUM_NODES", false)
	return o
}

func (x *original) restore(ctx context.Context, o *operator, report func(plan.Event)) (*Summary, error) {
	return o.Restore(ctx, x.source(x.world.t, x.path), report, agreed)
}

// TestRestoreElsewhere makes a cluster of a backup beside the one that it is of, which nothing
// is changed of: with the same authorities and objects, at an address of its own, without what
// would act on the other's machines, disks and balancers. It grows as any, and its end takes
// nothing of the other.
func TestRestoreElsewhere(t *testing.T) {
	besideOthers(t)
	for name, change := range map[string]func(*settings.Settings){
		"another prefix": func(*settings.Settings) {},
		"another region": func(s *settings.Settings) { s.Zone = "us-east1-b" },
	} {
		t.Run(name, func(t *testing.T) {
			if testing.Short() && name != "another prefix" {
				t.Skip("make test has it")
			}
			t.Parallel()
			w, _ := newModelWorld(t)
			x := originalIn(t, w)
			before, web := withoutTimes(w.objects()), w.there(x.sickCluster.o, balancedService)
			o := w.copyOf(change)
			s, err := x.restore(t.Context(), o, w.events())
			if err != nil {
				t.Fatal(err)
			}
			if s.Address == "" || len(s.Repaired) != 1 || s.Repaired[0] != "copy-master" {
				t.Errorf("it ends with %+v", s)
			}
			x.isACopy(o, s.Address, web)
			x.untouched(before, web)
			w.mustUp(o.pool(settings.Zone(s.Zone), 1))
			if got := w.nodesThere(o); len(got) != 2 {
				t.Errorf("with a node it has %q", got)
			}
			w.mustUp(o.pool(settings.Zone(s.Zone), 1).again(func(s *settings.Settings) { s.UseExistingMaster, s.Addons = false, "cloud-controller" }))
			if w.there(o, itsController) == nil {
				t.Error("the controller does not run, though somebody said so")
			}
			x.untouched(before, web)
			_, err = x.restore(t.Context(), o, nil)
			wantError(t, err, "the backup is of cluster local/kubernetes, and this is local/copy, which is there")
			w.mustDown(o)
			x.untouched(before, web)
			if diff := cmp.Diff(before, withoutTimes(w.objects())); diff != "" {
				t.Errorf("after its end (-before +after):\n%s", diff)
			}
			x.sickCluster.whole(1)
		})
	}
}

// nodesThere are the names of a cluster's Nodes.
func (w *world) nodesThere(o *operator) (names []string) {
	w.t.Helper()
	list, err := w.kube(o).ListNodes(context.Background())
	if err != nil {
		w.t.Fatal(err)
	}
	for _, n := range list {
		names = append(names, n.Name)
	}
	return names
}

// isACopy looks at a cluster that was made of the backup.
func (x *original) isACopy(o *operator, address string, web map[string]any) {
	t, w := x.world.t, x.world
	t.Helper()
	client := w.kube(o)
	if _, err := client.ConfigMaps("default").Get(t.Context(), "written-before", metav1.GetOptions{}); err != nil {
		t.Errorf("what was written before: %v", err)
	}
	if got := w.nodesThere(o); len(got) != 1 || got[0] != "copy-master" {
		t.Errorf("its Nodes are %q", got)
	}
	if got, err := client.Endpoint(t.Context()); err != nil || got != address {
		t.Errorf("kubeadm's configuration is of %s, %v", got, err)
	}
	for path, want := range map[string]bool{
		boundVolume: false, "/apis/storage.k8s.io/v1/volumeattachments/csi-1": false, itsController: false, itsMetrics: true, plainService: true,
	} {
		if got := w.there(o, path) != nil; got != want {
			t.Errorf("%s is there: %t", path, got)
		}
	}
	is := w.there(o, balancedService)
	meta, was := is["metadata"].(map[string]any), web["metadata"].(map[string]any)
	if meta["uid"] == was["uid"] || meta["finalizers"] != nil || is["status"] != nil || cmp.Diff(is["spec"], web["spec"]) != "" || cmp.Diff(meta["labels"], was["labels"]) != "" {
		t.Errorf("the Service was %v and is %v", web, is)
	}
	if kept, err := client.ConfigMaps("kube-system").List(t.Context(), metav1.ListOptions{LabelSelector: "hakube/restored-service"}); err != nil || len(kept.Items) > 0 {
		t.Errorf("of Services is kept %v, %v", kept.Items, err)
	}
	st, err := o.Status(t.Context())
	if err != nil || len(st.Unfinished) > 0 {
		t.Errorf("unfinished is %+v, %v", st.Unfinished, err)
	}
	if v, err := o.ValidateWithin(t.Context(), time.Minute, func(*Validity, error) {}); err != nil || !v.Valid {
		t.Errorf("it is not valid: %+v, %v", v, err)
	}
	both := x.again(func(*settings.Settings) {}) // one operator's kubeconfig has both
	if own, err := both.runFor(settings.StatusVerb, hold{}).Entry(); err != nil || own.Server == "https://"+address {
		t.Errorf("the original's entry leads to %s, %v", own.Server, err)
	}
}

// untouched looks at the cluster that the backup is of, and at all in Compute Engine that is not
// the copy's.
func (x *original) untouched(before map[string]map[string]any, web map[string]any) {
	t := x.world.t
	t.Helper()
	now := withoutTimes(x.world.objects())
	maps.DeleteFunc(now, func(path string, doc map[string]any) bool {
		return before[path] == nil && (strings.Contains(path, "/copy") || strings.HasSuffix(fmt.Sprint(doc["network"]), "/networks/copy"))
	})
	if diff := cmp.Diff(before, now); diff != "" {
		t.Errorf("the original (-before +after):\n%s", diff)
	}
	if diff := cmp.Diff(web, x.world.there(x.sickCluster.o, balancedService)); diff != "" {
		t.Errorf("its Service (-before +after):\n%s", diff)
	}
	for _, path := range []string{boundVolume, itsController} {
		if x.world.there(x.sickCluster.o, path) == nil {
			t.Errorf("its %s is gone", path)
		}
	}
}

// TestRestoreWhereNothingIs: the cluster's own backup, where nothing of it is in Compute Engine
// any more: its disks' volumes and its Services are its own, and stay as they are.
func TestRestoreWhereNothingIs(t *testing.T) {
	long(t, "TestRestoreElsewhere")
	besideOthers(t)
	w := newWorld(t)
	x := originalIn(t, w, func(s *settings.Settings) {
		s.MasterSize, s.ServiceRange.Prefix = "e2-standard-4", netip.MustParsePrefix("10.77.0.0/16")
	})
	web := w.there(x.sickCluster.o, balancedService)
	was, err := x.Status(t.Context())
	x.must(err)
	w.mustDown(x.again(func(s *settings.Settings) { s.Zone = "" }))
	somebody := w.operator(func(s *settings.Settings) { s.Zone, s.InitTimeout = zoneC, settings.Seconds(20*time.Second) })
	st, err := x.restore(t.Context(), somebody, w.events())
	x.must(err)
	if st.Address == was.Address.IP || st.Zone != zoneC {
		t.Errorf("it was at %s and ends with %+v", was.Address.IP, st)
	}
	if now := w.there(somebody, balancedService); cmp.Diff(web, now) != "" || w.there(somebody, boundVolume) == nil || w.there(somebody, itsController) != nil {
		t.Errorf("the Service was %v and is %v; the volume or the controller is not as it is to be", web, now)
	}
	if got := w.nodesThere(somebody); len(got) != 1 || got[0] != "kubernetes-master" {
		t.Errorf("its Nodes are %q", got)
	}
	m, err := w.Client.Instances(zoneC).Get(t.Context(), "kubernetes-master")
	x.must(err)
	if !strings.HasSuffix(m.GetMachineType(), "/e2-standard-4") || inventory.MetadataItem(m.GetMetadata(), "hakube-service-range") != "10.77.0.0/16" {
		t.Errorf("the master is %s, Services are of %s", m.GetMachineType(), inventory.MetadataItem(m.GetMetadata(), "hakube-service-range"))
	}
	w.mustDown(somebody)
}

// TestRestoreOnAnother: on another embedded GCE, where the address may be the very same: what
// names it was left out, and is made again all the same.
func TestRestoreOnAnother(t *testing.T) {
	long(t, "TestRestoreElsewhere")
	besideOthers(t)
	x, there := originalIn(t, newWorld(t)), newWorld(t)
	was, err := x.Status(t.Context())
	x.must(err)
	o, made := there.operator(func(s *settings.Settings) { s.InitTimeout = settings.Seconds(20 * time.Second) }), false
	o.deps.Kubeconfig, o.kubeconfig = x.sickCluster.o.kubeconfig, x.sickCluster.o.kubeconfig // which has the entry of what was lost
	s, err := x.restore(t.Context(), o, func(e plan.Event) {
		made = made || e.Kind == plan.Made && strings.HasPrefix(e.Step, "kube-proxy, cluster-info and kubeadm's configuration")
	})
	x.must(err)
	if s.Address != was.Address.IP || !made {
		t.Errorf("it was at %s and is at %s, what tells of that was made: %t", was.Address.IP, s.Address, made)
	}
}

// TestRestoreElsewhereIsRefused before anything is changed.
func TestRestoreElsewhereIsRefused(t *testing.T) {
	long(t, "TestRestoreElsewhere")
	besideOthers(t)
	w := newWorld(t)
	x := originalIn(t, w)
	before := w.objects()
	no := errors.New("no")
	for name, c := range map[string]struct {
		by   *operator
		ask  func(repair.Loss) error
		says []string
	}{
		"no zone":                {w.copyOf(func(s *settings.Settings) { s.Zone = "" }), agreed, []string{"KUBE_GCE_ZONE does not say where", "europe-west1-b"}},
		"other Services":         {w.copyOf(func(s *settings.Settings) { s.ServiceRange.Prefix = netip.MustParsePrefix("10.77.0.0/16") }), agreed, []string{"SERVICE_CLUSTER_IP_RANGE=10.77.0.0/16, and the backup's data are of"}},
		"the original's network": {w.copyOf(func(s *settings.Settings) { s.Network = "default" }), agreed, []string{"KUBE_GCE_NETWORK"}},
		"a no": {w.copyOf(), func(l repair.Loss) error {
			if text := strings.Join(l.Lines, "\n"); !strings.Contains(text, "the backup is of cluster local/kubernetes of ") || !strings.Contains(text, "PersistentVolumes are left out") {
				t.Errorf("told is %s", text)
			}
			return no
		}, []string{"no"}},
	} {
		_, err := c.by.Restore(t.Context(), x.source(t, x.path), nil, c.ask)
		if !errors.As(err, new(*Unchanged)) {
			t.Errorf("%s: %v", name, err)
		}
		wantError(t, err, c.says...)
	}
	if diff := cmp.Diff(before, w.objects()); diff != "" {
		t.Errorf("objects (-before +after):\n%s", diff)
	}
}

// TestRestoreElsewhereHalf: of a cluster that is half made of a backup nothing else can be made,
// nor can it be of another backup; status says so, and down takes it away.
func TestRestoreElsewhereHalf(t *testing.T) {
	long(t, "TestRestoreElsewhere")
	besideOthers(t)
	w := newWorld(t)
	x := originalIn(t, w)
	before := withoutTimes(w.objects())
	other, _ := x.keeper.backup(t, "other")
	o := w.copyOf()
	ctx, cancel := context.WithCancel(t.Context())
	_, err := x.restore(ctx, o, func(e plan.Event) {
		if e.Kind == plan.Making && strings.HasPrefix(e.Step, "data of the backup beside those of") {
			cancel()
		}
	})
	if err == nil {
		t.Fatal("it was not cut")
	}
	st, err := o.Status(t.Context())
	x.must(err)
	if len(st.Unfinished) != 1 || !strings.Contains(st.Unfinished[0].Step, "a restore of backup ") || st.Unfinished[0].Command != "hakube down" {
		t.Errorf("unfinished is %+v", st.Unfinished)
	}
	_, err = o.Up(t.Context(), nil)
	wantError(t, err, "of which this cluster is made, was begun and is not done")
	_, err = o.Restore(t.Context(), x.source(t, other), nil, agreed)
	wantError(t, err, "of which this cluster is made, was begun and is not done")
	w.mustDown(o)
	if diff := cmp.Diff(before, withoutTimes(w.objects())); diff != "" {
		t.Errorf("objects (-before +after):\n%s", diff)
	}
}

// TestLeftOut: of addons the programs that speak to Google are left out of the data, all of them
// DaemonSets: a Deployment's ReplicaSet would make its pods for as long as it is there.
func TestLeftOut(t *testing.T) {
	same, other := elsewhere.Left(true), elsewhere.Left(false)
	for _, a := range addons.All() {
		for _, w := range a.Workloads {
			key := "daemonsets/" + w.Namespace + "/" + w.Name
			if speaks := len(a.Rights) > 0; slices.Contains(same, key) != speaks || slices.Contains(other, key) != speaks || speaks && w.Kind != "DaemonSet" || w.Writes && !speaks {
				t.Errorf("%s %s of %s: left out are %q", w.Kind, w.Name, a.Name, other)
			}
		}
	}
	if volumes := "persistentvolumes/"; slices.Contains(same, volumes) || !slices.Contains(other, volumes) {
		t.Errorf("left out are %q, of another cluster's %q", same, other)
	}
}

// gone is a cluster that has a backup, and of which nothing is left.
func gone(c *sickCluster) {
	kept(func(c *sickCluster) { c.mustDown(c.o.again(func(s *settings.Settings) { s.Zone = "" })) })(c)
	c.o.settings = c.o.settings.Said("NUM_NODES", false)
}

// whereItWas makes it of the backup.
func whereItWas(ctx context.Context, c *sickCluster, report func(plan.Event)) error {
	_, err := c.o.Restore(ctx, c.kept.source(c.t, c.backup), report, agreed)
	return err
}

// besideIt is one that has a backup, and from here on is about another one of that.
func besideIt(c *sickCluster) {
	c.must(c.kube(c.o).Apply(context.Background(), tended["balancer"].path, []byte(tended["balancer"].text)))
	kept(func(*sickCluster) {})(c)
	c.before = withoutTimes(c.objects())
	ssh := c.o.deps.SSH
	c.o = c.copyOf()
	c.o.deps.SSH, c.o.deps.Signer, c.o.deps.Ready, c.o.deps.LetGo = ssh, c.kept.deps.Signer, 3*time.Second, 5*time.Second
	c.names = []string{"copy-master"}
}

// asAnother makes that of the backup; all there was before is as it was.
func asAnother(ctx context.Context, c *sickCluster, report func(plan.Event)) error {
	if err := whereItWas(ctx, c, report); err != nil {
		return err
	}
	now := withoutTimes(c.objects())
	for path, doc := range c.before {
		if diff := cmp.Diff(doc, now[path]); diff != "" {
			c.t.Errorf("%s (-before +after):\n%s", path, diff)
		}
	}
	return nil
}
