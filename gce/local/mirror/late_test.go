package mirror

import (
	"context"
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

// TestRenumbered: the second number is served beside the first, programs and images, only
// where all of it was made, and neither is in the place of the other.
func TestRenumbered(t *testing.T) {
	m := small(t)
	m.store = &store{cache: m.cache, source: Build}
	programs, images, err := m.store.renumbered(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	first, err := kubernetes("kubernetes", Kubernetes).built(t.Context())
	if err != nil || first.key == programs.key || first.name == programs.name {
		t.Errorf("the two are one artefact, %s-%s, or: %v", first.name, first.key, err)
	}
	c, bin := kubernetes("renumbered", Renumbered), t.TempDir()
	for _, p := range c.programs {
		if err := os.WriteFile(filepath.Join(bin, p[0]), []byte("another "+p[0]), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	programs.make = func(_ context.Context, dir string) error { return c.pack(bin, filepath.Join(dir, "tree")) }
	o := oven{work: t.TempDir(), program: func(_ context.Context, _, p string) (string, error) { return filepath.Join(bin, p), nil }}
	images.make = func(ctx context.Context, dir string) error {
		list := kubernetesRecipes("renumbered", Renumbered)
		for i := range list {
			list[i].packages, list[i].certs = nil, false // those take a network
		}
		return writeImages(ctx, dir, list, o.make)
	}
	for _, a := range []artefact{programs, images} {
		if layouts, err := m.findRenumbered(t.Context(), "first"); err != nil || len(layouts) != 1 || m.HasRenumbered() {
			t.Fatalf("before %s is made there are %v, %v", a.name, layouts, err)
		}
		if _, err := m.cache.ensure(t.Context(), a, ""); err != nil {
			t.Fatal(err)
		}
	}
	layouts, err := m.findRenumbered(t.Context())
	if err != nil || len(layouts) != 1 || !m.HasRenumbered() {
		t.Fatalf("once all of it is made there are %v, %v", layouts, err)
	}
	if m.registry, err = openRegistry(layouts...); err != nil {
		t.Fatal(err)
	}
	s := serve(t, m)
	for version, want := range map[string]string{Kubernetes: "the program kubelet", Renumbered: "another kubelet"} {
		if resp, body := get(t, http.MethodGet, s.URL+"/"+strings.TrimPrefix(released(version), "https://")+"kubelet"); resp.StatusCode != http.StatusOK || body != want {
			t.Errorf("kubelet %s is %q, %s", version, body, resp.Status)
		}
	}
	for _, name := range []string{"kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy"} {
		if resp, _ := get(t, http.MethodGet, s.URL+"/v2/"+name+"/manifests/"+Renumbered); resp.StatusCode != http.StatusOK {
			t.Errorf("image %s:%s: %s", name, Renumbered, resp.Status)
		}
	}
}
