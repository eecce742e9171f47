package cluster

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"hakube/cluster/plan"
	"hakube/cluster/settings"
	"hakube/cluster/step"
	"hakube/gce"
	"hakube/gce/emulator"
	"hakube/replicate/etcdtest"
)

// TestSpanBeside: of a cluster that is made by one command the other masters' machines, and
// the other pools', are made before anybody waits for the first ones; masters join a ring
// one after the other, and before nodes are waited for.
func TestSpanBeside(t *testing.T) {
	besideOthers(t)
	w := newWorld(t)
	var mu sync.Mutex
	var done []string
	at := func(part string) int {
		return slices.IndexFunc(done, func(s string) bool { return strings.Contains(s, part) })
	}
	one := w.operator().zones(t, "zones=b,c,d", "master-count=3", "num-nodes=1")
	_, err := one.Up(t.Context(), func(e plan.Event) {
		mu.Lock()
		defer mu.Unlock()
		if e.Kind.Final() && e.Kind != plan.Kept {
			done = append(done, e.Step)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	machines, groups, own := 0, 0, 0
	for i, s := range done {
		if strings.HasPrefix(s, "group of kubernetes-master") && strings.HasSuffix(s, " makes it again") {
			own++
		}
		if strings.HasPrefix(s, "machine ") && i < at(" in etcd ring ") {
			machines++
		}
		if strings.HasPrefix(s, "group kubernetes-minion") && i < at(" in etcd ring ") {
			groups++
		}
	}
	if machines != 3 || groups != 3 {
		t.Errorf("%d masters' machines and %d groups before a master joined:\n%s", machines, groups, strings.Join(done, "\n"))
	}
	if own != 3 {
		t.Errorf("groups of %d masters make them again:\n%s", own, strings.Join(done, "\n"))
	}
	if rule := at("forwarding rule "); rule < 0 || rule > at("machine kubernetes-master-") || at("off the master") >= 0 {
		t.Errorf("the address was not on the balancer before the second master, or moved:\n%s", strings.Join(done, "\n"))
	}
	voted := at(" votes in ring events")
	if first := at("nodes are Ready"); first >= 0 && first < voted {
		t.Errorf("nodes were waited for before a master joined:\n%s", strings.Join(done, "\n"))
	}
	nothingToDo(t, w, one)
}

// TestSpanBesideBusy: the first master's script may still be busy when its API answers and
// the others, begun beside it, join: it is whole, and no other one is made in its place.
func TestSpanBesideBusy(t *testing.T) {
	long(t, "TestSpanBeside")
	besideOthers(t)
	voted := make(chan struct{})
	w := newWorld(t, func(o *etcdtest.Options) {
		o.Ending = func(machine string) {
			if machine != "kubernetes-master" {
				return
			}
			select {
			case <-voted:
			case <-time.After(4 * time.Minute):
			}
		}
	})
	var once sync.Once
	one := w.operator().zones(t, "zones=b,c,d", "master-count=3", "num-nodes=1")
	s, err := one.Up(t.Context(), func(e plan.Event) {
		if e.Kind.Final() && strings.Contains(e.Step, " votes in ring ") {
			once.Do(func() { close(voted) })
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := mastersOf(t, s); len(got) != 3 {
		t.Errorf("masters are %v", got)
	}
	nothingToDo(t, w, one)
}

// TestSpanBesideFounding: the first master's API answers, and its rings do, before kubeadm is
// through with the founding, which has no keys for others until then: who joins waits for
// that. It was taken back, and the command ended half way.
func TestSpanBesideFounding(t *testing.T) {
	besideOthers(t)
	waits := make(chan struct{})
	w := newWorld(t, func(o *etcdtest.Options) {
		o.Founding = func(machine string) {
			if machine != "kubernetes-master" {
				return
			}
			select {
			case <-waits:
			case <-time.After(4 * time.Minute):
			}
		}
	})
	var once sync.Once
	one := w.operator().zones(t, "zones=b,c", "master-count=2", "num-nodes=1", "allow-even")
	s, err := one.Up(t.Context(), func(e plan.Event) {
		if e.Kind == plan.Waiting && strings.Contains(e.Why, "keys of kubernetes-master: it is founding the cluster") {
			once.Do(func() { close(waits) })
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := mastersOf(t, s); len(got) != 2 {
		t.Errorf("masters are %v", got)
	}
	select {
	case <-waits:
	default:
		t.Error("nobody waited for the founding")
	}
}

// TestSpanBesideFails: a machine that cannot be made beside the others is left to its own
// command, which tries again; where that fails too it says so, and the rest is there.
func TestSpanBesideFails(t *testing.T) {
	long(t, "TestSpanBeside")
	besideOthers(t)
	for _, times := range []int{1, 100} {
		w := newWorld(t)
		refused := 0
		w.mu.Lock()
		w.fault = func(r *http.Request) emulator.Fault {
			if r.Method != http.MethodPost || !strings.Contains(r.URL.Path, "/zones/"+zoneC+"/instanceGroupManagers/kubernetes-master-") || !strings.HasSuffix(r.URL.Path, "/createInstances") || refused == times {
				return emulator.Fault{}
			}
			refused++
			return emulator.Fault{Status: http.StatusForbidden, Reason: "forbidden"}
		}
		w.mu.Unlock()
		o := w.operator()
		one := o.zones(t, "zones=b,c,d", "master-count=3", "num-nodes=1")
		_, err := one.Up(t.Context(), w.events())
		if times == 1 && err != nil {
			t.Error(err)
		}
		if back := (*RolledBack)(nil); times > 1 && !errors.As(err, &back) {
			t.Errorf("after %d refusals: %v", refused, err)
		}
		w.mu.Lock()
		w.fault = nil
		w.mu.Unlock()
		w.mustUp(one)
		nothingToDo(t, w, one)
	}
}

// TestSpanBesideFirst: others' machines are asked for as soon as the first one's is, and not
// once that is there and the balancer has the address.
func TestSpanBesideFirst(t *testing.T) {
	long(t, "TestSpanBeside")
	besideOthers(t)
	w := newWorld(t)
	var once, twice sync.Once
	first, others := make(chan struct{}), make(chan struct{})
	var mu sync.Mutex
	asked := 0
	w.setFault(func(r *http.Request) emulator.Fault {
		switch p := r.URL.Path; {
		case r.Method != http.MethodPost:
		case strings.HasSuffix(p, "/instanceGroupManagers/kubernetes-master/createInstances"):
			once.Do(func() { close(first) })
		case strings.HasSuffix(p, "/createInstances"):
			select {
			case <-first:
			default:
				t.Error("another master's machine is asked for before the first one's")
			}
			mu.Lock()
			if asked++; asked == 2 {
				twice.Do(func() { close(others) })
			}
			mu.Unlock()
		case strings.HasSuffix(p, "/forwardingRules"): // which nobody but the first one's list makes
			select {
			case <-others:
			case <-time.After(time.Minute):
				t.Error("other masters' machines wait for more than that the first one's is begun")
			}
		}
		return emulator.Fault{}
	})
	one := w.operator().zones(t, "zones=b,c,d", "master-count=3", "num-nodes=1")
	w.mustUp(one)
	nothingToDo(t, w, one)
}

// TestSpanBesideStock: where the zone of the first master has no machine for it, those of others
// that were begun beside it go again, before its disk does, and another zone can be named. The
// embedded GCE refuses before there is a machine, where Google takes one back: that others were
// begun by then is made so here, by the lists of the same run.
func TestSpanBesideStock(t *testing.T) {
	long(t, "TestSpanBeside")
	besideOthers(t)
	out := true
	w, _ := newModelWorldWith(t, func(o *emulator.Options) {
		o.Stock = func(zone, _ string) bool { return zone != zoneB || !out }
	})
	o := w.operator()
	for _, groups := range []string{"groups=true", "groups=false"} {
		one := o.zones(t, "zones=b,c,d", "master-count=3", "num-nodes=1", groups)
		_, err := one.withLease(t.Context(), settings.Up, nil, func(ctx context.Context, h hold, report func(plan.Event)) error {
			x, err := one.judged(ctx, h, doing(report))
			if err != nil {
				return err
			}
			f := x.staged()
			others := slices.DeleteFunc(f.others, func(i plan.Item) bool { _, waits := i.Step.(beginning); return waits })
			if err := plan.RunStages(ctx, x.first.Gate, append([][]plan.Item{f.base}, append(f.ground, others)...), report); err != nil {
				return err
			}
			for _, z := range []string{zoneC, zoneD} {
				if all, err := w.Client.Instances(z).List(ctx); err != nil || len(all) != 1 {
					t.Errorf("%s: %d machines of others in %s, %v", groups, len(all), z, err)
				}
			}
			failed := step.Machine(x.first.Task, x.first.Master()).Do(ctx)
			return x.unfounded(ctx, failed, report)
		})
		if no := (*OutOfStock)(nil); !errors.As(err, &no) || no.back != "disk kubernetes-master-pd" {
			t.Fatalf("%s: no zone to go to: %v", groups, err)
		}
		for path, all := range w.objects() {
			if strings.Contains(path, "/disks") || strings.Contains(path, "/instances") || strings.Contains(path, "instanceGroupManagers") || strings.Contains(path, "instanceTemplates") {
				t.Errorf("%s: left in %s: %v", groups, path, all)
			}
		}
	}
	out = false
	elsewhere := o.zones(t, "zones=c,d,b", "master-count=3", "num-nodes=1")
	if got := mastersOf(t, w.mustUp(elsewhere)); len(got) != 3 {
		t.Errorf("masters are %v", got)
	}
	nothingToDo(t, w, elsewhere)
}

// TestSpanBesideOrphans: of a cluster whose other masters were begun, and whose first one is not
// there, status says what was begun and names nothing else; that ends it.
func TestSpanBesideOrphans(t *testing.T) {
	long(t, "TestSpanBeside")
	besideOthers(t)
	for _, groups := range []string{"true", "false"} {
		w := newWorld(t)
		o := w.operator()
		one := o.zones(t, "zones=b,c,d", "master-count=3", "num-nodes=0", "groups="+groups)
		ctx, cut := context.WithCancel(t.Context())
		var mu sync.Mutex
		made := 0
		_, err := one.Up(ctx, func(e plan.Event) {
			mu.Lock()
			defer mu.Unlock()
			if e.Kind == plan.Made && strings.HasPrefix(e.Step, "machine kubernetes-master") {
				if made++; made == 3 {
					cut()
				}
			}
		})
		cut()
		if err == nil {
			t.Fatal("it was not cut")
		}
		if groups == "true" {
			err = w.Client.InstanceGroupManagers(zoneB).DeleteInstances(t.Context(), "kubernetes-master", []string{"kubernetes-master"})
		} else {
			err = w.Client.Instances(zoneB).Delete(t.Context(), "kubernetes-master")
		}
		if err != nil {
			t.Fatal(err)
		}
		for until := time.Now().Add(time.Minute); !gce.IsNotFound(err); _, err = w.Client.Instances(zoneB).Get(t.Context(), "kubernetes-master") {
			if time.Sleep(20 * time.Millisecond); time.Now().After(until) {
				t.Fatal("its group did not take the first master away")
			}
		}
		st, err := o.Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if len(st.Unfinished) != 1 || !strings.Contains(st.Unfinished[0].Command, "HAKUBE_ZONES=") {
			t.Errorf("groups=%s: unfinished %+v", groups, st.Unfinished)
		}
		if got := mastersOf(t, w.mustUp(one)); len(got) != 3 {
			t.Errorf("groups=%s: masters are %v", groups, got)
		}
		nothingToDo(t, w, one)
	}
}

// TestSpanBesideDisk: of a master whose disk could not be made beside the first one there is a
// group without a machine. Its own command uses that, and makes no other master in its place; a
// removal takes it away.
func TestSpanBesideDisk(t *testing.T) {
	long(t, "TestSpanBeside")
	besideOthers(t)
	for _, removed := range []bool{false, true} {
		w := newWorld(t)
		var mu sync.Mutex
		left := 1
		w.setFault(func(r *http.Request) emulator.Fault {
			mu.Lock()
			defer mu.Unlock()
			if r.Method != http.MethodPost || !strings.HasSuffix(r.URL.Path, "/zones/"+zoneC+"/disks") || left == 0 {
				return emulator.Fault{}
			}
			left--
			return emulator.Fault{Operation: quotaExceeded}
		})
		o := w.operator()
		one := o.zones(t, "zones=b,c,d", "master-count=3", "num-nodes=1")
		name := one.want().Names.Replica(zoneC, 0)
		ctx, cut := context.WithCancel(t.Context())
		defer cut()
		_, err := one.Up(ctx, func(e plan.Event) {
			if removed && e.Kind.Final() && e.Step == "kubernetes-master tells its rings" {
				cut()
			}
		})
		if (err == nil) == removed {
			t.Fatalf("cut %t: %v", removed, err)
		}
		if removed {
			if _, err := w.Client.InstanceGroupManagers(zoneC).Get(t.Context(), name); err != nil {
				t.Fatalf("no group is left: %v", err)
			}
			w.mustDown(o.replica(zoneC).again(func(s *settings.Settings) { s.ReplicaName = settings.Name(name) }))
		}
		for path := range w.objects() {
			if is := strings.HasSuffix(path, "/"+name); is && removed {
				t.Errorf("after its removal there is %s", path)
			}
		}
		w.mustUp(one)
		if got := mastersOf(t, w.mustUp(one)); len(got) != 3 || !slices.Contains(got, name) {
			t.Errorf("removed %t: masters are %v, without %s", removed, got, name)
		}
		nothingToDo(t, w, one)
	}
}
