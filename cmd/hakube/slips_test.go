//go:build linux

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"hakube/gce/local"
)

// A diary is a person's week with hakube: what was typed, what was read, and that
// nothing was lost by it.
type diary struct {
	*shell
	t    *testing.T
	home string
}

// newDiary is a home with an embedded GCE, somebody's papers, and a kubeconfig
// that has another cluster's entry. Nothing but where things are is exported.
func newDiary(t *testing.T) *diary {
	t.Helper()
	s := newShell(t)
	d := &diary{shell: s, t: t, home: filepath.Dir(s.dir)}
	s.env = slices.DeleteFunc(s.env, func(kv string) bool {
		return strings.HasPrefix(kv, "KUBE_GCE_ZONE=") || strings.HasPrefix(kv, "NUM_NODES=") || strings.HasPrefix(kv, "PATH=") || strings.HasPrefix(kv, "HAKUBE_CACHE_DIR=") || strings.HasPrefix(kv, "TERM=")
	})
	s.env = append(s.env, "PATH="+filepath.Dir(s.exe)+":"+os.Getenv("PATH"), "TERM=xterm")
	must(t, os.MkdirAll(filepath.Join(d.home, "papers"), 0o755))
	d.write("papers/thesis.tex", "thirty years of work")
	d.write("kubeconfig", ofOthers)
	return d
}

// ofOthers is what the kubeconfig has before hakube comes.
const ofOthers = `apiVersion: v1
kind: Config
clusters:
- {name: production, cluster: {server: "https://192.0.2.9:6443"}}
contexts:
- {name: production, context: {cluster: production, user: production}}
current-context: production
users:
- {name: production, user: {token: theirs}}
`

func (d *diary) write(name, text string) {
	d.t.Helper()
	must(d.t, os.WriteFile(filepath.Join(d.home, name), []byte(text), 0o600))
}

func (d *diary) read(name string) string {
	d.t.Helper()
	b, err := os.ReadFile(filepath.Join(d.home, name))
	must(d.t, err)
	return string(b)
}

// done is what goes well and is told in the diary without being quoted.
func (d *diary) done(typed string) {
	d.t.Helper()
	if out, code := d.typed(d.t, d.home, "bash", "-c", typed); code != 0 {
		d.t.Fatalf("$ %s\nexits with %d:\n%s", typed, code, out)
	}
}

// slip is what was typed without a terminal, the exit code, and all that was read
// but the steps. Afterwards all is as it was.
func (d *diary) slip(typed string, code int, said string) {
	d.t.Helper()
	before := d.everything()
	out, got := d.typed(d.t, d.home, "bash", "-c", typed)
	d.quoted(typed, out, got, code, said)
	d.asBefore(typed, before)
}

// quoted compares what was read line by line.
func (d *diary) quoted(typed, out string, got, code int, said string) {
	d.t.Helper()
	out, said = d.plain(out), strings.TrimSpace(said)
	if got != code || out != said {
		d.t.Errorf("$ %s\nexits with %d, want %d, and says\n%s\n\nwant\n%s", typed, got, code, out, said)
	}
}

var (
	escapes  = regexp.MustCompile(`\x1b\[[0-9]*[A-Z]|\r`)
	echoed   = regexp.MustCompile(`(?m)^(\^C)+`) // by the terminal
	varying  = []*regexp.Regexp{regexp.MustCompile(`group-[a-z0-9]{4}\b`), regexp.MustCompile(`\S+ on \S+ \(process \d+\)`), regexp.MustCompile(`"time":"[^"]*"`)}
	constant = []string{"group-xxxx", "WHO on HOST (process N)", `"time":"NOW"`}
)

