package mirror

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// internet is a transport on which every host is the handler.
func internet(t *testing.T, h http.Handler) http.RoundTripper {
	t.Helper()
	return roundTrip(func(r *http.Request) (*http.Response, error) {
		w := httptest.NewRecorder()
		r = r.Clone(r.Context())
		r.URL.Path = "/" + r.URL.Host + r.URL.Path
		h.ServeHTTP(w, r)
		resp := w.Result()
		resp.Request = r
		return resp, nil
	})
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestDownload takes a mirror for the internet: the official names are the same.
func TestDownload(t *testing.T) {
	origin := small(t)
	transport := internet(t, origin.Handler())
	if !reachable(t.Context(), transport) {
		t.Error("the internet is not found")
	}
	for i, c := range components() {
		dir, err := testCache(t, t.TempDir()).ensure(t.Context(), c.official(transport), "")
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range c.assets {
			got, err := os.ReadFile(place(filepath.Join(dir, "tree"), a.url))
			if err != nil {
				t.Fatal(err)
			}
			if want, err := os.ReadFile(place(origin.trees[i], a.url)); err != nil || string(got) != string(want) {
				t.Errorf("%s differs, %v", a.url, err)
			}
		}
	}
}

func TestDownloadRefusesOtherContent(t *testing.T) {
	var tries atomic.Int32
	s := testStore(t, internet(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "runc.sha256sum") {
			fmt.Fprintf(w, "%064d  runc.riscv\n%064d *runc.%s\n", 1, 2, arch)
			return
		}
		if r.Method == http.MethodGet {
			tries.Add(1)
		}
		fmt.Fprint(w, "not runc")
	})))
	_, err := s.either(t.Context(), "runc", components()[3].official(s.transport), mustNotBuild(t))
	if !errors.Is(err, errRefused) || !strings.Contains(err.Error(), fmt.Sprintf("published is %064d", 2)) {
		t.Errorf("got %v", err)
	}
	if n := tries.Load(); n != 1 {
		t.Errorf("fetched %d times", n)
	}
}

func TestBuildWhenDownloadFails(t *testing.T) {
	var said []string
	s := testStore(t, internet(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodHead {
			http.Error(w, "gone", http.StatusNotFound)
		}
	})))
	s.cache.say = func(what string) { said = append(said, what) }
	dir, err := s.either(t.Context(), "runc", components()[3].official(s.transport), thing("a", "built"))
	if err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(filepath.Join(dir, "file")); err != nil || string(b) != "built" {
		t.Errorf("got %q, %v", b, err)
	}
	if len(said) != 3 || !strings.HasSuffix(said[1], "404 Not Found; building it instead") {
		t.Errorf("said %q", said)
	}
	// What is there is used, whatever the internet does.
	s.online = func(context.Context) bool { t.Error("the internet was looked for"); return true }
	if again, err := s.either(t.Context(), "runc", components()[3].official(s.transport), mustNotBuild(t)); err != nil || again != dir {
		t.Errorf("got %q, %v", again, err)
	}
	s.source = Download
	if _, err := s.either(t.Context(), "runc", components()[3].official(s.transport), mustNotBuild(t)); err == nil {
		t.Error("built, where only a download was wanted")
	}
}

func TestFetchTriesAgain(t *testing.T) {
	var n atomic.Int32
	transport := internet(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if n.Add(1) < tries {
			http.Error(w, "busy", http.StatusServiceUnavailable)
		}
	}))
	if err := fetch(t.Context(), transport, "https://example.com/x", filepath.Join(t.TempDir(), "x")); err != nil {
		t.Error(err)
	}
}

// originOf is a registry that has small images under the names of the recipes.
func originOf(t *testing.T, of []recipe) *registry {
	t.Helper()
	dir, tiny := t.TempDir(), oven{work: t.TempDir()}
	var list []recipe
	for _, r := range of {
		list = append(list, recipe{ref: r.ref, cmd: []string{r.ref}})
	}
	if err := writeImages(t.Context(), dir, list, tiny.make); err != nil {
		t.Fatal(err)
	}
	origin, err := openRegistry(dir)
	if err != nil {
		t.Fatal(err)
	}
	return origin
}

func TestPull(t *testing.T) {
	origin := originOf(t, recipes())
	transport := internet(t, http.StripPrefix("/registry.k8s.io", origin))
	layout, err := testCache(t, t.TempDir()).ensure(t.Context(), pulled(transport, "images-official", recipes()), "")
	if err != nil {
		t.Fatal(err)
	}
	got, err := openRegistry(layout)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(origin.tags, got.tags); diff != "" || len(got.tags) != 6 {
		t.Errorf("images (-official +pulled):\n%s", diff)
	}
}

func testStore(t *testing.T, transport http.RoundTripper) *store {
	t.Helper()
	s, err := Options{Dir: t.TempDir(), Source: Auto, transport: transport}.openStore()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.cache.close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func mustNotBuild(t *testing.T) artefact {
	a := thing("a", "built")
	a.make = func(context.Context, string) error {
		t.Error("built")
		return nil
	}
	return a
}
