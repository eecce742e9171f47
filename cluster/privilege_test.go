package cluster

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"hakube/cluster/refusal"
	"hakube/cluster/settings"
	"hakube/gce"
	"hakube/gce/emulator"
	"hakube/gce/gcetest"
)

// TestLeastPrivilege makes, grows and removes a cluster as a service account with the
// roles that cmd/hakube/README.md gives the operator, and none more; with one role less, whatever
// it is, the plan names permissions that lack and nothing is made.
func TestLeastPrivilege(t *testing.T) {
	said := granted(t, "hakube-operator")
	if len(said) < 3 {
		t.Fatalf("the README gives the operator %v", said)
	}
	w, _ := newModelWorld(t)
	server := w.Server
	policy := func(roles []string) {
		t.Helper()
		bindings := []map[string]any{}
		for _, r := range roles {
			bindings = append(bindings, map[string]any{"role": r, "members": []string{"serviceAccount:hakube-operator@local.iam.gserviceaccount.com"}})
		}
		beside(t, server, "/v1/projects/local:setIamPolicy", map[string]any{"policy": map[string]any{"bindings": bindings}})
	}
	beside(t, server, "/v1/projects/local/serviceAccounts", map[string]any{"accountId": "hakube-operator"})
	beside(t, server, "/v1/projects/local/serviceAccounts", map[string]any{"accountId": "hakube-nodes"})
	nodes := "/v1/projects/local/serviceAccounts/hakube-nodes@local.iam.gserviceaccount.com:setIamPolicy"
	beside(t, server, nodes, map[string]any{"policy": map[string]any{"bindings": []map[string]any{
		{"role": "roles/iam.serviceAccountUser", "members": []string{"serviceAccount:hakube-operator@local.iam.gserviceaccount.com"}}}}})
	token := bastion(t, server)
	front := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		r.Host = "compute.googleapis.com"
		if strings.HasPrefix(r.URL.Path, "/v1/") {
			r.Host = "cloudresourcemanager.googleapis.com"
		}
		if strings.Contains(r.URL.Path, "/serviceAccounts/") || strings.HasPrefix(r.URL.Path, "/v1/roles") {
			r.Host = "iam.googleapis.com"
		}
		r.Header.Set("Authorization", "Bearer "+token)
		server.Inside().ServeHTTP(rw, r)
	}))
	t.Cleanup(front.Close)
	w.Client = w.NewClient(t, func(o *gce.Options) { o.Endpoint = front.URL })
	account := func(s *settings.Settings) { s.NodeAccount = "hakube-nodes@local.iam.gserviceaccount.com" }

	for _, lost := range said {
		policy(slices.DeleteFunc(slices.Clone(said), func(r string) bool { return r == lost }))
		o, before := w.operator(account), len(server.Snapshot())
		saysWhich(t, o, lost)
		if _, err := o.Up(t.Context(), nil); err == nil {
			t.Errorf("without %s a cluster was made", lost)
		}
		if after := len(server.Snapshot()); after != before {
			t.Errorf("without %s there are %d objects, and were %d", lost, after, before)
		}
	}
	policy(said)
	o := w.operator(account)
	replica := o.again(func(s *settings.Settings) { s.Zone, s.ReplicateMaster = "europe-west1-c", true })
	w.mustUp(o)
	for _, often := range []settings.DiskSnapshots{settings.Hourly, settings.Daily, settings.NoSnapshots} {
		w.mustUp(o.again(func(s *settings.Settings) { s.DiskSnapshots = often }))
	}
	for _, lost := range said {
		policy(slices.DeleteFunc(slices.Clone(said), func(r string) bool { return r == lost }))
		if lost != "roles/compute.securityAdmin" { // a replica takes nothing of it
			saysWhich(t, replica, lost)
		}
	}
	policy(said)
	w.mustUp(replica)
	w.mustDown(o.again(func(s *settings.Settings) { s.Zone, s.ReplicateMaster, s.DeleteNodes = "europe-west1-c", true, false }))
	w.mustDown(o)
	if left := server.Projects()[gcetest.Project]; len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

