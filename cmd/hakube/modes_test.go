package main

import (
	"context"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"hakube/gce/local"
	"hakube/scripts/cure"
)

// TestModes makes a cluster with umask 000: what hakube leaves on this machine
// is for its owner only, and only the public half of the key is for all.
func TestModes(t *testing.T) {
	t.Parallel()
	p := newTrial(t)
	run := func(words string) {
		t.Helper()
		cmd := exec.Command("sh", "-c", "umask 000; exec "+cure.Quote(p.exe)+" "+words)
		cmd.Env = append(p.env, "KUBE_GCE_ZONE="+zoneB)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", words, err, out)
		}
	}
	p.ok("local", "reset")
	run("local start --machines=model")
	run("up")
	files := 0
	err := filepath.WalkDir(p.home, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == p.home {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		files++
		closed := fs.FileMode(0o077)
		if strings.HasSuffix(path, ".pub") || strings.HasPrefix(path, p.dir+"/") { // below a directory that nobody else enters
			closed = 0o022
		}
		if perm := info.Mode().Perm(); perm&closed != 0 {
			t.Errorf("%s has mode %04o", strings.TrimPrefix(path, p.home), perm)
		}
		return nil
	})
	if err != nil || files < 8 {
		t.Errorf("%d files: %v", files, err)
	}
	if info, err := os.Stat(p.dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the state directory: %v %v", info.Mode(), err)
	}

	// A kubeconfig that was open is closed when it is written; a link to it stays.
	config := filepath.Join(p.home, "kubeconfig")
	target := filepath.Join(p.home, "target")
	for _, err := range []error{os.Rename(config, target), os.Symlink(target, config), os.Chmod(target, 0o666)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	b := "KUBE_GCE_ZONE=" + zoneB
	p.ok(b, "OVERRIDE_CONTEXT=other", "up")
	link, err := os.Lstat(config)
	if err != nil || link.Mode()&fs.ModeSymlink == 0 {
		t.Errorf("the link is %v %v", link.Mode(), err)
	}
	if info, err := os.Stat(target); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the kubeconfig behind the link: %v %v", info.Mode(), err)
	}

	// A key that others may read is refused, as ssh does.
	key := filepath.Join(p.home, ".ssh", "google_compute_engine")
	if err := os.Chmod(key, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, stderr, code := p.run(b, "up"); code != exitUsage || !strings.Contains(stderr, "others may read it, mode 0644") || !strings.Contains(stderr, "\n    chmod 600 "+key) {
		t.Errorf("with an open key: %d\n%s", code, stderr)
	}
	if err := os.Chmod(key, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestStrangePaths has home, state and kubeconfig in a directory that a shell
// would make something else of.
func TestStrangePaths(t *testing.T) {
	t.Parallel()
	p := newTrial(t)
	work := t.TempDir()
	home := filepath.Join(work, "-n $(touch canary) `touch canary`; touch canary' \"*#,")
	if err := os.Mkdir(home, 0o700); err != nil {
		t.Fatal(err)
	}
	dir, config := filepath.Join(home, "gce"), filepath.Join(home, "kube config")
	p.env = append(p.env, "HOME="+home, "HAKUBE_LOCAL_DIR="+dir, "KUBECONFIG="+config)
	p.cwd = work
	t.Cleanup(func() {
		if _, err := local.Reset(context.Background(), dir); err != nil {
			t.Error(err)
		}
	})
	b := "KUBE_GCE_ZONE=" + zoneB
	p.ok("local", "start", "--machines=model")
	p.ok(b, "up")
	p.ok(b, "validate")
	if info, err := os.Stat(config); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the kubeconfig: %v %v", info, err)
	}
	cmd := exec.Command("sh", "-c", `eval "$(`+cure.Quote(p.exe)+` local env)"; printf %s "$CLOUDSDK_CONFIG"`)
	cmd.Env, cmd.Dir = p.env, work
	if out, err := cmd.Output(); err != nil || string(out) != dir+"/gcloud" {
		t.Errorf("what local env prints says %q to a shell (%v)", out, err)
	}
	p.ok(b, "down")
	if left, err := os.ReadDir(work); err != nil || len(left) != 1 {
		t.Errorf("made on the way: %v %v", left, err)
	}
}
