package cluster

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"hakube/cluster/env"
	"hakube/cluster/inventory"
	"hakube/cluster/lease"
	"hakube/cluster/plan"
	"hakube/cluster/settings"
	"hakube/cluster/span"
	"hakube/gce"
	"hakube/gce/emulator"
	"hakube/gce/gcetest"
	"hakube/gce/local/model"
	"hakube/replicate"
	"hakube/replicate/etcdtest"
)

// A world is an embedded GCE with model machines, which answer as real ones do, with
// rings of as many masters as there are.
type world struct {
	*gcetest.Twin
	t      testing.TB
	models *model.Machines

	mu    sync.Mutex
	fault func(*http.Request) emulator.Fault
	after func(time.Duration) <-chan time.Time                              // the embedded GCE's clock; nil: the real one
	dial  func(ctx context.Context, network, addr string) (net.Conn, error) // reaches external addresses
	clock plan.Clock                                                        // of operators
}

// modelsFor are model machines of one test, whose disks go with it.
func modelsFor(t testing.TB, change ...func(*etcdtest.Options)) *model.Machines {
	return model.New(t.TempDir(), append(change, func(o *etcdtest.Options) { o.NoSync = true })...)
}

// newWorld is one whose clusters are newborn. Whoever calls a machine that is stopped
// hears after a second, in this world and in newModelWorld's, not at the end of its own
// limit, that nobody answers.
func newWorld(t testing.TB, change ...func(*etcdtest.Options)) *world {
	w, _ := modelWorld(t, modelsFor(t, change...))
	w.dial = within(time.Second, w.dial)
	return w
}

// within is a way to machines of which those who are there answer at once, and which is
// given up after the limit.
func within(limit time.Duration, dial func(context.Context, string, string) (net.Conn, error)) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		ctx, cancel := context.WithTimeout(ctx, limit)
		defer cancel()
		return dial(ctx, network, addr)
	}
}

// newModelWorld is one whose clusters are not newborn: see used.
func newModelWorld(t testing.TB) (*world, *model.Machines) { return newModelWorldWith(t) }

func newModelWorldWith(t testing.TB, change ...func(*emulator.Options)) (*world, *model.Machines) {
	w, m := modelWorld(t, modelsFor(t, used), change...)
	w.dial = within(time.Second, w.dial)
	return w, m
}

// used lets clusters be founded as such that have lived a year and are quiet now:
// 6,000 entries in both rings, so that who joins is sent a snapshot; 100 MB of
// objects, which come in parts; an authority of that age. Nothing writes to a model's
// ring by itself, so the silence lasts.
func used(o *etcdtest.Options) {
	o.Used = etcdtest.Used{Entries: 6000, Bytes: 100 << 20, Age: 365 * 24 * time.Hour}
	o.Slow = 40 << 20
}

func modelWorld(t testing.TB, m *model.Machines, change ...func(*emulator.Options)) (*world, *model.Machines) {
	w := &world{t: t, models: m, dial: func(ctx context.Context, _, addr string) (net.Conn, error) {
		to, err := netip.ParseAddrPort(addr)
		if err != nil {
			return nil, err
		}
		return m.Dial(ctx, to)
	}}
	w.start(m, change...)
	m.Attach(w.Server.MetadataFor)
	return w, m
}

// start starts the embedded GCE in front of machines.
func (w *world) start(machines emulator.Backend, change ...func(*emulator.Options)) {
	begin := gcetest.Start
	if testing.Short() {
		begin = gcetest.StartUnwatched
	}
	w.Twin = begin(w.t, func(o *emulator.Options) {
		o.Backend = machines
		for _, f := range change {
			f(o)
		}
		o.Fault = func(r *http.Request) emulator.Fault {
			w.mu.Lock()
			f := w.fault
			w.mu.Unlock()
			if f == nil {
				return emulator.Fault{}
			}
			return f(r)
		}
		o.After = func(d time.Duration) <-chan time.Time {
			w.mu.Lock()
			after := w.after
			w.mu.Unlock()
			if after == nil {
				after = time.After
			}
			return after(d)
		}
	})
}

// objects is everything in the project, by path; a list that is empty counts
// as one that is not there. Who had the lease last is left out.
func (w *world) objects() map[string]map[string]any {
	all := map[string]map[string]any{}
	for _, o := range w.Server.Snapshot() {
		maps.DeleteFunc(o.Doc, func(_ string, v any) bool {
			l, ok := v.([]any)
			return ok && len(l) == 0
		})
		if labels, ok := o.Doc["labels"].(map[string]any); ok {
			for _, k := range lease.Keys() {
				delete(labels, k)
			}
			delete(o.Doc, "labelFingerprint")
		}
		all[o.Path] = o.Doc
	}
	forgetGrowths(all)
	w.forgetRotation(all)
	return all
}

