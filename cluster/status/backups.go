package status

import (
	"context"
	"fmt"
	"time"

	"hakube/cluster/backup"
	"hakube/cluster/task"
	"hakube/scripts/cure"
)

// A BackupStatus is what this operator would have of the cluster if all masters were lost
// now: what was written since the newest verified backup is nowhere else.
type BackupStatus struct {
	Place  string         `json:"place"`
	Newest *backup.Listed `json:"newest"` // nil: there is none
}

// saved is what was read of backups.
type saved struct {
	backup *BackupStatus // nil: nobody said where, or it could not be read
	most   time.Duration // how old it may be, 0 for any age
	asked  bool          // somebody said where
}

// askBackups looks for the newest in the place that the settings name; where they name
// none nobody is asked.
func askBackups(ctx context.Context, r *task.Task, missed func(what string, err error)) (s saved) {
	place := string(r.Want.Settings.BackupTo)
	s.most, s.asked = r.Want.Settings.BackupAge.Duration(), place != ""
	if !s.asked {
		return s
	}
	newest, err := backup.Newest(ctx, r.Deps.GCE, place, r.Want.ID(), time.Now())
	if err != nil {
		missed("backups in "+place, err)
		return s
	}
	s.backup = &BackupStatus{place, newest}
	return s
}

// problem is why backups are not as somebody said that they are to be, and what ends it.
func (s saved) problem() (why, command string) {
	command = cure.Backup().String()
	switch {
	case s.most > 0 && !s.asked:
		return "HAKUBE_BACKUP_MAX_AGE is set, and HAKUBE_BACKUP_TO does not say where backups are", ""
	case s.most == 0 || s.backup == nil: // what could not be read is said elsewhere
		return "", ""
	case s.backup.Newest == nil:
		return "no verified backup of this cluster is in " + s.backup.Place, command
	}
	if age := time.Duration(*s.backup.Newest.Age) * time.Second; age > s.most {
		return fmt.Sprintf("the newest verified backup is %s old, and HAKUBE_BACKUP_MAX_AGE is %s", age, s.most), command
	}
	return "", ""
}
