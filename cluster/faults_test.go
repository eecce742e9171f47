package cluster

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/compute/apiv1/computepb"
	"github.com/google/go-cmp/cmp"

	"hakube/cluster/inventory"
	"hakube/cluster/plan"
	"hakube/cluster/refusal"
	"hakube/cluster/rings"
	"hakube/cluster/settings"
	"hakube/gce"
	"hakube/gce/emulator"
	"hakube/gce/gcetest"
	"hakube/replicate/etcdtest"
)

// googles are the faults of Google that a run can meet, as it tells them, and
// what a person is told.
var googles = []struct {
	name       string
	fault      emulator.Fault
	says, hint string
}{
	{"quota", emulator.Fault{Operation: &emulator.OperationFault{
		Code: "QUOTA_EXCEEDED", Status: 403, Message: "Quota 'CPUS' exceeded.  Limit: 8.0 in region europe-west1.",
		Details: []any{map[string]any{"quotaInfo": map[string]any{"metricName": "compute.googleapis.com/cpus", "limitName": "CPUS-per-project-region", "limit": 8.0}}},
	}}, "Quota 'CPUS' exceeded. Limit: 8.0 in region europe-west1", "ask for more of the quota CPUS-per-project-region (now 8)"},
	{"stock-out", emulator.Fault{Operation: &emulator.OperationFault{
		Code: "ZONE_RESOURCE_POOL_EXHAUSTED", Message: "The zone 'projects/local/zones/europe-west1-b' does not have enough resources available to fulfill the request.  Try a different zone, or try again later.",
	}}, "does not have enough resources available", "run it again later, or take another zone"},
	{"permission", emulator.Fault{Status: 403, Reason: "forbidden", Message: "Required 'compute.instances.create' permission for 'projects/local'"},
		"Required 'compute.instances.create' permission", "roles/compute.admin has the permission"},
	{"API disabled", emulator.Fault{Status: 403, Reason: "accessNotConfigured", Message: "Compute Engine API has not been used in project 1 before or it is disabled."},
		"has not been used in project", "gcloud services enable compute.googleapis.com --project=local"},
	{"billing", emulator.Fault{Status: 403, Reason: "forbidden", Message: "Project local (#1) has billing disabled. Please enable it."},
		"has billing disabled", "link a billing account"},
	{"organisation policy", emulator.Fault{Status: 412, Reason: "conditionNotMet", Message: "Constraint constraints/compute.vmExternalIpAccess violated for project 1."},
		"violated for project 1", "the organisation's policy constraints/compute.vmExternalIpAccess forbids it"},
	{"in use", emulator.Fault{Operation: &emulator.OperationFault{
		Code: "RESOURCE_IN_USE_BY_ANOTHER_RESOURCE", Status: 400, Message: "The disk resource 'projects/local/zones/z/disks/d' is already being used by 'projects/local/zones/z/instances/i'",
	}}, "is already being used by", "has to go or let go first"},
	{"not ready", emulator.Fault{Status: 400, Reason: "resourceNotReady", Message: "The resource 'projects/local/regions/r/subnetworks/s' is not ready"},
		"is not ready (tried ", "is still being made or changed"},
	{"stale fingerprint", emulator.Fault{Operation: &emulator.OperationFault{
		Code: "CONDITION_NOT_MET", Status: 412, Message: "Supplied fingerprint does not match current metadata fingerprint.",
	}}, "fingerprint does not match", "somebody else changed it at the same moment"},
	{"calls in a minute", emulator.Fault{Status: 403, Reason: "rateLimitExceeded", Message: "Quota exceeded for quota metric 'Queries'."},
		"Quota exceeded for quota metric 'Queries' (tried ", "calls per minute are used up"},
}

// posts lets f befall changing calls to paths with that end.
func posts(end string, f emulator.Fault) func(*http.Request) emulator.Fault {
	return func(r *http.Request) emulator.Fault {
		if r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, end) {
			return f
		}
		return emulator.Fault{}
	}
}

// curesOf is what is printed below an error.
func curesOf(err error) string { return strings.Join(hintsOf(err), "\n") }