// plain is what was read, without the steps, which stories have, and with names in
// the place of what is another one each time.
func (d *diary) plain(out string) string {
	out = strings.ReplaceAll(echoed.ReplaceAllString(escapes.ReplaceAllString(out, ""), ""), d.home, "~")
	for i, r := range varying {
		out = r.ReplaceAllString(out, constant[i])
	}
	var lines []string
	for line := range strings.Lines(out) {
		line = strings.TrimRight(line, " \n")
		if strings.HasPrefix(line, "hakube: ") || strings.HasPrefix(line, "{") || strings.HasPrefix(line, "would ") || strings.HasPrefix(line, "    ") && !strings.HasPrefix(line, "     ") {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "\n")
}

// snapshot is the collections of what hakube makes, as in Compute Engine's URLs, with
// the fields that say which object it is and how large. Labels carry the lease.
var snapshot = map[string][]string{
	"aggregated/instances":             {"id", "status", "machineType"},
	"aggregated/disks":                 {"id", "sizeGb", "users"},
	"aggregated/instanceGroupManagers": {"id", "targetSize", "instanceTemplate"},
	"aggregated/addresses":             {"id", "address"},
	"aggregated/subnetworks":           {"id", "ipCidrRange"},
	"global/networks":                  {"id"}, "global/firewalls": {"id", "sourceRanges"}, "global/instanceTemplates": {"id"},
}

// objects are all in the embedded GCE, by their URL.
func (d *diary) objects() map[string]string {
	d.t.Helper()
	s := d.daemon()
	client, err := local.Client(d.dir)
	must(d.t, err)
	all := map[string]string{}
	for path, fields := range snapshot {
		resp, err := client.Get(s.Endpoint + "/compute/v1/projects/local/" + path)
		must(d.t, err)
		var v map[string]any
		err = json.NewDecoder(resp.Body).Decode(&v)
		resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusOK {
			d.t.Fatalf("%s: %s, %v", path, resp.Status, err)
		}
		named(v, func(o map[string]any) {
			var is []any
			for _, f := range fields {
				is = append(is, o[f])
			}
			all[fmt.Sprint(o["selfLink"])] = fmt.Sprint(is...)
		})
	}
	return all
}

// named visits the objects of an answer, listed or grouped by zone.
func named(v any, visit func(map[string]any)) {
	switch v := v.(type) {
	case map[string]any:
		if _, is := v["name"].(string); is {
			visit(v)
			return
		}
		for _, x := range v {
			named(x, visit)
		}
	case []any:
		for _, x := range v {
			named(x, visit)
		}
	}
}

// everything is what a slip may not cost: the objects in the cloud, the kubeconfig,
// and each file in the directory of somebody's with its mode.
func (d *diary) everything() map[string]string {
	d.t.Helper()
	all := d.objects()
	all["kubeconfig"] = d.read("kubeconfig")
	must(d.t, filepath.Walk(filepath.Join(d.home, "papers"), func(path string, info os.FileInfo, err error) error {
		if err != nil {
			return err
		}
		all[path] = info.Mode().String()
		if info.Mode().IsRegular() {
			b, err := os.ReadFile(path)
			all[path] += string(b)
			return err
		}
		return nil
	}))
	return all
}

func (d *diary) asBefore(after string, before map[string]string) {
	d.t.Helper()
	now := d.everything()
	for _, name := range slices.Sorted(maps.Keys(now)) {
		if _, was := before[name]; !was {
			d.t.Errorf("after %s\nthere is %s", after, name)
		}
	}
	d.kept(after, before)
}

// kept is that nothing went or became another; there may be more.
func (d *diary) kept(after string, before map[string]string) {
	d.t.Helper()
	now := d.everything()
	for _, name := range slices.Sorted(maps.Keys(before)) {
		if now[name] != before[name] {
			d.t.Errorf("after %s\n%s is %q, was %q", after, name, now[name], before[name])
		}
	}
}

// asked is what was typed at a terminal, and what was answered once it asked or
// waited for that.
func (d *diary) asked(typed string, code int, said string, dialog ...string) {
	d.t.Helper()
	x := d.onTerminal(d.t, "cd "+d.home+"; exec env "+typed)
	for i := 0; i < len(dialog); i += 2 {
		x.until(dialog[i])
		x.types(dialog[i+1])
	}
	got := x.code()
	d.quoted(typed, x.text(), got, code, said)
}

// another runs hakube as another user of this host, and returns what it says.
func (d *diary) another(args ...string) (string, int) {
	d.t.Helper()
	open, err := os.MkdirTemp("", "hakube-another-") // which everybody may enter, unlike the test's
	must(d.t, err)
	d.t.Cleanup(func() { os.RemoveAll(open) })
	must(d.t, os.Chmod(open, 0o755))
	hakubeIn(d.t, open)
	cmd := exec.Command("setpriv", append([]string{"--reuid=65534", "--regid=65534", "--clear-groups", "hakube"}, args...)...)
	cmd.Dir, cmd.Env = "/", append(slices.Clone(d.env), "PATH="+open+":"+os.Getenv("PATH"), "HOME="+open, "KUBE_GCE_ZONE="+zoneB)
	out, err := cmd.CombinedOutput()
	if err != nil && cmd.ProcessState == nil {
		d.t.Fatal(err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

// daemon is the embedded GCE, which runs.
func (d *diary) daemon() local.Status {
	d.t.Helper()
	s, err := local.Ask(context.Background(), d.dir)
	must(d.t, err)
	if !s.Running {
		d.t.Fatal("the embedded GCE does not run")
	}
	return s
}

// says waits for words in a file that a run writes.
func (d *diary) says(name, words string) {
	d.t.Helper()
	eventually(d.t, time.Minute, name+" has "+words, func() error {
		b, err := os.ReadFile(filepath.Join(d.home, name))
		if err == nil && !strings.Contains(string(b), words) {
			err = fmt.Errorf("it has %q", b)
		}
		return err
	})
}
