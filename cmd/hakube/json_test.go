package main

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	// santhosh-tekuri/jsonschema: whether JSON is what a JSON Schema says.
	"filippo.io/age"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"hakube/gce/local"
)

// validator is what "hakube help json" prints, as a program takes it.
func validator(t *testing.T) *jsonschema.Schema {
	t.Helper()
	out, _, code := call(t, "help", "json")
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(out))
	if code != 0 || err != nil {
		t.Fatalf("hakube help json: %d, %v", code, err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("hakube.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("hakube.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestSchemaSaysAll: each key of the schema has its meaning, and no meaning is
// left of a key that is gone.
func TestSchemaSaysAll(t *testing.T) {
	text, err := schema()
	if err != nil {
		t.Fatal(err)
	}
	var doc any
	if err := json.Unmarshal([]byte(text), &doc); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	var walk func(any)
	walk = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			if keys, ok := v["properties"].(map[string]any); ok {
				for k, described := range keys {
					if seen[k] = true; described.(map[string]any)["description"] == nil && keyTexts[k] == "" {
						t.Errorf("the key %q has no description", k)
					}
				}
			}
			for _, inner := range v {
				walk(inner)
			}
		case []any:
			for _, inner := range v {
				walk(inner)
			}
		}
	}
	walk(doc)
	for k := range keyTexts {
		if !seen[k] {
			t.Errorf("%q is described and nowhere", k)
		}
	}
}

// spoken runs a command with --json and holds each line of both streams against
// the schema; its streams are left in files for jq.
type spoken struct {
	t      *testing.T
	schema *jsonschema.Schema
	dir    string
	types  map[string]int
}

func (s spoken) run(code int, args ...string) (out, errs string) {
	s.t.Helper()
	out, errs, got := call(s.t, args...)
	if got != code {
		s.t.Fatalf("hakube %q exits with %d, want %d\n%s%s", args, got, code, out, errs)
	}
	for _, line := range append(strings.Split(strings.TrimSpace(out), "\n"), strings.Split(strings.TrimSpace(errs), "\n")...) {
		if line == "" {
			continue
		}
		v, err := jsonschema.UnmarshalJSON(strings.NewReader(line))
		if err != nil {
			s.t.Errorf("hakube %q prints %q: %v", args, line, err)
			continue
		}
		if err := s.schema.Validate(v); err != nil {
			s.t.Errorf("hakube %q prints %s\n%v", args, line, err)
		}
		s.types[v.(map[string]any)["type"].(string)]++
	}
	if out != "" && strings.Count(out, "\n") != 1 {
		s.t.Errorf("hakube %q prints %d results", args, strings.Count(out, "\n"))
	}
	for name, text := range map[string]string{"out": out, "err": errs} {
		if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o600); err != nil {
			s.t.Fatal(err)
		}
	}
	return out, errs
}

// jq asks the last command's output, "out" or "err", as scripts do.
func (s spoken) jq(stream, program, want string) {
	s.t.Helper()
	if _, err := exec.LookPath("jq"); err != nil {
		s.t.Log("jq is not installed")
		return
	}
	got, err := exec.Command("jq", "-rs", program, filepath.Join(s.dir, stream)).CombinedOutput()
	if text := strings.TrimSpace(string(got)); err != nil || text != want {
		b, _ := os.ReadFile(filepath.Join(s.dir, stream))
		s.t.Errorf("jq %q prints %q, want %q of\n%s%v", program, text, want, bytes.TrimSpace(b), err)
	}
}

