package cluster

import (
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	gotoken "go/token"
	"io"
	"io/fs"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// banned are the edges that may not be, each with its reason: from a package
// (or everything below it with /...) to another, also through others. What
// begins with a slash is of this module, whatever its path is.
var banned = []struct{ from, to, why string }{
	{"/cluster/plan", "/...", "it knows no cloud: the engine is tested on a map"},
	{"/cluster/refusal", "/...", "words only; everybody may refuse"},
	{"/cluster/lease", "/cluster/settings", "it needs an address and no cluster, so that it is tested on a map"},
	{"/cluster/lease", "/replicate/...", "it needs an address and no cluster, so that it is tested on a map"},
	{"/cluster/kube", "/cluster", "arrows go down"},
	{"/cluster/kube", "/cluster/settings", "it is told the context's name and the files"},
	{"/cluster/kube", "/cluster/lease", "Kubernetes has no lease; the gate is in the context"},
	{"/cluster/kube", "/cluster/inventory", "it knows no Compute Engine: it is told where the API is"},
	{"/cluster/kube", "/gce/...", "it knows no Compute Engine: it is told where the API is"},
	{"/cluster/kube", "cloud.google.com/go/...", "it knows no Compute Engine: it is told where the API is"},
	{"/cluster/kube", "/replicate/...", "what is under the API, etcd and the machines, is not its business"},
	{"/cluster/kube", "/cluster/rings", "the API and etcd are two subjects: a run brings them together"},
	{"/cluster/rings", "/cluster", "arrows go down"},
	{"/cluster/rings", "/cluster/kube", "the API and etcd are two subjects: a run brings them together"},
	{"/cluster/rings", "/cluster/lease", "it only looks, and needs nobody's leave"},
	{"/cluster/rings", "/cluster/inventory", "it gets masters and hosts as values, so that its arithmetic is tested without a cloud"},
	{"/cluster/rings", "/cluster/settings", "it gets masters and hosts as values, so that its arithmetic is tested without a cloud"},
	{"/cluster/rings", "/gce/...", "it gets masters and hosts as values, so that its arithmetic is tested without a cloud"},
	{"/cluster/rings", "cloud.google.com/go/...", "it gets masters and hosts as values, so that its arithmetic is tested without a cloud"},
	{"/cluster/rings", "k8s.io/...", "etcd is asked on the masters, also when no API lives"},
	{"/cluster/inventory", "/cluster", "arrows go down"},
	{"/cluster/sweep", "/cluster", "it finds and judges, and removes nothing"},
	{"/cluster/sweep", "/cluster/kube", "it works for a cluster that is dead"},
	{"/cluster/sweep", "/cluster/rings", "it works for a cluster that is dead"},
	{"/cluster/sweep", "/replicate/...", "it works for a cluster that is dead"},
	{"/cluster/inventory", "k8s.io/client-go/...", "it asks Compute Engine, and a cluster need not live"},
	{"/cluster/inventory", "k8s.io/api/...", "it asks Compute Engine, and a cluster need not live"},
	{"/cluster/gpu", "/...", "words and their rules only; everybody may read them"},
	{"/cluster/label", "/...", "words and their rules only; everybody may read them"},
	{"/cluster/label", "k8s.io/api/...", "Kubernetes' rules for names are all it needs"},
	{"/cluster/inventory", "/replicate/...", "it asks Compute Engine and no machine"},
	{"/cluster/addons", "/...", "rows and texts only; everybody may render them"},
	{"/cluster/span", "/cluster/inventory", "it is arithmetic on what is wished and what is there"},
	{"/cluster/span", "/gce/...", "it is arithmetic on what is wished and what is there"},
	{"/cluster/settings", "/gce/...", "what is to be is known before the first call"},
	{"/cluster/settings", "/replicate/...", "what is to be is known before the first call"},
	{"/cluster/settings", "/cluster", "arrows go down"},
	{"/cluster/env", "/cluster/task", "how something is reached does not depend on what is to be done"},
	{"/cluster/env", "/cluster/sweep", "how something is reached does not depend on what is to be done"},
	{"/cluster/pool", "/cluster/task", "two lists beside each other, whoever asks"},
	{"/cluster/task", "/cluster/step", "a task is what steps are made from"},
	{"/cluster/task", "/cluster/member", "a task is what steps are made from"},
	{"/cluster/task", "/cluster/live", "a task is what steps are made from"},
	{"/cluster/step", "/cluster/member", "Compute Engine's objects are made without asking what is inside of them"},
	{"/cluster/step", "/cluster/live", "Compute Engine's objects are made without asking what is inside of them"},
	{"/cluster/step", "/cluster/preflight", "a step looks for itself, whatever was asked before"},
	{"/cluster/step", "/cluster/status", "a step looks for itself, whatever was concluded elsewhere"},
	{"/cluster/grouped", "/cluster/member", "Compute Engine's objects are made without asking what is inside of them"},
	{"/cluster/grouped", "/cluster/live", "Compute Engine's objects are made without asking what is inside of them"},
	{"/cluster/snapshots", "/cluster/step", "a disk is made there with the schedule that is here; neither asks the other"},
	{"/cluster/snapshots", "/cluster/member", "Compute Engine keeps them without anything of ours running"},
	{"/cluster/snapshots", "/cluster/live", "Compute Engine keeps them without anything of ours running"},
	{"/cluster/member", "/cluster/live", "masters are brought up while no API lives"},
	{"/cluster/member", "/cluster/status", "a step looks for itself, whatever was concluded elsewhere"},
	{"/cluster/member", "/cluster/preflight", "a step looks for itself, whatever was asked before"},
	{"/cluster/live", "/cluster/member", "the API's facts are asked of the API"},
	{"/cluster/live", "/cluster/status", "a step looks for itself, whatever was concluded elsewhere"},
	{"/cluster/live", "/cluster/preflight", "a step looks for itself, whatever was asked before"},
	{"/cluster/removal", "/cluster/member", "a removal needs no living master"},
	{"/cluster/removal", "/cluster/live", "a removal needs no living cluster"},
	{"/cluster/preflight", "/cluster/member", "nothing on a machine is asked before the first change"},
	{"/cluster/preflight", "/cluster/status", "it asks what a change needs, not how the cluster is"},
	{"/cluster/status", "/cluster/member", "it looks once and concludes; steps wait and act"},
	{"/cluster/status", "/cluster/preflight", "it changes nothing, so nothing has to be asked beforehand"},
	{"/cluster/status", "/cluster/repair", "it names the command and does not judge what that may"},
	{"/cluster/repair", "/cluster", "arrows go down"},
	{"/cluster/roll", "/cluster", "arrows go down"},
	{"/cluster/rotate", "/cluster", "arrows go down"},
	{"/cluster/metadata", "/cluster/rotate", "arrows go down"},
	{"/cluster/access", "/cluster/rotate", "arrows go down"},
	{"/cluster/access", "/cluster/status", "a step looks for itself, whatever was concluded elsewhere"},
	{"/cluster/metadata", "/cluster/status", "a step looks for itself, whatever was concluded elsewhere"},
	{"/cluster/rotate", "/cluster/repair", "what fails is brought back before, and not by it"},
	{"/cluster/upgrade", "/cluster", "arrows go down"},
	{"/cluster/upgrade", "/cluster/roll", "it says whether and not how: machines are made again in any case"},
	{"/cluster/roll", "/cluster/upgrade", "it makes machines again, of whatever version they are to be"},
	{"/cluster/repair", "/cluster/roll", "a repair brings back what is there, and wants nothing otherwise"},
	{"/cluster/drill", "/cluster/repair", "what a drill does it takes back itself: a repair would hide that it could not"},
	{"/cluster/drill", "/cluster", "arrows go down"},
	{"/cluster/schedule", "/cluster/task", "what masters are told of backups does not depend on what is to be done"},
	{"/cluster/backup", "/cluster/repair", "it keeps a backup and puts one on a master; which one is judged elsewhere"},
	{"/cluster/backup", "/cluster/status", "it keeps a backup and puts one on a master; which one is judged elsewhere"},
	{"/cluster/elsewhere", "/cluster", "arrows go down"},
	{"/cluster/elsewhere", "/cluster/repair", "it makes a cluster, and brings back none"},
	{"/cluster/elsewhere", "/cluster/live", "what is in the data is left out before anything lives"},
	{"/cluster/backup", "/cluster/elsewhere", "it keeps a backup and puts one on a master; which one is judged elsewhere"},
	{"/cluster/repair", "/cluster/removal", "what is given up goes as masters go, by the list for that"},
	{"/scripts/cure", "/...", "texts only; everybody may name a command"},
	{"/scripts", "/...", "texts and keys only; everybody may read them"},
	{"/replicate", "/gce/...", "it gets hosts as values, so that its rules are tested without a cloud"},
	{"/replicate", "/cluster/...", "arrows go down"},
	{"/replicate/etcdtest/kubeapi", "/...", "what an API serves depends on no ring and no machine"},
	{"/replicate/etcdtest", "/replicate", "the model must not share the mistakes of what it tests"},
	{"/gce", "/cluster/...", "arrows go down"},
	{"/gce", "/replicate/...", "a client of Compute Engine and no more"},
	{"/gce", "/scripts", "a client of Compute Engine and no more"},
	{"/gce", "/gce/...", "the client and the twin must not share their mistakes"},
	{"/gce/bucket", "/gce/emulator", "the client and the twin must not share their mistakes"},
	{"/gce/emulator/internal/storage", "/gce/emulator/internal/instances", "it keeps objects, whoever's they are"},
	{"/gce/emulator", "/gce", "the client and the twin must not share their mistakes"},
	{"/gce/emulator", "cloud.google.com/go/...", "the client and the twin must not share their mistakes"},
	{"/gce/emulator", "/cluster/...", "the twin knows no clusters"},
	{"/gce/emulator", "/replicate/...", "the twin knows no clusters"},
	{"/gce/emulator", "/scripts", "the twin knows no clusters"},
	{"/gce/emulator", "/gce/local/...", "machines plug into the twin, not the other way round"},
	{"/gce/emulator/backend", "/...", "plain values: what stands behind the API knows nothing of it"},
	{"/gce/emulator/internal/doc", "/...", "documents and their names know no rule of the API"},
	{"/gce/emulator/internal/store", "/gce/emulator/internal/discovery", "it keeps documents whatever they say"},
	{"/gce/emulator/internal/filter", "/gce/emulator/internal/store", "it judges one document at a time"},
	{"/gce/emulator/internal/members", "/gce/emulator/internal/api", "it only reads, so that machines, groups and balancers need not know each other"},
	{"/gce/emulator/internal/web", "/gce/emulator/internal/networks", "whoever answers over the network knows no kind of object"},
	{"/gce/emulator/internal/web", "/gce/emulator/internal/balancers", "whoever answers over the network knows no kind of object"},
	{"/gce/emulator/internal/web", "/gce/emulator/internal/instances", "whoever answers over the network knows no kind of object"},
	{"/gce/emulator/internal/web", "/gce/emulator/internal/groups", "whoever answers over the network knows no kind of object"},
	{"/gce/emulator/internal/web", "/gce/emulator/internal/disks", "whoever answers over the network knows no kind of object"},
	{"/gce/emulator/internal/networks", "/gce/emulator/internal/machine", "addresses are handed out to whoever asks"},
	{"/gce/emulator/internal/networks", "/gce/emulator/internal/members", "addresses are handed out to whoever asks"},
	{"/gce/emulator/internal/balancers", "/gce/emulator/internal/machine", "it sends to addresses of members"},
	{"/gce/emulator/internal/balancers", "/gce/emulator/internal/disks", "it sends to addresses of members"},
	{"/gce/emulator/internal/balancers", "/gce/emulator/internal/projects", "what a project may have is asked in one place, when a change is accepted"},
	{"/gce/emulator/internal/networks", "/gce/emulator/internal/projects", "what a project may have is asked in one place, when a change is accepted"},
	{"/gce/emulator/internal/disks", "/gce/emulator/internal/projects", "what a project may have is asked in one place, when a change is accepted"},
	{"/gce/emulator/internal/disks", "/gce/emulator/internal/networks", "a disk is in no network"},
	{"/gce/emulator/internal/machine", "/gce/emulator/internal/networks", "what a host and a guest see is read from documents"},
	{"/gce/emulator/internal/machine", "/gce/emulator/internal/balancers", "what a host and a guest see is read from documents"},
	{"/gce/emulator/internal/instances", "/gce/emulator/internal/balancers", "a machine does not know who sends to it"},
	{"/gce/emulator/contract", "/gce/emulator/internal/api", "the contract must not share the mistakes of what it watches"},
	{"/gce/emulator/contract", "/gce/emulator/internal/problem", "the contract must not share the mistakes of what it watches"},
	{"/gce/metadata", "/...", "what one machine sees needs nothing else of ours"},
	{"/gce/local/vpc/ruleset", "/gce/local/...", "what decides about packets is a pure function of the network"},
	{"/gce/local/vpc/ruleset", "github.com/vishvananda/...", "it touches no kernel: it is tested on a Mac"},
	{"/gce/local/vpc/...", "/gce/local/machine", "a network knows no machine's insides"},
	{"/gce/local/trust", "/...", "whom machines trust depends on nothing else"},
	{"/gce/local", "/gce", "the twin and what is behind it do without the client"},
	{"/gce/local", "/cluster/...", "Linux behind the API knows no clusters"},
	{"/gce/local", "/replicate/...", "Linux behind the API knows no clusters"},
	{"/gce/gcetest", "/cluster/...", "the contract of the API is not that of a cluster"},
	{"/cluster", "/gce/emulator", "the same code for Google and the twin: only cmd/hakube knows which it is"},
	{"/cluster", "/gce/local/...", "the same code for Google and the twin: only cmd/hakube knows which it is"},
	{"/cluster", "/gce/metadata", "what a machine sees of itself is not for a client"},
	{"/cluster", "/replicate/etcdtest", "models are for tests and for model machines"},
	{"/cluster", "k8s.io/client-go/kubernetes", "the whole clientset doubles the start-up time; corev1 is enough"},
	{"/cluster/...", "github.com/urfave/cli/v2", "only cmd/hakube talks to the command line"},
}

// cmdOnly may be imported by cmd/hakube and by the packages below them.
var cmdOnly = []string{"/gce/emulator", "/gce/local", "/replicate/etcdtest"}

// modulePath is the first line of go.mod, the one place that has it.
func modulePath(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("go", "list", "-m").Output()
	if err != nil {
		t.Fatalf("go list -m: %v", err)
	}
	return strings.TrimSpace(string(out))
}

// short takes the module's path off a package of it.
func short(module, pkg string) string {
	if rest, ok := strings.CutPrefix(pkg, module); ok && strings.HasPrefix(rest, "/") {
		return rest
	}
	return pkg
}

// under tells whether a package matches a pattern that may end in "/...".
func under(pattern, pkg string) bool {
	if base, all := strings.CutSuffix(pattern, "/..."); all {
		return pkg == base || strings.HasPrefix(pkg, base+"/")
	}
	return pkg == pattern
}

// plain packages import the standard library only.
var plain = []string{"/cluster/plan", "/scripts", "/scripts/cure", "/gce/metadata"}

type listed struct {
	ImportPath string
	Imports    []string
	Deps       []string
}

func packages(t *testing.T) (all []listed) {
	t.Helper()
	module := modulePath(t)
	out, err := exec.Command("go", "list", "-e", "-json=ImportPath,Imports,Deps", module+"/...").Output()
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
		p.ImportPath = short(module, p.ImportPath)
		for i := range p.Imports {
			p.Imports[i] = short(module, p.Imports[i])
		}
		for i := range p.Deps {
			p.Deps[i] = short(module, p.Deps[i])
		}
		all = append(all, p)
	}
}

