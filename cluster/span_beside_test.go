package cluster

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"hakube/cluster/plan"
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
