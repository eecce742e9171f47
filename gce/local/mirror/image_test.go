package mirror

import (
	"archive/tar"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/v1/validate"
)

// debianTar is what packages look like once they are unpacked.
func debianTar(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "debian.tar")
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	w := tar.NewWriter(f)
	for _, h := range []tar.Header{
		{Name: "./", Typeflag: tar.TypeDir, Mode: 0o755},
		{Name: "./dev/", Typeflag: tar.TypeDir, Mode: 0o755},
		{Name: "./dev/null", Typeflag: tar.TypeChar, Mode: 0o666},
		{Name: "./tmp/", Typeflag: tar.TypeDir, Mode: 0o1777},
		{Name: "./etc/nginx/nginx.conf", Typeflag: tar.TypeReg, Mode: 0o644},
		{Name: "./usr/bin/perl5.36.0", Typeflag: tar.TypeReg, Mode: 0o755},
		{Name: "./usr/bin/perlite", Typeflag: tar.TypeReg, Mode: 0o755},
		{Name: "./usr/lib/x86_64-linux-gnu/gconv/UTF-7.so", Typeflag: tar.TypeReg, Mode: 0o644},
		{Name: "./usr/lib/x86_64-linux-gnu/libz.so.1", Typeflag: tar.TypeSymlink, Linkname: "libz.so.1.2"},
		{Name: "./usr/sbin/nginx", Typeflag: tar.TypeReg, Mode: 0o755, Size: 4},
		{Name: "./usr/share/doc/nginx/copyright", Typeflag: tar.TypeReg, Mode: 0o644},
	} {
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, "\x7fELF"[:h.Size]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestLayerOfDebianPackages(t *testing.T) {
	layer := filepath.Join(t.TempDir(), "layer.tar")
	files := map[string]string{"etc/nginx/nginx.conf": "ours\n", "var/log/nginx/access.log": "→ /dev/stdout", "run": "/"}
	if err := writeLayer(layer, debianTar(t), files, "", ""); err != nil {
		t.Fatal(err)
	}
	var got []string
	err := eachFile(layer, func(h *tar.Header, body io.Reader) error {
		text, err := io.ReadAll(body)
		got = append(got, strings.TrimSpace(strings.Join([]string{h.FileInfo().Mode().String(), h.Name, h.Linkname, string(text)}, " ")))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"-rwxr-xr-x usr/bin/perlite",
		"L--------- usr/lib/x86_64-linux-gnu/libz.so.1 libz.so.1.2",
		"-rwxr-xr-x usr/sbin/nginx  \x7fELF",
		"dtrwxrwxrwx tmp/",
		"-rw-r--r-- etc/nginx/nginx.conf  ours",
		"drwxr-xr-x run/",
		"Lrwxrwxrwx var/log/nginx/access.log /dev/stdout",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("layer (-want +got):\n%s", diff)
	}
	img, err := assemble(recipe{}, layer)
	if err != nil {
		t.Fatal(err)
	}
	layers, err := img.Layers()
	if err != nil || len(layers) != 1 {
		t.Fatalf("%d layers, %v", len(layers), err)
	}
	if err := validate.Layer(layers[0]); err != nil {
		t.Error(err)
	}
}

func TestPrograms(t *testing.T) {
	for pkg, want := range map[string]string{
		"k8s.io/kubernetes/cmd/kubelet":                           "kubelet",
		"go.etcd.io/etcd/etcdctl/v3":                              "etcdctl",
		"go.etcd.io/etcd/server/v3":                               "server", // not etcd
		"github.com/opencontainers/runc":                          "runc",
		"github.com/containerd/containerd/v2/cmd/containerd":      "containerd",
		"github.com/containernetworking/plugins/plugins/vlan/vip": "vip",
	} {
		if got := programName(pkg); got != want {
			t.Errorf("go build makes %q of %s, want %q", got, pkg, want)
		}
	}
}
