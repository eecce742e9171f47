package contract

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

const (
	network   = "/compute/v1/projects/p/global/networks"
	operation = `{"kind":"compute#operation","id":"1","name":"o","operationType":"insert","targetLink":"x","status":"PENDING","insertTime":"t","selfLink":"x"}`
)

// TestSees breaks the contract in each way, so that a contract which finds
// nothing means something.
func TestSees(t *testing.T) {
	for name, c := range map[string]struct {
		verb, path, body string
		status           int
		answer           string
		want             string // "" for nothing
	}{
		"fits":                   {"POST", network, `{"name":"n","autoCreateSubnetworks":false}`, 200, operation, ""},
		"no such path":           {"POST", network + "/n/wonder", `{}`, 404, missingError, "no such method and path"},
		"no such method":         {"PATCH", network, `{}`, 404, missingError, "no such method and path"},
		"name in the path":       {"GET", network + "/N", "", 404, missingError, "field 'network': 'N'"},
		"unknown parameter":      {"GET", network + "?wonder=1", "", 200, `{"kind":"compute#networkList"}`, "'wonder'"},
		"parameter's type":       {"GET", network + "?maxResults=x", "", 200, `{"kind":"compute#networkList"}`, "Not an integer"},
		"parameter twice":        {"GET", network + "?maxResults=1&maxResults=2", "", 200, `{"kind":"compute#networkList"}`, "cannot be repeated"},
		"parameter's range":      {"GET", "/compute/v1/projects/p/zones/z-b/instances/i/serialPort?port=5", "", 400, badError, "Must be between 1 and 4"},
		"parameter missing":      {"POST", "/compute/v1/projects/p/zones/z-b/instanceGroupManagers/g/resize", "", 400, badError, "'size' not specified"},
		"no body":                {"POST", network, "", 400, badError, "'resource' not specified"},
		"body of a get":          {"GET", network + "/n", `{"name":"n"}`, 404, missingError, "has no body"},
		"required field":         {"POST", "/compute/v1/projects/p/zones/z-b/instances", `{}`, 400, badError, "'resource.name' not specified"},
		"unknown field":          {"POST", network, `{"name":"n","wonder":1}`, 400, badError, "No such field"},
		"field's type":           {"POST", network, `{"name":1}`, 400, badError, "Must be a string"},
		"field's pattern":        {"POST", network, `{"name":"N"}`, 400, badError, "match of regex"},
		"enum":                   {"POST", network, `{"name":"n","routingConfig":{"routingMode":"ODD"}}`, 400, badError, "Unknown value"},
		"number for int64":       {"POST", "/compute/v1/projects/p/zones/z-b/disks", `{"name":"d","sizeGb":10}`, 200, operation, "Must be a string"},
		"output-only":            {"POST", network, `{"name":"n","id":"1"}`, 200, operation, "for output only"},
		"output-only in a patch": {"PATCH", network + "/n", `{"selfLink":"x"}`, 200, operation, "for output only"},
		"output-only, deep":      {"POST", "/compute/v1/projects/p/zones/z-b/instances/i/setMetadata", `{"kind":"compute#metadata"}`, 200, operation, "for output only"},

		"answer's unknown field":  {"GET", network + "/n", "", 200, `{"kind":"compute#network","wonder":1}`, "No such field"},
		"answer's kind":           {"GET", network + "/n", "", 200, `{"kind":"compute#networks"}`, "Must be compute#network"},
		"answer's type":           {"GET", network + "/n", "", 200, `{"id":1}`, "Must be a string"},
		"answer's enum":           {"GET", network + "/n", "", 200, `{"routingConfig":{"routingMode":"ODD"}}`, "Unknown value"},
		"answer is empty":         {"GET", network + "/n", "", 204, "", "it is empty"},
		"answer is no JSON":       {"GET", network + "/n", "", 200, "hello", "invalid character"},
		"error without reason":    {"GET", network + "/n", "", 404, `{"error":{"code":404,"message":"m","errors":[{"message":"m","domain":"global"}]}}`, "reason is not there"},
		"error of another status": {"GET", network + "/n", "", 500, missingError, "error.code is 404"},
		"error as text":           {"GET", network + "/n", "", 500, `{"error":"oh"}`, "an error answer is"},
		"operation unfinished":    {"POST", network, `{"name":"n"}`, 200, strings.Replace(operation, "PENDING", "DONE", 1), "endTime"},
		"operation without id":    {"POST", network, `{"name":"n"}`, 200, strings.Replace(operation, `"id":"1",`, "", 1), "without id"},
		"failed without a status": {"POST", network, `{"name":"n"}`, 200, strings.Replace(operation, `"status":"PENDING"`,
			`"status":"DONE","progress":100,"endTime":"t","error":{"errors":[{"code":"C","message":"m"}]}`, 1), "httpErrorStatusCode"},
	} {
		t.Run(name, func(t *testing.T) {
			var broken []string
			watch := Contract{Client: "hakube", Broken: func(err error) { broken = append(broken, err.Error()) }, Seen: &Coverage{}}
			h := watch.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(c.status)
				_, _ = fmt.Fprint(w, c.answer)
			}))
			r := httptest.NewRequest(c.verb, c.path, strings.NewReader(c.body))
			r.Header.Set("User-Agent", "hakube/1")
			r.Header.Set("Content-Type", "application/json")
			h.ServeHTTP(httptest.NewRecorder(), r)
			switch {
			case c.want == "" && len(broken) > 0:
				t.Errorf("told of %q", broken)
			case c.want != "" && (len(broken) != 1 || !strings.Contains(broken[0], c.want)):
				t.Errorf("told of %q, want one with %q", broken, c.want)
			}
		})
	}
}

