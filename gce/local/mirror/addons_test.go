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
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"sigs.k8s.io/yaml"
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

const ingressExample = "../../../cluster/addons/examples/ingress/"

// TestIngressExample: the image of the example of an Ingress controller is the one that is
// made here, and a pod of it that goes serves on for as long as its manual says it must.
func TestIngressExample(t *testing.T) {
	asked, of := map[string]bool{}, map[string]int{}
	for _, file := range []string{"controller.yaml", "hosts.yaml"} {
		text, err := os.ReadFile(ingressExample + file)
		if err != nil {
			t.Fatal(err)
		}
		for document := range strings.SplitSeq(string(text), "\n---\n") {
			if _, err := yaml.YAMLToJSONStrict([]byte(document)); err != nil {
				t.Errorf("%s: %v", file, err)
			}
		}
		for _, image := range regexp.MustCompile(`image: (\S+)`).FindAllStringSubmatch(string(text), -1) {
			asked[image[1]] = true
		}
		for key, pattern := range map[string]string{"sleep": `sleep: \{seconds: (\d+)\}`, "grace": `terminationGracePeriodSeconds: (\d+)`, "keep": `-keepalive-server=(\d+)s`} {
			if m := regexp.MustCompile(pattern).FindStringSubmatch(string(text)); m != nil {
				if of[file+key], err = strconv.Atoi(m[1]); err != nil {
					t.Error(err)
				}
			}
		}
	}
	want := map[string]bool{"nginx": true}
	for _, r := range ingressRecipes() {
		want[r.official()] = true
	}
	if diff := cmp.Diff(want, asked); diff != "" {
		t.Errorf("images (-made +asked for):\n%s", diff)
	}
	const check = 3 * 8 // Google's, of Services with externalTrafficPolicy Local
	c := "controller.yaml"
	if of[c+"sleep"] < check+of[c+"keep"] || of[c+"keep"] == 0 || of[c+"grace"] <= of[c+"sleep"] {
		t.Errorf("a pod of the controller sleeps %d s of %d, after a check of %d s and connections of %d s", of[c+"sleep"], of[c+"grace"], check, of[c+"keep"])
	}
	if of["hosts.yamlsleep"] < 5 {
		t.Errorf("a host's pod sleeps %d s", of["hosts.yamlsleep"])
	}
}

// TestIngressProgram: what is built takes all flags that the example has, and the example's
// manual says what it is built from.
func TestIngressProgram(t *testing.T) {
	pins, err := ingressProgram().pinned()
	if err != nil {
		t.Fatal(err)
	}
	controller, err := os.ReadFile(ingressExample + "controller.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, flag := range regexp.MustCompile(`(?m)^ +- -([a-z-]+)`).FindAllStringSubmatch(string(controller), -1) {
		if !strings.Contains(string(pins["skipper/main.go"]), `"`+flag[1]+`"`) {
			t.Errorf("the program that is built does not know -%s", flag[1])
		}
	}
	manual, err := os.ReadFile(ingressExample + "README.md")
	if err != nil {
		t.Fatal(err)
	}
	sum := regexp.MustCompile(`(?m)^github\.com/zalando/skipper ` + regexp.QuoteMeta(Skipper) + ` (h1:\S+)$`).FindStringSubmatch(string(pins["go.sum"]))
	if sum == nil || !strings.Contains(string(manual), "`github.com/zalando/skipper@"+Skipper+"`, `"+sum[1]+"`") {
		t.Errorf("the manual does not say what it is built from: %v", sum)
	}
}
