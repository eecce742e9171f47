package mirror

import (
	"archive/tar"
	"context"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
)

// TestUpstreamImages: the images of Kubernetes' own tests are served once they were made,
// which no machine that asks for one begins.
func TestUpstreamImages(t *testing.T) {
	origin := originOf(t, upstreamRecipes())
	var asked atomic.Int32
	s := testStore(t, internet(t, http.StripPrefix("/registry.k8s.io", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		origin.ServeHTTP(w, r)
	}))))
	s.source = Download
	m := &Mirror{cache: s.cache, upstream: newLate(s, ofUpstream()), registry: &registry{}}
	defer m.upstream.close()
	status := func(ref string) int {
		name, tag, _ := strings.Cut(ref, ":")
		w := httptest.NewRecorder()
		m.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/v2/"+name+"/manifests/"+tag, nil))
		return w.Code
	}
	for _, r := range upstreamRecipes() {
		if got := status(r.ref); got != http.StatusNotFound || asked.Load() > 0 {
			t.Errorf("%s before: %d, with %d requests to the official place", r.ref, got, asked.Load())
		}
	}
	// Another process makes them: the daemon that runs needs no restart.
	other := newLate(&store{cache: testCache(t, s.cache.root), source: Download, transport: s.transport, online: s.online}, ofUpstream())
	defer other.close()
	if _, err := other.registryNow(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, r := range upstreamRecipes() {
		if got := status(r.ref); got != http.StatusOK {
			t.Errorf("%s once made: %d", r.ref, got)
		}
	}
	if m.HasUpstream() {
		t.Error("the programs are there, which nobody has built")
	}
}

// TestNamesDoNotCollide: each image is in one set only, or the other one would never be
// asked for it.
func TestNamesDoNotCollide(t *testing.T) {
	repositories := map[string]string{}
	for what, list := range map[string][]recipe{"recipes": recipes(), "samples": samples(), "addons": addonRecipes(), "ingress": ingressRecipes(), "upstream": upstreamRecipes()} {
		for _, r := range list {
			name, _, _ := strings.Cut(r.ref, ":")
			if other, ok := repositories[name]; ok && other != what {
				t.Errorf("%s is of %s and of %s", name, other, what)
			}
			repositories[name] = what
		}
	}
}

// TestApplets: busybox does what no other package of an image does, and is its shell.
func TestApplets(t *testing.T) {
	dir := t.TempDir()
	debian := filepath.Join(dir, "debian.tar")
	f, err := os.Create(debian)
	if err != nil {
		t.Fatal(err)
	}
	w := tar.NewWriter(f)
	for name, text := range map[string]string{"./bin/busybox": "#!/bin/sh\nprintf 'busybox\\nsh\\nip\\nhexdump\\nnc\\nperl\\n'\n", "./sbin/ip": "", "./bin/sh": "", "./usr/bin/perl": ""} {
		if err := w.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o755, Size: int64(len(text))}); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, text); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	files := map[string]string{"bin/nc": "→ nc.openbsd"}
	if err := applets(t.Context(), dir, debian, files); err != nil {
		t.Fatal(err)
	}
	// Debian's perl is not in images.
	want := map[string]string{"bin/nc": "→ nc.openbsd", "bin/sh": "→ busybox", "bin/hexdump": "→ busybox", "bin/perl": "→ busybox"}
	if !maps.Equal(files, want) {
		t.Errorf("the files are %v, want %v", files, want)
	}
}

// TestSetuid: a program that is to run as its owner has the permission to, and no other.
func TestSetuid(t *testing.T) {
	dir := t.TempDir()
	program := filepath.Join(dir, "program")
	if err := os.WriteFile(program, []byte("\x7fELF"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		files map[string]string
		mode  int64
	}{{map[string]string{"bin/x": setuid}, 0o4755}, {map[string]string{"bin/y": "text"}, 0o755}} {
		layer := filepath.Join(dir, "layer.tar")
		if err := writeLayer(layer, "", c.files, "bin/x", program); err != nil {
			t.Fatal(err)
		}
		var modes []int64
		if err := eachFile(layer, func(h *tar.Header, _ io.Reader) error {
			if h.Name == "bin/x" {
				modes = append(modes, h.Mode)
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(modes, []int64{c.mode}) {
			t.Errorf("%v: %o", c.files, modes)
		}
	}
}

// TestFilesOfKubernetes: a file that is one of Kubernetes' module has what that one has, and
// one that is not there is an error which names it.
func TestFilesOfKubernetes(t *testing.T) {
	module := t.TempDir()
	if err := os.MkdirAll(filepath.Join(module, "test/images"), 0o755); err != nil {
		t.Fatal(err)
	}
	const picture = "\xff\xd8\xff\x00"
	if err := os.WriteFile(filepath.Join(module, "test/images/a.jpg"), []byte(picture), 0o644); err != nil {
		t.Fatal(err)
	}
	o := oven{work: t.TempDir(), kubernetes: func(context.Context) (string, error) { return module, nil }}
	files, err := o.files(t.Context(), recipe{bare: true, files: map[string]string{"a.jpg": ofKubernetes + "test/images/a.jpg", "b": "text"}}, t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	if want := map[string]string{"a.jpg": picture, "b": "text"}; !maps.Equal(files, want) {
		t.Errorf("the files are %q, want %q", files, want)
	}
	_, err = o.files(t.Context(), recipe{files: map[string]string{"srv/a": ofKubernetes + "test/no.jpg"}}, t.TempDir(), "")
	if err == nil || !strings.Contains(err.Error(), "/srv/a") || !strings.Contains(err.Error(), filepath.Join(module, "test/no.jpg")) {
		t.Errorf("a file that the module has not: %v", err)
	}
}

// TestImagesAloneAreMadeAnew: Kubernetes' own tests are not built again, which takes
// minutes, because one of their images is another one.
func TestImagesAloneAreMadeAnew(t *testing.T) {
	key := func(recipes []recipe) (programs, images string) {
		of := ofUpstream()
		of.recipes = recipes
		l := newLate(testStore(t, nil), of)
		defer l.close()
		p, err := l.found()
		if err != nil {
			t.Fatal(err)
		}
		return p.programs.key, p.baked.key
	}
	programs, images := key(upstreamRecipes())
	changed := upstreamRecipes()
	changed[0].cmd = []string{"another"}
	if p, i := key(changed); p != programs || i == images {
		t.Errorf("another recipe: programs %s and %s, images %s and %s", programs, p, images, i)
	}
}
