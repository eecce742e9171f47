package cluster

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// banned are the edges that may not be, each with its reason: from a package
// (or everything below it with /...) to another, also through others.
var banned = []struct{ from, to, why string }{
	{"hakube/cluster/plan", "hakube/...", "it knows no cloud: the engine is tested on a map"},
	{"hakube/scripts", "hakube/...", "texts and keys only; everybody may read them"},
	{"hakube/replicate", "hakube/gce/...", "it gets hosts as values, so that its rules are tested without a cloud"},
	{"hakube/replicate", "hakube/cluster/...", "arrows go down"},
	{"hakube/replicate/etcdtest", "hakube/replicate", "the model must not share the mistakes of what it tests"},
	{"hakube/gce", "hakube/cluster/...", "arrows go down"},
	{"hakube/gce", "hakube/replicate/...", "a client of Compute Engine and no more"},
	{"hakube/gce", "hakube/scripts", "a client of Compute Engine and no more"},
	{"hakube/gce", "hakube/gce/...", "the client and the twin must not share their mistakes"},
	{"hakube/gce/emulator", "hakube/gce", "the client and the twin must not share their mistakes"},
	{"hakube/gce/emulator", "cloud.google.com/go/...", "the client and the twin must not share their mistakes"},
	{"hakube/gce/emulator", "hakube/cluster/...", "the twin knows no clusters"},
	{"hakube/gce/emulator", "hakube/replicate/...", "the twin knows no clusters"},
	{"hakube/gce/emulator", "hakube/scripts", "the twin knows no clusters"},
	{"hakube/gce/emulator", "hakube/gce/local/...", "machines plug into the twin, not the other way round"},
	{"hakube/gce/metadata", "hakube/...", "what one machine sees needs nothing else of ours"},
	{"hakube/gce/local", "hakube/gce", "the twin and what is behind it do without the client"},
	{"hakube/gce/local", "hakube/cluster/...", "Linux behind the API knows no clusters"},
	{"hakube/gce/local", "hakube/replicate/...", "Linux behind the API knows no clusters"},
	{"hakube/gce/gcetest", "hakube/cluster/...", "the contract of the API is not that of a cluster"},
	{"hakube/cluster", "hakube/gce/emulator", "the same code for Google and the twin: only cmd/hakube knows which it is"},
	{"hakube/cluster", "hakube/gce/local/...", "the same code for Google and the twin: only cmd/hakube knows which it is"},
	{"hakube/cluster", "hakube/gce/metadata", "what a machine sees of itself is not for a client"},
	{"hakube/cluster", "hakube/replicate/etcdtest", "models are for tests and for model machines"},
	{"hakube/cluster", "k8s.io/client-go/kubernetes", "the whole clientset doubles the start-up time; corev1 is enough"},
	{"hakube/cluster/...", "github.com/urfave/cli/v2", "only cmd/hakube talks to the command line"},
}

// cmdOnly may be imported by cmd/hakube and by the packages below them.
var cmdOnly = []string{"hakube/gce/emulator", "hakube/gce/local", "hakube/replicate/etcdtest"}

// under tells whether a package matches a pattern that may end in "/...".
func under(pattern, pkg string) bool {
	if base, all := strings.CutSuffix(pattern, "/..."); all {
		return pkg == base || strings.HasPrefix(pkg, base+"/")
	}
	return pkg == pattern
}

// plain packages import the standard library only.
var plain = []string{"hakube/cluster/plan", "hakube/scripts", "hakube/gce/metadata"}

type listed struct {
	ImportPath string
	Imports    []string
	Deps       []string
}

func packages(t *testing.T) (all []listed) {
	t.Helper()
	cmd := exec.Command("go", "list", "-e", "-json=ImportPath,Imports,Deps", "hakube/...")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	d := json.NewDecoder(strings.NewReader(string(out)))
	for {
		var p listed
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

func TestImports(t *testing.T) {
	if testing.Short() {
		t.Skip("it lists all packages, which takes seconds")
	}
	for _, p := range packages(t) {
		for _, b := range banned {
			if !under(b.from, p.ImportPath) {
				continue
			}
			for _, d := range p.Deps {
				if under(b.to, d) && d != p.ImportPath {
					t.Errorf("%s must not import %s: %s", p.ImportPath, d, b.why)
				}
			}
		}
		for _, d := range p.Deps {
			if first, _, _ := strings.Cut(d, "/"); slices.Contains(plain, p.ImportPath) && strings.Contains(first, ".") {
				t.Errorf("%s must not import %s: it makes do with the standard library", p.ImportPath, d)
			}
		}
		for _, d := range p.Imports {
			if strings.HasPrefix(d, "hakube/cmd/") {
				t.Errorf("%s must not import %s: nothing imports a command", p.ImportPath, d)
			}
			for _, only := range cmdOnly {
				if d == only && !strings.HasPrefix(p.ImportPath, "hakube/cmd/") && !strings.HasPrefix(p.ImportPath, "hakube/gce/") &&
					!strings.HasPrefix(p.ImportPath, only) {
					t.Errorf("%s must not import %s: only cmd/hakube puts the twin together", p.ImportPath, d)
				}
			}
		}
	}
}

// TestTopLevel keeps the layout: these packages and no others.
func TestTopLevel(t *testing.T) {
	tops := []string{"cluster", "cmd", "gce", "replicate", "scripts"}
	for _, p := range packages(t) {
		rest, _ := strings.CutPrefix(p.ImportPath, "hakube/")
		if top, _, _ := strings.Cut(rest, "/"); !slices.Contains(tops, top) {
			t.Errorf("package %s: the top level is %v", p.ImportPath, tops)
		}
	}
}
