package emulator

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"hakube/gce/emulator/internal/api"
	"hakube/gce/emulator/internal/doc"
	"hakube/gce/emulator/internal/web"
)

// raw makes one request that Google's clients would not and returns the
// answer, which must be an error in Google's form.
func (w *world) raw(verb, path, contentType string, body io.Reader) (status int, reason string) {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), verb, w.web.URL+path, body)
	if err != nil {
		w.t.Fatal(err)
	}
	req.Header.Set("Content-Type", contentType)
	resp, err := w.web.Client().Do(req)
	if err != nil {
		w.t.Fatalf("%s %.60s: %v", verb, path, err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	var o doc.Obj
	if err := json.Unmarshal(text, &o); err != nil {
		w.t.Fatalf("%s %.60s: %s is no JSON: %.200s", verb, path, resp.Status, text)
	}
	if n := doc.Num(doc.Sub(o, "error"), "code"); resp.StatusCode >= 300 && n != int64(resp.StatusCode) {
		w.t.Errorf("%s %.60s: %s, but the body says %d", verb, path, resp.Status, n)
	}
	if len(text) > 8<<10 {
		w.t.Errorf("%s %.60s: an error of %d bytes", verb, path, len(text))
	}
	return resp.StatusCode, why(o)
}

// TestAbuse sends what no client means to send: each gets an error in Google's
// form with a code that says whose fault it is, and the server lives on.
func TestAbuse(t *testing.T) {
	w := newWorld(t)
	w.subnet()
	const nets, fw = "/compute/v1/projects/p/global/networks", "/compute/v1/projects/p/global/firewalls"
	deep := func(open, end string, n int) string { return strings.Repeat(open, n) + strings.Repeat(end, n) }
	for _, c := range []struct {
		name, verb, path, body string
		status                 int
		reason                 string
	}{
		{"a body that is no JSON", "POST", nets, "\x00\xff\xfe", 400, "parseError"},
		{"two documents", "POST", nets, `{"name":"a"}{"name":"b"}`, 400, "parseError"},
		{"a string", "POST", nets, `"name"`, 400, "parseError"},
		{"null", "POST", nets, `null`, 400, "parseError"},
		{"100,000 open brackets", "POST", nets, strings.Repeat("[", 100000), 400, "parseError"},
		{"100,000 levels", "POST", nets, `{"name":` + deep("[", "]", 100000) + `}`, 400, "parseError"},
		{"9,000 levels", "POST", nets, `{"name":` + deep("[", "]", 9000) + `}`, 400, "invalid"},
		{"levels of an unknown field", "POST", nets, deep(`{"x":`, "}", 500) + " ", 400, "parseError"},
		{"a name of 8 MB", "POST", nets, `{"name":"` + strings.Repeat("x", web.MaxBody-100) + `"}`, 400, "invalid"},
		{"too large", "POST", nets, strings.Repeat(" ", web.MaxBody+1), 413, "uploadTooLarge"},
		{"a number too large", "POST", nets, `{"name":"n","mtu":1e400}`, 400, "parseError"},
		{"a fraction", "POST", nets, `{"name":"n","mtu":1.5}`, 400, "invalid"},
		{"a zero byte in a name", "POST", nets, `{"name":"a\u0000b"}`, 400, "invalid"},
		{"a list where an object is", "POST", nets, `{"name":"n","routingConfig":[]}`, 400, "invalid"},
		{"an object where a list is", "POST", fw, `{"name":"f","allowed":{}}`, 400, "invalid"},
		{"a port that is none", "POST", fw, `{"name":"f","network":"global/networks/default","allowed":[{"IPProtocol":"tcp","ports":["x"]}]}`, 400, "invalid"},
		{"a range that is none", "POST", fw, `{"name":"f","network":"global/networks/default","sourceRanges":["x"],"allowed":[{"IPProtocol":"tcp"}]}`, 400, "invalid"},
		{"unknown field deep down", "POST", fw, `{"name":"f","allowed":[{"IPProtocol":"tcp","x":1}]}`, 400, "invalid"},
		{"a method there is none of", "BREW", nets, "", 400, "notImplemented"},
		{"a wrong method", "DELETE", nets, "", 400, "notImplemented"},
		{"a path of slashes", "GET", strings.Repeat("/", 1000), "", 400, "notImplemented"},
		{"a path with dots", "GET", "/compute/v1/projects/p/global/networks/..%2f..%2fx", "", 400, "notImplemented"},
		{"a path with a zero byte", "GET", nets + "/a%00b", "", 400, "invalid"},
		{"the root", "GET", "/", "", 400, "notImplemented"},
		{"a path of 100 kB", "GET", nets + "/" + strings.Repeat("a", 100_000), "", 414, "uriTooLong"},
		{"a query that is none", "GET", nets + "?a=%zz", "", 400, "badRequest"},
		{"semicolons", "GET", nets + "?a=1;b=2", "", 400, "badRequest"},
		{"maxResults below zero", "GET", nets + "?maxResults=-1", "", 400, "invalid"},
		{"maxResults too large", "GET", nets + "?maxResults=501", "", 400, "invalid"},
		{"maxResults of 100 digits", "GET", nets + "?maxResults=" + strings.Repeat("9", 100), "", 400, "invalid"},
		{"a page token that is none", "GET", nets + "?pageToken=x", "", 400, "invalid"},
		{"a page token of nonsense", "GET", nets + "?pageToken=Zm9v", "", 400, "invalid"},
		{"a page before the first", "GET", nets + "?pageToken=ZnJvbTotMQ", "", 400, "invalid"}, // from:-1
		{"a filter that is none", "GET", nets + "?filter=%28%28%28", "", 400, "invalid"},
		{"a filter of 20,000 parentheses", "GET", nets + "?filter=" + strings.Repeat("(", 20_000), "", 400, "invalid"},
		{"a filter of 8,000 NOTs", "GET", nets + "?filter=" + strings.Repeat("NOT+", 8_000) + "a=b", "", 400, "invalid"},
		{"a filter of 50 kB", "GET", nets + "?filter=name=" + strings.Repeat("a", 50_000), "", 400, "invalid"},
		{"a regular expression that grows", "GET", nets + "?filter=name+eq+((a{1000}){1000}){1000}", "", 400, "invalid"},
		{"a request id that is none", "POST", nets + "?requestId=x", `{"name":"n"}`, 400, "invalid"},
		{"a fingerprint that is none", "PATCH", "/compute/v1/projects/p/zones/europe-west1-b/instances/i", `{}`, 400, "notImplemented"},
		{"a batch that is none", "POST", "/batch/compute/v1", "x", 400, "badRequest"},
		{"a batch too large", "POST", "/batch/compute/v1", strings.Repeat("x", 4*web.MaxBody+1), 413, "uploadTooLarge"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := *w
			w.t = t
			status, reason := w.raw(c.verb, c.path, "application/json", strings.NewReader(c.body))
			if status != c.status || reason != c.reason {
				t.Errorf("got %d %s, want %d %s", status, reason, c.status, c.reason)
			}
		})
	}
	w.get("projects/p/global/networks/default")
}

