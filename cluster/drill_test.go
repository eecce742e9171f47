package cluster

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"hakube/cluster/drill"
	"hakube/cluster/inventory"
	"hakube/cluster/settings"
	"hakube/cluster/status"
	"hakube/replicate"
	"hakube/replicate/etcdtest"
)

// quick is for model machines, whose balancer and kubelets are found out at once.
var quick = drill.Pace{
	Warm: 300 * time.Millisecond, Hold: 2 * time.Second, Settle: time.Second, Stall: 12 * time.Second,
	Found: 20 * time.Second, Whole: 40 * time.Second, Deadline: time.Minute,
}

func drillsAgreed([]drill.Plan, []drill.Skip) error { return nil }

func (c *sickCluster) drills(o drill.Options) (*drill.Report, error) {
	c.t.Helper()
	if o.Pace == (drill.Pace{}) {
		o.Pace = quick
	}
	if o.Ask == nil {
		o.Ask = drillsAgreed
	}
	return c.o.Drill(context.Background(), o, c.events())
}

// TestDrills makes all drills on three masters, one after the other: each passes, and the
// cluster is valid after each.
func TestDrills(t *testing.T) {
	besideOthers(t)
	c, names := sickOf(t, newWorld(t), 3), drill.Names()
	if testing.Short() {
		names = names[:3]
	}
	r, err := c.drills(drill.Options{Names: names, All: true})
	c.must(err)
	repeated := 0
	for _, d := range r.Drills {
		t.Log(strings.Join(d.Text(), "\n"))
		if !d.Passed { // as of a host that stands still: what is the drill's fails each time
			again, err := c.drills(drill.Options{Names: []string{d.Drill}})
			c.must(err)
			d = again.Drills[0]
			repeated++
			t.Log(strings.Join(d.Text(), "\n"))
		}
		if !d.Passed || len(d.Seconds) == 0 || d.Undone == nil || d.Whole == nil || len(d.Expected) == 0 {
			t.Errorf("drill %s did not pass, or lacks something: %+v", d.Drill, d)
		}
	}
	for _, x := range r.Skipped {
		t.Logf("skipped: %s: %s", x.Drill, x.Why)
	}
	if repeated == 0 && (!r.Passed || r.Failure() != nil) || len(r.Drills)+len(r.Skipped) != len(names) {
		t.Errorf("%d passed %t: %v", len(r.Drills), r.Passed, r.Failure())
	}
	c.whole(3)
	c.nothingOfDrills()
	fmt.Printf("REPORT TestDrills: %d drills on model machines, %d need more than those have\n", len(r.Drills), len(r.Skipped))
}

// TestDrillOfGrouped: a master that is halted and has a group of its own is made again by that,
// and the drill waits for it and starts nothing.
func TestDrillOfGrouped(t *testing.T) {
	long(t, "TestDrills")
	besideOthers(t)
	c := newSick(t, 3)
	c.mustUp(c.o.saysGroups(true))
	before := c.ids()
	r, err := c.drills(drill.Options{Names: []string{"master-halted"}})
	c.must(err)
	if len(r.Drills) != 1 || !r.Passed {
		t.Errorf("%+v", r)
	}
	again := 0
	for name, id := range c.ids() {
		if id != before[name] {
			again++
		}
	}
	if again != 1 {
		t.Errorf("%d masters have another machine", again)
	}
	c.whole(3)
	c.allGrouped(c.o, 3)
	c.nothingOfDrills()
}

// nothingOfDrills: neither a record nor a register is left.
func (c *sickCluster) nothingOfDrills() {
	c.t.Helper()
	for path, doc := range c.world.objects() {
		if labels, ok := doc["labels"].(map[string]any); ok && labels["hakube-drill"] != nil {
			c.t.Errorf("%s has %v", path, labels)
		}
	}
	if _, err := c.configMaps().Get(context.Background(), "hakube-drill", metav1.GetOptions{}); err == nil {
		c.t.Error("the register is left")
	}
}

