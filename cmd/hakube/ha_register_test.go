package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"hakube/cluster/drill"
)

// TestRegister writes and reads a register while model machines become two
// masters and one again: no write that was acknowledged is lost.
func TestRegister(t *testing.T) {
	besideOthers(t)
	home := t.TempDir()
	exe := hakubeIn(t, t.TempDir())
	kubeconfig := filepath.Join(home, "kubeconfig")
	env := append(cleanEnv(t, home), "HAKUBE_LOCAL_DIR="+filepath.Join(home, "hakube"), "KUBECONFIG="+kubeconfig,
		"KUBERNETES_PROVIDER=local", "NUM_NODES=1")
	run := func(settings []string, args ...string) {
		t.Helper()
		cmd := exec.Command(exe, args...)
		cmd.Env = append(append([]string{}, env...), settings...)
		log, err := os.CreateTemp(home, "log") // not a pipe: the daemon would keep it open
		if err != nil {
			t.Fatal(err)
		}
		defer log.Close()
		cmd.Stderr = log
		if err := cmd.Run(); err != nil {
			said, _ := os.ReadFile(log.Name()) // whatever there is
			t.Fatalf("hakube %v: %v\n%s", args, err, said)
		}
	}
	t.Cleanup(func() { run(nil, "local", "reset") })
	run(nil, "local", "start", "--machines=model")
	run([]string{"KUBE_GCE_ZONE=" + zoneB}, "up")
	r := newRegister(t, kubeconfig)
	for range 2 {
		run([]string{"KUBE_GCE_ZONE=" + zoneC, addMaster}, "up")
		run([]string{"KUBE_GCE_ZONE=" + zoneC, noNodes}, "down")
	}
	time.Sleep(2 * drill.RegisterEvery) // a write or two at the end
	r.end(t)
}
