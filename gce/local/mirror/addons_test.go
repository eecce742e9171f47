package mirror

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"net/http"
	"os"
	"regexp"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
)

// TestAddonVersions: the images that are made here are those that addons ask for.
func TestAddonVersions(t *testing.T) {
	rows, err := os.ReadFile("../../../cluster/addons/addons.go")
	if err != nil {
		t.Fatal(err)
	}
	asked := regexp.MustCompile(`registry\.k8s\.io/[^"]+`).FindAllString(string(rows), -1)
	var made []string
	for _, r := range addonRecipes() {
		made = append(made, r.official())
	}
	slices.Sort(asked)
	slices.Sort(made)
	if diff := cmp.Diff(asked, made); diff != "" || len(asked) == 0 {
		t.Errorf("-asked for, +made:\n%s", diff)
	}
}

// TestOver: the official image of the disks' driver asks a disk which one it is as the
// embedded GCE's disks can tell; the other official images are as they are.
func TestOver(t *testing.T) {
	origin := originOf(t, addonRecipes())
	dir, err := testCache(t, t.TempDir()).ensure(t.Context(), pulled(internet(t, http.StripPrefix("/registry.k8s.io", origin)), "addon-images-official", addonRecipes()), "")
	if err != nil {
		t.Fatal(err)
	}
	index, err := layout.ImageIndexFromPath(dir)
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range manifest.Manifests {
		img, err := index.Image(m.Digest)
		if err != nil {
			t.Fatal(err)
		}
		files, r := mutate.Extract(img), ""
		for h, tape := (*tar.Header)(nil), tar.NewReader(files); ; {
			if h, err = tape.Next(); err != nil {
				break
			}
			if text, err := io.ReadAll(tape); h.Name == "lib/udev_containerized/scsi_id" && err == nil && string(text) == serial && h.Mode == 0o755 {
				r = m.Annotations[refName]
			}
		}
		if driver := addonRecipes()[0].ref; (r == driver) != (m.Annotations[refName] == driver) || !errors.Is(err, io.EOF) {
			t.Errorf("%s: %q, %v", m.Annotations[refName], r, err)
		}
	}
	if len(manifest.Manifests) != len(addonRecipes()) {
		t.Errorf("there are %d images", len(manifest.Manifests))
	}
}

// TestScript: a script in an image can be run, another text cannot.
func TestScript(t *testing.T) {
	for text, want := range map[string]int64{"#!/bin/sh\nexit 0\n": 0o755, "user: x\n": 0o644} {
		var b bytes.Buffer
		w := tar.NewWriter(&b)
		if err := addText(w, "a", text); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		h, err := tar.NewReader(&b).Next()
		if err != nil || h.Mode != want {
			t.Errorf("%q: mode %o, %v", text, h.Mode, err)
		}
	}
}
