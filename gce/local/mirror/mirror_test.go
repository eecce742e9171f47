package mirror

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/validate"
)

// small is a mirror of small files under the official names, as a build makes
// it of its programs.
func small(t *testing.T) *Mirror {
	t.Helper()
	bin, dir := t.TempDir(), t.TempDir()
	m := &Mirror{cache: testCache(t, dir)}
	for _, c := range components() {
		for _, p := range c.programs {
			if err := os.WriteFile(filepath.Join(bin, p[0]), []byte("the program "+p[0]), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		tree := filepath.Join(dir, c.name)
		if err := c.pack(bin, tree); err != nil {
			t.Fatal(err)
		}
		m.trees = append(m.trees, tree)
	}
	var list []recipe
	for _, r := range recipes() {
		if len(r.packages) == 0 && !r.certs {
			list = append(list, r)
		}
	}
	layouts := filepath.Join(dir, "images")
	o := oven{work: t.TempDir(), program: func(context.Context, string, string) (string, error) { return filepath.Join(bin, "kubelet"), nil }}
	list = append(list, recipe{ref: "a/b/c:latest", files: map[string]string{"etc/motd": "hello\n", "bin/x": "→ y"}, cmd: []string{"x"}})
	if err := writeImages(t.Context(), layouts, list, o.make); err != nil {
		t.Fatal(err)
	}
	var err error
	if m.registry, err = openRegistry(layouts); err != nil {
		t.Fatal(err)
	}
	if err := m.findKubectl(); err != nil {
		t.Fatal(err)
	}
	return m
}

func serve(t *testing.T, m *Mirror) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(m.Handler())
	t.Cleanup(s.Close)
	return s
}

func get(t *testing.T, method, url string, header ...string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close() //nolint:errcheck // only read
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}

// TestOfficialNames has the addresses written out: they are other people's.
func TestOfficialNames(t *testing.T) {
	s := serve(t, small(t))
	gh := "/github.com/"
	for file, sums := range map[string]string{
		"/dl.k8s.io/release/v1.36.3/bin/linux/ARCH/kubelet":                                           ".sha256",
		"/dl.k8s.io/release/v1.36.3/bin/linux/ARCH/kubeadm":                                           ".sha256",
		"/dl.k8s.io/release/v1.36.3/bin/linux/ARCH/kubectl":                                           ".sha256",
		gh + "etcd-io/etcd/releases/download/v3.6.8/etcd-v3.6.8-linux-ARCH.tar.gz":                    "/SHA256SUMS",
		gh + "containerd/containerd/releases/download/v2.2.9/containerd-2.2.9-linux-ARCH.tar.gz":      ".sha256sum",
		gh + "opencontainers/runc/releases/download/v1.5.2/runc.ARCH":                                 "/runc.sha256sum",
		gh + "containernetworking/plugins/releases/download/v1.9.1/cni-plugins-linux-ARCH-v1.9.1.tgz": ".sha256",
	} {
		file = strings.ReplaceAll(file, "ARCH", arch)
		resp, content := get(t, http.MethodGet, s.URL+file)
		if resp.StatusCode != http.StatusOK {
			t.Errorf("%s: %s", file, resp.Status)
			continue
		}
		where := file + sums
		if strings.HasPrefix(sums, "/") {
			where = path.Dir(file) + sums
		}
		_, published := get(t, http.MethodGet, s.URL+where)
		digest := sha256.Sum256([]byte(content))
		want := hex.EncodeToString(digest[:])
		if !strings.HasPrefix(file, "/dl.k8s.io/") {
			want += "  " + path.Base(file) + "\n"
		}
		if published != want {
			t.Errorf("%s is %q, want %q", where, published, want)
		}
	}
}

func TestArchivesHaveTheOfficialMembers(t *testing.T) {
	m := small(t)
	for i, want := range map[int][]string{
		1: {"etcd-v3.6.8-linux-" + arch + "/etcd", "etcd-v3.6.8-linux-" + arch + "/etcdctl", "etcd-v3.6.8-linux-" + arch + "/etcdutl"},
		2: {"bin/containerd", "bin/containerd-shim-runc-v2", "bin/ctr"},
		4: {"bridge", "loopback", "ptp", "host-local", "portmap"},
	} {
		f, err := os.Open(place(m.trees[i], components()[i].assets[0].url))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close() //nolint:errcheck // only read
		z, err := gzip.NewReader(f)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for r := tar.NewReader(z); ; {
			h, err := r.Next()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			if h.Mode != 0o755 {
				t.Errorf("%s has mode %o", h.Name, h.Mode)
			}
			got = append(got, h.Name)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("members (-want +got):\n%s", diff)
		}
	}
}

func TestHandler(t *testing.T) {
	s := serve(t, small(t))
	kubelet := s.URL + "/dl.k8s.io/release/v1.36.3/bin/linux/" + arch + "/kubelet"
	if resp, body := get(t, http.MethodGet, kubelet, "Range", "bytes=4-10"); resp.StatusCode != http.StatusPartialContent || body != "program" {
		t.Errorf("range: %s %q", resp.Status, body)
	}
	if resp, body := get(t, http.MethodHead, kubelet); resp.StatusCode != http.StatusOK || body != "" || resp.ContentLength != int64(len("the program kubelet")) {
		t.Errorf("HEAD: %s %q %d", resp.Status, body, resp.ContentLength)
	}
	for _, c := range []struct {
		method, path string
		status       int
		body         string
	}{
		{http.MethodGet, "/dl.k8s.io/release/v1.35.0/bin/linux/" + arch + "/kubelet", http.StatusNotFound, "not in the mirror: /dl.k8s.io/release/v1.35.0/bin/linux/" + arch + "/kubelet\n"},
		{http.MethodGet, "/", http.StatusNotFound, "not in the mirror: /\n"},
		{http.MethodGet, "/dl.k8s.io/", http.StatusNotFound, "not in the mirror: /dl.k8s.io/\n"},
		{http.MethodGet, "/..%2f..%2fetc/passwd", http.StatusNotFound, "not in the mirror: /../../etc/passwd\n"},
		{http.MethodPut, "/v2/x/manifests/1", http.StatusMethodNotAllowed, "the mirror is for reading only\n"},
		{http.MethodGet, "/v2/redis/manifests/latest", http.StatusNotFound, `{"errors":[{"code":"MANIFEST_UNKNOWN","message":"not in the mirror","detail":"redis:latest"}]}` + "\n"},
		{http.MethodGet, "/v2/redis/tags/list", http.StatusNotFound, `{"errors":[{"code":"NAME_UNKNOWN","message":"not in the mirror","detail":"/v2/redis/tags/list"}]}` + "\n"},
		{http.MethodGet, "/v2/pause/blobs/sha256:" + strings.Repeat("0", 64), http.StatusNotFound, `{"errors":[{"code":"BLOB_UNKNOWN","message":"not in the mirror","detail":"pause@sha256:` + strings.Repeat("0", 64) + `"}]}` + "\n"},
	} {
		if resp, body := get(t, c.method, s.URL+c.path); resp.StatusCode != c.status || body != c.body {
			t.Errorf("%s %s: %s %q, want %d %q", c.method, c.path, resp.Status, body, c.status, c.body)
		}
	}
}

func TestRegistryAsContainerdAsks(t *testing.T) {
	s := serve(t, small(t))
	if resp, _ := get(t, http.MethodGet, s.URL+"/v2/"); resp.StatusCode != http.StatusOK {
		t.Errorf("ping: %s", resp.Status)
	}
	head, _ := get(t, http.MethodHead, s.URL+"/v2/pause/manifests/"+Pause+"?ns=registry.k8s.io")
	digest := head.Header.Get("Docker-Content-Digest")
	if head.StatusCode != http.StatusOK || head.ContentLength <= 0 || head.Header.Get("Content-Type") != "application/vnd.docker.distribution.manifest.v2+json" {
		t.Errorf("HEAD: %s %v", head.Status, head.Header)
	}
	if resp, _ := get(t, http.MethodGet, s.URL+"/v2/pause/manifests/"+digest+"?ns=registry.k8s.io"); resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != head.Header.Get("Content-Type") {
		t.Errorf("by digest: %s %v", resp.Status, resp.Header)
	}
	for ref, c := range map[string]v1.Config{
		"pause:" + Pause: {Entrypoint: []string{"/pause"}, User: "65535:65535"},
		"a/b/c:latest":   {Cmd: []string{"x"}},
	} {
		r, err := name.ParseReference(strings.TrimPrefix(s.URL, "http://") + "/" + ref)
		if err != nil {
			t.Fatal(err)
		}
		img, err := remote.Image(r, remote.WithPlatform(v1.Platform{OS: "linux", Architecture: arch}))
		if err != nil {
			t.Fatal(err)
		}
		if err := validate.Image(img); err != nil {
			t.Error(err)
		}
		config, err := img.ConfigFile()
		if err != nil {
			t.Fatal(err)
		}
		if config.OS != "linux" || config.Architecture != arch {
			t.Errorf("%s is for %s/%s", ref, config.OS, config.Architecture)
		}
		c.Env = config.Config.Env
		if diff := cmp.Diff(c, config.Config); diff != "" {
			t.Errorf("%s (-want +got):\n%s", ref, diff)
		}
	}
}

func TestKubectlCanBeRun(t *testing.T) {
	m := small(t)
	if err := os.Chmod(m.Kubectl(), 0o644); err != nil { // as it is downloaded
		t.Fatal(err)
	}
	if err := m.findKubectl(); err != nil {
		t.Fatal(err)
	}
	if p, err := exec.LookPath(m.Kubectl()); err != nil || !filepath.IsAbs(p) {
		t.Errorf("%q: %v", p, err)
	}
}

func TestSourceIsChecked(t *testing.T) {
	t.Setenv("HAKUBE_MIRROR_SOURCE", "internet")
	_, err := Prepare(t.Context(), Options{Dir: t.TempDir()})
	if want := `HAKUBE_MIRROR_SOURCE="internet": there are auto, download and build`; fmt.Sprint(err) != want {
		t.Errorf("got %v, want %s", err, want)
	}
}
