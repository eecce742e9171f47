package live

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"hakube/gce/gcetest"
)

// A middleman drops a field of the answers to one method.
type middleman struct{ path, field string }

func (m middleman) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil || r.Method != http.MethodGet || !strings.Contains(r.URL.Path, m.path) {
		return resp, err
	}
	var o map[string]any
	if err := json.NewDecoder(resp.Body).Decode(&o); err != nil {
		return nil, err
	}
	delete(o, m.field)
	js, err := json.Marshal(o)
	resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(js)), int64(len(js))
	resp.Header.Del("Content-Length")
	return resp, err
}

// runOn is a run whose calls go to an embedded GCE, by a middleman if one is given.
func runOn(t *testing.T, by http.RoundTripper) *run {
	t.Helper()
	w := gcetest.Start(t)
	p, err := listen(t.Context(), Upstream{Name: "test", Compute: w.URL, Manager: w.URL, Transport: by})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.close)
	return &run{o: Options{Project: "acme-live-0123", Say: func(string) {}}, proxy: p}
}

func (r *run) make(t *testing.T, collection, body string) {
	t.Helper()
	resp, err := http.Post(r.proxy.url+"/compute/v1/projects/acme-live-0123/"+collection, "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	var op map[string]any
	if err := json.NewDecoder(resp.Body).Decode(&op); err != nil || resp.StatusCode != 200 {
		t.Fatalf("%v, %v", op, err)
	}
	_, at, _ := strings.Cut(op["selfLink"].(string), "/compute/v1/")
	if _, err := r.ask(t.Context(), http.MethodPost, at+"/wait"); err != nil {
		t.Fatal(err)
	}
}

// TestPlantedDifference: a field that somebody on the way drops is in the file, as news;
// without him there is none.
func TestPlantedDifference(t *testing.T) {
	for field, sort := range map[string]string{"": "", "creationTimestamp": "time", "networkFirewallPolicyEnforcementOrder": "string"} {
		by := middleman{"/global/networks/", field}
		r := runOn(t, by)
		r.make(t, "global/networks", `{"name":"hakube-live","autoCreateSubnetworks":false,"routingConfig":{"routingMode":"REGIONAL"},"networkFirewallPolicyEnforcementOrder":"AFTER_CLASSIC_FIREWALL"}`)
		if _, err := r.ask(t.Context(), http.MethodGet, "projects/acme-live-0123/global/networks/hakube-live"); err != nil {
			t.Fatal(err)
		}
		r.reckon()
		if err := r.file.clean("acme-live-0123"); err != nil {
			t.Fatal(err)
		}
		var news []Difference
		for _, d := range r.file.Differences {
			if d.Known == "" {
				news = append(news, d)
			}
		}
		if want := []Difference{{"networks.get", "missing", field, sort, "", ""}}; field != "" && !slices.Equal(news, want) || field == "" && len(news) > 0 {
			t.Errorf("without %q: %+v", field, news)
		}
		if len(r.file.Operations) != 1 || r.file.Operations[0].Method != "networks.insert" || r.file.Operations[0].N != 1 {
			t.Errorf("operations %+v", r.file.Operations)
		}
	}
}

// TestSweep: what a killed suite left goes, in an order in which it can, and nothing else.
func TestSweep(t *testing.T) {
	r := runOn(t, http.DefaultTransport)
	for _, name := range []string{"hakube-suite-1a2b3c-net", "theirs"} {
		r.make(t, "global/networks", `{"name":"`+name+`","autoCreateSubnetworks":false}`)
	}
	r.make(t, "regions/europe-west1/subnetworks", `{"name":"hakube-suite-1a2b3c-sub","ipCidrRange":"10.9.0.0/24","network":"projects/acme-live-0123/global/networks/hakube-suite-1a2b3c-net"}`)
	if err := r.sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	if left, err := r.things(t.Context(), suitePrefix, "theirs"); err != nil || len(left) != 1 || !strings.HasSuffix(left[0], "/theirs") {
		t.Errorf("left: %v, %v", left, err)
	}
}

// TestOnlyOurs: who has not the word of the run is turned away, and the word goes no further.
func TestOnlyOurs(t *testing.T) {
	var heads []http.Header
	r := runOn(t, roundTrip(func(q *http.Request) (*http.Response, error) {
		heads = append(heads, q.Header)
		return http.DefaultTransport.RoundTrip(q)
	}))
	for _, word := range []string{"", "wrong"} {
		q, _ := http.NewRequest(http.MethodGet, "http://"+strings.SplitN(r.proxy.url, "@", 2)[1]+"/compute/v1/projects/p", nil)
		q.SetBasicAuth(user, word)
		resp, err := http.DefaultClient.Do(q)
		if err != nil || resp.StatusCode != http.StatusUnauthorized {
			t.Errorf("word %q: %v, %v", word, resp, err)
		}
		_ = resp.Body.Close()
	}
	if _, err := r.ask(t.Context(), http.MethodGet, "projects/acme-live-0123"); err != nil || len(heads) != 1 || heads[0].Get("Authorization") != "" {
		t.Errorf("passed on: %v, %v", heads, err)
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestClean: of the project, its people and its addresses nothing is in a file.
func TestClean(t *testing.T) {
	f := File{Format: 1, Ended: "asking for project Acme-Live-0123: 403: me.and-you@example.com has no access to project 123456789012, 203.0.113.7, see /home/me/x", Kubernetes: "v1.36.3"}
	if err := f.clean("acme-live-0123"); err != nil {
		t.Fatal(err)
	}
	if want := "asking for project PROJECT: 403: EMAIL has no access to project NUMBER, ADDRESS, see PATH"; f.Ended != want || f.Kubernetes != "v1.36.3" || f.Format != 1 {
		t.Errorf("%+v", f)
	}
}

// TestPhases reads what a master's console had.
func TestPhases(t *testing.T) {
	got := phases("[    0.000000] Linux version 6.1\r\nhakube-tells b s hakube/phase preparing the machine\r\nNov 29 01:18:11 startup-script: hakube: preparing the machine: done at 3s\r\nhakube-tells b s hakube/phase control plane\r\nhakube-tells b s hostkeys/ssh-rsa A\r\nhakube: control plane: done at 21s\r\nhakube-tells b s hakube/phase running\r\n")
	js, _ := json.Marshal(got)
	if want := `[{"name":"preparing the machine","done":3},{"name":"control plane","done":21},{"name":"running","done":null}]`; string(js) != want {
		t.Errorf("%s", js)
	}
}

// TestParts reads what the conformance suite printed.
func TestParts(t *testing.T) {
	got := parts("=== RUN   TestLive\n=== RUN   TestLive/catalog\n    --- PASS: TestLive/catalog (0.01s)\n=== RUN   TestLive/disk\n    suite_machine.go:12: disk pd is 7 GB\n    --- FAIL: TestLive/disk (0.2s)\n--- FAIL: TestLive (1s)\nFAIL\n")
	if len(got) != 2 || !got[0].Well || got[1].Well || !slices.Equal(got[1].Said, []string{"suite_machine.go:12: disk pd is 7 GB"}) {
		t.Errorf("%+v", got)
	}
}
