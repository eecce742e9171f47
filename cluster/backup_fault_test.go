package cluster

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"filippo.io/age"

	"hakube/cluster/backup"
	"hakube/replicate"
	"hakube/replicate/etcdtest"
)

// What is not verified, or does not come whole, is no backup: an error, and no file.
func TestBackupThatIsNone(t *testing.T) {
	for name, x := range map[string]struct {
		happen func(*sickCluster)
		answer etcdtest.Script
		want   string
	}{
		"quorum is lost":                  {func(c *sickCluster) { c.deleteMachine(1) }, nil, "no master has data of both rings that others agree with"},
		"data differ, nobody knows whose": {func(c *sickCluster) { c.must(c.guest(0).RaiseAlarm(replicate.RingMain, replicate.AlarmCorrupt, "")) }, nil, "no master has data"},
		"it is not verified": {nil, func(_ context.Context, c etcdtest.Call) int {
			_, _ = c.Stdout.Write([]byte("half"))
			_, _ = c.Stderr.Write([]byte("the restored ring main differs from the ring at revision 7\n"))
			return 1
		}, "the restored ring main differs from the ring at revision 7"},
		"it is something else": {nil, func(_ context.Context, c etcdtest.Call) int {
			_, _ = c.Stdout.Write([]byte("welcome to this machine\n"))
			return 0
		}, "is no backup"},
	} {
		if testing.Short() && strings.HasPrefix(name, "it is") && name != "it is not verified" || testing.Short() && name == "quorum is lost" {
			continue // one of a ring, one of what a master answers
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := sickOf(t, newWorld(t, func(o *etcdtest.Options) {
				if x.answer != nil {
					o.Scripts = map[string]etcdtest.Script{"backup": x.answer}
				}
			}), 2)
			k := keeperOf(t, c.o)
			if x.happen != nil {
				x.happen(c)
			}
			_, _, err := k.Backup(context.Background(), filepath.Join(k.dir, "b"), nil)
			if err == nil || !strings.Contains(err.Error(), x.want) || !errors.As(err, new(*Unchanged)) {
				t.Errorf("it ends with %v, want %q and that nothing was changed", err, x.want)
			}
			if left, _ := filepath.Glob(filepath.Join(k.dir, "*b*")); len(left) > 0 {
				t.Errorf("left is %q", left)
			}
		})
	}
}

// Whatever happens to a backup's file, what is damaged is named, and none that is
// damaged passes: each part changed, the file cut at each part, parts that are missing.
func TestDamagedBackups(t *testing.T) {
	k := keeperOf(t, sickOf(t, newWorld(t), 1).o)
	path, _ := k.backup(t, "whole")
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	open := func(text []byte) error {
		t.Helper()
		file := filepath.Join(k.dir, "damaged")
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
		f, err := backup.Open(file)
		if err == nil {
			_, err = f.Opens([]age.Identity{k.key})
			_ = f.Close()
		}
		return err
	}
	if err := open(whole); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"hakube-backup.json", "main.db.age", "events.db.age", "keys.json.age", "SHA256SUMS"} {
		at := strings.Index(string(whole), name+"\x00")
		for _, x := range []struct {
			what string
			text []byte
		}{
			{"a byte of it is another", slices.Concat(whole[:at+530], []byte{whole[at+530] ^ 1}, whole[at+531:])},
			{"its header is another", slices.Concat(whole[:at+3], []byte{whole[at+3] ^ 1}, whole[at+4:])},
			{"cut off before it", whole[:at]},
			{"cut off in it", whole[:at+530]},
		} {
			err := open(x.text)
			if err == nil || !strings.Contains(err.Error(), name) && name != "hakube-backup.json" && !strings.Contains(err.Error(), "SHA256SUMS") || !strings.Contains(err.Error(), "othing was changed") {
				t.Errorf("%s, %s: %v", name, x.what, err)
			}
		}
	}
	for n := 0; n < len(whole); n += 97 { // anywhere: padding may be what it likes, no part may
		text := slices.Clone(whole)
		text[n] ^= 0x40
		if err := open(text); err == nil && text[n] != 0x40 {
			t.Errorf("byte %d is %q in place of %q, and it passes", n, text[n], whole[n])
		}
	}
}
