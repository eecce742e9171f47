package cluster

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"cloud.google.com/go/compute/apiv1/computepb"
	"github.com/google/go-cmp/cmp"

	"hakube/cluster/kube"
	"hakube/cluster/plan"
	"hakube/cluster/settings"
	"hakube/gce/emulator"
)

// failureDefects are about what is said and done when something fails.
var failureDefects = []defect{
	{name: "D2_failed_replication_is_an_error", test: func(t *testing.T) {
		w, _ := newModelWorld(t)
		o := w.operator()
		w.mustUp(o)
		w.setFault(failing("/backendServices"))
		s, err := o.replica(zoneC).Up(context.Background(), nil)
		w.setFault(nil)
		wantError(t, err, "backend service kubernetes-master", "Quota", "was taken back: the cluster is as it was")
		var back *RolledBack
		if !errors.As(err, &back) || s != nil {
			t.Errorf("summary %+v, error %T", s, err)
		}
	}},
	{name: "D31_failed_removal_is_an_error", test: func(t *testing.T) {
		w := newWorld(t)
		o := w.operator()
		w.mustUp(o)
		w.setFault(func(r *http.Request) emulator.Fault {
			if r.Method == http.MethodDelete && strings.HasSuffix(r.URL.Path, "/disks/kubernetes-master-pd") {
				return emulator.Fault{Operation: &emulator.OperationFault{Code: "INTERNAL_ERROR", Message: "It did not work.", Status: 500}}
			}
			return emulator.Fault{}
		})
		_, err := o.Down(context.Background(), nil)
		w.setFault(nil)
		wantError(t, err, "disk kubernetes-master-pd", "It did not work")
		if config, err := kube.LoadFile(o.kubeconfig); err != nil || !kube.HasEntry(config, "local_kubernetes") {
			t.Errorf("the kubeconfig entry went before the cluster did: %v", err)
		}
		w.mustDown(o)
	}},
	{name: "D32_what_others_left_in_the_network_is_named", test: func(t *testing.T) {
		w := newWorld(t)
		before := w.objects()
		o := w.operator()
		w.mustUp(o)
		ctx := context.Background()
		const left = "k8s-fw-a0123456789abcdef0123456789abcde"
		if err := w.Client.Firewalls().Insert(ctx, &computepb.Firewall{ // as for a Service
			Name: new(left), Description: new(`{"kubernetes.io/service-name":"default/web"}`),
			Network: new("global/networks/default"), SourceRanges: []string{"0.0.0.0/0"}, TargetTags: []string{"kubernetes-minion"},
			Allowed: []*computepb.Allowed{{IPProtocol: new("tcp"), Ports: []string{"80"}}},
		}); err != nil {
			t.Fatal(err)
		}
		_, err := o.Down(ctx, nil)
		wantError(t, err, left) // kube-up: exit 0
		if err := w.Client.Firewalls().Delete(ctx, left); err != nil {
			t.Errorf("it was taken away unasked: %v", err)
		}
		w.mustDown(o)
		if diff := cmp.Diff(before, w.objects()); diff != "" {
			t.Errorf("objects after down (-before +after):\n%s", diff)
		}
	}},
	{name: "D35_stock_out_is_named_and_nothing_stays", test: func(t *testing.T) {
		w, _ := newModelWorld(t)
		o := w.operator()
		w.mustUp(o)
		before := len(w.objects())
		w.setFault(func(r *http.Request) emulator.Fault {
			if r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/instances") {
				return emulator.Fault{Operation: &emulator.OperationFault{Code: "ZONE_RESOURCE_POOL_EXHAUSTED", Status: 503,
					Message: "The zone 'projects/local/zones/europe-west1-c' does not have enough resources available to fulfill the request."}}
			}
			return emulator.Fault{}
		})
		var made []string
		_, err := o.replica(zoneC).Up(context.Background(), func(e plan.Event) {
			if e.Kind == plan.Made {
				made = append(made, e.Step)
			}
		})
		w.setFault(nil)
		wantError(t, err, "does not have enough resources", "another zone (KUBE_GCE_ZONE)")
		if len(made) > 1 || len(w.objects()) != before {
			t.Errorf("made before it: %q; %d objects of %d", made, len(w.objects()), before)
		}
		w.mustUp(o.replica(zoneD)) // the zone it names
	}},
	{name: "D36_busy_answers_are_tried_again_everywhere", test: func(t *testing.T) {
		w := newWorld(t)
		o := w.operator()
		var mu sync.Mutex
		var turned int
		seen := map[string]int{}
		w.setFault(func(r *http.Request) emulator.Fault {
			mu.Lock()
			defer mu.Unlock()
			key := r.Method + " " + r.URL.Path
			if seen[key]++; seen[key] > 2 {
				return emulator.Fault{}
			}
			turned++
			if seen[key] == 2 {
				return emulator.Fault{Status: http.StatusForbidden, Reason: "rateLimitExceeded"}
			}
			return emulator.Fault{Status: http.StatusServiceUnavailable, RetryAfter: time.Second}
		})
		w.mustUp(o)
		mu.Lock()
		clear(seen)
		mu.Unlock()
		w.mustDown(o)
		w.setFault(nil)
		if turned < 100 {
			t.Errorf("only %d calls were turned away", turned)
		}
	}},
	{name: "D37_one_stuck_node_is_named_and_may_be_allowed", test: func(t *testing.T) {
		w := newWorld(t)
		o := w.operator()
		w.mustUp(o)
		stuck := w.byAge(o, zoneB)[0]
		w.silence(stuck)
		soon := o.again(func(s *settings.Settings) { s.GroupTimeout = settings.Seconds(12 * time.Second) })
		_, err := soon.Up(context.Background(), nil)
		wantError(t, err, stuck)
		s := w.mustUp(soon.again(func(s *settings.Settings) { s.AllowNotReady, s.GroupTimeout = 1, settings.Seconds(time.Minute) }))
		ill := 0
		for _, n := range s.Evidence.Nodes {
			if !n.Ready {
				ill++
			}
		}
		if ill != 1 {
			t.Errorf("nodes %+v", s.Evidence.Nodes)
		}
	}},
}
