package bucket_test

import (
	"bytes"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"hakube/gce"
	"hakube/gce/bucket"
	"hakube/gce/emulator"
	"hakube/gce/gcetest"
)

// TestLargeObjects: what takes several pieces comes as it was sent, though an answer is
// lost on the way and another piece is refused for a moment, and nothing is written over it.
func TestLargeObjects(t *testing.T) {
	var pieces atomic.Int32
	w := gcetest.Start(t, func(o *emulator.Options) {
		o.Fault = func(r *http.Request) emulator.Fault {
			if !r.URL.Query().Has("upload_id") {
				return emulator.Fault{}
			}
			switch pieces.Add(1) {
			case 1:
				return emulator.Fault{Status: 503}
			case 3:
				return emulator.Fault{CutAfter: true}
			}
			return emulator.Fault{}
		}
	})
	answer := httptest.NewRecorder()
	w.Server.ServeHTTP(answer, httptest.NewRequest(http.MethodPost, "http://127.0.0.1/storage/v1/b?project=p", strings.NewReader(`{"name":"large"}`)))
	if answer.Code != http.StatusOK {
		t.Fatal(answer.Body)
	}
	b := bucket.Of(w.Client, "large")
	text := bytes.Repeat([]byte("0123456789abcdef"), 40<<16) // 40 MiB
	if err := b.Put(t.Context(), "d/x", "text/plain", bytes.NewReader(text)); err != nil {
		t.Fatal(err)
	}
	if n := pieces.Load(); n < 5 {
		t.Errorf("%d pieces were sent", n)
	}
	o, err := b.Stat(t.Context(), "d/x")
	if err != nil || o.Bytes != int64(len(text)) {
		t.Fatalf("it is %+v, %v", o, err)
	}
	path := filepath.Join(t.TempDir(), "back")
	to, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer to.Close()
	if err := b.Get(t.Context(), o, to); err != nil {
		t.Fatal(err)
	}
	if back, err := os.ReadFile(path); err != nil || !bytes.Equal(back, text) {
		t.Errorf("%d bytes came back, %v", len(back), err)
	}
	if part, err := b.Section(t.Context(), o, 30, 4); err != nil || string(part) != "ef01" {
		t.Errorf("a part is %q, %v", part, err)
	}
	if err := b.Put(t.Context(), "d/x", "text/plain", bytes.NewReader(text)); err != nil {
		t.Errorf("the same once more: %v", err)
	}
	if err := b.Put(t.Context(), "d/x", "text/plain", bytes.NewReader(text[1:])); !errors.Is(err, bucket.ErrExists) {
		t.Errorf("another over it: %v", err)
	}
	if _, err := b.Stat(t.Context(), "none"); !gce.IsNotFound(err) || bucket.Missing(err) {
		t.Errorf("one that is not there: %v", err)
	}
	if _, err := bucket.Of(w.Client, "nobodys").List(t.Context(), ""); !bucket.Missing(err) {
		t.Errorf("no bucket: %v", err)
	}
}
