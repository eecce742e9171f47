package etcdtest

import (
	"bytes"
	"crypto/md5" //nolint:gosec // what Cloud Storage has as checksum
	"encoding/base64"
	"fmt"
	"io"
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

	"hakube/scripts"
)

// A cloud is metadata of a master and a bucket.
type cloud struct {
	mu      sync.Mutex
	objects map[string][]byte
	said    []string
	every   string
}

func (c *cloud) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	key := strings.TrimPrefix(r.URL.Path, "/computeMetadata/v1/instance/")
	values := map[string]string{
		"attributes/" + scripts.KeyBackupEvery: c.every, "attributes/" + scripts.KeyBackupTo: "gs://b/of", "attributes/" + scripts.KeyBackupSettings: `{"A":"it's"}`,
		"service-accounts/default/token": `{"access_token":"secret"}`,
	}
	switch value, known := values[key]; {
	case known:
		fmt.Fprint(w, value)
	case key == "attributes/"+scripts.KeyBackupRecipients:
		fmt.Fprint(w, os.Getenv("TEST_RECIPIENT"))
	case r.Method == http.MethodPut:
		text, _ := io.ReadAll(r.Body)
		c.said = append(c.said, string(text))
	case r.Method == http.MethodPost:
		text, _ := io.ReadAll(r.Body)
		sum := md5.Sum(text) //nolint:gosec // as above
		c.objects[r.URL.Query().Get("name")] = text
		fmt.Fprintf(w, `{"md5Hash": %q}`, base64.StdEncoding.EncodeToString(sum[:]))
	case r.Method == http.MethodGet && r.URL.Path == "/storage/v1/b/b/o":
		fmt.Fprint(w, `{"items": []}`)
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

func (c *cloud) has() (n int, said string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.objects), strings.Join(c.said, "\n")
}

// TestMastersTakeTurns has two masters, by etcd's own locks, keep backups of rings of etcd
// itself: of one interval one of them makes one, whole and encrypted, and the next is made
// when it is due.
func TestMastersTakeTurns(t *testing.T) {
	slow(t)
	m := newRealMaster(t)
	m.mustRun(`for i in {1..9}; do etcd_ctl main put /registry/configmaps/default/c$i v$i; done; mkdir "$TEST_DIR/bin"
backup_program >"$TEST_DIR/bin/hakube-backup"; keep_backups_program >"$TEST_DIR/bin/keep"`)
	c := &cloud{objects: map[string][]byte{}, every: "3600"}
	server := httptest.NewServer(c)
	t.Cleanup(server.Close)
	t.Setenv("TEST_RECIPIENT", m.key.Recipient().String())
	edit := func(name, to string, pairs ...string) string {
		text, err := os.ReadFile(filepath.Join(m.dir, "bin", name))
		if err == nil {
			to = filepath.Join(m.dir, "bin", to)
			err = os.WriteFile(to, []byte(strings.NewReplacer(pairs...).Replace(string(text))), 0o700)
		}
		if err == nil {
			err = os.Chmod(to, 0o700) //nolint:gosec // it is run
		}
		if err != nil {
			t.Fatal(err)
		}
		return to
	}
	edit("hakube-backup", "hakube-backup", "\nset -euo pipefail\nexport_keys()", "\nset -euo pipefail\n"+units+"\nexport_keys()")
	program, _ := os.Executable() // it is running
	for i := range 2 {
		keep := edit("keep", fmt.Sprint("keep-", i), "https://storage.googleapis.com", server.URL, "backup.made", fmt.Sprint("backup.made-", i),
			"MAIN=2379 EVENTS=4002", fmt.Sprintf("MAIN=%d EVENTS=%d", m.client[ringMain], m.client[ringEvents]), "export PATH=", "export PATH="+filepath.Join(m.dir, "bin")+":"+filepath.Dir(m.etcd)+":")
		cmd := exec.Command(keep)
		cmd.Env = append(os.Environ(), "TEST_DIR="+m.dir, "TEST_PROGRAM="+program, "GCE_METADATA_HOST="+strings.TrimPrefix(server.URL, "http://"))
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		var out bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &out
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
			_ = cmd.Wait()
			if t.Failed() {
				t.Log(out.String())
			}
		})
	}
	wait := func(n int) {
		t.Helper()
		for limit := time.Now().Add(3 * time.Minute); ; time.Sleep(200 * time.Millisecond) {
			have, said := c.has()
			if have >= n {
				return
			}
			if time.Now().After(limit) {
				t.Fatalf("there are %d backups, want %d; masters say\n%s", have, n, said)
			}
		}
	}
	wait(1)
	time.Sleep(12 * time.Second) // in which both look once more
	if n, said := c.has(); n != 1 {
		t.Fatalf("of one interval there are %d backups; masters say\n%s", n, said)
	}
	c.mu.Lock()
	for name, archive := range c.objects {
		parts := m.unpack(archive)
		if !strings.HasPrefix(name, "of/20") || !strings.HasSuffix(name, "Z.local.kubernetes.hakube-backup") || !strings.Contains(string(parts["hakube-backup.json"]), `"/registry/configmaps":9`) || len(parts["main.db.age"]) < 10000 {
			t.Errorf("%s has the record %s", name, parts["hakube-backup.json"])
		}
	}
	c.every = "1" // of which a setting has none
	c.mu.Unlock()
	wait(3)
}
