package emulator

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"hakube/gce/emulator/internal/doc"
)

// stored makes a request to Cloud Storage as the operator.
func (w *world) stored(verb, path, body string, headers ...string) (int, string, http.Header) {
	w.t.Helper()
	if !strings.HasPrefix(path, "http") {
		path = w.web.URL + path
	}
	r, err := http.NewRequestWithContext(w.t.Context(), verb, path, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	resp, err := w.web.Client().Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return resp.StatusCode, string(text), resp.Header
}

// TestStorage: objects are there as a whole or not at all, under the conditions that are
// set, and stay so over a restart; what is not written is refused by name.
func TestStorage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	contents := strings.TrimSuffix(w.path, ".db") + ".contents"
	const up, objects = "/upload/storage/v1/b/b1x/o?", "/storage/v1/b/b1x/o"
	for i, c := range []struct {
		verb, path, body string
		status           int
		says             string
	}{
		{"POST", up + "uploadType=media&name=x", "x", 404, "The specified bucket does not exist."},
		{"POST", "/storage/v1/b?project=p", `{"name":"b1x","location":"europe-west1"}`, 200, `"location": "EUROPE-WEST1"`},
		{"POST", "/storage/v1/b?project=q", `{"name":"b1x"}`, 409, "you already own it"},
		{"POST", "/storage/v1/b?project=p", `{"name":"B"}`, 400, "Invalid bucket name"},
		{"POST", "/storage/v1/b?project=p", `{"name":"b2x","versioning":{"enabled":true}}`, 400, "a bucket's versioning is not written"},
		{"POST", "/storage/v1/b?project=p", `{"name":"b2x","storageClass":"COLDLINE"}`, 400, "storage class COLDLINE is not written"},
		{"GET", "/storage/v1/b?project=q", "", 200, `"kind": "storage#buckets"` + "\n}"},
		{"POST", up + "uploadType=media&name=d/x&ifGenerationMatch=0", "first", 200, `"size": "5"`},
		{"POST", up + "uploadType=media&name=d/x&ifGenerationMatch=0", "second", 412, "pre-conditions"},
		{"GET", objects + "/d%2Fx?alt=media", "", 200, "first"},
		{"GET", objects + "/d%2Fx?alt=media&generation=1", "", 404, "No such object: b1x/d/x"},
		{"GET", objects + "/none", "", 404, "No such object: b1x/none"},
		{"POST", up + "uploadType=media&name=d/y", "y", 200, `"name": "d/y"`},
		{"POST", up + "uploadType=media&name=e", "e", 200, `"crc32c"`},
		{"GET", objects + "?prefix=d/&maxResults=1&fields=items(name)", "", 200, `"nextPageToken"`},
		{"GET", objects + "?delimiter=/", "", 200, `"prefixes": [` + "\n    \"d/\""},
		{"GET", objects + "?matchGlob=*", "", 400, "listing objects by matchGlob is not written"},
		{"DELETE", "/storage/v1/b/b1x", "", 409, "not empty"},
		{"POST", objects + "/e/rewriteTo/b/b1x/o/f", "", 400, "is not written"},
		{"GET", "/storage/v1/b/b1x/iam", "", 200, `"etag": "ACAB"`},
	} {
		if status, text, _ := w.stored(c.verb, c.path, c.body); status != c.status || !strings.Contains(text, c.says) {
			t.Errorf("%d: %s %s: %d, want %d and %q:\n%s", i, c.verb, c.path, status, c.status, c.says, text)
		}
	}
	if _, _, h := w.stored("GET", objects+"/d%2Fx?alt=media", "", "Range", "bytes=1-2"); h.Get("Content-Range") != "bytes 1-2/5" || !strings.Contains(h.Get("X-Goog-Hash"), "crc32c=") {
		t.Errorf("a part of it has %v", h)
	}
	w.pieces(up, objects)
	if err := os.WriteFile(filepath.Join(contents, "part-of-a-killed-daemon"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadDir(contents)
	if err != nil {
		t.Fatal(err)
	}
	w.reopen()
	if _, text, _ := w.stored("GET", objects+"/d%2Fx?alt=media", ""); text != "first" {
		t.Errorf("after a restart it is %q", text)
	}
	if after, err := os.ReadDir(contents); err != nil || len(after) != 4 || len(before) != 5 {
		t.Errorf("there are %d files of contents, then %d, %v", len(before), len(after), err)
	}
	if n := w.s.Objects(); n["buckets"] != 1 || n["objects"] != 4 {
		t.Errorf("it has %v", n)
	}
}

// pieces sends an object by pieces, one of them twice and one cut off.
func (w *world) pieces(up, objects string) {
	w.t.Helper()
	_, _, h := w.stored("POST", up+"uploadType=resumable&name=pieces", `{"metadata":{"k":"v"}}`, "X-Upload-Content-Type", "text/plain")
	session := h.Get("Location")
	for _, c := range []struct {
		body, span, override string
		status               int
		has                  string
	}{
		{"01234", "bytes 0-4/*", "yes", 200, "bytes=0-4"},
		{"", "bytes */*", "", 308, "bytes=0-4"},
		{"34567", "bytes 3-7/*", "", 308, "bytes=0-7"},
		{"9", "bytes 9-9/10", "", 308, "bytes=0-7"}, // what is before it did not come
	} {
		status, _, h := w.stored("PUT", session, c.body, "Content-Range", c.span, "X-GUploader-No-308", c.override)
		if status != c.status || h.Get("Range") != c.has || c.override != "" && h.Get("X-HTTP-Status-Code-Override") != "308" {
			w.t.Errorf("piece %s: %d %v, want %d and %s", c.span, status, h, c.status, c.has)
		}
	}
	if status, text, _ := w.stored("GET", objects+"/pieces", ""); status != 404 {
		w.t.Errorf("before its end it is there: %s", text)
	}
	if status, text, _ := w.stored("PUT", session, "89", "Content-Range", "bytes 8-9/10"); status != 200 || !strings.Contains(text, `"k": "v"`) {
		w.t.Errorf("the last piece: %d %s", status, text)
	}
	if _, text, _ := w.stored("GET", objects+"/pieces?alt=media", ""); text != "0123456789" {
		w.t.Errorf("it is %q", text)
	}
	if status, _, _ := w.stored("PUT", session, "", "Content-Range", "bytes */10"); status != 404 {
		w.t.Errorf("after its end the session is %d", status)
	}
}

// TestStorageIsForRoles: a machine's account gets at objects by the scopes of its token and
// by roles, of the project or of the bucket, and writes over nothing without the right to
// delete it.
func TestStorageIsForRoles(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.subnet()
	in := w.guests()
	email := w.account("keeper")
	in.machine("all", email, "cloud-platform")
	in.machine("reads", email, "devstorage.read_only")
	in.machine("other", email, "compute")
	for _, name := range []string{"b1x", "b2x"} {
		w.operator("POST", "/storage/v1/b?project=p", `{"name":"`+name+`"}`)
	}
	const host = "https://storage.googleapis.com"
	all, reads, other := in.token("all"), in.token("reads"), in.token("other")
	write := func(b, name string) string {
		return host + "/upload/storage/v1/b/" + b + "/o?uploadType=media&name=" + name
	}
	denied := func(permission, on string) string {
		return fmt.Sprintf("%s does not have %s access to the Google Cloud Storage %s. Permission '%s' denied on resource (or it may not exist).", email, permission, on, permission)
	}
	in.says(all, 403, denied("storage.objects.create", "object"), "POST", write("b1x", "x"), "x")
	policy := func(role string) {
		w.operator("PUT", "/storage/v1/b/b1x/iam", `{"bindings":[{"role":"`+role+`","members":["serviceAccount:`+email+`"]}]}`)
	}
	policy("roles/storage.objectCreator")
	in.says(all, 200, "", "POST", write("b1x", "x"), "x")
	in.says(all, 403, denied("storage.objects.delete", "object"), "POST", write("b1x", "x"), "again")
	in.says(all, 403, denied("storage.objects.list", "object"), "GET", host+"/storage/v1/b/b1x/o", "")
	policy("roles/storage.objectAdmin")
	in.says(all, 200, "", "POST", write("b1x", "x"), "again")
	in.says(all, 200, "", "GET", host+"/storage/v1/b/b1x/o", "")
	in.says(all, 403, denied("storage.objects.create", "object"), "POST", write("b2x", "x"), "x")
	in.says(all, 403, denied("storage.buckets.create", "bucket"), "POST", host+"/storage/v1/b?project=p", `{"name":"b3x"}`)
	in.says(reads, 200, "", "GET", host+"/storage/v1/b/b1x/o/x", "")
	for _, x := range []struct{ token, verb, url string }{{reads, "POST", write("b1x", "y")}, {other, "GET", host + "/storage/v1/b/b1x/o/x"}} {
		in.says(x.token, 403, "Request had insufficient authentication scopes.", x.verb, x.url, "")
	}
	tested := in.says(all, 200, "", "GET", host+"/storage/v1/b/b1x/iam/testPermissions?permissions=storage.objects.get&permissions=storage.buckets.delete", "")
	if got := doc.Strings(tested, "permissions"); len(got) != 1 || got[0] != "storage.objects.get" {
		t.Errorf("it is said to have %v", got)
	}
}
