package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"hakube/gce/emulator"
	"hakube/gce/live"
)

// This program is the driver itself when it is told so.
func TestMain(m *testing.M) {
	if os.Getenv("LIVE_IS_MAIN") != "" {
		main()
		return
	}
	os.Exit(tested(m))
}

// programs is where hakube and the conformance suite are built, once for all tests.
var programs string

func tested(m *testing.M) int {
	dir, err := os.MkdirTemp("", "live-test-")
	if err != nil {
		panic(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	programs = dir
	return m.Run()
}

var built = sync.OnceValue(func() error {
	for _, args := range [][]string{{"build", "-o", filepath.Join(programs, "hakube"), "../hakube"}, {"test", "-c", "-o", filepath.Join(programs, "conformance"), "../../gce/gcetest"}} {
		if out, err := exec.Command("go", args...).CombinedOutput(); err != nil {
			return fmt.Errorf("go %v: %w\n%s", args, err, out)
		}
	}
	return nil
})

const project = "acme-live-0123"

// A stage is an embedded GCE of model machines, and the programs that run on it.
type stage struct {
	t                  *testing.T
	dir, hakube, suite string
	env                []string
}

func rehearse(t *testing.T) *stage {
	t.Helper()
	if testing.Short() {
		t.Skip("it builds hakube: skipped by -short")
	}
	if err := built(); err != nil {
		t.Fatal(err)
	}
	r := &stage{t: t, dir: t.TempDir(), hakube: filepath.Join(programs, "hakube"), suite: filepath.Join(programs, "conformance")}
	r.env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + r.dir, "HAKUBE_LOCAL_DIR=" + filepath.Join(r.dir, "gce"), "KUBERNETES_PROVIDER=local", "LIVE_IS_MAIN=1"}
	t.Cleanup(func() { r.must("local", "reset", "--yes") })
	r.must("local", "start", "--machines=model")
	return r
}

// must runs hakube.
func (r *stage) must(args ...string) string {
	r.t.Helper()
	cmd := exec.Command(r.hakube, args...)
	cmd.Env = r.env
	out, err := cmd.CombinedOutput()
	if err != nil {
		r.t.Fatalf("hakube %v: %v\n%s", args, err, out)
	}
	return string(out)
}

// nothing fails if there is an object.
func (r *stage) nothing() {
	r.t.Helper()
	if out := r.must("local", "status"); !strings.Contains(out, "no objects") {
		r.t.Errorf("left:\n%s", out)
	}
	if _, err := os.Stat(filepath.Join(r.dir, ".cache", "hakube-live", project)); err == nil {
		r.t.Error("the run's key is left")
	}
}

// run runs the driver; at is called when it says so.
func (r *stage) run(says string, at func(*os.Process), args ...string) (code int, said string) {
	r.t.Helper()
	cmd := exec.Command(os.Args[0], append([]string{"-project", project, "-zone", "europe-west1-b", "-hakube", r.hakube, "-suite", r.suite, "-out", filepath.Join(r.dir, "live.json")}, args...)...)
	cmd.Env = r.env
	out := &watched{says: says, at: func() { at(cmd.Process) }}
	cmd.Stderr = out
	if at == nil {
		out.says = ""
	}
	// A killed driver leaves a hakube that has the other end of this pipe.
	cmd.WaitDelay = time.Second
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		r.t.Fatalf("%v\n%s", err, out.all.String())
	}
	return cmd.ProcessState.ExitCode(), out.all.String()
}

// watched is output in which something is waited for.
type watched struct {
	all  bytes.Buffer
	says string
	at   func()
}

func (w *watched) Write(b []byte) (int, error) {
	n, err := w.all.Write(b)
	if w.says != "" && strings.Contains(w.all.String(), w.says) {
		w.says = ""
		w.at()
	}
	return n, err
}

func (r *stage) file() (f live.File, text string) {
	r.t.Helper()
	js, err := os.ReadFile(filepath.Join(r.dir, "live.json"))
	if err != nil {
		r.t.Fatal(err)
	}
	if err := json.Unmarshal(js, &f); err != nil {
		r.t.Fatal(err)
	}
	return f, string(js)
}

