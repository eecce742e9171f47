package recorded

import (
	"strings"
	"testing"
)

// session of a network, as files have it: its name is a placeholder in paths and
// another one in bodies, and its delete fails because of what nobody recorded.
const lines = `{"commit":"c","path":"f","n":2,"method":"GET","url":"https://compute.googleapis.com/compute/v1/projects/${projectId}/global/networks/${networkID}?alt=json","request":"","status":200,"answer":{"kind":"compute#network","name":"net-${uniqueId}","id":"000000000000000000000","mtu":7}}
{"commit":"c","path":"f","n":0,"method":"GET","url":"https://compute.googleapis.com/compute/v1/projects/${projectId}/global/networks/${networkID}?alt=json","request":"","status":404,"answer":{"error":{"code":404,"message":"The resource 'projects/${projectId}/global/networks/net-${uniqueId}' was not found","errors":[{"domain":"global","reason":"notFound","message":"The resource 'projects/${projectId}/global/networks/net-${uniqueId}' was not found"}]}}}
{"commit":"c","path":"f","n":1,"method":"POST","url":"https://compute.googleapis.com/compute/v1/projects/${projectId}/global/networks?alt=json","request":{"name":"net-${uniqueId}"},"status":200,"answer":{"kind":"compute#operation","operationType":"insert","status":"RUNNING","progress":0,"startTime":"2024-04-01T12:34:56.123456Z","selfLink":"https://www.googleapis.com/compute/v1/projects/p/global/operations/${operationID}","targetLink":"https://www.googleapis.com/compute/v1/projects/${projectId}/global/networks/${networkID}"}}
{"commit":"c","path":"f","n":3,"method":"GET","url":"https://compute.googleapis.com/compute/v1/projects/${projectId}/global/wonders/u","request":"","status":404,"answer":{"error":{"code":404,"message":"x","errors":[{"reason":"notFound"}]}}}
`

func read(t *testing.T) []Exchange {
	t.Helper()
	all, err := Read(strings.NewReader(lines))
	if err != nil || len(all) != 4 {
		t.Fatalf("%d exchanges, %v", len(all), err)
	}
	return all
}

// TestReplayTells: what differs is told unless it is listed, what cannot be sent has a
// reason, and exchanges are made in the order of their file.
func TestReplayTells(t *testing.T) {
	var asked []string
	made := false
	r := Replay(read(t), func(q Request) (int, map[string]any) {
		asked = append(asked, q.Verb+" "+q.Path)
		switch {
		case q.Verb == "POST" && strings.HasSuffix(q.Path, "/networks"):
			made = true
			return 200, map[string]any{"kind": "compute#operation", "operationType": "insert", "status": "DONE", "progress": 0.0, "startTime": "2026-01-01T00:00:00.000-08:00",
				"selfLink": "https://www.googleapis.com/compute/v1/projects/p/global/operations/o", "targetLink": "https://www.googleapis.com/compute/v1/projects/recorded-0000/global/networks/net-uniqueid"}
		case q.Verb == "GET" && strings.HasSuffix(q.Path, "/networks/net-uniqueid") && made:
			return 200, map[string]any{"kind": "compute#network", "name": "net-uniqueid", "id": "7", "mtu": 7.0}
		}
		m := "The resource '" + q.Path + "' was not found"
		return 404, map[string]any{"error": map[string]any{"code": 404.0, "message": m, "errors": []any{map[string]any{"domain": "global", "reason": "notFound", "message": m}}}}
	})
	if r.Exchanges != 4 || r.Compared != 3 || r.Equal != 2 || len(r.NotSent) != 1 {
		t.Errorf("the account is\n%s", r)
	}
	want := `networks.insert: value status: Google "RUNNING", the embedded GCE "DONE"`
	if len(r.Unlisted) != 1 || r.Unlisted[0] != want {
		t.Errorf("told is %q, want %q", r.Unlisted, want)
	}
	if asked[0] != "GET projects/recorded-0000/global/networks/net-uniqueid" {
		t.Errorf("asked first: %s", asked[0])
	}
}

// TestReduce: a table has what answers have in common, and no name of anybody.
func TestReduce(t *testing.T) {
	by := map[string]*Fact{}
	for _, f := range Reduce(read(t)) {
		by[f.Method] = f
	}
	get := by["networks.get"]
	if get == nil || get.N != 2 || get.Always["mtu"] != "float64" || len(get.Errors) != 1 || get.Errors[0].Message != "The resource … was not found" {
		t.Errorf("networks.get is %+v", get)
	}
	if first := by["networks.insert"].First; first["RUNNING 0 startTime"] != 1 {
		t.Errorf("first states %v", first)
	}
	if text := string(Write(Reduce(read(t)))); strings.Contains(text, "${") || strings.Contains(text, "uniqueId") {
		t.Errorf("names are in the table: %s", text)
	}
	if text := string(embedded); strings.Contains(text, "${") || strings.Contains(text, "example.com") {
		t.Error("names are in the table of this project")
	}
}

// TestHolds: a server that answers otherwise is told of.
func TestHolds(t *testing.T) {
	google := map[string]*Fact{}
	for _, f := range Reduce(read(t)) {
		google[f.Method] = f
	}
	same := Reduce(read(t))
	if d, n, _ := Holds(same, google); len(d) != 0 || n != 2 {
		t.Errorf("the same differs in %v (%d methods)", d, n)
	}
	for _, f := range same {
		if f.Method == "networks.get" {
			delete(f.Always, "id")
			f.Always["wonder"] = "string"
			f.Errors[0].Message = "no"
		}
	}
	if d, _, _ := Holds(same, google); len(d) != 3 {
		t.Errorf("told is %q", d)
	}
}
