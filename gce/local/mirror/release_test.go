package mirror

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestReleases: another version is served beside the first, programs and images, as soon as all
// of it was made and by a mirror that is open already; neither is in the place of the other.
func TestReleases(t *testing.T) {
	for _, r := range releasesBeside() {
		t.Run(r.version, func(t *testing.T) {
			m := small(t)
			m.store = &store{cache: m.cache, source: Build, transport: http.DefaultTransport}
			o := newOther(m.store, r)
			m.others = []*other{o}
			p, err := o.parts()
			if err != nil {
				t.Fatal(err)
			}
			first, err := kubernetes("kubernetes", "kubernetes", Kubernetes).built(t.Context())
			if err != nil || first.key == p.built.key || first.name == p.built.name {
				t.Errorf("the two are one artefact, %s-%s, or: %v", first.name, first.key, err)
			}
			s := serve(t, m)
			kubelet := s.URL + "/" + strings.TrimPrefix(released(r.version), "https://") + "kubelet"
			for _, a := range faked(t, o, p) {
				if is := m.Has(); slices.Contains(is, r.version) {
					t.Fatalf("before %s is made there are %v", a.name, is)
				}
				if resp, _ := get(t, http.MethodGet, kubelet); resp.StatusCode != http.StatusNotFound {
					t.Errorf("before it is made: %s", resp.Status)
				}
				if _, err := m.cache.ensure(t.Context(), a, ""); err != nil {
					t.Fatal(err)
				}
			}
			if is := m.Has(); !slices.Contains(is, r.version) || !slices.Contains(is, Kubernetes) {
				t.Fatalf("once all of it is made there are %v", is)
			}
			for version, want := range map[string]string{Kubernetes: "the program kubelet", r.version: "another kubelet"} {
				if resp, body := get(t, http.MethodGet, s.URL+"/"+strings.TrimPrefix(released(version), "https://")+"kubelet"); resp.StatusCode != http.StatusOK || body != want {
					t.Errorf("kubelet %s is %q, %s", version, body, resp.Status)
				}
			}
			for _, x := range r.recipes() {
				name, tag, _ := strings.Cut(x.ref, ":")
				if resp, _ := get(t, http.MethodGet, s.URL+"/v2/"+name+"/manifests/"+tag); resp.StatusCode != http.StatusOK {
					t.Errorf("image %s: %s", x.ref, resp.Status)
				}
			}
		})
	}
}

// faked are the release's artefacts with small files in them, as a build makes them of programs.
func faked(t *testing.T, o *other, p releaseParts) []artefact {
	t.Helper()
	c, bin := o.programs()[0], t.TempDir()
	for _, name := range append([]string{"coredns", "pause"}, namesOf(c)...) {
		if err := os.WriteFile(filepath.Join(bin, name), []byte("another "+name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	p.built.make = func(_ context.Context, dir string) error { return c.pack(bin, filepath.Join(dir, "tree")) }
	made := oven{work: t.TempDir(), program: func(_ context.Context, _, p string) (string, error) { return filepath.Join(bin, p), nil }}
	p.ownImages.make = func(ctx context.Context, dir string) error {
		list := o.recipes()
		for i := range list {
			list[i].packages, list[i].certs = nil, false // those take a network
		}
		return writeImages(ctx, dir, list, made.make)
	}
	return []artefact{p.built, p.ownImages}
}

func namesOf(c component) (names []string) {
	for _, p := range c.programs {
		names = append(names, p[0])
	}
	return names
}

// TestReleasesArePinned: pins are of the version that they are for, each staging module with
// its own, and no version is one that the others are made of.
func TestReleasesArePinned(t *testing.T) {
	wants := func(name, module, version string) string {
		t.Helper()
		files, err := component{name: name}.pinned()
		if err != nil {
			t.Fatal(err)
		}
		text := string(files["go.mod"])
		if !strings.Contains(text, "\nrequire "+module+" "+version+"\n") {
			t.Errorf("%s does not require %s %s", name, module, version)
		}
		if !strings.Contains(string(files["go.sum"]), "\n"+module+" "+version+" h1:") {
			t.Errorf("%s has no checksum of %s %s", name, module, version)
		}
		return text
	}
	for _, r := range append(releasesBeside(), release{version: Kubernetes, pins: "kubernetes"}) {
		if r.numbered {
			continue
		}
		staging := 0
		for line := range strings.Lines(wants(r.pins, "k8s.io/kubernetes", r.version)) {
			if !strings.HasPrefix(line, "replace k8s.io/") {
				continue
			}
			staging++
			if !strings.HasSuffix(line, " v0"+strings.TrimPrefix(r.version, "v1")+"\n") {
				t.Errorf("%s has %s", r.pins, line)
			}
		}
		if staging < 25 {
			t.Errorf("%s replaces %d staging modules", r.pins, staging)
		}
		if r.coredns != "" {
			wants(r.programs()[1].name, "github.com/coredns/coredns", r.coredns)
		}
	}
	wants("coredns", "github.com/coredns/coredns", CoreDNS)
	if is := Versions(); len(is) != 3 || !slices.IsSorted(is) || !slices.Contains(is, Kubernetes) || slices.Contains(is, Renumbered) {
		t.Errorf("versions are %v", is)
	}
}

// TestReleaseUnknown: what is not known how to make is refused with what is.
func TestReleaseUnknown(t *testing.T) {
	m := small(t)
	err := m.PrepareKubernetes(t.Context(), "v1.34.1")
	if err == nil || !strings.Contains(err.Error(), "v1.34.1") {
		t.Errorf("it says %v", err)
	}
	if hint, ok := err.(interface{ Hint() string }); !ok || !strings.Contains(hint.Hint(), "v1.35.4, v1.36.3, v1.37.2") {
		t.Errorf("there is no hint at those there are: %v", err)
	}
}
