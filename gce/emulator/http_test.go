package emulator

import (
	"net/http"
	"strings"
	"testing"

	"hakube/gce/emulator/internal/api"
	"hakube/gce/emulator/internal/doc"
	"hakube/gce/emulator/internal/web"
)

func TestRefusedRequests(t *testing.T) {
	w := newWorld(t)
	w.subnet()
	nets := "projects/p/global/networks"
	for _, c := range []struct {
		name, verb, path string
		body             any
		status           int
		reason, message  string
	}{
		{"malformed body", "POST", nets, `{"name":`, 400, "parseError", "Parse Error"},
		{"body of another type", "POST", nets, `[1]`, 400, "parseError", "not an object"},
		{"no name", "POST", nets, doc.Obj{}, 400, "required", "Required field 'resource.name' not specified"},
		{"bad name", "POST", nets, doc.Obj{"name": "Default"}, 400, "invalid", "Invalid value for field 'resource.name': 'Default'. Must be a match of regex"},
		{"unknown field", "POST", nets, doc.Obj{"name": "n", "nme": 1}, 400, "invalid", "'resource.nme'"},
		{"wrong type", "POST", nets, doc.Obj{"name": "n", "mtu": "large"}, 400, "invalid", "'resource.mtu'"},
		{"labels deep inside", "POST", "projects/p/global/instanceTemplates", doc.Obj{"name": "t", "properties": doc.Obj{"labels": doc.Obj{"A": "b"}}}, 400, "invalid", "'resource.properties.labels': 'A'. Label keys must start with"},
		{"name of a port", "POST", zoneB + "instanceGroups", doc.Obj{"name": "g", "namedPorts": []any{doc.Obj{"name": "X", "port": 80}}}, 400, "invalid", "'resource.namedPorts[0].name': 'X'. Must be a match of regex"},
		{"unknown enum", "POST", nets, doc.Obj{"name": "n", "networkFirewallPolicyEnforcementOrder": "NEVER"}, 400, "invalid", "Unknown value"},
		{"bad name in the path", "GET", nets + "/Default", nil, 400, "invalid", "field 'network'"},
		{"unknown zone", "GET", "projects/p/zones/mars-1a/instances", nil, 400, "invalid", "Unknown zone"},
		{"get of an unknown zone", "GET", "projects/p/zones/mars-1a", nil, 404, "notFound", "was not found"},
		{"absent", "GET", nets + "/n", nil, 404, "notFound", "The resource 'projects/p/global/networks/n' was not found"},
		{"there already", "POST", nets, doc.Obj{"name": "default"}, 409, "alreadyExists", "The resource 'projects/p/global/networks/default' already exists"},
		{"known method without code", "POST", "projects/p/global/securityPolicies", doc.Obj{"name": "h"}, 400, "notImplemented", "securityPolicies.insert"},
		{"unknown method", "GET", "projects/p/global/wonders", nil, 400, "notImplemented", "wonders"},
		{"field without meaning here", "POST", zoneB + "disks", doc.Obj{"name": "d", "sourceInstantSnapshot": "zones/europe-west1-b/instantSnapshots/s"}, 400, "notImplemented", "sourceInstantSnapshot"},
		{"query parameter of the wrong type", "GET", nets + "?maxResults=many", nil, 400, "invalid", "maxResults"},
		{"required query parameter", "POST", zoneB + "instances/i/detachDisk", nil, 400, "required", "deviceName"},
		{"zero request id", "POST", nets + "?requestId=00000000-0000-0000-0000-000000000000", doc.Obj{"name": "n"}, 400, "invalid", "requestId"},
		{"overlapping subnetwork", "POST", regionW + "subnetworks", doc.Obj{"name": "t", "network": nets + "/default", "ipCidrRange": "10.40.2.0/24"}, 400, "invalid", "conflicts with existing subnetwork"},
		{"overlap with a secondary range", "POST", regionW + "subnetworks", doc.Obj{"name": "t", "network": nets + "/default", "ipCidrRange": "10.65.0.0/16"}, 400, "invalid", "conflicts"},
		{"no such network", "POST", "projects/p/global/firewalls", doc.Obj{"name": "f", "network": "global/networks/n", "allowed": []any{doc.Obj{"IPProtocol": "tcp"}}}, 404, "notFound", "networks/n"},
		{"rule of nothing", "POST", "projects/p/global/firewalls", doc.Obj{"name": "f", "network": "global/networks/default"}, 400, "badRequest", "exactly one"},
		{"machine type", "POST", zoneB + "instances", instance("i", doc.Obj{"machineType": "zones/europe-west1-b/machineTypes/n9"}), 400, "invalid", "does not exist in zone 'europe-west1-b'"},
		{"machine type of another zone", "POST", zoneB + "instances", instance("i", doc.Obj{"machineType": "zones/europe-west1-c/machineTypes/n1-standard-1"}), 400, "invalid", "does not exist in zone 'europe-west1-b'"},
		{"metadata value too large", "POST", zoneB + "instances", instance("i", doc.Obj{"metadata": doc.Obj{"items": []any{doc.Obj{"key": "k", "value": strings.Repeat("x", 262145)}}}}), 400, "invalid", "too large"},
		{"metadata too large", "POST", zoneB + "instances", instance("i", doc.Obj{"metadata": doc.Obj{"items": []any{
			doc.Obj{"key": "a", "value": strings.Repeat("x", 262144)}, doc.Obj{"key": "b", "value": strings.Repeat("x", 262144)}}}}), 400, "invalid", "maximum total size"},
	} {
		t.Run(c.name, func(t *testing.T) {
			status, o := w.send(c.verb, c.path, c.body)
			if status != c.status || why(o) != c.reason || !strings.Contains(message(o), c.message) {
				t.Errorf("got %d %s %q, want %d %s …%q…", status, why(o), message(o), c.status, c.reason, c.message)
			}
		})
	}
	status, _ := w.send("POST", nets, `{"name":"`+strings.Repeat("x", web.MaxBody)+`"}`)
	if status != 413 {
		t.Errorf("a body of 8 MiB: %d, want 413", status)
	}
}

