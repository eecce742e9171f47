package gce

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/compute/apiv1/computepb"
)

// TestFaultsOfGoogle decodes answers as Compute Engine was seen to give them:
// the class, a hint that says what to do, and whether waiting on is no use.
func TestFaultsOfGoogle(t *testing.T) {
	answered := func(code int, reason, message, details string) http.HandlerFunc {
		if details != "" {
			details = `,"details":[` + details + `]`
		}
		return answer(code, fmt.Sprintf(`{"error":{"code":%d,"message":%q,"errors":[{"message":%q,"domain":"global","reason":%q}]%s}}`,
			code, message, message, reason, details))
	}
	operation := func(status int, errs string) http.HandlerFunc {
		return ok(fmt.Sprintf(`{"name":"op1","status":"DONE","httpErrorStatusCode":%d,"error":{"errors":[%s]}}`, status, errs))
	}
	for _, tt := range []struct {
		name      string
		step      http.HandlerFunc
		class     Class
		hint      string
		permanent bool
		stale     bool
		inUse     bool
	}{
		// github.com/cloudfoundry/bosh-google-cpi-release/issues/168
		{name: "quota of addresses", step: answered(403, "quotaExceeded", "Quota 'STATIC_ADDRESSES' exceeded. Limit: 1.0", ""),
			hint: "ask for more of the quota STATIC_ADDRESSES at https://console.cloud.google.com/iam-admin/quotas?project=p"},
		// github.com/mesosphere-backup/terraform-dcos/issues/61; quotaInfo as in compute/v1's description
		{name: "quota of CPUs", step: operation(403, `{"code":"QUOTA_EXCEEDED","message":"Quota 'CPUS' exceeded.  Limit: 8.0 in region us-east1.",
			"errorDetails":[{"quotaInfo":{"metricName":"compute.googleapis.com/cpus","limitName":"CPUS-per-project-region","dimensions":{"region":"us-east1"},"limit":8}}]}`),
			hint: "ask for more of the quota CPUS-per-project-region (now 8)"},
		// github.com/CCExtractor/sample-platform/issues/901
		{name: "stock-out", step: operation(503, `{"code":"ZONE_RESOURCE_POOL_EXHAUSTED","message":"The zone 'projects/p/zones/us-central1-a' does not have enough resources available to fulfill the request.  Try a different zone, or try again later."}`),
			hint: "the zone has no such machines left now"},
		// github.com/kubernetes/k8s.io/issues/9834
		{name: "stock-out with details", step: operation(503, `{"code":"ZONE_RESOURCE_POOL_EXHAUSTED_WITH_DETAILS",
			"message":"The zone 'projects/p/zones/us-central1-b' does not have enough resources available to fulfill the request.  'NULL:0/NULL:0/NULL:0 (state:STOCKOUT)'",
			"errorDetails":[{"help":{"links":[{"description":"Troubleshooting documentation","url":"https://cloud.google.com/compute/docs/resource-error"}]}},
			{"localizedMessage":{"locale":"en-US","message":"A n1-standard-4 VM instance is currently unavailable"}},
			{"errorInfo":{"domain":"compute.googleapis.com","reason":"resource_availability","metadatas":{"attachment":"","vmType":"n1-standard-4","zone":"us-central1-b","zonesAvailable":"us-central1-a,us-central1-f"}}}]}`),
			hint: "us-central1-b has no n1-standard-4 left now; run it again later, or take another zone (KUBE_GCE_ZONE) or machine type (MASTER_SIZE, NODE_SIZE); Google has some in us-central1-a, us-central1-f"},
		// cloud.google.com/compute/docs/troubleshooting/troubleshooting-vm-creation
		{name: "permission", step: answered(403, "forbidden", "Required 'compute.instances.create' permission for 'projects/p/zones/z/instances/i'", ""),
			hint: "roles/compute.admin has the permission, and whoever grants roles there can give it; who has which:\n\tgcloud projects get-iam-policy p", permanent: true},
		// github.com/fluent/fluent-bit/issues/5410: on a machine whose scopes do not reach
		{name: "scopes", step: answered(403, "insufficientPermissions", "Request had insufficient authentication scopes.",
			`{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"ACCESS_TOKEN_SCOPE_INSUFFICIENT","domain":"googleapis.com","metadata":{"method":"compute.v1.InstancesService.List","service":"compute.googleapis.com"}}`),
			hint: "or log in:\n\tgcloud auth application-default login", permanent: true},
		{name: "permission to act as", step: answered(403, "forbidden", "The user does not have access to service account '1-compute@developer.gserviceaccount.com'.  User: 'u'.  Ask a project owner to grant you the iam.serviceAccountUser role on the service account", ""),
			hint: "roles/iam.serviceAccountUser", permanent: true},
		{name: "permission, in details only", step: answered(403, "forbidden", "Permission denied", `{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"IAM_PERMISSION_DENIED","domain":"iam.googleapis.com","metadata":{"permission":"compute.instances.create"}}`),
			hint: "roles/compute.admin", permanent: true},
		// cloud.google.com/service-usage/docs/enabled-service
		{name: "API disabled", step: answered(403, "accessNotConfigured", "Compute Engine API has not been used in project 123 before or it is disabled. Enable it by visiting https://console.developers.google.com/apis/api/compute.googleapis.com/overview?project=123 then retry.",
			`{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"SERVICE_DISABLED","domain":"googleapis.com","metadata":{"service":"compute.googleapis.com","consumer":"projects/123"}}`),
			hint: "\tgcloud services enable compute.googleapis.com --project=p", permanent: true},
		{name: "another API disabled", step: answered(403, "forbidden", "Cloud Resource Manager API has not been used",
			`{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"SERVICE_DISABLED","domain":"googleapis.com","metadata":{"service":"cloudresourcemanager.googleapis.com"}}`),
			hint: "\tgcloud services enable cloudresourcemanager.googleapis.com --project=p", permanent: true},
		// github.com/GoogleCloudPlatform/java-docs-samples/issues/276
		{name: "billing, in a message", step: answered(403, "forbidden", "Project charming-module-137923 (#808448574146) has billing disabled. Please enable it.", ""),
			hint: "https://console.cloud.google.com/billing/linkedaccount?project=p", permanent: true},
		// github.com/GoogleCloudPlatform/php-docs-samples/issues/1235
		{name: "billing, in details", step: answered(403, "forbidden", "This API method requires billing to be enabled.",
			`{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"BILLING_DISABLED","domain":"googleapis.com","metadata":{"service":"compute.googleapis.com"}}`),
			hint: "billing/linkedaccount", permanent: true},
		// github.com/forseti-security/forseti-security/issues/1465
		{name: "billing, of an account that was removed", step: answered(403, "accountDisabled", "The project to be billed has not configured billing.", ""),
			hint: "billing/linkedaccount", permanent: true},
		// github.com/gardener/gardener-extension-provider-gcp/issues/415
		{name: "organisation policy", step: answered(412, "conditionNotMet", "Constraint constraints/compute.vmExternalIpAccess violated for project 1. Add instance projects/p/zones/z/instances/i to the constraint to use external IP with it.", ""),
			hint: "the organisation's policy constraints/compute.vmExternalIpAccess forbids it", permanent: true},
		// github.com/GoogleCloudPlatform/pubsub/issues/258
		{name: "organisation policy, in the operation", step: operation(412, `{"code":"CONDITION_NOT_MET","message":"Instance 'i' creation failed: Constraint constraints/compute.vmExternalIpAccess violated for project 1."}`),
			hint: "the organisation's policy constraints/compute.vmExternalIpAccess forbids it", permanent: true},
		{name: "in use", step: operation(400, `{"code":"RESOURCE_IN_USE_BY_ANOTHER_RESOURCE","message":"The disk resource 'projects/p/zones/z/disks/d' is already being used by 'projects/p/zones/z/instances/i'"}`),
			class: Later, hint: "let go", inUse: true},
		{name: "not ready, in the operation", step: operation(400, `{"code":"RESOURCE_NOT_READY","message":"The resource 'projects/p/regions/r/subnetworks/s' is not ready"}`),
			class: Later, hint: "is still being made or changed"},
		{name: "stale labels", step: answered(412, "conditionNotMet", "Labels fingerprint either invalid or resource labels have changed", ""),
			hint: "somebody else changed it at the same moment", stale: true},
		// github.com/cloudfoundry/bosh-google-cpi-release/issues/159
		{name: "stale metadata", step: operation(412, `{"code":"CONDITION_NOT_MET","message":"Supplied fingerprint does not match current metadata fingerprint."}`),
			hint: "somebody else changed it at the same moment", stale: true},
		{name: "calls in a minute", step: answered(403, "rateLimitExceeded", "Quota exceeded for quota group 'default' and limit 'Queries per 100 seconds' of service 'compute.googleapis.com'", ""),
			class: Later, hint: "calls per minute are used up"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := play(t, tt.step)
			err := s.Instances("z").Insert(t.Context(), &computepb.Instance{Name: new("i")})
			var e *Error
			if !errors.As(err, &e) || e.Class != tt.class {
				t.Fatalf("got %v of class %s, want %s", err, ClassOf(err), tt.class)
			}
			if h := e.Hint(); !strings.Contains(h, tt.hint) {
				t.Errorf("hint %q, want %q in it", h, tt.hint)
			}
			if e.Permanent() != tt.permanent || Stale(err) != tt.stale || InUse(err) != tt.inUse {
				t.Errorf("permanent %v, stale %v, in use %v", e.Permanent(), Stale(err), InUse(err))
			}
			if again := len(s.pauses) > 0; again != (tt.name == "calls in a minute") {
				t.Errorf("tried again %d times", len(s.pauses))
			}
		})
	}
}