// forgetRotation does so with a rotation that all masters are through with.
func (w *world) forgetRotation(all map[string]map[string]any) {
	masters := regexp.MustCompile(`/zones/([^/]+)/instances/(kubernetes-master[^/]*)$`)
	for _, doc := range all {
		labels, _ := doc["labels"].(map[string]any)
		label, is := labels[inventory.RotationKey].(string)
		if !is || w.models == nil {
			continue
		}
		old := 0
		for path := range all {
			if m := masters.FindStringSubmatch(path); m != nil {
				g, err := w.models.Guest(m[2], m[1])
				if err != nil || !slices.Contains([]string{
					inventory.RotateCertificates + "_" + g.Rotated(), inventory.RotateEncryptionKey + "_" + strings.TrimSuffix(g.Exchanged(), " alone"),
					inventory.RotateTokenKey + "_" + strings.TrimSuffix(g.ExchangedTokens(), " signs"), inventory.DistrustTokenKey + "_" + strings.TrimSuffix(g.ExchangedTokens(), " alone"),
					inventory.RotateEtcdCA + "_" + strings.TrimSuffix(g.ExchangedEtcdAuthority(), " alone"),
					inventory.RotateCA + "_" + strings.TrimSuffix(g.ExchangedAuthority(), " signs"), inventory.DistrustCA + "_" + strings.TrimSuffix(g.ExchangedAuthority(), " alone"),
				}, label) {
					old++
				}
			}
		}
		if old == 0 {
			delete(labels, inventory.RotationKey)
		}
	}
}

// forgetGrowths leaves out what is written down of growths that are done: a run that could not
// give the lease back could not take it away either.
func forgetGrowths(all map[string]map[string]any) {
	for _, doc := range all {
		labels, _ := doc["labels"].(map[string]any)
		if x, ok := labels[inventory.SpanKey].(string); ok && spanned(all, x) {
			delete(labels, inventory.SpanKey)
		}
		if labels[inventory.RollKey] == inventory.RollOfMasters && rolledTo(all, labels[inventory.RollLabel("MASTER_SIZE")]) {
			delete(labels, inventory.RollKey)
			delete(labels, inventory.RollLabel("MASTER_SIZE"))
		}
		if groups := inventory.RollLabel("HAKUBE_MASTER_GROUPS"); labels[inventory.RollKey] == inventory.RollOfMasters && groupsAre(all, labels[groups]) {
			delete(labels, inventory.RollKey)
			delete(labels, groups)
		}
		for k, v := range labels {
			key, is := strings.CutPrefix(k, inventory.GrowthKey(settings.PoolID{}))
			id, size := settings.PoolByKey(key), 0.0
			for path, group := range all {
				if n, ok := group["targetSize"].(float64); ok && strings.Contains(path, "/zones/"+id.Zone+"/instanceGroupManagers/") && poolIn(group) == id.Name {
					size += n
				}
			}
			if parts := strings.Split(fmt.Sprint(v), "-"); is && parts[1] == fmt.Sprint(size) { // from, to, and the most on the way
				delete(labels, k)
			}
		}
	}
}

// rolledTo tells whether all masters are of the type that a roll was to give them.
func rolledTo(all map[string]map[string]any, size any) bool {
	for path, doc := range all {
		if strings.Contains(path, "/instances/kubernetes-master") && !strings.HasSuffix(fmt.Sprint(doc["machineType"]), "/"+fmt.Sprint(size)) {
			return false
		}
	}
	return size != nil
}

// groupsAre tells whether all masters are in groups of their own, or none, as a roll was to have it.
func groupsAre(all map[string]map[string]any, said any) bool {
	for path, doc := range all {
		if strings.Contains(path, "/instances/kubernetes-master") && fmt.Sprint(slices.Contains(keysOf(doc), "created-by")) != fmt.Sprint(said) {
			return false
		}
	}
	return said != nil
}

// poolIn is the pool that a group says it is of.
func poolIn(group map[string]any) string {
	return settings.MarkFields(fmt.Sprint(group["description"]))[settings.PoolField]
}