// TestFingerprints: a change on grounds of what is no longer so is refused.
func TestFingerprints(t *testing.T) {
	w := newWorld(t)
	w.subnet()
	w.made("POST", zoneB+"instances", instance("i", nil))
	for _, f := range []string{"bm9uc2Vuc2U=", "not base64!"} {
		status, o := w.send("POST", zoneB+"instances/i/setMetadata", doc.Obj{"fingerprint": f, "items": []any{}})
		if want := map[bool]int{true: 412, false: 400}[f == "bm9uc2Vuc2U="]; status != want {
			// Google fails the operation of a stale one; so a 200 with that error is as good.
			if op := w.wait(o); status != 200 || doc.Num(op, "httpErrorStatusCode") != 412 {
				t.Errorf("fingerprint %q: %d %v", f, status, o)
			}
		}
	}
}

// TestPanics: a bug in one handler, one part of a batch or one operation is an
// error of that, and a line in the log.
func TestPanics(t *testing.T) {
	var log bytes.Buffer
	var mu sync.Mutex
	w := newWorld(t, func(o *api.Options) {
		o.Log = slog.New(slog.NewTextHandler(writerFunc(func(b []byte) (int, error) {
			mu.Lock()
			defer mu.Unlock()
			return log.Write(b)
		}), nil))
		o.Fault = func(r *http.Request) api.Fault {
			if r.URL.Query().Get("userIp") == "outside" {
				panic("outside of the handler")
			}
			return api.Fault{}
		}
	})
	w.s.core.Methods["networks.get"] = func(*api.Call) (doc.Obj, error) { panic("in the handler") }
	w.s.core.Works["networks.insert"] = api.Work{Run: func(context.Context, *api.Job) error { panic("in the work") }}
	for _, path := range []string{"/compute/v1/projects/p/global/networks/n", "/compute/v1/projects/p?userIp=outside"} {
		if status, reason := w.raw("GET", path, "", nil); status != 500 || reason != "backendError" {
			t.Errorf("GET %s: %d %s", path, status, reason)
		}
	}
	if op := w.do("POST", "projects/p/global/networks", doc.Obj{"name": "n"}); doc.Num(op, "httpErrorStatusCode") != 500 {
		t.Errorf("an operation that panics ends as %v", op)
	}
	req, err := http.NewRequestWithContext(t.Context(), "POST", w.web.URL+"/batch/compute/v1", strings.NewReader(
		"--b\n\nGET /compute/v1/projects/p?userIp=outside HTTP/1.1\n\n--b\n\nGET /compute/v1/projects/p HTTP/1.1\n\n--b--"))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "multipart/mixed; boundary=b")
	resp, err := w.web.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || !bytes.Contains(text, []byte("HTTP/1.1 500 ")) || !bytes.Contains(text, []byte("HTTP/1.1 200 ")) {
		t.Errorf("a batch with a part that panics: %s %s %v", resp.Status, text, err)
	}
	mu.Lock()
	defer mu.Unlock()
	for _, said := range []string{"outside of the handler", "in the handler", "in the work"} {
		if !strings.Contains(log.String(), said) {
			t.Errorf("the log has no %q", said)
		}
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

// TestSlowClients: a body that never comes is given up; headers are the HTTP
// server's to wait for (gce/local).
func TestSlowClients(t *testing.T) {
	w := newWorld(t)
	w.s.front.BodyLimit = 200 * time.Millisecond
	for _, path := range []string{"/compute/v1/projects/p/global/networks", "/batch/compute/v1"} {
		conn, err := net.Dial("tcp", w.web.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n{", path)
		begun := time.Now()
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if took := time.Since(begun); resp.StatusCode != 408 || took > time.Minute || !resp.Close {
			t.Errorf("%s: %s after %v, closing %t", path, resp.Status, took, resp.Close)
		}
	}
}

// TestClientGoesAway: whoever waits for an operation and goes leaves nothing
// behind, and the operation goes on.
func TestClientGoesAway(t *testing.T) {
	w := newWorld(t)
	w.subnet()
	hold := make(chan struct{})
	w.backend.mu.Lock()
	w.backend.hold = hold
	w.backend.mu.Unlock()
	_, op := w.send("POST", zoneB+"instances", instance("i", nil))
	<-w.backend.held
	before := runtime.NumGoroutine()
	const waiters = 50
	for range waiters {
		conn, err := net.Dial("tcp", w.web.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(conn, "POST /compute/v1/%s/wait HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n", doc.RefOf(doc.Str(op, "selfLink")))
		defer conn.Close()
		defer time.AfterFunc(300*time.Millisecond, func() { conn.Close() }).Stop()
	}
	most := 0
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(20 * time.Millisecond) {
		n := runtime.NumGoroutine()
		most = max(most, n)
		if most >= before+waiters && n < before+10 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d goroutines before, %d at most, %d after the clients have gone", before, most, n)
		}
	}
	close(hold)
	if op := w.wait(op); doc.Has(op, "error") {
		t.Errorf("the operation: %v", op)
	}
}

// TestCrowd has 200 clients insert, change and delete the same names at once:
// of each race one wins, and no change is lost.
func TestCrowd(t *testing.T) {
	const clients = 200
	w := newWorld(t)
	w.subnet()
	w.web.Client().Transport.(*http.Transport).MaxIdleConnsPerHost = clients
	w.made("POST", zoneB+"instances", instance("i", nil))
	all := func(f func(i int)) {
		var wg sync.WaitGroup
		for i := range clients {
			wg.Go(func() { f(i) })
		}
		wg.Wait()
	}
	// done makes a change and returns the status that counts: of the answer, or of the operation.
	done := func(verb, path string, body any) int {
		status, o, err := w.try(verb, path, body)
		for err == nil && status == 200 && doc.Str(o, "status") != "DONE" {
			status, o, err = w.try("POST", string(doc.RefOf(doc.Str(o, "selfLink")))+"/wait", nil)
		}
		switch {
		case err != nil:
			t.Errorf("%s %s: %v", verb, path, err)
			return 0
		case doc.Has(o, "httpErrorStatusCode"):
			return int(doc.Num(o, "httpErrorStatusCode"))
		}
		return status
	}
	for round := range 3 {
		var made, there, gone, absent atomic.Int32
		all(func(int) {
			switch status := done("POST", zoneB+"disks", doc.Obj{"name": "d", "sizeGb": "10"}); status {
			case 200:
				made.Add(1)
			case 409:
				there.Add(1)
			default:
				t.Errorf("an insert: %d", status)
			}
		})
		all(func(int) {
			switch status := done("DELETE", zoneB+"disks/d", nil); status {
			case 200:
				gone.Add(1)
			case 404, 400:
				absent.Add(1)
			default:
				t.Errorf("a delete: %d", status)
			}
		})
		if made.Load() != 1 || there.Load() != clients-1 || gone.Load() < 1 {
			t.Errorf("round %d: %d inserts and %d deletes succeeded, want 1 and at least 1", round, made.Load(), gone.Load())
		}
		if status, _ := w.send("GET", zoneB+"disks/d", nil); status != 404 {
			t.Errorf("round %d: the disk is there: %d", round, status)
		}
	}
	// Everybody adds a metadata item of its own, by reading and setting until the fingerprint fits.
	const items = 40 // of clients that change; the others read and filter meanwhile
	var stale atomic.Int32
	all(func(i int) {
		if i >= items {
			if status, o, err := w.try("GET", zoneB+"instances?filter=name=i", nil); err != nil || status != 200 || len(doc.Objects(o, "items")) != 1 {
				t.Errorf("a list meanwhile: %d %v", status, err)
			}
			return
		}
		for range 10 * clients {
			_, o, err := w.try("GET", zoneB+"instances/i", nil)
			if err != nil {
				t.Error(err)
				return
			}
			m := doc.Sub(o, "metadata")
			m["items"] = append(doc.List(m, "items"), doc.Obj{"key": fmt.Sprintf("k%d", i), "value": "v"})
			if status := done("POST", zoneB+"instances/i/setMetadata", m); status == 200 {
				return
			} else if status != 412 {
				t.Errorf("setMetadata: %d", status)
				return
			}
			stale.Add(1)
		}
		t.Errorf("client %d never got its change through", i)
	})
	got := map[string]bool{}
	for _, item := range doc.Objects(doc.Sub(w.get(zoneB+"instances/i"), "metadata"), "items") {
		got[doc.Str(item, "key")] = true
	}
	for i := range items {
		if !got[fmt.Sprintf("k%d", i)] {
			t.Errorf("the change of client %d is lost", i)
		}
	}
	t.Logf("%d clients; %d changes of one object, %d tried on old grounds and refused", clients, items, stale.Load())
}

// TestManyObjects has 10,000 objects in one collection: changes stay as quick
// as they were, pages are pages, and memory is that of the objects.
func TestManyObjects(t *testing.T) {
	n := 10_000
	if testing.Short() {
		n = 1_000
	}
	w := newWorld(t)
	insert := func(i int) {
		if status, o := w.send("POST", zoneB+"disks", doc.Obj{"name": fmt.Sprintf("d%05d", i), "sizeGb": "10", "description": strings.Repeat("x", 200)}); status != 200 {
			t.Fatalf("insert %d: %d %s", i, status, message(o))
		}
	}
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before, begun := heap(), time.Now()
	var first, last time.Duration
	tenth := n / 10
	for i := range n {
		insert(i)
		switch i + 1 {
		case tenth:
			first = time.Since(begun)
		case n - tenth:
			last = time.Since(begun)
		}
	}
	total := time.Since(begun)
	last = total - last
	grown := int64(heap()) - int64(before)
	begun = time.Now()
	seen, token, pages := 0, "", 0
	for {
		path := zoneB + "disks?maxResults=500"
		if token != "" {
			path += "&pageToken=" + token
		}
		page := w.get(path)
		for _, o := range doc.Objects(page, "items") {
			if want := fmt.Sprintf("d%05d", seen); doc.Str(o, "name") != want {
				t.Fatalf("object %d is %s", seen, doc.Str(o, "name"))
			}
			seen++
		}
		pages++
		if token = doc.Str(page, "nextPageToken"); token == "" {
			break
		}
	}
	listed := time.Since(begun)
	begun = time.Now()
	if got := doc.Objects(w.get(zoneB+"disks?filter=name+eq+.*7"), "items"); len(got) != min(500, n/10) {
		t.Errorf("a filtered page of %d", len(got))
	}
	t.Logf("%d disks made in %v (the first tenth in %v, the last in %v); %d pages in %v, filtered in %v; heap +%d MB, %d bytes an object with its operation",
		n, total, first, last, pages, listed, time.Since(begun), grown>>20, grown/int64(n))
	if seen != n || pages != n/500 {
		t.Errorf("%d objects on %d pages", seen, pages)
	}
	if last > 5*first+5*time.Second {
		t.Errorf("the last tenth took %v, the first %v", last, first)
	}
	if grown/int64(n) > 32<<10 {
		t.Errorf("%d bytes an object", grown/int64(n))
	}
}
