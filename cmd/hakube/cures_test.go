//go:build linux

package main

import (
	"context"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/tools/clientcmd"
)

// cureKinds are all commands that hakube can name: the functions of the catalogue.
func cureKinds(t *testing.T) (kinds []string) {
	t.Helper()
	for _, file := range []string{"hakube.go", "gcloud.go"} {
		f, err := parser.ParseFile(token.NewFileSet(), filepath.Join("../../scripts/cure", file), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.IsExported() {
				kinds = append(kinds, fn.Name.Name)
			}
		}
	}
	return kinds
}

// notRun are the commands that this test does not run, and why.
var notRun = map[string]string{
	"Login": "a person logs in to Google", "Projects": "Google's list of projects", "EnableService": "an API of Google's", "Grants": "a policy of Google's",
	"AccountGrants": "a policy of Google's", "ServiceAccounts": "Google's list of accounts", "Grant": "cluster's TestMastersLackRoles does what it says",
	"GrantOnBucket": "the operator of the embedded GCE is refused nothing: cluster's TestBucketsThatRefuse sees it named",
	"LocalKubectl":  "builds for minutes", "LocalPrepare": "builds for many minutes: TestReleases is of what it does", "Completion": "is evaluated by a shell: TestCompletion",
	"EvalCompletion": "is evaluated by a shell: TestCompletion", "EvalEnv": "is evaluated by a shell: TestReadmeOwn",
	"HostKeys":    "a machine would have to be another",
	"Backups":     "an example of a place",
	"Keygen":      "age-keygen is another program, and need not be installed",
	"LocalStatus": "the daemon would have to die in a call",
	"UpAll":       "a run would have to be killed between two steps: TestMatrix/span_1to3",
}

// A slip is how hakube is brought to name commands, and how that which they are
// named for is seen to have ended.
type slip struct {
	kinds []string // in the order in which they are printed
	name  string   // of several that name the same kinds; "" is the kinds
	make  func(*testing.T, *shell)
	call  []string          // with what is not exported, as flags
	after map[string]string // by kind: what then succeeds, run by a shell; $H is hakube
	shows map[string]string // by kind: a pattern of what it prints
}

// A spell is slips one after the other, each on what the one before left.
type spell struct {
	name  string
	slips []slip
	last  func(*shell, *testing.T, map[string]bool) int // after them
}

// TestCures runs each command that is named, word for word, from a new shell with
// the same exported variables and in another directory, and sees that it ends what
// it was named for. Every command that hakube can name is run or says why not.
func TestCures(t *testing.T) {
	besideOthers(t)
	spells := typed()
	slow := append(unlisted(), spell{name: "blocked", slips: blocked()})
	if testing.Short() {
		for i := len(spells) - 1; i >= 0; i-- {
			if i%3 != 0 {
				slow, spells = append(slow, spells[i]), slices.Delete(spells, i, i+1)
			}
		}
		for _, x := range slow {
			for _, x := range x.slips {
				for _, kind := range x.kinds {
					if notRun[kind] == "" {
						notRun[kind] = "takes longer than quick tests may"
					}
				}
			}
		}
	} else {
		spells = append(spells, slow...)
	}
	if why := withoutWays(); why == "" {
		spells = append(spells, spell{name: "ways", slips: ways(), last: (*shell).doors})
	} else {
		for _, kind := range []string{"LocalModel", "FromSurvivor", "Console", "Status", "LocalEnv", "LocalConsole", "Validate"} {
			notRun[kind] = why
		}
	}
	run, named := map[string]bool{}, 0
	var mu sync.Mutex
	t.Run("of", func(t *testing.T) { // it ends with the last of them
		for _, x := range spells {
			t.Run(x.name, func(t *testing.T) {
				besideOthers(t)
				s, ran := newShell(t), map[string]bool{}
				s.env = slices.DeleteFunc(s.env, func(kv string) bool {
					return strings.HasPrefix(kv, "KUBE_GCE_ZONE=") || strings.HasPrefix(kv, "KUBECONFIG=")
				})
				n := s.slips(t, ran, x.slips)
				if x.last != nil {
					t.Run("last", func(t *testing.T) { n += x.last(s, t, ran) })
				}
				mu.Lock()
				defer mu.Unlock()
				maps.Copy(run, ran)
				named += n
			})
		}
	})
	kinds := cureKinds(t)
	for _, kind := range kinds {
		if why := notRun[kind]; !run[kind] && why == "" && !t.Failed() {
			t.Errorf("%s is named by nothing here, and nothing says why", kind)
		}
	}
	report(t, "%d commands that hakube can name; %d printed lines of %d kinds were run", len(kinds), named, len(run))
	for _, kind := range slices.Sorted(maps.Keys(notRun)) {
		if !run[kind] {
			report(t, "not run: %s: %s", kind, notRun[kind])
		}
	}
}

