package gce

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"cloud.google.com/go/compute/apiv1/computepb"
	"google.golang.org/protobuf/encoding/protojson"
)

// always answers every request in one way.
type always struct {
	status int
	kind   string
	body   []byte
}

func (a always) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{
		StatusCode: a.status, Status: http.StatusText(a.status), Request: r, Header: http.Header{"Content-Type": {a.kind}},
		Body: io.NopCloser(bytes.NewReader(a.body)), ProtoMajor: 1, ProtoMinor: 1,
	}, nil
}

// FuzzAnswer reads a network from whoever may sit where Compute Engine should:
// the result is a network or an [*Error] of one line with a hint that has one.
func FuzzAnswer(f *testing.F) {
	for _, body := range []string{
		"", "{", "null", "[]", `{"name":"n","mtu":"x"}`, `{"error":"x"}`, `{"error":{"code":404,"message":"The resource 'projects/p/global/networks/n' was not found","errors":[{"reason":"notFound"}]}}`,
		`{"error":{"code":403,"errors":[],"details":[null,1,"x",{"@type":1},{"@type":"google.rpc.ErrorInfo","reason":7,"metadata":[]},{"@type":"google.rpc.ErrorInfo","metadata":{"a":{"b":1}}}]}}`,
		"<html><title>\x1b]0;x\x07</title></html>",
	} {
		for _, status := range []int{200, 302, 403, 404, 503} {
			f.Add(status, "application/json", []byte(body))
		}
	}
	f.Fuzz(func(t *testing.T, status int, kind string, body []byte) {
		if status < 200 || status > 599 {
			return
		}
		c, err := New(t.Context(), Options{Project: "p", Endpoint: "http://gce.invalid", HTTPClient: &http.Client{Transport: always{status, kind, body}}})
		if err != nil {
			t.Fatal(err)
		}
		rest, err := c.networks.get(c)
		if err != nil {
			t.Fatal(err)
		}
		w := call{"reading", "network", "n"}
		_, err = rest.Get(t.Context(), &computepb.GetNetworkRequest{Project: "p", Network: "n"}, once)
		if err == nil {
			return
		}
		e := c.failed(w, err)
		var as *Error
		if !errors.As(error(e), &as) || !strings.HasPrefix(e.Error(), "reading network n: ") {
			t.Errorf("%d %q: %v", status, body, e)
		}
		if strings.ContainsRune(e.Error(), '\n') || strings.Count(e.Hint(), "\n") > strings.Count(e.Hint(), "\n\t")+1 {
			t.Errorf("%d %q: more than one line: %q, %q", status, body, e.Error(), e.Hint())
		}
	})
}

// FuzzOperation reads any operation: it ended well only without an error and
// without a status that is one.
func FuzzOperation(f *testing.F) {
	for _, s := range []string{
		`{"name":"o","status":"DONE"}`, `{"httpErrorStatusCode":503}`, `{"error":{"errors":[{"code":"QUOTA_EXCEEDED","message":"m","errorDetails":[{"quotaInfo":{"limit":1.5}}]}]}}`,
		`{"error":{"errors":[{},{"errorDetails":[{},{"errorInfo":{"reason":"r","metadatas":{"a":"b"}}}]}]}}`, `{"error":{}}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var op computepb.Operation
		if protojson.Unmarshal(text, &op) != nil {
			return
		}
		e := decodeOperation(&op)
		if failed := op.Error != nil || op.GetHttpErrorStatusCode() >= 400; failed != (e != nil) {
			t.Errorf("%s: %v", text, e)
		}
		if e != nil {
			e.judge("n")
			if strings.ContainsRune(e.Error(), '\n') {
				t.Errorf("%s: more than one line: %q", text, e)
			}
			_ = e.Hint()
		}
	})
}