// TestFaultsOfGoogle: each of them in the middle of making a cluster, a pool and
// a master is told with its step and its cure, leaves nothing that is not told,
// and the same command finishes when the fault is gone.
func TestFaultsOfGoogle(t *testing.T) {
	besideOthers(t)
	told := func(t *testing.T, err error, step, says, hint string) {
		t.Helper()
		var at *plan.StepError
		if !errors.As(err, &at) || at.Step != step || !strings.Contains(err.Error(), says) || errors.Is(err, context.Canceled) {
			t.Errorf("at %q it ended with: %v", step, err)
		} else if !strings.Contains(curesOf(err), hint) {
			t.Errorf("hints %q, want %q", curesOf(err), hint)
		}
	}
	ctx := context.Background()
	t.Run("create", func(t *testing.T) {
		w := newWorld(t)
		before := w.objects()
		o := w.operator()
		for _, g := range googles {
			w.setFault(posts("/instances", g.fault))
			_, err := o.Up(ctx, nil)
			told(t, err, "machine kubernetes-master", g.says, g.hint)
			w.setFault(nil)
			_, machine := w.Client.Instances(gcetest.Zone).Get(ctx, "kubernetes-master")
			_, disk := w.Client.Disks(gcetest.Zone).Get(ctx, "kubernetes-master-pd")
			if !gce.IsNotFound(machine) || gce.IsNotFound(disk) != (g.name == "stock-out") {
				t.Errorf("%s: machine %v, disk %v", g.name, machine, disk)
			}
		}
		w.mustUp(o)
		there := w.objects()
		for _, g := range googles { // the pool of another zone
			w.setFault(posts("/instanceGroupManagers", g.fault))
			_, err := o.pool(zoneC, 1).Up(ctx, nil)
			told(t, err, "group kubernetes-minion-group in europe-west1-c", g.says, g.hint)
			w.setFault(nil)
			left := w.objects()
			labels := left["projects/local/regions/europe-west1/addresses/kubernetes-master-ip"]["labels"].(map[string]any)
			if labels[inventory.GrowthKey(settings.PoolID{Zone: zoneC})] != "0-1" { // for whoever goes on with it
				t.Errorf("%s: the pool that was begun is not written down: %v", g.name, labels)
			}
			delete(labels, inventory.GrowthKey(settings.PoolID{Zone: zoneC}))
			if diff := cmp.Diff(there, left); diff != "" {
				t.Errorf("%s: objects (-before +after):\n%s", g.name, diff)
			}
		}
		w.mustUp(o.pool(zoneC, 1))
		w.mustDown(o.pool(zoneC, 0))
		w.mustDown(o)
		if diff := cmp.Diff(before, w.objects()); diff != "" {
			t.Errorf("objects after down (-before +after):\n%s", diff)
		}
	})
	t.Run("add replica", func(t *testing.T) {
		w, _ := newModelWorld(t)
		o := w.operator()
		w.mustUp(o)
		there := withoutTimes(w.objects())
		for i, g := range googles {
			if testing.Short() && i%6 != 1 {
				continue
			}
			w.setFault(posts("/instances", g.fault))
			_, err := o.replica(zoneC).Up(ctx, nil)
			told(t, err, "machine "+o.want().Names.Replica(zoneC, 0), g.says, g.hint)
			w.setFault(nil)
			var back *RolledBack
			if !errors.As(err, &back) {
				t.Errorf("%s: not rolled back", g.name)
			}
			if diff := cmp.Diff(there, withoutTimes(w.objects())); diff != "" {
				t.Errorf("%s: objects (-before +after):\n%s", g.name, diff)
			}
		}
		if got := mastersOf(t, w.mustUp(o)); len(got) != 1 {
			t.Errorf("masters are %v", got)
		}
		w.mustUp(o.replica(zoneC))
		if got := mastersOf(t, w.mustUp(o)); len(got) != 2 {
			t.Errorf("masters are %v", got)
		}
	})
}

