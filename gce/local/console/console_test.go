package console

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"hakube/gce/emulator"
)

const (
	project = "local"
	zone    = "projects/local/zones/europe-west1-b/"
)

// A world is an embedded GCE with a network, a machine and a page.
func world(t *testing.T) (*emulator.Server, *httptest.Server) {
	t.Helper()
	api, err := emulator.New(emulator.Options{Path: filepath.Join(t.TempDir(), "gce"), NoSync: true, NoDefaultNetwork: true})
	if err != nil {
		t.Fatal(err)
	}
	page := httptest.NewServer(Handler(api, About{Endpoint: "http://here", Machines: "model", Latency: "none", Project: project}))
	t.Cleanup(func() {
		page.Close()
		if err := api.Close(); err != nil {
			t.Error(err)
		}
	})
	change(t, api, "projects/local/global/networks", map[string]any{"name": "default", "autoCreateSubnetworks": false})
	change(t, api, "projects/local/regions/europe-west1/subnetworks", map[string]any{
		"name": "subnet", "network": "projects/local/global/networks/default", "ipCidrRange": "10.40.0.0/22",
	})
	change(t, api, "projects/local/global/firewalls", map[string]any{
		"name": "https", "network": "projects/local/global/networks/default", "sourceRanges": []any{"0.0.0.0/0"}, "targetTags": []any{"m"},
		"allowed": []any{map[string]any{"IPProtocol": "tcp", "ports": []any{"443"}}},
	})
	insert(t, api, "first")
	return api, page
}

func insert(t *testing.T, api *emulator.Server, name string) {
	t.Helper()
	insertAs(t, api, name, "", "")
}

// insertAs makes a machine of a cluster, with a role in it.
func insertAs(t *testing.T, api *emulator.Server, name, cluster, role string) {
	t.Helper()
	labels, description := map[string]any{}, ""
	if cluster != "" {
		labels["hakube-cluster"] = cluster
		description = "hakube: cluster=" + cluster + " project=local multizone=true role=" + role
	}
	change(t, api, zone+"instances", map[string]any{
		"name": name, "labels": labels, "description": description, "machineType": "zones/europe-west1-b/machineTypes/e2-small",
		"disks":             []any{map[string]any{"boot": true, "initializeParams": map[string]any{"sourceImage": "projects/debian-cloud/global/images/family/debian-12"}}},
		"networkInterfaces": []any{map[string]any{"subnetwork": "projects/local/regions/europe-west1/subnetworks/subnet"}},
	})
}

// change makes something and waits for its operation.
func change(t *testing.T, api *emulator.Server, path string, body map[string]any) {
	t.Helper()
	op, err := api.Ask(http.MethodPost, path, body)
	for begin := time.Now(); err == nil && op["status"] != "DONE" && time.Since(begin) < 2*time.Minute; {
		_, self, _ := strings.Cut(op["selfLink"].(string), "/v1/")
		op, err = api.Ask(http.MethodGet, self, nil)
	}
	if err != nil || op["error"] != nil {
		t.Fatalf("%s: %v, %v", path, err, op["error"])
	}
}

func fetch(t *testing.T, url string) (*http.Response, string) {
	t.Helper()
	r, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return r, string(b)
}

// TestView: the page has what the API has, and looking is not counted.
func TestView(t *testing.T) {
	api, page := world(t)
	read, changed := api.Counts()
	r, text := fetch(t, page.URL+Path+"data")
	var v View
	if err := json.Unmarshal([]byte(text), &v); err != nil || r.StatusCode != 200 {
		t.Fatalf("%s: %v", r.Status, err)
	}
	if len(v.Projects) != 1 || len(v.Projects[0].Clusters) != 1 || len(v.Projects[0].Clusters[0].Regions) != 1 {
		t.Fatalf("projects are %+v", v.Projects)
	}
	zones := v.Projects[0].Clusters[0].Regions[0].Zones
	if len(zones) < 3 || len(zones[0].Machines) != 1 {
		t.Fatalf("zones are %+v", zones)
	}
	if m := zones[0].Machines[0]; m.Name != "first" || m.Status != "RUNNING" || m.Internal != "10.40.0.2" || m.Type != "e2-small" {
		t.Errorf("machine %+v", m)
	}
	if n := v.Networks; len(n) != 1 || len(n[0].Subnets) != 1 || len(n[0].Firewalls) != 1 || n[0].Firewalls[0].Rule != "tcp:443 from 0.0.0.0/0 to m" {
		t.Errorf("networks %+v", n)
	}
	if o := v.Operations; len(o) != 4 || !slices.ContainsFunc(o, func(o Operation) bool { return o.Kind == "instances" && o.Target == "first" && o.Status == "DONE" }) {
		t.Errorf("operations %+v", o)
	}
	if r2, c2 := api.Counts(); r2 != read || c2 != changed {
		t.Errorf("looking was counted: %d and %d calls, before %d and %d", r2, c2, read, changed)
	}
	if r, text := fetch(t, page.URL+Path+"serial?project=local&zone=europe-west1-b&name=first"); r.StatusCode != 200 || !strings.Contains(text, `"next":`) {
		t.Errorf("serial port: %s %s", r.Status, text)
	}
	if r, text := fetch(t, page.URL+Path+"serial?project=local&zone=europe-west1-b&name=..%2Fx"); r.StatusCode != 404 {
		t.Errorf("serial port of nothing: %s %s", r.Status, text)
	}
	r, text = fetch(t, page.URL+Path)
	if policy := r.Header.Get("Content-Security-Policy"); !strings.HasPrefix(policy, "default-src 'self'") || strings.Contains(text, "http:") || strings.Contains(text, "https:") {
		t.Errorf("the page may bring something from elsewhere: policy %q", policy)
	}
}
