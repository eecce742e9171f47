package console

import (
	"encoding/json"
	"fmt"
	"html"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"hakube/gce/emulator"
)

// twoProjects has a cluster with two masters, one of them stopped, a machine
// of no cluster, and a second project with the longest name there may be.
func twoProjects(t *testing.T, api *emulator.Server) {
	t.Helper()
	insertAs(t, api, "kubernetes-master", "kubernetes", "master")
	insertAs(t, api, "kubernetes-master-e71", "kubernetes", "master")
	insertAs(t, api, "kubernetes-minion-group-7k2x", "kubernetes", "node")
	insertAs(t, api, "kubernetes-"+strings.Repeat("long", 13), "kubernetes", "node")
	change(t, api, zone+"instances/kubernetes-master-e71/stop", nil)
	second := "projects/acme-platform-prod-europe-0123/"
	change(t, api, second+"global/networks", map[string]any{"name": "lab", "autoCreateSubnetworks": false})
	change(t, api, second+"regions/europe-west1/subnetworks", map[string]any{
		"name": "lab", "network": second + "global/networks/lab", "ipCidrRange": "10.190.100.0/22",
		"secondaryIpRanges": []any{map[string]any{"rangeName": "pods", "ipCidrRange": "10.164.0.0/14"}},
	})
	change(t, api, second+"regions/europe-west1/addresses", map[string]any{"name": "kubernetes-master-ip"})
	change(t, api, second+"zones/europe-west1-d/instances", map[string]any{
		"name": "vm-1", "machineType": "zones/europe-west1-d/machineTypes/e2-small",
		"disks": []any{map[string]any{"boot": true, "initializeParams": map[string]any{"sourceImage": "projects/debian-cloud/global/images/family/debian-12"}}},
		"networkInterfaces": []any{map[string]any{
			"subnetwork":    second + "regions/europe-west1/subnetworks/lab",
			"accessConfigs": []any{map[string]any{"type": "ONE_TO_ONE_NAT"}},
			"aliasIpRanges": []any{map[string]any{"ipCidrRange": "/24", "subnetworkRangeName": "pods"}},
		}},
	})
}

// TestLayout looks where the browser puts each letter, with two projects and a
// stopped master: names and addresses are whole, nothing is wider than the
// window, a narrow page's tables are stacked, masters stand first.
func TestLayout(t *testing.T) {
	for name, size := range map[string]struct{ width, height int }{"desk": {1280, 1600}, "phone": {390, 4200}} {
		t.Run(name, func(t *testing.T) {
			b := chromium(t, fmt.Sprintf("%d,%d", max(size.width, 500), size.height))
			api, page := world(t)
			twoProjects(t, api)
			page.Config.Handler = measured(page.Config.Handler, size.width, size.height)
			if to := os.Getenv("HAKUBE_SCREENSHOTS"); to != "" { // for a person who wants to look
				b.open(page.URL+"/framed", "--screenshot="+to+"/"+name+".png")
			}
			_, text, ok := strings.Cut(string(b.open(page.URL+"/framed", "--dump-dom")), "MEASURED ")
			if !ok {
				t.Fatal("the page was not measured")
			}
			var saw struct {
				Width, Words, Cards int
				Masters, Found      []string
			}
			if err := json.NewDecoder(strings.NewReader(html.UnescapeString(text))).Decode(&saw); err != nil {
				t.Fatal(err)
			}
			t.Logf("%d words in a window of %d pixels, %d machines", saw.Words, saw.Width, saw.Cards)
			if saw.Width != size.width {
				t.Errorf("the window is %d wide, not %d", saw.Width, size.width)
			}
			if saw.Words < 150 || saw.Cards != 6 {
				t.Errorf("the page has %d words and %d machines", saw.Words, saw.Cards)
			}
			if !slices.Equal(saw.Masters, []string{"kubernetes-master", "kubernetes-master-e71"}) {
				t.Errorf("masters are %q", saw.Masters)
			}
			for _, f := range saw.Found {
				t.Error(f)
			}
		})
	}
}

