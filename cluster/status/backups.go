package status

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"hakube/cluster/backup"
	"hakube/cluster/schedule"
	"hakube/cluster/settings"
	"hakube/cluster/task"
	"hakube/scripts/cure"
)

// A BackupStatus is what this operator would have of the cluster if all masters were lost
// now: what was written since the newest verified backup is nowhere else.
type BackupStatus struct {
	Place  string         `json:"place"`
	Newest *backup.Listed `json:"newest"` // nil: there is none
	Every  string         `json:"every"`  // how often masters make one by themselves; "": they make none there
	// Attempts are what masters said last of those.
	Attempts []string `json:"attempts"`
}

// saved is what was read of backups.
type saved struct {
	backup *BackupStatus // nil: nobody said where, or it could not be read
	most   time.Duration // how old it may be, 0 for any age
	asked  bool          // somebody said where
	every  time.Duration // how often masters make one there by themselves; 0: they do not
	since  time.Time     // they may do so
	grant  cure.Command  // lets them write there
}

// askBackups looks for the newest in the place that the settings name, or that masters keep
// backups in; where there is none nobody is asked.
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
	s.backup = &BackupStatus{Place: place, Newest: newest, Attempts: []string{}}
	s.askMasters(ctx, r)
	return s
}

// askMasters asks those that make backups in that place by themselves what came of it.
func (s *saved) askMasters(ctx context.Context, r *task.Task) {
	for _, m := range r.Have.Masters(r.Want.Names) {
		i := r.Seen.Machines[m.Zone+"/"+m.Name]
		is := schedule.In(i.GetMetadata())
		var every settings.Interval
		if is["HAKUBE_BACKUP_TO"] != s.backup.Place || every.Decode(is["HAKUBE_BACKUP_EVERY"]) != nil {
			continue
		}
		s.every, s.backup.Every = every.Duration(), every.String()
		if made, err := time.Parse(time.RFC3339, i.GetCreationTimestamp()); err == nil && made.After(s.since) {
			s.since = made
		}
		for _, a := range i.GetServiceAccounts() {
			s.grant = schedule.Grant(s.backup.Place, a.GetEmail())
		}
		if said, err := r.SaidOfBackups(ctx, m); err == nil && said != "" { // without it, that is about a word of help
			s.backup.Attempts = append(s.backup.Attempts, m.Name+": "+said)
		}
	}
}

// late is how old the newest may be where nobody said: of those that masters make by
// themselves two may fail, and one be on its way.
func (s saved) late() time.Duration {
	if s.most == 0 && s.every > 0 {
		return 3*s.every + 2*time.Minute
	}
	return s.most
}

// refused tells that a master may not write there.
func (s saved) refused() bool {
	return slices.ContainsFunc(s.backup.Attempts, func(x string) bool { return strings.Contains(x, "answers 403") }) && s.grant.String() != ""
}

// problem is why backups are not as somebody said that they are to be, and what ends it.
func (s saved) problem() (why, command string) {
	said := ""
	command = cure.Backup().String()
	switch {
	case s.most > 0 && !s.asked:
		return "HAKUBE_BACKUP_MAX_AGE is set, and HAKUBE_BACKUP_TO does not say where backups are", ""
	case s.late() == 0 || s.backup == nil: // what could not be read is said elsewhere
		return "", ""
	}
	if len(s.backup.Attempts) > 0 {
		said = "; " + strings.Join(s.backup.Attempts, "; ")
	}
	if s.refused() {
		command = s.grant.String()
	}
	switch {
	case s.backup.Newest == nil && s.most == 0 && time.Since(s.since) < s.late(): // the first is being made
		return "", ""
	case s.backup.Newest == nil:
		return "no verified backup of this cluster is in " + s.backup.Place + said, command
	}
	age := time.Duration(*s.backup.Newest.Age) * time.Second
	switch {
	case age <= s.late():
		return "", ""
	case s.most > 0:
		return fmt.Sprintf("the newest verified backup is %s old, and HAKUBE_BACKUP_MAX_AGE is %s", age, s.most) + said, command
	}
	return fmt.Sprintf("the newest verified backup is %s old, and masters are to make one every %s", age, s.backup.Every) + said, command
}
