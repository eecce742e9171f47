package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/compute/apiv1/computepb"
	"github.com/google/go-cmp/cmp"

	"hakube/cluster/settings"
	"hakube/scripts"
)

// aRecipient is a public key of age.
const aRecipient = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"

// byMasters has masters make backups by themselves.
func byMasters(every time.Duration) func(*settings.Settings) {
	return func(s *settings.Settings) {
		s.BackupEvery, s.BackupTo, s.Recipients, s.MasterAccount = settings.Interval(every), "gs://backups/of", aRecipient, "hakube-masters@local.iam.gserviceaccount.com"
	}
}

// madeToKnow is what masters were made to know of backups, which is the same for all.
func (c *sickCluster) madeToKnow() (is map[string]string, scope string) {
	c.t.Helper()
	for i, name := range c.names {
		m, err := c.Client.Instances(c.zones[i]).Get(context.Background(), name)
		c.must(err)
		one := map[string]string{}
		for _, x := range m.GetMetadata().GetItems() {
			if strings.HasPrefix(x.GetKey(), "hakube-backup-") {
				one[x.GetKey()] = x.GetValue()
			}
		}
		if _, has := one[scripts.KeyBackupSettings]; i > 0 && has { // how many nodes there are is a shell's guess, where it names no zone with any
			one[scripts.KeyBackupSettings] = is[scripts.KeyBackupSettings]
		}
		if diff := cmp.Diff(is, one); i > 0 && diff != "" {
			c.t.Errorf("%s knows other things:\n%s", name, diff)
		}
		is, scope = one, storageScope(m)
	}
	return is, scope
}

func storageScope(m *computepb.Instance) (scope string) {
	for _, a := range m.GetServiceAccounts() {
		for _, x := range a.GetScopes() {
			if name, is := strings.CutPrefix(x, settings.ScopePrefix+"devstorage."); is {
				scope = name
			}
		}
	}
	return scope
}

// TestBackupsByMasters: masters are made to know how often, where to and for whom, and may
// write; so is one that is added. Whoever says nothing changes none of it, nor who has a place
// and recipients of his own; another interval is refused by up, with the roll that brings it,
// which keeps the rest; none takes all of it away again.
func TestBackupsByMasters(t *testing.T) {
	besideOthers(t)
	w, _ := newModelWorld(t)
	w.accounts()
	w.makeBucket("backups")
	c := sickOf(t, w, 2, byMasters(15*time.Minute))
	is, scope := c.madeToKnow()
	var record map[string]string
	c.must(json.Unmarshal([]byte(is[scripts.KeyBackupSettings]), &record))
	if is[scripts.KeyBackupEvery] != "900" || is[scripts.KeyBackupTo] != "gs://backups/of" || is[scripts.KeyBackupRecipients] != aRecipient || scope != "read_write" ||
		record["HAKUBE_BACKUP_EVERY"] != "15m" || record["HAKUBE_BACKUP_TO"] != "gs://backups/of" || record["KUBE_GCE_ZONE"] != string(zoneB) || record["MASTER_SIZE"] != "" {
		t.Errorf("masters know %v with scope %s, and record %v", is, scope, record)
	}
	bare := c.o.shell(t, nil)
	nothingToDo(t, w, bare)
	nothingToDo(t, w, c.o.shell(t, map[string]string{"HAKUBE_BACKUP_TO": "/srv/backups", "HAKUBE_BACKUP_RECIPIENTS": strings.Replace(aRecipient, "ql", "qq", 1)}))

	st, err := bare.Status(t.Context())
	c.must(err)
	if b := st.Backup; b == nil || b.Every != "15m" || b.Place != "gs://backups/of" || b.Newest != nil || len(st.Unfinished) > 0 {
		t.Errorf("status has %+v, unfinished %+v", st.Backup, st.Unfinished)
	}
	if v, err := bare.Validate(t.Context()); err != nil || len(v.Problems) > 0 { // the first is being made
		t.Errorf("validate has %+v, %v", v, err)
	}

	hourly := c.o.shell(t, map[string]string{"HAKUBE_BACKUP_EVERY": "1h"})
	before := w.objects()
	_, err = hourly.Up(t.Context(), w.events())
	wantError(t, err, "HAKUBE_BACKUP_EVERY", "15m", "1h", "hakube roll masters")
	var unchanged *Unchanged
	if diff := cmp.Diff(before, w.objects()); diff != "" || !errors.As(err, &unchanged) {
		t.Errorf("%v\n%s", err, diff)
	}
	_, err = hourly.RollMasters(t.Context(), false, w.events())
	c.must(err)
	if now, scope := c.madeToKnow(); now[scripts.KeyBackupEvery] != "3600" || now[scripts.KeyBackupTo] != "gs://backups/of" || now[scripts.KeyBackupRecipients] != aRecipient || scope != "read_write" || !strings.Contains(now[scripts.KeyBackupSettings], `"HAKUBE_BACKUP_EVERY":"1h"`) {
		t.Errorf("after a roll masters know %v with scope %s", now, scope)
	}
	nothingToDo(t, w, bare)
	_, err = c.o.shell(t, map[string]string{"HAKUBE_BACKUP_EVERY": "none"}).RollMasters(t.Context(), false, w.events())
	c.must(err)
	if now, scope := c.madeToKnow(); len(now) > 0 || scope != "read_only" {
		t.Errorf("after it was switched off masters know %v with scope %s", now, scope)
	}
	nothingToDo(t, w, bare)
	if st, err = bare.Status(t.Context()); err != nil || st.Backup != nil {
		t.Errorf("status has %+v, %v", st.Backup, err)
	}
}

// TestBackupsByMastersLater: masters that were made for none, and with no account, are made
// again for them, by a roll that is refused where it lacks something.
func TestBackupsByMastersLater(t *testing.T) {
	besideOthers(t)
	w, _ := newModelWorld(t)
	w.accounts()
	c := sickOf(t, w, 1)
	later := c.o.again(byMasters(time.Hour))
	c.unchanged(func() {
		_, err := later.RollMasters(t.Context(), false, w.events())
		wantError(t, err, "HAKUBE_BACKUP_TO=gs://backups/of: there is no bucket backups", "gcloud storage buckets create gs://backups")
		_, err = c.o.again(func(s *settings.Settings) { byMasters(time.Hour)(s); s.BackupTo = "/srv/backups" }).RollMasters(t.Context(), false, w.events())
		wantError(t, err, "HAKUBE_BACKUP_EVERY=1h: HAKUBE_BACKUP_TO=/srv/backups is no bucket", "gs://bucket/prefix")
	})
	w.makeBucket("backups")
	s, err := later.RollMasters(t.Context(), false, w.events())
	c.must(err)
	if all := strings.Join(s.Warnings, "\n"); !strings.Contains(all, "service account hakube-masters@local.iam.gserviceaccount.com of masters has no role on bucket backups") ||
		!strings.Contains(all, "gcloud storage buckets add-iam-policy-binding gs://backups --member=serviceAccount:hakube-masters@local.iam.gserviceaccount.com --role=roles/storage.objectUser") {
		t.Errorf("it warns %q", all)
	}
	if is, scope := c.madeToKnow(); is[scripts.KeyBackupEvery] != "3600" || scope != "read_write" {
		t.Errorf("masters know %v with scope %s", is, scope)
	}
	nothingToDo(t, w, c.o.shell(t, map[string]string{"NUM_NODES": "1"}))
}