// TestProjects: machines are grouped by project and cluster, those of no
// cluster last, masters first; operations have who and how long.
func TestProjects(t *testing.T) {
	api, _ := world(t)
	twoProjects(t, api)
	v := look(api, About{Project: project}, nil)
	var got []string
	for _, p := range v.Projects {
		for _, c := range p.Clusters {
			for _, r := range c.Regions {
				for _, z := range r.Zones {
					for _, m := range z.Machines {
						got = append(got, strings.TrimSuffix(strings.Join([]string{p.Name, c.Name, m.Name, m.Status}, " "), " RUNNING"))
					}
				}
			}
		}
	}
	want := []string{
		"acme-platform-prod-europe-0123  vm-1",
		"local kubernetes kubernetes-master", "local kubernetes kubernetes-master-e71 TERMINATED",
		"local kubernetes kubernetes-" + strings.Repeat("long", 13), "local kubernetes kubernetes-minion-group-7k2x",
		"local  first",
	}
	if !slices.Equal(got, want) {
		t.Errorf("machines are\n%s\nnot\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if c := v.Projects[1].Clusters[0].Count; c != (Count{Masters: 2, Others: 2, Running: 3, Shown: 4}) {
		t.Errorf("counted %+v", c)
	}
	stopped := func(o Operation) bool { return o.Type == "stop" && o.Target == "kubernetes-master-e71" }
	if i := slices.IndexFunc(v.Operations, stopped); i < 0 || v.Operations[i].User == "" || v.Operations[i].Project != "local" {
		t.Errorf("operations are %+v", v.Operations)
	}
	now := time.Now()
	for _, o := range []struct {
		ended string
		took  int64
	}{{"2026-01-01T10:00:07.250+00:00", 7250}, {"", now.UnixMilli() - time.Date(2026, 1, 1, 10, 0, 0, 0, time.UTC).UnixMilli()}} {
		doc := map[string]any{"insertTime": "2026-01-01T10:00:00.000+00:00", "endTime": o.ended}
		if got := operation(parts{}, doc, now).Took; got != o.took {
			t.Errorf("until %q it took %d ms, not %d", o.ended, got, o.took)
		}
	}
}

// TestFilter: with a thousand machines a zone lists some and counts the rest,
// and the filter finds each of them by any of its facts.
func TestFilter(t *testing.T) {
	machines := make([]Machine, 1000)
	for i := range machines {
		machines[i] = Machine{
			Project: "local", Cluster: "kubernetes", Zone: "europe-west1-" + string("bcd"[i%3]), Name: fmt.Sprintf("node-%03d", i),
			Status: "RUNNING", Internal: fmt.Sprintf("10.40.%d.%d", i/200, i%200+2), Tags: []string{"minion"},
		}
	}
	machines[998].Status, machines[999].Master = "TERMINATED", true
	for text, want := range map[string]struct{ shown, listed int }{
		"": {1000, 3 * mostMachines}, "node-777": {1, 1}, "NODE-777 europe-west1-b": {1, 1}, "node-777 europe-west1-c": {0, 0},
		"terminated": {1, 1}, "master": {1, 1}, "10.40.4.199": {1, 1}, "minion -d": {333, mostMachines}, "kubernetes local": {1000, 3 * mostMachines},
	} {
		listed, more, shown := 0, 0, 0
		for _, p := range projects(slices.Clone(machines), []string{"europe-west1-b", "europe-west1-c", "europe-west1-d"}, filterOf(text)) {
			shown += p.Clusters[0].Count.Shown
			for _, z := range p.Clusters[0].Regions[0].Zones {
				listed, more = listed+len(z.Machines), more+z.More
			}
		}
		if shown != want.shown || listed != want.listed || more != shown-listed {
			t.Errorf("filter %q: %d of 1,000, %d listed and %d more; not %+v", text, shown, listed, more, want)
		}
	}
}

// TestFilterOfPage: the page's own request filters.
func TestFilterOfPage(t *testing.T) {
	api, page := world(t)
	twoProjects(t, api)
	for text, want := range map[string]int{"master+terminated": 1, "nobody": 0, "": 6} {
		r, body := fetch(t, page.URL+Path+"data?filter="+text)
		if n := strings.Count(body, `"internal":"10.`); r.StatusCode != http.StatusOK || n != want {
			t.Errorf("filter %q: %s, %d machines, not %d", text, r.Status, n, want)
		}
	}
}