// TestStockOutOfReplica: a zone without machines costs nothing but the try: the
// rings are not touched, the address does not move, machine and disk are gone,
// and Google's own suggestion is passed on.
func TestStockOutOfReplica(t *testing.T) {
	besideOthers(t)
	w, _ := newModelWorldWith(t, func(o *emulator.Options) {
		o.Stock = func(zone, machineType string) bool { return zone != zoneC }
	})
	o := w.operator()
	w.mustUp(o)
	before := withoutTimes(w.objects())
	voting := func() map[string][]string {
		r, all := o.runFor(settings.Up, hold{}), map[string][]string{}
		have, err := r.Look(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		r.Have = have
		s := r.Survey(context.Background(), r.Masters())
		for _, ring := range rings.Names {
			for _, v := range s.Voters(ring) {
				all[ring] = append(all[ring], v.Name)
			}
		}
		return all
	}
	voters := voting()
	var moved []string
	w.setFault(func(r *http.Request) emulator.Fault {
		if p := r.URL.Path; emulator.IsChange(r) && (strings.Contains(p, "AccessConfig") || strings.Contains(p, "forwardingRules")) {
			moved = append(moved, p)
		}
		return emulator.Fault{}
	})
	_, err := o.replica(zoneC).Up(context.Background(), w.events())
	w.setFault(nil)
	var out *OutOfStock
	if !errors.As(err, &out) || out.Zone != zoneC || !slices.Equal(out.Others, []string{zoneB, zoneD}) {
		t.Fatalf("got %+v: %v", out, err)
	}
	if h := curesOf(err); !strings.Contains(h, "KUBE_REPLICATE_EXISTING_MASTER=true hakube up") || !strings.Contains(h, "europe-west1-c has no e2-standard-2 left now") {
		t.Errorf("hints: %s", h)
	}
	if diff := cmp.Diff(voters, voting()); diff != "" || len(voters) != 2 {
		t.Errorf("voters %v (-before +after):\n%s", voters, diff)
	}
	if diff := cmp.Diff(before, withoutTimes(w.objects())); diff != "" {
		t.Errorf("objects (-before +after):\n%s", diff)
	}
	if len(moved) > 0 {
		t.Errorf("the address moved: %v", moved)
	}
	if got := mastersOf(t, w.mustUp(o.replica(zoneD))); len(got) != 2 {
		t.Errorf("masters are %v", got)
	}
}

// TestStockOutOfFirstMaster: its disk is taken back, so that the suggestion to
// take another zone can be followed at once.
func TestStockOutOfFirstMaster(t *testing.T) {
	besideOthers(t)
	w := newWorld(t)
	before := w.objects()
	o := w.operator()
	w.setFault(posts("/instances", googles[1].fault))
	_, err := o.Up(context.Background(), nil)
	w.setFault(nil)
	if err == nil || !strings.Contains(err.Error(), "disk kubernetes-master-pd, on which nothing was, was taken back") ||
		!strings.Contains(curesOf(err), "take another zone, one of these:\n\tKUBE_GCE_ZONE=europe-west1-c hakube up\n\tKUBE_GCE_ZONE=europe-west1-d hakube up") {
		t.Fatalf("%v\n%s", err, curesOf(err))
	}
	there := o.again(func(s *settings.Settings) { s.Zone = zoneC })
	w.mustUp(there)
	// A master that is made again around its disk keeps it.
	if err := w.Client.Instances(zoneC).Delete(context.Background(), "kubernetes-master"); err != nil {
		t.Fatal(err)
	}
	w.setFault(posts("/instances", googles[1].fault))
	if _, err = there.Up(context.Background(), nil); err == nil || strings.Contains(err.Error(), "taken back") {
		t.Errorf("up: %v", err)
	}
	w.setFault(nil)
	w.mustUp(there)
	w.mustDown(there)
	if diff := cmp.Diff(before, w.objects()); diff != "" {
		t.Errorf("objects after down (-before +after):\n%s", diff)
	}
}

// TestNodesThatCannotBe: what keeps a group from making machines ends the wait
// when only a person can change it.
func TestNodesThatCannotBe(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes ten seconds: a group says only when it has tried again that it cannot")
	}
	w := newWorldWith(t, func(o *emulator.Options) {
		o.Stock = func(zone, machineType string) bool { return machineType != "e2-standard-8" }
		o.Quotas = map[string]float64{"INSTANCES": 4}
	})
	ctx := context.Background()
	o := w.operator(patiently, func(s *settings.Settings) { s.NodeSize, s.NumNodes = "e2-standard-8", 1 })
	begin := time.Now()
	_, err := o.Up(ctx, w.events())
	if err == nil || !strings.Contains(err.Error(), "nodes are Ready: ") || !strings.Contains(err.Error(), "0 of 1 Ready, and the group goes on trying") ||
		!strings.Contains(curesOf(err), "take another zone") || time.Since(begin) > patient/2 {
		t.Fatalf("in %s: %v\n%s", time.Since(begin), err, curesOf(err))
	}
	w.mustDown(o)

	// Somebody else takes what the preflight saw free.
	o = w.operator(func(s *settings.Settings) { s.NumNodes = 3 })
	taken := false
	_, err = o.Up(ctx, func(e plan.Event) {
		if e.Step == "template kubernetes-minion-template" && e.Kind == plan.Made && !taken {
			taken = true
			if err := w.Client.Instances(gcetest.Zone).Insert(ctx, stranger("theirs", "kubernetes-subnet-default")); err != nil {
				t.Error(err)
			}
		}
	})
	if err == nil || !taken || !strings.Contains(err.Error(), "2 of 3 Ready, and the group goes on trying: creating instance kubernetes-minion-group-") ||
		!strings.Contains(curesOf(err), "ask for more of the quota INSTANCES") {
		t.Fatalf("%v\n%s", err, curesOf(err))
	}
	if err := w.Client.Instances(gcetest.Zone).Delete(ctx, "theirs"); err != nil {
		t.Fatal(err)
	}
	w.mustUp(o)
	w.mustDown(o)
}