// saysWhich: the plan names the role that lacks, and no other of the three, or the first
// permission of it where not even looking is allowed.
func saysWhich(t *testing.T, o *operator, lost string) {
	t.Helper()
	_, err := o.PreviewUp(t.Context(), nil)
	var no refusal.Blockers
	if !errors.As(err, &no) {
		if err == nil || !strings.Contains(err.Error(), "Required 'compute.") {
			t.Errorf("without %s the plan says %v", lost, err)
		}
		return
	}
	said := no[0].Why + "\n" + no[0].Cure
	if len(no) != 1 || !strings.HasPrefix(said, "the account in use has not got on project local") || !strings.Contains(no[0].Cure, lost+" has them") {
		t.Errorf("without %s the plan says %v\n%s", lost, err, said)
	}
}

var binding = regexp.MustCompile(`gcloud projects add-iam-policy-binding \$PROJECT --member=serviceAccount:([a-z-]+)@\$PROJECT\.iam\.gserviceaccount\.com --role=(\S+)`)

// granted are the roles that cmd/hakube/README.md gives an account on the project.
func granted(t *testing.T, account string) (roles []string) {
	t.Helper()
	text, err := os.ReadFile("../cmd/hakube/README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range binding.FindAllStringSubmatch(string(text), -1) {
		if m[1] == account {
			roles = append(roles, m[2])
		}
	}
	return roles
}

// beside asks Google's other services as the owner of the embedded GCE.
func beside(t *testing.T, s *emulator.Server, path string, body any) {
	t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	rec := httptest.NewRecorder()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "http://127.0.0.1"+path, strings.NewReader(string(text)))
	if s.ServeHTTP(rec, r); rec.Code != http.StatusOK {
		t.Fatalf("%s: %d %s", path, rec.Code, rec.Body)
	}
}

// bastion is a token of a machine in another project that has the operator's account.
func bastion(t *testing.T, s *emulator.Server) string {
	t.Helper()
	ask := func(method, path string, body map[string]any) map[string]any {
		t.Helper()
		o, err := s.Ask(method, "projects/ops/"+path, body)
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		for deadline := time.Now().Add(time.Minute); o["kind"] == "compute#operation" && o["status"] != "DONE"; {
			if time.Now().After(deadline) {
				t.Fatalf("%s is not done: %v", path, o)
			}
			_, at, _ := strings.Cut(o["selfLink"].(string), "/ops/")
			if o, err = s.Ask(http.MethodPost, "projects/ops/"+at+"/wait", nil); err != nil {
				t.Fatal(err)
			}
		}
		return o
	}
	ask(http.MethodPost, "global/networks", map[string]any{"name": "ops", "autoCreateSubnetworks": false})
	ask(http.MethodPost, "regions/europe-west1/subnetworks", map[string]any{"name": "ops", "network": "global/networks/ops", "ipCidrRange": "10.200.0.0/24"})
	ask(http.MethodPost, "zones/europe-west1-b/instances", map[string]any{
		"name": "bastion", "machineType": "zones/europe-west1-b/machineTypes/e2-small",
		"disks": []any{map[string]any{"boot": true, "autoDelete": true, "initializeParams": map[string]any{
			"sourceImage": "projects/debian-cloud/global/images/family/debian-12"}}},
		"networkInterfaces": []any{map[string]any{"subnetwork": "regions/europe-west1/subnetworks/ops"}},
		"serviceAccounts": []any{map[string]any{"email": "hakube-operator@local.iam.gserviceaccount.com",
			"scopes": []any{"https://www.googleapis.com/auth/cloud-platform"}}},
	})
	id, err := strconv.ParseUint(ask(http.MethodGet, "zones/europe-west1-b/instances/bastion", nil)["id"].(string), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	h, ok := s.MetadataFor(emulator.MachineKey{Project: "ops", Zone: gcetest.Zone, Name: "bastion", ID: id})
	if !ok {
		t.Fatal("there is no machine bastion")
	}
	rec := httptest.NewRecorder()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://metadata.google.internal/computeMetadata/v1/instance/service-accounts/default/token", nil)
	r.Header.Set("Metadata-Flavor", "Google")
	h.ServeHTTP(rec, r)
	var token struct {
		Access string `json:"access_token"`
	}
	if err := json.Unmarshal(rec.Body.Bytes(), &token); err != nil || token.Access == "" {
		t.Fatalf("no token: %d %s, %v", rec.Code, rec.Body, err)
	}
	return token.Access
}
