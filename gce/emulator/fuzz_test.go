package emulator

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"hakube/gce/emulator/contract"
	"hakube/gce/emulator/internal/api"
	"hakube/gce/emulator/internal/doc"
)

// A fuzzed server is thrown away now and then, so that what inputs made does
// not slow down those after.
type fuzzed struct {
	dir   string
	s     *Server
	front http.Handler // s, watched
	calls int
	bad   []error // answers that do not fit Google's description
}

// server returns one with a network, a subnetwork, a machine and a group.
func (z *fuzzed) server() *Server {
	if z.calls++; z.s != nil && z.calls%2000 != 0 {
		return z.s
	}
	if z.s != nil {
		z.s.Close()
	}
	at := make(chan time.Time)
	close(at)
	dir, err := os.MkdirTemp(z.dir, "")
	if err != nil {
		panic(err)
	}
	z.s, err = New(api.Options{
		Path: filepath.Join(dir, "gce.db"), NoSync: true, NoDefaultNetwork: true,
		After: func(time.Duration) <-chan time.Time { return at }, // nobody waits
	})
	if err != nil {
		panic(err)
	}
	watch := contract.Contract{Client: "hakube", Broken: func(err error) { z.bad = append(z.bad, err) }}
	z.front = watch.Handler(z.s)
	z.ask("POST", "/compute/v1/projects/p/global/networks", "", []byte(`{"name":"default","autoCreateSubnetworks":false}`))
	for z.ask("GET", "/compute/v1/projects/p/global/networks/default", "", nil).Code != 200 {
		time.Sleep(time.Millisecond)
	}
	z.ask("POST", "/compute/v1/"+regionW+"subnetworks", "", []byte(`{"name":"s","network":"global/networks/default","ipCidrRange":"10.40.0.0/22","secondaryIpRanges":[{"rangeName":"pods-default","ipCidrRange":"10.64.0.0/14"}]}`))
	z.ask("POST", "/compute/v1/"+zoneB+"instances", "", []byte(jsonOf(instance("i", nil))))
	return z.s
}

func jsonOf(o doc.Obj) string {
	b, err := json.Marshal(o)
	if err != nil {
		panic(err)
	}
	return string(b)
}

func (z *fuzzed) ask(verb, path, query string, body []byte) *httptest.ResponseRecorder {
	rec := httptest.NewRecorder()
	z.front.ServeHTTP(rec, &http.Request{
		Method: verb, Host: "localhost", Header: http.Header{}, URL: &url.URL{Path: path, RawQuery: query}, RequestURI: path,
		Body: io.NopCloser(bytes.NewReader(body)),
	})
	return rec
}

// sound holds an answer to what every answer is: JSON, with an error's code
// where it is one, and never the server's own fault.
func (z *fuzzed) sound(t *testing.T, rec *httptest.ResponseRecorder, what string) {
	t.Helper()
	for _, err := range z.bad {
		t.Errorf("%s: %v", what, err)
	}
	z.bad = nil
	if rec.Code == http.StatusNoContent && rec.Body.Len() == 0 {
		return
	}
	var o doc.Obj
	if err := json.Unmarshal(rec.Body.Bytes(), &o); err != nil {
		t.Fatalf("%s: %d %.300s: %v", what, rec.Code, rec.Body, err)
	}
	if rec.Code == 200 {
		return
	}
	if rec.Code == 500 || rec.Code < 400 || doc.Num(doc.Sub(o, "error"), "code") != int64(rec.Code) || why(o) == "" || message(o) == "" {
		t.Errorf("%s: %d %.1000s", what, rec.Code, rec.Body)
	}
}