// TestDrillsRefused: what would cost quorum, or happen to a cluster that fails already, is
// refused before anything is changed, with the way round.
func TestDrillsRefused(t *testing.T) {
	long(t, "TestDrills")
	besideOthers(t)
	c := sickOf(t, newWorld(t), 2)
	for _, x := range []struct {
		name   string
		happen func()
		o      drill.Options
		says   string
	}{
		{"quorum of both", func() {}, drill.Options{Names: []string{"master-halted"}}, "quorum would be lost of ring main and events"},
		{"quorum of one", func() {}, drill.Options{Names: []string{"etcd-events-killed"}}, "quorum would be lost of ring events"},
		{"quorum by a zone", func() {}, drill.Options{Names: []string{"zone-cut-off"}, On: c.zones[1]}, "quorum would be lost of ring main and events"},
		{"an API without namespaces of anybody's", func() {}, drill.Options{Names: []string{"namespace-deleted"}}, "needs an API that makes namespaces"},
		{"a namespace is no machine", func() {}, drill.Options{Names: []string{"namespace-deleted"}, On: "kubernetes-master"}, "is of no machine, and --on names kubernetes-master"},
		{"nobody of the name", func() {}, drill.Options{Names: []string{"apiserver-killed"}, On: "kubernetes-master-zzz"}, "called kubernetes-master-zzz"},
		{"a machine that has nothing of it", func() {}, drill.Options{Names: []string{"controllers-killed"}}, "drill controllers-killed cannot be made on kubernetes-master"},
		{"nobody agrees", func() {}, drill.Options{Names: []string{"apiserver-killed"}, Ask: func([]drill.Plan, []drill.Skip) error { return errors.New("no") }}, "no"},
		{"not valid", func() { c.must(c.guest(1).KillAPI()) }, drill.Options{Names: []string{"kubelet-dead"}}, "is not valid before any drill"},
	} {
		x.happen()
		before := c.world.objects()
		var err error
		_, changes := c.counts(func() { _, err = c.drills(x.o) })
		if err == nil || !strings.Contains(err.Error(), x.says) || !errors.As(err, new(*Unchanged)) || changes != 0 {
			t.Errorf("%s: %d changes, %v, want %q", x.name, changes, err, x.says)
		}
		if diff := cmp.Diff(before, c.world.objects()); diff != "" {
			t.Errorf("%s: objects (-before +after):\n%s", x.name, diff)
		}
	}
	c.must(c.guest(1).StartAPI())
	r, err := c.drills(drill.Options{Names: []string{"etcd-events-killed"}, Anyway: true})
	c.must(err)
	t.Log(strings.Join(r.Drills[0].Text(), "\n"))
	c.whole(2)
}

// TestDrillInterrupted: whoever ends a drill, the failure is taken back and the record of it
// is gone.
func TestDrillInterrupted(t *testing.T) {
	long(t, "TestDrills")
	besideOthers(t)
	c := sickOf(t, newWorld(t), 3)
	ctx, cancel := context.WithCancelCause(context.Background())
	long := quick
	long.Hold = time.Minute
	stopped := errors.New("^C")
	go func() {
		for c.guest(0).Ready() && c.guest(1).Ready() && c.guest(2).Ready() {
			time.Sleep(10 * time.Millisecond)
		}
		cancel(stopped)
	}()
	r, err := c.o.Drill(ctx, drill.Options{Names: []string{"apiserver-killed"}, Pace: long, Ask: drillsAgreed}, c.events())
	if !errors.Is(err, stopped) || errors.As(err, new(*Unchanged)) || r == nil || r.Passed {
		t.Errorf("it ends with %v, %+v", err, r)
	}
	c.whole(3)
	c.nothingOfDrills()
}