const (
	missingError = `{"error":{"code":404,"message":"m","errors":[{"message":"m","domain":"global","reason":"notFound"}]}}`
	badError     = `{"error":{"code":400,"message":"m","errors":[{"message":"m","domain":"global","reason":"invalid"}]}}`
)

// TestOthers leaves requests of other clients alone, but not answers to them,
// and counts only our own.
func TestOthers(t *testing.T) {
	broken := 0
	watch := Contract{Client: "hakube", Broken: func(error) { broken++ }, Seen: &Coverage{}}
	h := watch.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprint(w, `{"kind":"compute#network","wonder":1}`)
	}))
	for i, agent := range []string{"gcloud", "hakube"} {
		r := httptest.NewRequest("GET", network+"/n?wonder=1", nil)
		r.Header.Set("User-Agent", agent)
		h.ServeHTTP(httptest.NewRecorder(), r)
		if want := []int{1, 3}[i]; broken != want {
			t.Errorf("after %s: %d violations, want %d", agent, broken, want)
		}
	}
	if m := watch.Seen.Methods(); !slices.Equal(m, []string{"networks.get"}) {
		t.Errorf("counted %v", m)
	}
}

// TestRefusedBatch holds the refusal of a whole batch to what errors look like, and
// an answer that is none to what batches look like.
func TestRefusedBatch(t *testing.T) {
	for name, c := range map[string]struct {
		kind, request string
		status        int
		answer, want  string
	}{
		"another type":    {"0;boundary=b", "--b--", 400, badError, ""},
		"not readable":    {"multipart/mixed;boundary=b", "--b\n\nx\n--b--", 400, badError, ""},
		"no error":        {"0;boundary=b", "--b--", 400, `{"kind":"x"}`, "the refusal of a batch"},
		"answered by one": {"multipart/mixed;boundary=b", "--b\n\nGET / HTTP/1.1\n\n--b--", 200, operation, "the answer to a batch is none"},
	} {
		t.Run(name, func(t *testing.T) {
			broken := ""
			watch := Contract{Client: "hakube", Broken: func(err error) { broken += err.Error() }}
			h := watch.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(c.status)
				_, _ = fmt.Fprint(w, c.answer)
			}))
			r := httptest.NewRequest("POST", "/batch/compute/v1", strings.NewReader(c.request))
			r.Header.Set("Content-Type", c.kind)
			h.ServeHTTP(httptest.NewRecorder(), r)
			if (broken == "") != (c.want == "") || !strings.Contains(broken, c.want) {
				t.Errorf("found %q, want %q", broken, c.want)
			}
		})
	}
}

// TestCut looks at requests too whose connection the server cuts, and lets the
// cut through.
func TestCut(t *testing.T) {
	broken := 0
	watch := Contract{Client: "hakube", Broken: func(error) { broken++ }}
	h := watch.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		panic(http.ErrAbortHandler)
	}))
	r := httptest.NewRequest("GET", network+"/n?wonder=1", nil)
	r.Header.Set("User-Agent", "hakube")
	defer func() {
		if recover() != http.ErrAbortHandler || broken != 1 {
			t.Errorf("%d violations, want 1 and a cut", broken)
		}
	}()
	h.ServeHTTP(httptest.NewRecorder(), r)
}