// FuzzRouter sends any method, path, query and body.
func FuzzRouter(f *testing.F) {
	z := &fuzzed{dir: f.TempDir()}
	for _, m := range []struct{ verb, path, query, body string }{
		{"GET", "projects/p", "alt=json", ""},
		{"GET", zoneB + "instances", "filter=name+eq+i&maxResults=1&pageToken=ZnJvbTox", ""},
		{"GET", "projects/p/aggregated/instances", "filter=name%3Di", ""},
		{"GET", zoneB + "instances/i/serialPort", "start=-1&port=1", ""},
		{"GET", zoneB + "instances/i/getGuestAttributes", "queryPath=hostkeys/", ""},
		{"POST", "projects/p/global/networks", "requestId=9f5d5c0e-2f8a-4b0d-9b4e-0f9c6f6d3a11", `{"name":"n","autoCreateSubnetworks":false,"mtu":1460}`},
		{"POST", regionW + "subnetworks", "", `{"name":"t","network":"default","ipCidrRange":"10.41.0.0/22"}`},
		{"POST", "projects/p/global/firewalls", "", `{"name":"f","network":"global/networks/default","sourceRanges":["10.0.0.0/8"],"allowed":[{"IPProtocol":"tcp","ports":["22","80-90"]}],"targetTags":["a"]}`},
		{"PATCH", "projects/p/global/firewalls/f", "", `{"sourceRanges":["0.0.0.0/0"]}`},
		{"POST", regionW + "addresses", "", `{"name":"a","address":"198.51.100.7"}`},
		{"POST", zoneB + "disks", "", `{"name":"d","sizeGb":"10","type":"zones/europe-west1-b/diskTypes/pd-ssd"}`},
		{"POST", zoneB + "instances", "", jsonOf(instance("j", nil))},
		{"POST", zoneB + "instances/i/setMetadata", "", `{"fingerprint":"x","items":[{"key":"k","value":"v"}]}`},
		{"POST", zoneB + "instances/i/addAccessConfig", "networkInterface=nic0", `{"name":"n","natIP":"198.51.100.9"}`},
		{"POST", zoneB + "instances/i/deleteAccessConfig", "networkInterface=nic0&accessConfig=external-nat", ""},
		{"POST", zoneB + "instances/i/stop", "", ""},
		{"POST", zoneB + "instances/i/attachDisk", "", `{"source":"zones/europe-west1-b/disks/d","deviceName":"d"}`},
		{"DELETE", zoneB + "instances/i", "", ""},
		{"POST", "projects/p/global/instanceTemplates", "", `{"name":"t","properties":{"machineType":"n1-standard-1","disks":[{"boot":true,"initializeParams":{"sourceImage":"projects/debian-cloud/global/images/family/debian-12"}}],"networkInterfaces":[{"subnetwork":"regions/europe-west1/subnetworks/s"}]}}`},
		{"POST", zoneB + "instanceGroupManagers", "", `{"name":"g","targetSize":1,"instanceTemplate":"global/instanceTemplates/t"}`},
		{"POST", zoneB + "instanceGroupManagers/g/resize", "size=2", ""},
		{"POST", zoneB + "instanceGroups", "", `{"name":"u"}`},
		{"POST", zoneB + "instanceGroups/u/addInstances", "", `{"instances":[{"instance":"zones/europe-west1-b/instances/i"}]}`},
		{"POST", regionW + "healthChecks", "", `{"name":"h","type":"HTTPS","httpsHealthCheck":{"port":443,"requestPath":"/readyz"}}`},
		{"POST", regionW + "backendServices", "", `{"name":"b","loadBalancingScheme":"EXTERNAL","protocol":"TCP","healthChecks":["regions/europe-west1/healthChecks/h"],"backends":[{"group":"zones/europe-west1-b/instanceGroups/u"}]}`},
		{"POST", regionW + "backendServices/b/getHealth", "", `{"group":"zones/europe-west1-b/instanceGroups/u"}`},
		{"POST", regionW + "forwardingRules", "", `{"name":"r","IPAddress":"198.51.100.7","IPProtocol":"TCP","ports":["443"],"backendService":"regions/europe-west1/backendServices/b","loadBalancingScheme":"EXTERNAL"}`},
		{"POST", "projects/p/setCommonInstanceMetadata", "", `{"items":[{"key":"k","value":"v"}]}`},
	} {
		f.Add(m.verb, "/compute/v1/"+m.path, m.query, []byte(m.body))
	}
	f.Fuzz(func(t *testing.T, verb, path, query string, body []byte) {
		z.server()
		z.bad = nil
		z.sound(t, z.ask(verb, path, query, body), fmt.Sprintf("%q %q ? %q %.300q", verb, path, query, body))
	})
}

// FuzzBatch sends any body as a batch.
func FuzzBatch(f *testing.F) {
	z := &fuzzed{dir: f.TempDir()}
	f.Add("multipart/mixed; boundary=b", []byte("--b\n\nGET /compute/v1/projects/p HTTP/1.1\n\n--b--"))
	f.Add(`multipart/mixed; boundary="==b=="`, []byte("--==b==\r\nContent-Type: application/http\r\nContent-ID: <x+1>\r\n\r\nPOST /compute/v1/projects/p/global/networks?alt=json HTTP/1.1\r\ncontent-length: 12\r\n\r\n{\"name\":\"n\"}\r\n--==b==--"))
	f.Add("multipart/mixed", []byte("--\n\nx"))
	f.Add("multipart/mixed; boundary=b", []byte("--b\n\nPOST /batch HTTP/1.1\nTransfer-Encoding: chunked\n\n5\nx\n--b"))
	f.Add("text/plain", []byte(""))
	f.Fuzz(func(t *testing.T, kind string, body []byte) {
		z.server()
		rec := httptest.NewRecorder()
		z.front.ServeHTTP(rec, &http.Request{
			Method: "POST", Host: "localhost", URL: &url.URL{Path: "/batch/compute/v1"}, Header: http.Header{"Content-Type": {kind}},
			Body: io.NopCloser(bytes.NewReader(body)),
		})
		if rec.Code == 200 && strings.HasPrefix(rec.Header().Get("Content-Type"), "multipart/mixed") {
			if bytes.Contains(rec.Body.Bytes(), []byte("HTTP/1.1 500")) {
				t.Errorf("%q: %s", body, rec.Body)
			}
			return
		}
		z.sound(t, rec, fmt.Sprintf("%q", body))
	})
}
