package mirror

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
)

// TestLate: addons' images are made when one is asked for and not before; what could not
// be made is asked for again, as a kubelet does; other images are none of theirs.
func TestLate(t *testing.T) {
	origin := originOf(t, addonRecipes())
	var asked atomic.Int32
	var broken atomic.Bool
	broken.Store(true)
	s := testStore(t, internet(t, http.StripPrefix("/registry.k8s.io", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		if broken.Load() {
			http.Error(w, "no such thing", http.StatusNotFound)
			return
		}
		origin.ServeHTTP(w, r)
	}))))
	s.source = Download
	m := &Mirror{cache: s.cache, addons: newLate(s, ofAddons()), registry: &registry{}}
	defer m.addons.close()
	status := func(path string) int {
		w := httptest.NewRecorder()
		m.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		return w.Code
	}
	if got := status("/v2/kube-proxy/manifests/" + Kubernetes); got != http.StatusNotFound || asked.Load() > 0 {
		t.Errorf("another image: %d, with %d requests to the official place", got, asked.Load())
	}
	image := ""
	for _, r := range addonRecipes() {
		name, tag, _ := strings.Cut(r.ref, ":")
		image = "/v2/" + name + "/manifests/" + tag
	}
	if got := status(image); got != http.StatusServiceUnavailable {
		t.Errorf("one that cannot be made: %d", got)
	}
	broken.Store(false)
	for range 2 {
		if got := status(image); got != http.StatusOK {
			t.Errorf("asked again: %d", got)
		}
	}
	made, err := filepath.Glob(filepath.Join(s.cache.root, "addon-images-*"))
	if err != nil || len(made) == 0 {
		t.Errorf("the cache has none of it: %v", err)
	}
}

// TestMainsArePinned: a program whose source is here is written where it is built from,
// and another source is another artefact.
func TestMainsArePinned(t *testing.T) {
	c, dir := addonPrograms(), filepath.Join(t.TempDir(), "modules")
	if err := c.writePins(dir); err != nil {
		t.Fatal(err)
	}
	for _, name := range c.mains {
		if _, err := os.Stat(filepath.Join(dir, name, "main.go")); err != nil {
			t.Error(err)
		}
	}
	with, err := c.built(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	c.mains = nil
	if without, err := c.built(t.Context()); err != nil || without.key == with.key {
		t.Errorf("the key does not depend on the source: %v", err)
	}
}