// unlisted are slips of who deletes Nodes: kubelets are given half a minute to notice.
func unlisted() []spell {
	zone, kubeconfig := "--zone="+zoneB, "--kubeconfig=kubeconfig" // neither is exported, and that is not absolute
	return []spell{
		{name: "pool", slips: []slip{
			{kinds: []string{"FinishPool"}, make: func(t *testing.T, s *shell) {
				s.ok(t, "local", "start", "--machines=model")
				s.unlist(t, zone, "-minion-")
			}, call: []string{"validate", zone, kubeconfig}, after: map[string]string{"FinishPool": "$H validate"}},
		}},
		{name: "master", slips: []slip{
			{kinds: []string{"Repair"}, make: func(t *testing.T, s *shell) {
				s.ok(t, "local", "start", "--machines=model")
				s.unlist(t, zone, "-master")
			}, call: []string{"validate", zone, kubeconfig}, after: map[string]string{"Repair": "$H validate"}},
		}},
	}
}

// typed are slips of who types: what he named, what he left out, and what he did to
// the machines.
func typed() []spell {
	zone, kubeconfig := "--zone="+zoneB, "--kubeconfig=kubeconfig" // neither is exported, and that is not absolute
	return []spell{
		{name: "evacuate", slips: []slip{
			{kinds: []string{"Evacuate"}, make: func(t *testing.T, s *shell) {
				s.ok(t, "local", "start", "--machines=model")
				s.ok(t, "up", zone, "--kubeconfig="+filepath.Join(t.TempDir(), "kubeconfig"))
			}, call: []string{"evacuate", kubeconfig, zoneB}, after: map[string]string{"Evacuate": "$H validate"}},
		}},
		{name: "drill", slips: []slip{
			{kinds: []string{"Drill"}, make: func(t *testing.T, s *shell) {
				s.ok(t, "local", "start", "--machines=model")
				s.ok(t, "up", zone, "--kubeconfig="+filepath.Join(t.TempDir(), "kubeconfig"))
			}, call: []string{"drill", kubeconfig, "--for=1", "etcd-events-killed"}, after: map[string]string{"Drill": "$H validate --wait=1m"}},
			{kinds: []string{"UndoDrill"}, make: func(t *testing.T, s *shell) { s.drillKilled(t, kubeconfig) }, call: []string{"validate", kubeconfig}, after: map[string]string{"UndoDrill": "$H validate --wait=1m"}},
		}},
		{name: "roll", slips: []slip{
			{kinds: []string{"Roll"}, make: func(t *testing.T, s *shell) {
				s.ok(t, "local", "start", "--machines=model")
				s.ok(t, "up", zone, "--kubeconfig="+filepath.Join(t.TempDir(), "kubeconfig"))
			}, call: []string{"up", zone, kubeconfig, "--master-size=e2-standard-4"}, after: map[string]string{"Roll": "$H validate"}},
		}},
		{name: "bucket", slips: []slip{
			{kinds: []string{"MakeBucket"}, make: func(t *testing.T, s *shell) {
				if !installed("gcloud") {
					notRun["MakeBucket"] = "gcloud is not installed"
					t.Skip(notRun["MakeBucket"])
				}
				s.ok(t, "local", "start", "--machines=model")
				s.ok(t, "up", zone, "--kubeconfig="+filepath.Join(t.TempDir(), "kubeconfig"))
			}, call: []string{"backup", "--to=gs://backups/of", "--backup-recipients=" + someKey}, after: map[string]string{"MakeBucket": "$H backup --to=gs://backups/of --backup-recipients=" + someKey}},
		}},
		{name: "backup", slips: []slip{
			{kinds: []string{"Backup"}, make: func(t *testing.T, s *shell) {
				s.ok(t, "local", "start", "--machines=model")
				s.ok(t, "up", zone)
				s.env = append(s.env, "HAKUBE_BACKUP_TO="+t.TempDir())
			}, call: []string{"validate", "--backup-max-age=1h", "--backup-recipients=" + someKey}, after: map[string]string{"Backup": "$H validate --backup-max-age=1h"}},
		}},
		{name: "rotate", slips: []slip{
			{kinds: []string{"Rotate"}, make: func(t *testing.T, s *shell) {
				s.ok(t, "local", "start", "--machines=model")
				s.ok(t, "up", zone, "--kubeconfig="+filepath.Join(t.TempDir(), "kubeconfig"))
				a, err := s.client(t).Addresses().Get(context.Background(), "kubernetes-master-ip")
				must(t, err)
				must(t, s.client(t).Addresses().SetLabels(context.Background(), a.GetName(), a.GetLabelFingerprint(), map[string]string{"hakube": "kubernetes", "hakube-rotation": "certificates_1"}))
			}, call: []string{"status", kubeconfig}, after: map[string]string{"Rotate": "$H validate"}},
			{kinds: []string{"Distrust"}, make: func(t *testing.T, s *shell) { // a rotation of long ago
				s.ok(t, "local", "start", "--machines=model")
				s.ok(t, "up", zone, "--kubeconfig="+filepath.Join(t.TempDir(), "kubeconfig"))
				a, err := s.client(t).Addresses().Get(context.Background(), "kubernetes-master-ip")
				must(t, err)
				must(t, s.client(t).Addresses().SetLabels(context.Background(), a.GetName(), a.GetLabelFingerprint(), map[string]string{"hakube": "kubernetes", "hakube-rotation": "service-account-key_1000"}))
				s.ok(t, "rotate", "--kubeconfig="+filepath.Join(t.TempDir(), "kubeconfig"), "service-account-key")
			}, call: []string{"status", kubeconfig}, after: map[string]string{"Distrust": "$H validate"}},
			{kinds: []string{"Same"}, make: func(t *testing.T, s *shell) {
				s.ok(t, "rotate", "--kubeconfig="+filepath.Join(t.TempDir(), "kubeconfig"), "service-account-key")
			}, call: []string{"rotate", kubeconfig, "--distrust", "service-account-key"}, after: map[string]string{"Same": "$H rotate --distrust service-account-key"}}, // once it is done it does not ask
		}},
		{name: "snapshot", slips: []slip{
			{kinds: []string{"RestoreSnapshot"}, make: func(t *testing.T, s *shell) {
				if !installed("gcloud") {
					notRun["RestoreSnapshot"] = "gcloud is not installed"
					t.Skip(notRun["RestoreSnapshot"])
				}
				s.ok(t, "local", "start", "--machines=model")
				s.ok(t, "up", zone, "--disk-snapshots=hourly", "--kubeconfig="+filepath.Join(t.TempDir(), "kubeconfig"))
				out, code := s.typed(t, t.TempDir(), "sh", "-c", `eval "$($H local env)" && gcloud compute disks snapshot kubernetes-master-pd --zone=europe-west1-b --snapshot-names=by-hand`)
				if code != 0 {
					t.Fatal(out)
				}
				must(t, s.client(t).Instances(zoneB).Delete(context.Background(), "kubernetes-master"))
				must(t, s.client(t).Disks(zoneB).Delete(context.Background(), "kubernetes-master-pd"))
			}, call: []string{"status", kubeconfig}, after: map[string]string{"RestoreSnapshot": "$H validate --wait=1m"}},
		}},
		{name: "upgrade", slips: []slip{
			{kinds: []string{"Upgrade"}, make: func(t *testing.T, s *shell) {
				s.ok(t, "local", "start", "--machines=model")
				s.ok(t, "up", zone, "--mirror=http://mirror.example", "--kubeconfig="+filepath.Join(t.TempDir(), "kubeconfig"))
			}, call: []string{"roll", kubeconfig, "--kube-version=v1.36.4", "masters"}, after: map[string]string{"Upgrade": "$H validate"}},
		}},
		{name: "typed", slips: []slip{
			{kinds: []string{"HelpOn"}, make: func(t *testing.T, s *shell) { s.ok(t, "local", "start", "--machines=model") }, call: []string{"pu"}},
			{kinds: []string{"Help"}, call: []string{"up", "--num-nodes=x"}},
			{kinds: []string{"LocalStop"}, call: []string{"local", "start", "--latency=gce"}},
			{kinds: []string{"LocalStart"}, call: []string{"status", zone}, after: map[string]string{"LocalStart": "$H local status"}},
			{kinds: []string{"Up"}, call: []string{"status", zone, kubeconfig}, after: map[string]string{"Up": "$H validate"}},
			{kinds: []string{"Secret"}, make: func(t *testing.T, s *shell) { must(t, os.Chmod(s.key(), 0o644)) }, call: []string{"up", zone, kubeconfig}, after: map[string]string{"Secret": "$H validate"}},
			{kinds: []string{"Private"}, make: func(t *testing.T, s *shell) { must(t, os.Chmod(s.dir, 0o777)) }, call: []string{"local", "status"}, after: map[string]string{"Private": "$H local status"}},
			{kinds: []string{"Up", "UpPool", "AddMaster"}, call: []string{"up", "--zone=" + zoneC, kubeconfig}, after: map[string]string{"AddMaster": "$H validate"}},
			{kinds: []string{"Repair"}, make: func(t *testing.T, s *shell) { s.halt(t) }, call: []string{"validate", zone, kubeconfig}, after: map[string]string{"Repair": "$H validate"}},
			{kinds: []string{"RemoveMaster", "RemovePool", "DownIn"}, call: []string{"down", zone, kubeconfig}, after: map[string]string{"RemoveMaster": "$H validate", "RemovePool": "$H validate", "DownIn": "$H down --yes | grep -c . || true"}},
			{kinds: []string{"Up"}, call: []string{"status", zone, kubeconfig}},
			{kinds: []string{"Down"}, call: []string{"down", "--zone=" + zoneB, "--delete-nodes=false", kubeconfig}},
			{kinds: []string{"Same"}, call: []string{"down", kubeconfig}},
			{kinds: []string{"Describe"}, make: func(t *testing.T, s *shell) { s.address(t) }, call: []string{"up", zone, kubeconfig}},
			{kinds: []string{"LocalReset"}, call: []string{"local", "start", "--machines=real"}},
		}},
	}
}