func TestNoStock(t *testing.T) {
	out := func(details string) error {
		s := play(t, ok(`{"name":"op1","status":"DONE","httpErrorStatusCode":503,"error":{"errors":[{"code":"ZONE_RESOURCE_POOL_EXHAUSTED","message":"The zone 'projects/p/zones/z1' does not have enough resources"`+details+`}]}}`))
		return s.Instances("z1").Insert(t.Context(), &computepb.Instance{Name: new("i")})
	}
	if zone, others, is := NoStock(out("")); !is || zone != "z1" || len(others) != 0 {
		t.Errorf("got %q, %q, %v", zone, others, is)
	}
	with := `,"errorDetails":[{"errorInfo":{"reason":"resource_availability","metadatas":{"zone":"z1","zonesAvailable":"z2, z3"}}}]`
	if zone, others, is := NoStock(out(with)); !is || zone != "z1" || !slices.Equal(others, []string{"z2", "z3"}) {
		t.Errorf("got %q, %q, %v", zone, others, is)
	}
	if _, _, is := NoStock(errors.New("other")); is {
		t.Error("any error is a stock-out")
	}
}

// TestPatience: each of many calls is turned away for a minute and then let
// through; the run as a whole gives up long before the last.
func TestPatience(t *testing.T) {
	var s *script
	var until time.Time
	s = play(t, func(w http.ResponseWriter, r *http.Request) {
		if s.time().Before(until) {
			refusal(403, "rateLimitExceeded", "Quota exceeded for quota metric 'Queries'.")(w, r)
			return
		}
		ok(`{"name":"n"}`)(w, r)
	})
	begin := s.time()
	burst := func(c *Client) (calls int, err error) {
		for ; err == nil && calls < 100; calls++ {
			until = s.time().Add(time.Minute)
			_, err = c.Networks().Get(t.Context(), "n")
		}
		return calls, err
	}
	calls, err := burst(s.Client.For(NewRun(nil, RunBudget)))
	if took := s.time().Sub(begin); err == nil || took > RunBudget+time.Minute || calls < 5 {
		t.Errorf("%d calls in %s, then %v", calls, took, err)
	}
	if ClassOf(err) != Later || !strings.Contains(err.Error(), "all calls of this run have waited for 10m0s together, which is the limit") {
		t.Errorf("got %v", err)
	}
	if calls, err = burst(s.Client); err != nil || calls != 100 {
		t.Errorf("without retries: %d calls, %v", calls, err)
	}
	// What waits at the same time counts once.
	p := &retryBudget{limit: time.Minute}
	at := func(n int) time.Time { return begin.Add(time.Duration(n) * time.Second) }
	p.begin(at(0))
	p.begin(at(10))
	p.end(at(20))
	p.end(at(30))
	if got := p.left(at(99)); got != 30*time.Second {
		t.Errorf("%s left, want 30s", got)
	}
}