func TestWaysToAsk(t *testing.T) {
	w := newWorld(t)
	for _, path := range []string{"projects/p", "/projects/p", "compute/v1/projects/p", "projects/p?returnPartialSuccess=true&alt=json", "projects/p/"} {
		if status, o := w.send("GET", path, nil); status != 200 || doc.Str(o, "name") != "p" {
			t.Errorf("GET %s: %d %v", path, status, o)
		}
	}
	// Read-only fields pass where an object is sent back changed.
	w.subnet()
	w.made("POST", "projects/p/global/firewalls", doc.Obj{"name": "f", "network": "default", "allowed": []any{doc.Obj{"IPProtocol": "TCP", "ports": []any{"22"}}}})
	f := w.get("projects/p/global/firewalls/f")
	f["sourceRanges"] = []any{"10.0.0.0/8"}
	w.made("PUT", "projects/p/global/firewalls/f", f)
	if got := w.backend.net().Firewalls; len(got) != 1 || got[0].Ranges[0].String() != "10.0.0.0/8" || got[0].Allowed[0].Name != "tcp" {
		t.Errorf("rule behind the API: %+v", got)
	}
}

// TestStrangers sends what a web page could make a browser send.
func TestStrangers(t *testing.T) {
	w := newWorld(t, func(o *api.Options) { o.Hosts = []string{"gce.example"} })
	for _, c := range []struct {
		host, origin string
		want         int
		site         string // Sec-Fetch-Site, what a browser says of who asks
	}{
		{"", "", 200, ""}, {"localhost:1234", "", 200, ""}, {"[::1]:80", "", 200, ""}, {"gce.example", "", 200, ""},
		{"evil.example", "", 403, ""}, {"127.0.0.1.evil.example:80", "", 403, ""}, {"10.0.0.1", "", 403, ""},
		{"", "https://evil.example", 403, ""}, {"", "null", 403, ""}, {"", "http://localhost:3000", 403, ""}, {"localhost:80", "http://localhost:80", 200, "same-origin"},
		{"", "", 403, "cross-site"}, {"", "", 403, "same-site"}, {"", "", 200, "none"},
		{"[::1].evil.example", "", 403, ""}, {"127.0.0.1@evil.example", "", 403, ""},
	} {
		req, err := http.NewRequestWithContext(t.Context(), "GET", w.web.URL+"/compute/v1/projects/p", nil)
		if err != nil {
			t.Fatal(err)
		}
		if c.host != "" {
			req.Host = c.host
		}
		if c.origin != "" {
			req.Header.Set("Origin", c.origin)
		}
		if c.site != "" {
			req.Header.Set("Sec-Fetch-Site", c.site)
		}
		resp, err := w.web.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != c.want {
			t.Errorf("Host %q Origin %q: %d, want %d", c.host, c.origin, resp.StatusCode, c.want)
		}
	}
}
