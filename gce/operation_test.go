package gce

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"cloud.google.com/go/compute/apiv1/computepb"
)

func TestWaitsOnTheServerUntilDone(t *testing.T) {
	zonal := func(status string) http.HandlerFunc {
		return ok(`{"name":"op1","zone":"https://www.googleapis.com/compute/v1/projects/p/zones/z1","status":"` + status + `","progress":40}`)
	}
	s := play(t, zonal("PENDING"), zonal("RUNNING"), zonal("RUNNING"), zonal("DONE"))
	if err := s.Instances("z1").Insert(t.Context(), &computepb.Instance{Name: new("i")}); err != nil {
		t.Fatal(err)
	}
	wait := "POST /compute/v1/projects/p/zones/z1/operations/op1/wait"
	want := []string{"POST /compute/v1/projects/p/zones/z1/instances", wait, wait, wait}
	if !slices.Equal(s.seen, want) {
		t.Errorf("calls\n%q, want\n%q", s.seen, want)
	}
	if len(s.pauses) != 2 {
		t.Errorf("paused %d times, want 2: the server answered at once twice", len(s.pauses))
	}
	if len(s.waits) != 3 || s.waits[0].String() != "creating instance i" || s.waits[1].Progress != 40 {
		t.Errorf("waits told: %v", s.waits)
	}
}

func TestWaitsWhereTheOperationIs(t *testing.T) {
	for _, tt := range []struct{ op, path string }{
		{`{"name":"op1","status":"RUNNING"}`, "/compute/v1/projects/p/global/operations/op1/wait"},
		{`{"name":"op1","status":"RUNNING","region":"https://x/compute/v1/projects/p/regions/r1"}`, "/compute/v1/projects/p/regions/r1/operations/op1/wait"},
	} {
		s := play(t, ok(tt.op), ok(done))
		if err := s.Addresses().Delete(t.Context(), "a"); err != nil {
			t.Fatal(err)
		}
		if got := s.seen[len(s.seen)-1]; got != "POST "+tt.path {
			t.Errorf("asked %s, want %s", got, tt.path)
		}
	}
}

// apiv1's Wait returns nil for this one.
func TestOperationErrorWithoutStatusCode(t *testing.T) {
	s := play(t, ok(running), ok(`{"name":"op1","status":"DONE","error":{"errors":[{"code":"SOMETHING","message":"went wrong."}]}}`))
	err := s.Networks().Insert(t.Context(), &computepb.Network{Name: new("n")})
	if err == nil || err.Error() != "creating network n: went wrong" {
		t.Errorf("got %v, want the operation's error", err)
	}
	var e *Error
	if !errors.As(err, &e) || e.Operation != "op1" || e.Reason != "SOMETHING" {
		t.Errorf("got %#v", e)
	}
}

func TestOperationErrors(t *testing.T) {
	for _, tt := range []struct {
		name, op string
		class    Class
		hint     string
	}{
		{
			"stock-out", `"httpErrorStatusCode":503,"httpErrorMessage":"SERVICE UNAVAILABLE","error":{"errors":[{"code":"ZONE_RESOURCE_POOL_EXHAUSTED",
			"message":"The zone 'projects/p/zones/z' does not have enough resources available to fulfill the request.  Try a different zone, or try again later.",
			"errorDetails":[{"help":{}},{"errorInfo":{"reason":"resource_availability","domain":"compute.googleapis.com","metadatas":{"zone":"europe-west1-b","vmType":"n1-standard-2","zonesAvailable":"europe-west1-c"}}}]}]}`,
			No, "europe-west1-b has no n1-standard-2 left now",
		},
		{
			"quota", `"httpErrorStatusCode":403,"error":{"errors":[{"code":"QUOTA_EXCEEDED","message":"Quota 'CPUS' exceeded.  Limit: 8.0 in region r1.",
			"errorDetails":[{"quotaInfo":{"metricName":"compute.googleapis.com/cpus","limitName":"CPUS-per-project-region","limit":8}}]}]}`,
			No, "CPUS-per-project-region (now 8)",
		},
		{
			"in use", `"httpErrorStatusCode":400,"httpErrorMessage":"BAD REQUEST","error":{"errors":[{"code":"RESOURCE_IN_USE_BY_ANOTHER_RESOURCE",
			"message":"The network resource 'projects/p/global/networks/n' is already being used by 'projects/p/global/firewalls/f'"}]}`,
			Later, "let go",
		},
		{
			"already", `"httpErrorStatusCode":409,"error":{"errors":[{"code":"RESOURCE_ALREADY_EXISTS","message":"The resource 'projects/p/zones/z/instances/i' already exists"}]}`,
			Already, "",
		},
		{
			"gone", `"httpErrorStatusCode":404,"error":{"errors":[{"code":"RESOURCE_NOT_FOUND","message":"The resource 'projects/p/zones/z/instances/i' was not found"}]}`,
			Gone, "",
		},
		{
			"organisation", `"httpErrorStatusCode":412,"error":{"errors":[{"code":"CONDITION_NOT_MET","message":"Constraint constraints/compute.vmExternalIpAccess violated for project p."}]}`,
			No, "policy constraints/compute.vmExternalIpAccess forbids it",
		},
		{"only a status", `"httpErrorStatusCode":400,"httpErrorMessage":"BAD REQUEST"`, No, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := play(t, ok(`{"name":"op1","status":"DONE",`+tt.op+`}`))
			err := s.Instances("z").Insert(t.Context(), &computepb.Instance{Name: new("i")})
			if err == nil || ClassOf(err) != tt.class {
				t.Fatalf("got %v of class %s, want %s", err, ClassOf(err), tt.class)
			}
			if h := hintOf(err); !strings.Contains(h, tt.hint) || tt.hint == "" && h != "" {
				t.Errorf("hint %q, want %q in it", h, tt.hint)
			}
			if len(s.seen) != 1 {
				t.Errorf("%d calls: an operation that failed is not tried again", len(s.seen))
			}
		})
	}
}

func TestOperationLimit(t *testing.T) {
	s := play(t, ok(running))
	err := s.Networks().Delete(t.Context(), "n")
	if ClassOf(err) != Later || !strings.Contains(err.Error(), "operation op1 is not done after 5m0s, but still RUNNING") {
		t.Errorf("got %v", err)
	}
	if len(s.seen) > 120 {
		t.Errorf("%d calls for five minutes: a busy loop", len(s.seen))
	}
}

func TestCancelEndsAWait(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	leave := make(chan struct{})
	s := play(t, ok(running), func(http.ResponseWriter, *http.Request) { cancel(); <-leave })
	t.Cleanup(func() { close(leave) })
	err := s.Networks().Delete(ctx, "n")
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want canceled", err)
	}
}

// A wait that is turned away or cut is asked again; the change is not repeated.
func TestWaitIsTriedAgain(t *testing.T) {
	s := play(t, ok(running), cut, refusal(503, "backendError", "busy"), refusal(500, "backendError", "x"), ok(done))
	if err := s.Networks().Delete(t.Context(), "n"); err != nil {
		t.Fatal(err)
	}
	changes := 0
	for _, call := range s.seen {
		if !strings.HasSuffix(call, "/wait") {
			changes++
		}
	}
	if changes != 1 {
		t.Errorf("calls %q, want one change", s.seen)
	}
}
