package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"hakube/gce/local"
)

// TestDefects are those of kube-up's defects that are about the command line; the
// others, and the count of all, are in package cluster.
func TestDefects(t *testing.T) {
	t.Run("D39_a_plan_changes_nothing_and_machines_can_read_it", func(t *testing.T) {
		home := t.TempDir()
		dir, exe := filepath.Join(home, "gce"), hakubeIn(t, home)
		env := append(cleanEnv(t, home), "HAKUBE_LOCAL_DIR="+dir, "KUBECONFIG="+filepath.Join(home, "kubeconfig"),
			"KUBERNETES_PROVIDER=local", "KUBE_GCE_ZONE="+zoneB, "NUM_NODES=1")
		t.Cleanup(func() {
			if _, err := local.Stop(context.Background(), dir); err != nil {
				t.Error(err)
			}
		})
		run := func(args ...string) (out, progress string) {
			t.Helper()
			var errors strings.Builder
			c := exec.Command(exe, args...)
			c.Env, c.Stderr = env, &errors
			b, err := c.Output()
			if err != nil {
				t.Fatalf("hakube %s: %v\n%s", strings.Join(args, " "), err, errors.String())
			}
			return string(b), errors.String()
		}
		type step struct{ Step string }
		var plan struct {
			Changes int
			Steps   []step
		}
		run("local", "start", "--machines=model")
		text, _ := run("plan", "up", "--json")
		if err := json.Unmarshal([]byte(text), &plan); err != nil || plan.Changes < 20 {
			t.Errorf("%d changes, %v: %s", plan.Changes, err, text)
		}
		if s, err := local.Ask(context.Background(), dir); err != nil || s.Calls.Change != 0 {
			t.Errorf("the plan made %d changing calls, %v", s.Calls.Change, err)
		}
		result, progress := run("up", "--json")
		if !json.Valid([]byte(result)) {
			t.Errorf("the result is no JSON: %s", result)
		}
		planned, done := map[string]bool{}, map[string]bool{}
		for _, s := range plan.Steps {
			planned[s.Step] = true
		}
		for line := range strings.Lines(progress) {
			var s step
			if err := json.Unmarshal([]byte(line), &s); err != nil {
				t.Errorf("%v: %s", err, line)
			}
			if s.Step != "" {
				done[s.Step] = true
			}
		}
		if fmt.Sprint(planned) != fmt.Sprint(done) {
			t.Errorf("planned were\n%v\ndone were\n%v", planned, done)
		}
	})
}
