package addons

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
)

// modules are what the embedded GCE builds an image's program from, where that is a module.
var modules = map[string]string{
	"cloud-controller/controller": "k8s.io/cloud-provider-gcp/providers",
	"volumes/driver":              "sigs.k8s.io/gcp-compute-persistent-disk-csi-driver",
	"volumes/provisioner":         "github.com/kubernetes-csi/external-provisioner/v6",
	"volumes/attacher":            "github.com/kubernetes-csi/external-attacher/v4",
	"volumes/resizer":             "github.com/kubernetes-csi/external-resizer/v2",
	"volumes/snapshotter":         "github.com/kubernetes-csi/external-snapshotter/v8",
	"volumes/snapshots":           "github.com/kubernetes-csi/external-snapshotter/v8",
	"volumes/registrar":           "k8s.io/kubelet",
	"metrics/server":              "sigs.k8s.io/metrics-server",

	"kube-network-policies/policies": "sigs.k8s.io/kube-network-policies",
}

const pinned = "../../gce/local/mirror/build/addons/"

// TestAddonTable: the README has all images with their digests, and what stands for them on
// the embedded GCE with the version and the checksum that it is pinned to. HAKUBE_GOLDEN=write
// writes the table.
func TestAddonTable(t *testing.T) {
	mod, err := os.ReadFile(pinned + "go.mod.in")
	if err != nil {
		t.Fatal(err)
	}
	sums, err := os.ReadFile(pinned + "go.sum.in")
	if err != nil {
		t.Fatal(err)
	}
	table := "| addon | image | digest | built from | checksum |\n|---|---|---|---|---|\n"
	for _, a := range All() {
		for _, name := range slices.Sorted(maps.Keys(a.Images)) {
			i, module := a.Images[name], modules[a.Name+"/"+name]
			version := after(string(mod), "\t"+module+" ")
			sum := after(string(sums), module+" "+version+" ")
			digest := "`" + i.Digest + "`"
			if i.Digest == "" {
				digest = "none: " + i.Undigested
			}
			if a.Unbuilt {
				table += fmt.Sprintf("| %s | `%s` | %s | nothing: its source is in no module that can be had | none |\n", a.Name, i.Ref, digest)
				continue
			}
			if module == "" || version == "" || sum == "" {
				t.Errorf("%s/%s is built from nothing that is pinned: %q %q %q", a.Name, name, module, version, sum)
			}
			table += fmt.Sprintf("| %s | `%s` | %s | `%s@%s` | `%s` |\n", a.Name, i.Ref, digest, module, version, sum)
		}
	}
	const readme, start = "README.md", "| addon | image |"
	text, err := os.ReadFile(readme)
	if err != nil {
		t.Fatal(err)
	}
	if strings.HasSuffix(string(text), "\n"+table) {
		return
	}
	if os.Getenv("HAKUBE_GOLDEN") == "write" {
		head, _, _ := strings.Cut(string(text), start)
		if err := os.WriteFile(readme, []byte(head+table), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	t.Errorf("%s does not end with\n%s", readme, table)
}

// after is the word that follows.
func after(text, before string) string {
	_, rest, _ := strings.Cut(text, before)
	word, _, _ := strings.Cut(rest, "\n")
	word, _, _ = strings.Cut(word, " ")
	return word
}