// TestRehearsal: on the embedded GCE a run comes to its end, what differs has a reason,
// all that a file is to have is in it, and nothing is left.
func TestRehearsal(t *testing.T) {
	t.Parallel()
	r := rehearse(t)
	if code, said := r.run("", nil); code != 1 || !strings.Contains(said, "nothing was changed") { // nobody is there to ask
		t.Errorf("without a yes: exit %d:\n%s", code, said)
	}
	code, said := r.run("", nil, "-yes")
	if code != 0 || !strings.Contains(said, "US dollars an hour by Google's list") || !strings.Contains(said, "make live DOWN=1 PROJECT="+project) {
		t.Fatalf("exit %d:\n%s", code, said)
	}
	r.nothing()
	f, text := r.file()
	if f.Ended != "" || f.Kubernetes == "" || !strings.HasPrefix(f.Image, "debian-12") || !strings.Contains(f.Hakube, "hakube ") || f.Zones[0] != "europe-west1-b" || len(f.Zones) != 2 {
		t.Errorf("%+v", f)
	}
	for _, s := range f.Steps {
		if !s.Well {
			t.Errorf("step %+v", s)
		}
	}
	if len(f.Steps) != 8 || len(f.Dark) != 2 || f.Dark[0].Probes == 0 || len(f.Conformance) < 11 || f.Compared.Methods < 30 || len(f.Unrecorded) < 50 {
		t.Errorf("%d steps, dark %+v, %d parts, compared %+v, %d unrecorded", len(f.Steps), f.Dark, len(f.Conformance), f.Compared, len(f.Unrecorded))
	}
	for _, p := range f.Conformance {
		if !p.Well {
			t.Errorf("part %+v", p)
		}
	}
	for _, d := range f.Differences {
		if d.Known == "" {
			t.Errorf("without a reason: %+v", d)
		}
	}
	roles := map[string]int{}
	for _, g := range f.Guests {
		if roles[g.Role]++; len(g.Phases) == 0 || g.Phases[len(g.Phases)-1].Name != "running" {
			t.Errorf("guest %+v", g)
		}
	}
	if roles["master"] != 1 || roles["replica"] != 1 || roles["node"] != 2 {
		t.Errorf("guests %v", roles)
	}
	for _, o := range f.Operations {
		if o.Method == "instances.insert" && o.N >= 4 {
			roles["timed"]++
		}
	}
	if roles["timed"] != 1 {
		t.Errorf("operations %+v", f.Operations)
	}
	for _, secret := range []string{project, r.dir, "operator@local.invalid", "PRIVATE KEY", "Bearer"} {
		if strings.Contains(text, secret) {
			t.Errorf("%q is in the file", secret)
		}
	}
}

// TestKilled: a run that is killed says beforehand what takes down what it leaves; until
// then no other one begins, and then nothing is left.
func TestKilled(t *testing.T) {
	t.Parallel()
	r := rehearse(t)
	code, said := r.run("live: pool", func(p *os.Process) { _ = p.Kill() }, "-yes")
	if code == 0 || !strings.Contains(said, "KUBERNETES_PROVIDER=local make live DOWN=1 PROJECT="+project+" ZONE=europe-west1-b") {
		t.Fatalf("exit %d:\n%s", code, said)
	}
	if code, said = r.run("", nil, "-yes"); code != 1 || !strings.Contains(said, "so nothing was changed") {
		t.Errorf("beside what is left: exit %d:\n%s", code, said)
	}
	if code, said = r.run("", nil, "-down"); code != 0 {
		t.Fatalf("down: exit %d:\n%s", code, said)
	}
	r.nothing()
}

// TestInterrupted: ^C takes everything down, and the file says how far it came.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	r := rehearse(t)
	code, said := r.run("live: replica", func(p *os.Process) { _ = p.Signal(syscall.SIGINT) }, "-yes")
	if code != 1 || !strings.Contains(said, "taking everything down") {
		t.Fatalf("exit %d:\n%s", code, said)
	}
	r.nothing()
	if f, _ := r.file(); f.Ended == "" || len(f.Steps) < 3 || !f.Steps[0].Well {
		t.Errorf("%+v", f)
	}
}

// TestByGoogleProvider: with hakube's own provider all it asks of Google, Cloud Resource
// Manager too, goes where the driver listens, and needs no credentials of it.
func TestByGoogleProvider(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds hakube: skipped by -short")
	}
	if err := built(); err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	asked := map[string]int{}
	google, err := emulator.New(emulator.Options{Path: filepath.Join(t.TempDir(), "gce.db"), NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = google.Close() })
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		name, word, _ := r.BasicAuth()
		asked[name+":"+word+" "+strings.SplitN(r.URL.Path, "/", 3)[1]]++
		mu.Unlock()
		google.ServeHTTP(w, r)
	}))
	t.Cleanup(front.Close)
	dir := t.TempDir()
	cmd := exec.Command(filepath.Join(programs, "hakube"), "plan", "up")
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "GOOGLE_APPLICATION_CREDENTIALS=/nonexistent", "KUBERNETES_PROVIDER=gce", "KUBE_GCE_ZONE=europe-west1-b",
		"PROJECT=" + project, "HAKUBE_LIVE_ENDPOINT=" + strings.Replace(front.URL, "http://", "http://live:word@", 1)}
	out, err := cmd.CombinedOutput()
	mu.Lock()
	defer mu.Unlock()
	if err != nil || asked["live:word compute"] == 0 || asked["live:word v1"] == 0 || len(asked) != 2 {
		t.Errorf("%v, asked %v:\n%s", err, asked, out)
	}
}

// TestNobody: without credentials it says what gives them.
func TestNobody(t *testing.T) {
	for name, c := range map[string]struct {
		env  []string
		says string
	}{
		"no credentials":  {[]string{"GOOGLE_APPLICATION_CREDENTIALS=/nonexistent"}, "\tgcloud auth application-default login"},
		"no embedded GCE": {[]string{"KUBERNETES_PROVIDER=local"}, "hakube local start"},
	} {
		dir := t.TempDir()
		cmd := exec.Command(os.Args[0], "-project", project)
		cmd.Env = append([]string{"HOME=" + dir, "HAKUBE_LOCAL_DIR=" + filepath.Join(dir, "gce"), "LIVE_IS_MAIN=1"}, c.env...)
		if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), c.says) {
			t.Errorf("%s: %v:\n%s", name, err, out)
		}
	}
}