func TestImports(t *testing.T) {
	besideOthers(t)
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
			if strings.HasPrefix(d, "/cmd/") {
				t.Errorf("%s must not import %s: nothing imports a command", p.ImportPath, d)
			}
			for _, only := range cmdOnly {
				if d == only && !strings.HasPrefix(p.ImportPath, "/cmd/") && !strings.HasPrefix(p.ImportPath, "/gce/") &&
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
		rest, _ := strings.CutPrefix(p.ImportPath, "/")
		if top, _, _ := strings.Cut(rest, "/"); !slices.Contains(tops, top) {
			t.Errorf("package %s: the top level is %v", p.ImportPath, tops)
		}
	}
}

// TestModulePath: when the project gets a home, the module's path is changed in
// go.mod and in imports, by one command; nothing else may know it.
func TestModulePath(t *testing.T) {
	besideOthers(t)
	module := modulePath(t)
	files := 0
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") {
			return err
		}
		files++
		set := gotoken.NewFileSet()
		file, err := parser.ParseFile(set, path, nil, 0)
		if err != nil {
			return err
		}
		imports := map[*ast.BasicLit]bool{}
		for _, i := range file.Imports {
			imports[i.Path] = true
		}
		ast.Inspect(file, func(n ast.Node) bool {
			lit, ok := n.(*ast.BasicLit)
			if !ok || lit.Kind != gotoken.STRING || imports[lit] {
				return true
			}
			for _, top := range []string{"cluster", "cmd", "gce", "replicate", "scripts"} {
				if strings.Contains(lit.Value, module+"/"+top) {
					t.Errorf("%s: %s has the module's path", set.Position(lit.Pos()), lit.Value)
				}
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if files < 100 {
		t.Errorf("only %d files were read", files)
	}
}
