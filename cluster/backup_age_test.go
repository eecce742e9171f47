package cluster

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"hakube/cluster/settings"
)

// Who says where backups are sees in status what would be lost now, and validate fails when
// that is more than was said; whoever says nothing is asked nothing.
func TestBackupTooOld(t *testing.T) {
	w := newWorld(t)
	c := sickOf(t, w, 1)
	k := keeperOf(t, c.o)
	dir := t.TempDir()
	ctx := context.Background()
	said := func(place string, most time.Duration) *operator {
		return k.again(func(s *settings.Settings) {
			s.BackupTo, s.BackupAge = settings.Place(place), settings.Seconds(most)
		})
	}
	judged := func(o *operator, want string) {
		t.Helper()
		v, err := o.Validate(ctx)
		if err != nil {
			t.Fatal(err)
		}
		var whys []string
		for _, p := range v.Problems {
			if strings.Contains(p.Why, "backup") {
				whys = append(whys, p.Why+" -> "+p.Command)
			}
		}
		if got := strings.Join(whys, "; "); want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("validate says %q, want %q", got, want)
		}
	}
	for _, o := range []*operator{k.operator, said(dir, 0)} {
		st, err := o.Status(ctx)
		c.must(err)
		if (st.Backup == nil) != (o == k.operator) || st.Backup != nil && st.Backup.Newest != nil {
			t.Errorf("status has %+v", st.Backup)
		}
		judged(o, "")
	}
	judged(said("", time.Hour), "HAKUBE_BACKUP_MAX_AGE is set, and HAKUBE_BACKUP_TO does not say where backups are")
	judged(said(dir, time.Hour), "no verified backup of this cluster is in "+dir+" -> hakube backup")
	if err := os.WriteFile(filepath.Join(dir, "notes"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	made, where, err := k.Backup(ctx, dir, nil)
	c.must(err)
	c.must(made.Close())
	st, err := said(dir, 0).Status(ctx)
	c.must(err)
	if st.Backup == nil || st.Backup.Newest == nil || st.Backup.Newest.Where != where {
		t.Errorf("status has %+v", st.Backup)
	}
	judged(said(dir, time.Hour), "")
	old := filepath.Join(dir, "20010101T000000Z.local.kubernetes.hakube-backup") // not looked into: by its name it is older
	if err := os.WriteFile(old, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Until(made.Record.Made.Time().Add(2100 * time.Millisecond)))
	judged(said(dir, time.Second), "old, and HAKUBE_BACKUP_MAX_AGE is 1s -> hakube backup")
	judged(said(dir+"/none", 0), "backups in "+dir+"/none: there is no directory")
	other := k.again(func(s *settings.Settings) { s.BackupTo = settings.Place("gs://nobodys") })
	judged(other, "there is no bucket nobodys")
}
