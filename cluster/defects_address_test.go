package cluster

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"hakube/cluster/plan"
	"hakube/cluster/settings"
	"hakube/cluster/step"
)

// addressDefects are about the API's address and the balancer.
var addressDefects = []defect{
	{name: "D7_address_moves_in_two_calls", test: func(t *testing.T) {
		w, _ := newModelWorld(t)
		o := w.operator()
		w.mustUp(o)
		made := w.changes()
		there := w.mustUp(o.replica(zoneC))
		list := made()
		off := slices.Index(list, "POST kubernetes-master/deleteAccessConfig")
		if off < 0 || off+1 == len(list) || list[off+1] != "POST forwardingRules" {
			t.Fatalf("there: the address goes off the master in call %d of %q", off+1, list)
		}
		for _, part := range []string{"healthChecks", "instanceGroups", "backendServices", "instances"} {
			if i := slices.Index(list, "POST "+part); i < 0 || i > off {
				t.Errorf("of %q %s come after the address went", list, part)
			}
		}
		made = w.changes()
		back := w.mustDown(o.replica(zoneC))
		list = made()
		off = slices.Index(list, "DELETE forwardingRules/kubernetes-master")
		if off < 0 || list[off+1] != "POST kubernetes-master/addAccessConfig" {
			t.Errorf("back: nothing else stands between, in %q", list)
		}
		for _, s := range []*Summary{there, back} {
			if s.Dark == nil || s.Dark.Probes == 0 || s.Dark.Longest > 2 {
				t.Errorf("%s: dark %+v", s.Mode, s.Dark)
			}
		}
	}},
	{name: "D8_failed_replication_leaves_no_balancer", test: func(t *testing.T) {
		w, _ := newModelWorld(t)
		o := w.operator()
		w.mustUp(o)
		before := w.objects()
		name := o.want().Names.Replica(zoneC, 0)
		clock, dead := impatient()
		_, err := o.replica(zoneC).by(clock).Up(context.Background(), func(e plan.Event) {
			if e.Step == "API answers through the balancer" && e.Kind.Final() {
				w.halt(zoneC, name) // the address has moved, the new master has no vote yet
				dead()
			}
		})
		var back *RolledBack
		if !errors.As(err, &back) {
			t.Errorf("not rolled back: %v", err)
		}
		if diff := cmp.Diff(withoutTimes(before), withoutTimes(w.objects())); diff != "" {
			t.Errorf("objects (-before +after):\n%s", diff)
		}
		if h, err := o.runFor(settings.Up, hold{}).Holder(context.Background()); err != nil || h.Machine != "kubernetes-master" {
			t.Errorf("the address is held by %+v, %v", h, err)
		}
	}},
	{name: "D16_wait_for_the_API_is_by_the_clock", test: func(t *testing.T) {
		const limit, pause = 12 * time.Second, time.Second // what comes before has to be done in it on a busy host too
		w := newWorld(t)
		dial := w.dial
		var asked atomic.Int64
		w.dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
			if strings.HasSuffix(addr, ":443") { // refused at once, as kube-up's 1800 tries were
				asked.Add(1)
				return nil, &net.OpError{Op: "dial", Net: network, Err: errors.New("connection refused")}
			}
			return dial(ctx, network, addr)
		}
		o := w.operator(func(s *settings.Settings) { s.InitTimeout = settings.Seconds(limit) })
		o.deps.Poll = pause
		var began time.Time
		_, err := o.Up(context.Background(), func(e plan.Event) {
			if e.Step == "API answers" && e.Kind == plan.Making {
				began = time.Now()
			}
		})
		took := time.Since(began)
		wantError(t, err, "API answers", "connection refused")
		if took < limit {
			t.Errorf("it gave up after %s, the limit is %s", took, limit)
		}
		if n := asked.Load(); n < 3 || n > int64(limit/pause)+3 {
			t.Errorf("it asked %d times in %s, with pauses of %s", n, took, pause)
		}
	}},
	{name: "D19_halted_master_gets_no_connections", test: func(t *testing.T) {
		w, _ := newModelWorld(t)
		o := w.operator()
		ip := w.mustUp(o).Address
		w.mustUp(o.replica(zoneC))
		w.mustUp(o.replica(zoneD))
		ctx := context.Background()
		check, err := w.Client.HealthChecks().Get(ctx, "kubernetes-master-hc")
		if err != nil || check.GetHttpsHealthCheck().GetRequestPath() != "/readyz" {
			t.Errorf("the health check asks for %q, %v", check.GetHttpsHealthCheck().GetRequestPath(), err)
		}
		found := time.Duration(check.GetCheckIntervalSec()*check.GetUnhealthyThreshold()+check.GetTimeoutSec()) * time.Second
		if found <= 0 || found > 10*time.Second {
			t.Errorf("a dead master is found out in %s", found)
		}
		service, err := w.Client.BackendServices().Get(ctx, "kubernetes-master")
		if drain := service.GetConnectionDraining().GetDrainingTimeoutSec(); err != nil || drain > 10 || len(service.GetHealthChecks()) != 1 {
			t.Errorf("the service drains for %d s, is checked by %v, %v", drain, service.GetHealthChecks(), err)
		}
		w.halt(zoneB, "kubernetes-master")
		for i := range 9 { // three rounds
			if why := o.runFor(settings.Up, hold{}).Ready(ctx, ip); why != "" {
				t.Errorf("connection %d: %s", i+1, why)
			}
		}
		ill := slices.DeleteFunc(w.backendsOf(o), func(b step.Backend) bool { return b.Healthy })
		if want := []step.Backend{{Name: "kubernetes-master", Zone: zoneB}}; !slices.Equal(ill, want) {
			t.Errorf("not healthy are %v", ill)
		}
	}},
	{name: "D26_balancer_goes_by_the_names_it_came_with", test: func(t *testing.T) {
		w, _ := newModelWorld(t)
		o := w.operator()
		w.mustUp(o)
		before := w.objects()
		w.mustUp(o.replica(zoneC))
		made := map[string]bool{}
		for path := range w.objects() {
			made[strings.Split(fmt.Sprint(path), "/")[len(strings.Split(path, "/"))-2]] = true
		}
		for _, kind := range []string{"healthChecks", "backendServices", "forwardingRules", "instanceGroups"} {
			if !made[kind] {
				t.Errorf("there are no %s", kind)
			}
		}
		w.mustDown(o.replica(zoneC))
		if diff := cmp.Diff(withoutTimes(before), withoutTimes(w.objects())); diff != "" {
			t.Errorf("objects with one master again (-before +after):\n%s", diff)
		}
	}},
}
