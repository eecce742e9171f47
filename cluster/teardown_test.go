package cluster

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"hakube/cluster/addons"
	"hakube/cluster/plan"
	"hakube/cluster/removal"
	"hakube/cluster/settings"
	"hakube/gce/emulator"
	"hakube/replicate/etcdtest"
)

// allAddons is the setting that "all" is read as.
var allAddons = settings.Addons(strings.Join(settings.AddonNames, ","))

// withAddons is a shell whose cluster has all addons.
func (o *operator) withAddons() *operator {
	return o.again(func(s *settings.Settings) { s.Addons, s.MasterAccount = allAddons, "default" })
}

// sooner has one limit over after eight seconds, in which a busy host has looked some times;
// the others are its own.
func sooner(limit time.Duration) plan.Clock {
	return func(d time.Duration) <-chan time.Time {
		if d == limit {
			d = 8 * time.Second
		}
		return time.After(d)
	}
}

// A stopping world is one in which it is noted when writers are stopped.
func stoppingWorld(t *testing.T, fault func(*http.Request) etcdtest.Fault) (w *world, stopped func() []string) {
	var mu sync.Mutex
	var list []string
	w = newWorld(t, func(o *etcdtest.Options) {
		o.Fault = func(a etcdtest.Asked) etcdtest.Fault {
			if a.Request == nil {
				return etcdtest.Fault{}
			}
			if a.Request.Method == http.MethodDelete && strings.Contains(a.Request.URL.Path, "/daemonsets/") {
				mu.Lock()
				list = append(list, a.Request.URL.Path[strings.LastIndex(a.Request.URL.Path, "/")+1:])
				mu.Unlock()
			}
			return fault(a.Request)
		}
	})
	return w, func() []string { mu.Lock(); defer mu.Unlock(); return slices.Clone(list) }
}

var writers = []string{"cloud-controller-manager", "csi-gce-pd-controller"}

// TestWritersStopFirst: a down of the whole cluster ends the programs that make Google's
// objects before it changes anything else, sees them end, and lists then what they left:
// what was made after the first look is swept, or told of as staying.
func TestWritersStopFirst(t *testing.T) {
	besideOthers(t)
	for _, sweeping := range []bool{true, false} {
		t.Run(map[bool]string{true: "with --sweep", false: "without"}[sweeping], func(t *testing.T) {
			w, stopped := stoppingWorld(t, func(*http.Request) etcdtest.Fault { return etcdtest.Fault{} })
			before := w.objects()
			o := w.operator().withAddons()
			w.mustUp(o)
			litters[0].make(w)
			var mu sync.Mutex
			var early []string
			w.setFault(func(r *http.Request) emulator.Fault { // what changes while they write
				if r.Method != http.MethodGet && len(stopped()) < len(writers) && !strings.Contains(r.URL.Path, "/addresses/") && !strings.HasSuffix(r.URL.Path, ":testIamPermissions") &&
					r.Header.Get("User-Agent") != "Go-http-client/1.1" { // which is the test's own
					mu.Lock()
					early = append(early, r.Method+" "+r.URL.Path)
					mu.Unlock()
				}
				return emulator.Fault{}
			})
			var steps []string
			asked := func(f Found) (bool, error) { // the disk is made after the list was read
				litters[9].make(w)
				return sweeping, nil
			}
			s, err := o.sweeps(sweeping, asked).Down(t.Context(), func(e plan.Event) {
				if e.Kind.Final() {
					steps = append(steps, e.Step+": "+string(e.Kind))
				}
			})
			w.setFault(nil)
			if len(steps) == 0 || steps[0] != "programs that make Google's objects: removed" {
				t.Errorf("the first step is %q", steps)
			}
			if diff := cmp.Diff(writers, stopped()); diff != "" || len(early) > 0 {
				t.Errorf("stopped (-want +got):\n%s\nbefore that: %q", diff, early)
			}
			const since = "disk pvc-1 in europe-west1-b, 10GB pd-standard, of volume claim default/data"
			if !sweeping {
				var left *removal.OrphansLeft
				if !errors.As(err, &left) || !slices.Contains(texts(left.Ours), since) || !slices.Contains(texts(s.Orphans), since) {
					t.Fatalf("ended with: %v\nsummary %+v", err, s)
				}
				if !strings.Contains(err.Error(), "Google bills it until it is deleted: 1 × disk (10GB pd-standard)") {
					t.Errorf("it does not say what is billed: %v", err)
				}
				s, err = o.sweeps(true, nil).Down(t.Context(), w.events())
			} else if !slices.ContainsFunc(s.Warnings, func(x string) bool { return strings.HasPrefix(x, since+" was made while the cluster went") }) {
				t.Errorf("warnings %q", s.Warnings)
			}
			if err != nil || len(s.Left) > 0 {
				t.Fatalf("ended with: %v\nsummary %+v", err, s)
			}
			if diff := cmp.Diff(before, w.objects()); diff != "" {
				t.Errorf("objects after down (-before +after):\n%s", diff)
			}
		})
	}
}

