package mirror

import (
	"archive/tar"
	"bytes"
	"os"
	"regexp"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
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
