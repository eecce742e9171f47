package emulator

import (
	"bufio"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"strings"
	"testing"

	"hakube/gce/emulator/internal/doc"
)

// TestBatch sends parts as gcloud does: requests without the empty line at
// their end. The waits among them end only together.
func TestBatch(t *testing.T) {
	w := newWorld(t)
	w.subnet()
	hold := make(chan struct{})
	w.backend.mu.Lock()
	w.backend.hold = hold
	w.backend.mu.Unlock()
	var ops []doc.Obj
	for _, name := range []string{"a", "b", "c"} {
		_, op := w.send("POST", zoneB+"instances", instance(name, nil))
		ops = append(ops, op)
	}
	var body strings.Builder
	for i, op := range ops {
		fmt.Fprintf(&body, "--==b==\nContent-Type: application/http\nMIME-Version: 1.0\nContent-ID: <x+%d>\n\nPOST /compute/v1/%s/wait?alt=json HTTP/1.1\nHost: h\ncontent-length: 0\n\n\n", i, doc.RefOf(doc.Str(op, "selfLink")))
	}
	body.WriteString("--==b==\nContent-Type: application/http\nContent-ID: <x+3>\n\nGET /compute/v1/projects/p/global/networks/n?alt=json HTTP/1.1\nHost: h\n--==b==--")
	req, err := http.NewRequestWithContext(t.Context(), "POST", w.web.URL+"/batch/compute/v1", strings.NewReader(body.String()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", `multipart/mixed; boundary="==b=="`)
	answered := make(chan *http.Response, 1)
	go func() {
		resp, err := w.web.Client().Do(req)
		if err != nil {
			t.Error(err)
		}
		answered <- resp
	}()
	close(hold)
	resp := <-answered
	defer resp.Body.Close()
	_, params, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if err != nil {
		t.Fatal(err)
	}
	mr := multipart.NewReader(resp.Body, params["boundary"])
	for i := range 4 {
		p, err := mr.NextPart()
		if err != nil {
			t.Fatal(err)
		}
		if id := p.Header.Get("Content-ID"); id != fmt.Sprintf("<response-x+%d>", i) {
			t.Errorf("part %d has id %s", i, id)
		}
		one, err := http.ReadResponse(bufio.NewReader(p), nil)
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(one.Body)
		one.Body.Close()
		if want := map[bool]int{true: 404, false: 200}[i == 3]; one.StatusCode != want {
			t.Errorf("part %d: %s %s", i, one.Status, text)
		}
	}
}
