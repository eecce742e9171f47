package cluster

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"

	"hakube/cluster/backup"
	"hakube/cluster/settings"
	"hakube/replicate"
)

// A keeper is an operator with a key of age, in a file.
type keeper struct {
	*operator
	key  *age.X25519Identity
	file string // of the key
	dir  string // for backups
}

func keeperOf(t testing.TB, o *operator) *keeper {
	t.Helper()
	key, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	k := &keeper{o, key, filepath.Join(dir, "key"), dir}
	if err := os.WriteFile(k.file, []byte("# public key: "+key.Recipient().String()+"\n"+key.String()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	k.operator = o.again(func(s *settings.Settings) { s.Recipients = settings.Recipients(key.Recipient().String()) })
	return k
}

// backup makes one that must become one.
func (k *keeper) backup(t testing.TB, name string) (path string, r backup.Record) {
	t.Helper()
	path = filepath.Join(k.dir, name)
	f, _, err := k.Backup(context.Background(), path, nil)
	if err != nil {
		t.Fatalf("%v", err)
	}
	r = f.Record
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return path, r
}

// A backup is taken on a master that leads no ring, has both rings and all keys in it,
// and nothing of that can be read without the key.
func TestBackup(t *testing.T) {
	w := newWorld(t)
	c := sickOf(t, w, 3)
	k := keeperOf(t, c.o)
	st, err := c.o.Status(context.Background())
	c.must(err)
	leads := map[string]bool{}
	for _, ring := range st.Rings {
		for _, m := range ring {
			leads[m.Member] = leads[m.Member] || m.Leader
		}
	}
	path, r := k.backup(t, "b1")
	if leads[r.Master] || r.Cluster != "local/kubernetes" || r.Rings[replicate.RingMain].Revision < 2 || r.Settings["MASTER_DISK_SIZE"] == "" {
		t.Errorf("the record is %+v, leaders are %v", r, leads)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"PRIVATE KEY", "client-key-data", "written-before", "AGE-SECRET"} {
		if bytes.Contains(text, []byte(secret)) {
			t.Errorf("%s is in it in the clear", secret)
		}
	}
	f, err := backup.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	part, err := f.Part(backup.KeysPart, []age.Identity{k.key})
	if err != nil {
		t.Fatal(err)
	}
	if keys, err := io.ReadAll(part); err != nil || !bytes.Contains(keys, []byte("kubernetes/pki/ca.key")) {
		t.Errorf("the keys are %.60q, %v", keys, err)
	}
	other := keeperOf(t, c.o)
	if _, err := f.Opens([]age.Identity{other.key}); err == nil || !strings.Contains(err.Error(), "encrypted to other keys") {
		t.Errorf("with another key: %v", err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("its mode is %v, %v", info.Mode(), err)
	}
	if left, _ := filepath.Glob(filepath.Join(k.dir, ".b1*")); len(left) > 0 {
		t.Errorf("left is %q", left)
	}
}
