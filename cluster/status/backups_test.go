package status

import (
	"strings"
	"testing"
	"time"

	"hakube/cluster/backup"
	"hakube/cluster/schedule"
)

// TestBackupsByMastersLate: of backups that masters make by themselves two may fail, and the
// first takes a while; then it is a problem, with what masters said of it and what lets them
// write where a bucket says no. A limit that somebody set is the limit.
func TestBackupsByMastersLate(t *testing.T) {
	of := func(age, most, every time.Duration, said ...string) saved {
		s := saved{backup: &BackupStatus{Place: "gs://b/of", Every: "15m", Attempts: said}, most: most, asked: true, every: every, since: time.Now().Add(-24 * time.Hour), grant: schedule.Grant("gs://b/of", "m@x")}
		if age > 0 {
			seconds := int64(age.Seconds())
			s.backup.Newest = &backup.Listed{Age: &seconds}
		}
		return s
	}
	const quarter = 15 * time.Minute
	young := of(0, 0, quarter)
	young.since = time.Now().Add(-time.Minute)
	for name, x := range map[string]struct {
		saved
		why, command string
	}{
		"in time":               {of(40*time.Minute, 0, quarter), "", ""},
		"the first is made":     {young, "", ""},
		"none came":             {of(0, 0, quarter), "no verified backup of this cluster is in gs://b/of", "hakube backup"},
		"late":                  {of(time.Hour, 0, quarter), "the newest verified backup is 1h0m0s old, and masters are to make one every 15m", "hakube backup"},
		"a master says why":     {of(time.Hour, 0, quarter, "m1: failed: no room"), "every 15m; m1: failed: no room", "hakube backup"},
		"the bucket says no":    {of(0, 0, quarter, "m1: failed: bucket b answers 403: no"), "answers 403", "gcloud storage buckets add-iam-policy-binding gs://b --member=serviceAccount:m@x --role=roles/storage.objectUser"},
		"somebody's own limit":  {of(time.Hour, 2*time.Hour, quarter), "", ""},
		"beyond that":           {of(3*time.Hour, 2*time.Hour, quarter), "3h0m0s old, and HAKUBE_BACKUP_MAX_AGE is 2h0m0s", "hakube backup"},
		"nobody makes any":      {of(3*time.Hour, 0, 0), "", ""},
		"none, with that limit": {of(0, time.Hour, 0), "no verified backup", "hakube backup"},
	} {
		why, command := x.problem()
		if (why == "") != (x.why == "") || !strings.Contains(why, x.why) || command != x.command {
			t.Errorf("%s: %q %q", name, why, command)
		}
	}
}