// TestWritersCannotBeStopped: a cluster that cannot be asked, that refuses, or whose pods
// do not end goes all the same, and it is said that they were not stopped.
func TestWritersCannotBeStopped(t *testing.T) {
	long(t, "TestWritersStopFirst")
	besideOthers(t)
	for name, x := range map[string]struct {
		fault func(*http.Request) etcdtest.Fault
		halt  bool
		says  string // "": there is nobody to stop
	}{
		"no master runs": {halt: true},
		"the API is silent": {says: "the API is silent", fault: func(r *http.Request) etcdtest.Fault {
			return etcdtest.Fault{Fail: true, Status: http.StatusInternalServerError}
		}},
		"it refuses": {says: "denied", fault: func(r *http.Request) etcdtest.Fault {
			return etcdtest.Fault{Fail: r.Method == http.MethodDelete, Status: http.StatusForbidden, Message: "admission webhook denied the request"}
		}},
		"pods do not end": {says: "still runs", fault: func(r *http.Request) etcdtest.Fault {
			return etcdtest.Fault{Fail: r.Method == http.MethodDelete, Status: http.StatusNotFound} // nothing comes of it
		}},
	} {
		t.Run(name, func(t *testing.T) {
			var mu sync.Mutex
			on := false
			w, _ := stoppingWorld(t, func(r *http.Request) etcdtest.Fault {
				mu.Lock()
				defer mu.Unlock()
				if !on || x.fault == nil {
					return etcdtest.Fault{}
				}
				return x.fault(r)
			})
			before := w.objects()
			o := w.operator().withAddons()
			w.mustUp(o)
			if x.halt {
				if err := w.Client.Instances(zoneB).Stop(t.Context(), "kubernetes-master"); err != nil {
					t.Fatal(err)
				}
			}
			mu.Lock()
			on = true
			mu.Unlock()
			s, err := o.sweeps(true, nil).by(sooner(time.Minute)).Down(t.Context(), w.events())
			if err != nil {
				t.Fatal(err)
			}
			if said := strings.Join(s.Warnings, "\n"); x.says == "" && said != "" || x.says != "" && !strings.Contains(said, "were not stopped before the rest: ") || !strings.Contains(said, x.says) {
				t.Errorf("warnings %q", s.Warnings)
			}
			if diff := cmp.Diff(before, w.objects()); diff != "" {
				t.Errorf("objects after down (-before +after):\n%s", diff)
			}
		})
	}
}

// TestWritersComeBack: a down that was killed when the writers were stopped is ended by itself,
// and by an up: then they run again.
func TestWritersComeBack(t *testing.T) {
	besideOthers(t)
	w, stopped := stoppingWorld(t, func(*http.Request) etcdtest.Fault { return etcdtest.Fault{} })
	o := w.operator().withAddons()
	w.mustUp(o)
	ctx, stop := context.WithCancel(context.Background())
	_, err := o.Down(ctx, func(e plan.Event) {
		if e.Kind == plan.Removed {
			stop()
		}
	})
	if !errors.Is(err, context.Canceled) || len(stopped()) != len(writers) {
		t.Fatalf("stopped %q, ended with: %v", stopped(), err)
	}
	if s, err := o.Status(t.Context()); err != nil || healthy(s.Addons, settings.CloudController) {
		t.Errorf("status %+v, %v", s.Addons, err)
	}
	w.mustUp(o)
	client := w.kube(o)
	for _, a := range addons.All() {
		if !slices.Contains(settings.AddonNames, a.Name) {
			continue // another variable's
		}
		for _, x := range a.Workloads {
			if there, err := client.There(t.Context(), x.Path()); err != nil || !there {
				t.Errorf("after up: %s %t, %v", x.Name, there, err)
			}
		}
	}
	w.mustDown(o)
}

// TestMadeAgainAndAgain: who makes a rule again each time it is taken, from outside of the
// cluster's machines, is outlasted when it ends, and named when it does not (kOps PR#18760).
func TestMadeAgainAndAgain(t *testing.T) {
	long(t, "TestSweep")
	besideOthers(t)
	for _, times := range []int{3, 1 << 30} {
		t.Run(fmt.Sprintf("%d times", times), func(t *testing.T) {
			w := newWorld(t)
			w.others("default") // a network that stays, in which it can be made at any time
			before := w.objects()
			o := w.operator()
			w.mustUp(o)
			litters[0].make(w)
			var made atomic.Int32
			w.setFault(func(r *http.Request) emulator.Fault {
				if r.Method == http.MethodDelete && strings.Contains(r.URL.Path, "/firewalls/k8s-fw-a") && int(made.Load()) < times {
					w.post("global/firewalls", firewallOf(fmt.Sprintf("k8s-fw-a%031x", made.Add(1)), nodeTag, ofWeb))
				}
				return emulator.Fault{}
			})
			_, err := o.sweeps(true, nil).by(sooner(30*time.Second)).Down(t.Context(), w.events())
			if n := int(made.Load()); n < 3 {
				t.Errorf("it was made again %d times", n)
			}
			if times > 3 {
				var hint interface{ Hint() string }
				if err == nil || !strings.Contains(err.Error(), "nobody to make them again") || !strings.Contains(err.Error(), "firewall k8s-fw-a") || !errors.As(err, &hint) || !strings.Contains(hint.Hint(), "end that first") {
					t.Fatalf("ended with: %v", err)
				}
				w.setFault(nil)
				_, err = o.sweeps(true, nil).Down(t.Context(), w.events())
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(before, w.objects()); diff != "" {
				t.Errorf("objects after down (-before +after):\n%s", diff)
			}
		})
	}
}