// key is the operator's ssh key.
func (s *shell) key() string {
	for _, kv := range s.env {
		if home, is := strings.CutPrefix(kv, "HOME="); is {
			return filepath.Join(home, ".ssh", "google_compute_engine")
		}
	}
	return ""
}

// someKey is a public key of age.
const someKey = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"

func installed(program string) bool { _, err := exec.LookPath(program); return err == nil }

// address makes somebody else's, with the name that ours has.
func (s *shell) address(t *testing.T) {
	t.Helper()
	if !installed("gcloud") {
		notRun["Describe"] = "gcloud is not installed"
		t.Skip(notRun["Describe"])
	}
	out, code := s.typed(t, t.TempDir(), "sh", "-c", `eval "$($H local env)" && gcloud compute addresses create kubernetes-master-ip --region=europe-west1`)
	if code != 0 {
		t.Fatal(out)
	}
}

// halt stops the first master behind hakube's back.
func (s *shell) halt(t *testing.T) {
	t.Helper()
	must(t, s.client(t).Instances(zoneB).Stop(context.Background(), "kubernetes-master"))
}

// unlist deletes the Nodes of a kind, as kubectl does.
func (s *shell) unlist(t *testing.T, zone, kind string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "kubeconfig")
	s.ok(t, "up", zone, "--kubeconfig="+file)
	config, err := clientcmd.BuildConfigFromFlags("", file)
	must(t, err)
	client, err := corev1client.NewForConfig(config)
	must(t, err)
	list, err := client.Nodes().List(context.Background(), metav1.ListOptions{})
	must(t, err)
	deleted := 0
	for _, n := range list.Items {
		if strings.Contains(n.Name, kind) {
			must(t, client.Nodes().Delete(context.Background(), n.Name, metav1.DeleteOptions{}))
			deleted++
		}
	}
	if deleted == 0 {
		t.Fatalf("of %d Nodes none is a %s", len(list.Items), kind)
	}
}