// spanned tells whether there is what an up of the whole cluster was to make.
func spanned(all map[string]map[string]any, label string) bool {
	there := span.There{Masters: map[string]int{}, Pools: map[string]int{}}
	for path, doc := range all {
		_, rest, _ := strings.Cut(path, "/zones/")
		zone, object, _ := strings.Cut(rest, "/")
		switch kind, name, _ := strings.Cut(object, "/"); {
		case kind == "instances" && strings.HasPrefix(name, "kubernetes-master"):
			there.Masters[zone]++
		case kind == "instanceGroupManagers" && poolIn(doc) == "":
			there.Pools[zone] += int(doc["targetSize"].(float64))
		}
	}
	w, ok := span.Parse(label, gcetest.Region)
	x, err := w.TargetOf(there)
	return ok && err == nil && len(there.Masters) > 0 && x.Reached()
}

// An operator is somebody with a key, a kubeconfig and settings.
type operator struct {
	*Cluster
	kubeconfig string
}

// deadPID is the number of no process: the lease of a run that a test kills is
// over at once, as that of a killed process is. Tests of the lease take another.
const deadPID = 1 << 30

// operator returns one who wants a cluster of 1 master and 2 nodes.
func (w *world) operator(change ...func(*settings.Settings)) *operator {
	w.t.Helper()
	s, _, err := settings.Load(settings.Up, map[string]string{"KUBERNETES_PROVIDER": "local", "KUBE_GCE_ZONE": gcetest.Zone, "NUM_NODES": "2"},
		func(settings.Provider) string { return gcetest.Project })
	if err != nil {
		w.t.Fatal(err)
	}
	s.InitTimeout, s.GroupTimeout, s.ReadyGrace = settings.Seconds(time.Minute), settings.Seconds(time.Minute), settings.Seconds(time.Millisecond)
	for _, f := range change {
		s = byHand(s, f)
	}
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		w.t.Fatal(err)
	}
	signer := keyInFile(w.t, private)
	o := &operator{kubeconfig: filepath.Join(w.t.TempDir(), "kube", "config")}
	runner := replicate.NewRunner(replicate.Options{Signer: signer, Dial: w.dial, Timeout: 4 * time.Second})
	w.t.Cleanup(func() {
		if err := runner.Close(); err != nil {
			w.t.Logf("closing ssh: %v", err) // its machine may be gone
		}
	})
	client := w.Client
	if s.Zone.Region() != gcetest.Region {
		client = w.NewClient(w.t, func(g *gce.Options) { g.Region = s.Zone.Region() })
	}
	o.Cluster = New(s, env.Deps{
		GCE: client, SSH: runner, Signer: signer, KeyFile: signer.path, User: "me", Dial: w.dial, Kubeconfig: o.kubeconfig, Poll: 4 * time.Millisecond, LetGo: 5 * time.Second,
		PID: deadPID, Clock: w.clock,
		InRegion: func(_ context.Context, region string) (*gce.Client, error) {
			return w.NewClient(w.t, func(g *gce.Options) { g.Region = region }), nil
		},
	})
	return o
}

// byHand changes settings as somebody does who sets variables.
func byHand(s settings.Settings, change func(*settings.Settings)) settings.Settings {
	was := reflect.ValueOf(s)
	change(&s)
	is := reflect.ValueOf(s)
	for _, f := range settings.Fields() {
		if !reflect.DeepEqual(was.FieldByIndex(f.Index).Interface(), is.FieldByIndex(f.Index).Interface()) {
			s = s.Said(f.Tag.Get("envconfig"), s.TextOf(f) != "") // nobody sets an empty one
		}
	}
	return s
}

// again is the same operator with other settings.
func (o *operator) again(change func(*settings.Settings)) *operator {
	c := *o.Cluster
	c.settings = byHand(c.settings, change)
	return &operator{Cluster: &c, kubeconfig: o.kubeconfig}
}

// by is the same operator, whose limits are taken from a clock.
func (o *operator) by(clock plan.Clock) *operator {
	c := *o.Cluster
	c.deps.Clock = clock
	return &operator{Cluster: &c, kubeconfig: o.kubeconfig}
}

// events collects what a run says, and is shown when the test fails.
func (w *world) events() func(plan.Event) {
	return func(e plan.Event) {
		if e.Kind.Final() || e.Kind == plan.Waiting {
			w.t.Logf("[%d/%d] %s: %s %s", e.N, e.Of, e.Step, e.Kind, e.Why)
		}
	}
}