// TestDrillsFind plants a fault that validate does not see: the drill does.
func TestDrillsFind(t *testing.T) {
	long(t, "TestDrills")
	besideOthers(t)
	for _, x := range []struct {
		name, drill string
		options     func(*etcdtest.Options)
		plant       func(*sickCluster)
		fails       []string // of its checks, all that fail
	}{
		{"a balancer that does not look whether masters are well", "apiserver-killed", nil, (*sickCluster).blindBalancer, []string{"nobody is sent to what fails"}},
		{"a failure that nothing of Kubernetes notices", "kubelet-dead", func(o *etcdtest.Options) {
			o.Scripts = map[string]etcdtest.Script{"drill": func(_ context.Context, c etcdtest.Call) int {
				fmt.Fprintln(c.Stdout, `{"error":""}`)
				return 0
			}}
		}, nil, []string{"its Node is found out", "validate names it"}},
		{"a master that does not come back", "etcd-main-killed", func(o *etcdtest.Options) {
			o.Scripts = map[string]etcdtest.Script{"drill": func(_ context.Context, c etcdtest.Call) int {
				if c.Args[0] == "begin" && c.Guest.StopEtcd("main") != nil {
					return 1
				}
				fmt.Fprintln(c.Stdout, `{"error":""}`)
				return 0
			}}
		}, nil, []string{"the cluster is whole again"}},
		{"a health check that asks for nothing of etcd", "etcd-main-killed", nil, func(c *sickCluster) {
			c.healthChecks(doc{"httpsHealthCheck": doc{"port": 443, "requestPath": "/version"}})
		}, []string{"nobody is sent to what fails"}},
		{"a ring on two of three masters", "etcd-events-killed", nil, func(c *sickCluster) { c.leaveRing("events", 2) }, []string{"the rings outlive it", "the cluster is whole again"}},
		{"CoreDNS on one machine", "kubelet-dead", nil, func(c *sickCluster) { c.models.CrowdDNS(c.worker()) }, []string{"names are told"}},
	} {
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			for try := 1; ; try++ {
				var change []func(*etcdtest.Options)
				if x.options != nil {
					change = append(change, x.options)
				}
				c := sickOf(t, newWorld(t, change...), 3)
				if x.plant != nil {
					x.plant(c)
				}
				pace := quick
				pace.Hold, pace.Settle, pace.Found, pace.Whole = 3*time.Second, time.Second, 5*time.Second, 5*time.Second
				if slices.Contains(x.fails, "names are told") {
					pace.Hold = pace.Stall + 6*time.Second
				}
				r, err := c.drills(drill.Options{Names: []string{x.drill}, Pace: pace, Anyway: slices.Contains(x.fails, "the rings outlive it")})
				c.must(err)
				var fails []string
				for _, check := range r.Drills[0].Checks {
					if !check.Passed {
						fails = append(fails, check.What)
					}
				}
				if r.Failure() != nil && slices.Equal(fails, x.fails) {
					return
				}
				say := t.Logf // a host that stands still for some seconds fails more
				if try == 3 {
					say = t.Errorf
				}
				say("of it fail %q, want %q:\n%s", fails, x.fails, strings.Join(r.Drills[0].Text(), "\n"))
				if try == 3 {
					return
				}
			}
		})
	}
}

// healthChecks changes those of the balancer.
func (c *sickCluster) healthChecks(to doc) {
	c.t.Helper()
	n := 0
	for path := range c.world.objects() {
		if _, name, is := strings.Cut(path, "/"+inRegion+"healthChecks/"); is {
			c.change(http.MethodPatch, inRegion+"healthChecks/"+name, to)
			n++
		}
	}
	if n == 0 {
		c.t.Fatal("there is no health check")
	}
}

// leaveRing removes the i-th master's member of a ring.
func (c *sickCluster) leaveRing(ring string, i int) {
	c.t.Helper()
	r := c.o.runFor(settings.StatusVerb, hold{})
	c.must(status.Find(context.Background(), r.Task))
	host, err := r.Host(context.Background(), r.Master())
	c.must(err)
	all, err := replicate.Rings(context.Background(), c.o.deps.SSH, host)
	c.must(err)
	for _, m := range all[ring].Members {
		if m.Name == c.names[i] {
			c.must(replicate.Remove(context.Background(), c.o.deps.SSH, host, ring, m.PeerURLs[0]))
			return
		}
	}
	c.t.Fatalf("%s has no member of ring %s", c.names[i], ring)
}

// blindBalancer sends in turn to all masters, dead or alive.
func (c *sickCluster) blindBalancer() {
	c.t.Helper()
	s, err := c.o.Status(context.Background())
	c.must(err)
	var masters []string
	for i, name := range c.names {
		m, err := c.Client.Instances(c.zones[i]).Get(context.Background(), name)
		c.must(err)
		masters = append(masters, inventory.ExternalOf(m))
	}
	var turn atomic.Int64
	dial := c.o.deps.Dial
	c.o.deps.Dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
		if addr == s.Address.IP+":443" {
			addr = masters[int(turn.Add(1))%len(masters)] + ":443"
		}
		return dial(ctx, network, addr)
	}
}

// TestDrillDeadline: a failure that nobody takes back the machine takes back itself.
func TestDrillDeadline(t *testing.T) {
	besideOthers(t)
	c := sickOf(t, newWorld(t), 1)
	r := c.o.runFor(settings.StatusVerb, hold{})
	c.must(status.Find(context.Background(), r.Task))
	host, err := r.Host(context.Background(), r.Master())
	c.must(err)
	c.must(replicate.BeginFailure(context.Background(), c.o.deps.SSH, host, "api", time.Second))
	if c.guest(0).Ready() {
		t.Error("it does not fail")
	}
	for limit := time.Now().Add(2 * time.Minute); !c.guest(0).Ready(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(limit) {
			t.Fatal("it fails after its deadline")
		}
	}
	c.whole(1)
}