// TestJSON: everything every command prints with --json, when it goes well and
// when not, is what "hakube help json" says, and jq finds in it what scripts ask.
func TestJSON(t *testing.T) {
	home := t.TempDir()
	dir := filepath.Join(home, "gce")
	for k, v := range map[string]string{
		"HOME": home, "HAKUBE_LOCAL_DIR": dir, "KUBECONFIG": filepath.Join(home, "kubeconfig"), "KUBERNETES_PROVIDER": "local", "NUM_NODES": "1", "PROJECT": "local",
		"HAKUBE_SSH_KEY": filepath.Join(home, "key"), "HAKUBE_MIRROR_SOURCE": "",
	} {
		t.Setenv(k, v)
	}
	s := spoken{t, validator(t), t.TempDir(), map[string]int{}}

	// What is wrong is JSON too, also a command line that cannot be read.
	for _, args := range [][]string{
		{"up", "--json"}, {"up", "--json", "--no-such-flag"}, {"--json", "up"}, {"up", "--json", "--zone"}, {"up", "--json", "--zone=nowhere"}, {"down", "--json", "rubbish"},
		{"status", "--json", "--watch=never"}, {"local", "begin", "--json"}, {"local", "start", "--json"}, {"plan", "--json"}, {"repair", "--json", "a", "b"},
	} {
		if out, _ := s.run(exitUsage, args...); out != "" {
			t.Errorf("hakube %q prints a result: %s", args, out)
		}
		s.jq("err", `map(select(.type == "error"))[0] | "\(.code) \(.schema)"`, "2 1")
	}
	s.run(exitUsage, "up", "--json", "--zone=nowhere")
	s.jq("err", `.[0].error == .[0].why and (.[0].why | startswith("--zone="))`, "true")
	s.run(exitAnswer, "local", "status", "--json")
	s.jq("out", `.[] | "\(.type) \(.running) \(.state) \(.pid) \(.endpoint) \(.objects)"`, "local status false stopped null null {}")
	s.run(0, "version", "--json")
	s.jq("out", ".[].kubernetes", "v1.36.3")

	if out, errs, code := startModel(t); code != 0 {
		t.Fatal(out, errs)
	}
	defer func() {
		if _, err := local.Stop(context.Background(), dir); err != nil {
			t.Error(err)
		}
	}()
	s.run(exitFailed, "status", "--json")
	s.jq("err", `map(select(.type == "error"))[0].code`, "1")
	s.run(exitFailed, "validate", "--json")
	s.run(0, "plan", "up", "--json", "--zone="+zoneB)
	s.jq("out", `.[] | (.changes > 10 and (.steps[0].state == "planned"))`, "true")
	s.run(exitAnswer, "plan", "up", "--json", "--zone="+zoneB, "--exit-code")
	s.run(0, "up", "--json", "--zone="+zoneB)
	s.jq("err", `[.[] | select(.type == "step" and .kind == "instance" and .state == "done")][0] | "\(.name) \(.zone) \(.action) \(.event)"`, "kubernetes-master europe-west1-b make made")
	s.jq("out", `.[] | "\(.type) \(.schema) \(.mode) \(.evidence.readyz) \(.replica) \(.smaller)"`, "up 1 create ok null null")
	s.jq("out", `.[].actions | map(select(.kind == "instance")) | map(.name) | join(" ")`, "kubernetes-master")
	s.run(0, "plan", "up", "--json", "--zone="+zoneB)
	s.jq("out", ".[].smaller", "null")
	s.run(0, "up", "--json", "--zone="+zoneB, "--num-nodes=3")
	const smaller = `.[].smaller | "\(.zone) \(.from) \(.to) \(.nodes | length) \(.nodes | all(startswith("kubernetes-minion-group-"))) \(.why)"`
	s.run(0, "plan", "up", "--json", "--zone="+zoneB)
	s.jq("out", smaller, zoneB+" 3 1 2 true null")
	s.run(0, "up", "--json", "--zone="+zoneB)
	s.jq("out", smaller, zoneB+" 3 1 2 true null")
	s.run(0, "local", "status", "--json")
	s.jq("out", `.[] | "\(.running) \(.state) \(.machines) \(.objects.instances)"`, "true running model 2")
	s.run(0, "status", "--json")
	s.jq("out", `.[] | "\(.masters[0].name) \(.masters[0].zone) \(.masters[0].state) \(.masters[0].why) \(.address.holder) \(.balancer)"`, "kubernetes-master europe-west1-b ready null kubernetes-master null")
	s.run(0, "validate", "--json")
	s.jq("out", `.[] | "\(.valid) \(.problems | length)"`, "true 0")
	s.run(0, "kubeconfig", "--json", "--certificate-days=3")
	s.jq("out", `.[] | "\(.type) \(.user | startswith("hakube:")) \((.until | fromdate) > now)"`, "kubeconfig true true")
	s.run(0, "evacuate", "--json", "--yes", "europe-west1-d")
	s.jq("out", `.[] | "\(.type) \(.nothing) \(.mode)"`, "evacuate true evacuate zone")
	s.run(0, "roll", "--json")
	s.jq("out", `.[] | "\(.type) \(.nothing) \(.rolled | length) \(.rolledPools | length)"`, "roll true 0 0")
	s.run(0, "upgrade", "--json")
	s.jq("out", `.[] | "\(.type) \(.nothing) \(.mode)"`, "upgrade true upgrade")
	s.run(0, "drill", "--json", "--yes", "--for=1", "apiserver-killed")
	s.jq("out", `.[] | "\(.type) \(.passed) \(.drills[0].drill) \(.drills[0].on) \(.drills[0].checks | all(.passed)) \(.skipped | length)"`, "drill true apiserver-killed kubernetes-master true 0")
	s.run(exitFailed, "drill", "--json", "--yes", "--for=1", "master-halted")
	s.run(0, "plan", "rotate", "--json", "certificates")
	s.jq("out", `.[] | "\(.type) \(.changes) \(.rotations[0].name)"`, "plan 1 kubernetes-master")
	s.run(0, "rotate", "--json", "certificates")
	s.jq("out", `.[] | "\(.type) \(.nothing) \(.mode) \(.rotated | length)"`, "rotate false rotate 1")
	s.run(0, "plan", "rotate", "--json", "encryption-key")
	s.jq("out", `.[] | "\(.type) \(.changes) \(.rotations[0].name)"`, "plan 4 kubernetes-master")
	s.run(0, "repair", "--json")
	s.jq("out", `.[] | "\(.type) \(.nothing) \(.repaired | length)"`, "repair true 0")
	s.run(exitFailed, "repair", "--json", "kubernetes-master-zzz")
	backup := filepath.Join(home, "b1.tar")
	key, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	s.run(0, "backup", "--json", "--to="+backup, "--backup-recipients="+key.Recipient().String())
	s.jq("out", `.[] | "\(.type) \(.file | endswith("b1.tar")) \(.cluster) \(.rings.main.keys > 3) \(.bytes > 1000)"`, "backup true local/kubernetes true true")
	s.run(0, "backups", "--json", home)
	s.jq("out", `.[] | "\(.type) \(.place | length > 0) \(.backups[0].cluster) \(.backups[0].verified) \(.backups[0].main > 1)"`, "backups true local/kubernetes true true")
	identity := filepath.Join(home, "identity")
	if err := os.WriteFile(identity, []byte(key.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	s.run(exitFailed, "restore", "--json", "--backup-identity="+identity, backup)
	s.run(0, "restore", "--json", "--yes", "--backup-identity="+identity, backup)
	s.jq("out", `.[] | "\(.type) \(.mode) \(.repaired | join(" "))"`, "restore restore kubernetes-master")
	s.run(0, "plan", "down", "--json", "--zone="+zoneB)
	s.run(0, "down", "--json", "--zone="+zoneB)
	s.jq("out", `.[] | "\(.type) \(.nothing) \(.mode)"`, "down false remove cluster")
	s.jq("out", `.[].actions | map(select(.action == "remove" and .state == "done")) | map(.kind + " " + .name) | (index("instance kubernetes-master") != null and index("address kubernetes-master-ip") != null)`, "true")
	s.run(0, "down", "--json", "--zone="+zoneB)
	s.jq("out", `.[] | "\(.nothing) \(.actions | length) \(.left | length)"`, "true 0 0")

	for _, kind := range append(slices.Collect(maps.Keys(results)), "step", "note", "error", "hint") {
		if s.types[kind] == 0 {
			t.Errorf("no line of type %q was seen", kind)
		}
	}
	report(t, "%v", s.types)
}

// startModel starts the embedded GCE by a program: the daemon is a process.
func startModel(t *testing.T) (out, errs string, code int) {
	t.Helper()
	exe := hakubeIn(t, t.TempDir())
	command := exec.Command(exe, "local", "start", "--machines=model")
	file, err := os.Create(filepath.Join(t.TempDir(), "output"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close() //nolint:errcheck // only read
	command.Stdout, command.Stderr = file, file
	if err := command.Run(); err != nil {
		text, _ := os.ReadFile(file.Name())
		return string(text), err.Error(), 1
	}
	return "", "", 0
}