// stranger is somebody else's machine in our subnetwork.
func stranger(name, subnetwork string) *computepb.Instance {
	return &computepb.Instance{
		Name: &name, Metadata: &computepb.Metadata{Items: []*computepb.Items{{Key: new("enable-guest-attributes"), Value: new("TRUE")}}},
		MachineType: new("zones/" + gcetest.Zone + "/machineTypes/e2-small"),
		Disks: []*computepb.AttachedDisk{{Boot: new(true), AutoDelete: new(true), InitializeParams: &computepb.AttachedDiskInitializeParams{
			SourceImage: new("projects/debian-cloud/global/images/family/debian-12")}}},
		NetworkInterfaces: []*computepb.NetworkInterface{{Subnetwork: new("regions/" + gcetest.Region + "/subnetworks/" + subnetwork)}},
	}
}

// TestAPIDisabledAtOnce: what every read says is told once.
func TestAPIDisabledAtOnce(t *testing.T) {
	w := newWorld(t)
	o := w.operator()
	w.setFault(func(*http.Request) emulator.Fault { return googles[3].fault })
	for verb, run := range map[string]func(context.Context, func(plan.Event)) (*Summary, error){"up": o.Up, "down": o.Down} {
		if _, err := run(context.Background(), nil); err == nil || strings.Contains(err.Error(), "\n") || !strings.Contains(curesOf(err), "gcloud services enable") {
			t.Errorf("%s: %v", verb, err)
		}
	}
}

// TestDeniedWhileWaiting: a permission that is taken away ends a wait at once.
func TestDeniedWhileWaiting(t *testing.T) {
	w := newWorld(t, func(o *etcdtest.Options) { o.BootTime = time.Hour }) // the run looks at it again and again
	o := w.operator(patiently)
	w.setFault(func(r *http.Request) emulator.Fault {
		if strings.HasSuffix(r.URL.Path, "/getGuestAttributes") {
			return emulator.Fault{Status: 403, Reason: "forbidden", Message: "Required 'compute.instances.getGuestAttributes' permission"}
		}
		return emulator.Fault{}
	})
	begin := time.Now()
	_, err := o.Up(context.Background(), w.events())
	if err == nil || !strings.Contains(err.Error(), "getGuestAttributes") || time.Since(begin) > patient/2 {
		t.Errorf("in %s: %v", time.Since(begin), err)
	}
}

// TestListsLag: what was just made is on no list yet, what is gone still is.
func TestListsLag(t *testing.T) {
	besideOthers(t)
	ctx := context.Background()
	t.Run("made", func(t *testing.T) {
		w := newWorld(t)
		before := w.objects()
		o := w.operator()
		release := w.Server.HoldLists()
		w.mustUp(o)
		if _, changes := w.counts(func() { w.mustUp(o) }); changes != 0 {
			t.Errorf("the same again makes %d changes", changes)
		}
		var no *refusal.Refused
		if _, err := o.again(func(s *settings.Settings) { s.Zone = zoneC }).Up(ctx, nil); !errors.As(err, &no) || !strings.Contains(no.Why, "lives in zone europe-west1-b") {
			t.Errorf("up in another zone: %v", err)
		}
		if s := w.mustUp(o.pool(zoneC, 1)); len(s.Evidence.Nodes) == 0 {
			t.Error("no pool")
		}
		w.mustDown(o.pool(zoneC, 0))
		w.mustDown(o)
		release()
		if diff := cmp.Diff(before, w.objects()); diff != "" {
			t.Errorf("objects after down (-before +after):\n%s", diff)
		}
	})
	t.Run("gone from a network that stays", func(t *testing.T) {
		w := newWorld(t)
		w.network(false)
		o := w.operator()
		w.mustUp(o)
		release := w.Server.HoldLists()
		w.mustDown(o)
		w.mustUp(o) // whose ranges a list still shows
		release()
		w.mustDown(o)
	})
	t.Run("gone", func(t *testing.T) {
		w := newWorld(t)
		o := w.operator()
		w.mustUp(o)
		w.mustUp(o.pool(zoneC, 1))
		release := w.Server.HoldLists()
		w.mustDown(o.pool(zoneC, 0))
		w.mustDown(o) // by its zone, while a list shows the other one's pool
		w.mustUp(o.again(func(s *settings.Settings) { s.Zone = zoneD }))
		release()
		w.mustDown(o.again(func(s *settings.Settings) { s.Zone = "" }))
	})
}