// commandsIn are the lines that are commands; status has them below what they end.
func commandsIn(said string) (list []string) {
	for line := range strings.Lines(said) {
		c, is := strings.CutPrefix(line, "    ")
		if below, two := strings.CutPrefix(c, "  "); two && strings.Contains(c, "/hakube ") {
			c = below
		}
		if is && !strings.HasPrefix(c, " ") {
			list = append(list, strings.TrimSpace(c))
		}
	}
	return list
}

// typed runs a program in a directory; $H is hakube.
func (s *shell) typed(t *testing.T, dir, program string, args ...string) (string, int) {
	t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Dir, cmd.Env = dir, append(slices.Clone(s.env), "H="+s.exe)
	out, err := cmd.CombinedOutput()
	if err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

// cured runs a named command word for word; one that asks is asked by a terminal.
func (s *shell) cured(t *testing.T, line, kind string) (string, int) {
	t.Helper()
	question := map[string]string{"Down": `to go on: `, "Evacuate": `to go on: `, "Distrust": `to go on: `, "Drill": `to go on: `, "RestoreSnapshot": `to go on`, "FromSurvivor": `to go on with \S+ alone: `}[kind]
	if question == "" {
		return s.typed(t, t.TempDir(), "sh", "-c", line)
	}
	x := s.onTerminal(t, line)
	x.until(question)
	x.types("kubernetes\n")
	code := x.code()
	return x.text(), code
}
