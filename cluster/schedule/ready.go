package schedule

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"hakube/cluster/env"
	"hakube/cluster/refusal"
	"hakube/cluster/settings"
	"hakube/gce/bucket"
	"hakube/scripts/cure"
)

// Role has what masters need of a bucket to keep backups in it, and to take old ones away.
const Role = "roles/storage.objectUser"

// enough are roles that have that.
var enough = []string{Role, "roles/storage.objectAdmin", "roles/storage.admin", "roles/owner"}

// Grant gives it to a service account.
func Grant(place, email string) cure.Command {
	return cure.GrantOnBucket(nameOf(place), "serviceAccount:"+email, Role)
}

func nameOf(place string) string {
	name, _, _ := strings.Cut(strings.TrimPrefix(place, "gs://"), "/")
	return name
}

// Ready refuses backups that masters are to make by themselves and cannot. Where masters are
// made for it the bucket has to be there, and it warns where their service account has no role
// on that: it may have one elsewhere.
func Ready(ctx context.Context, e *env.Env, s settings.Settings, made bool) (refusal.Blockers, error) {
	if no := s.ScheduleProblems(); len(no) > 0 || s.BackupEvery == 0 || !made {
		return no, nil
	}
	name := nameOf(string(s.BackupTo))
	b := bucket.Of(e.Deps.GCE, name)
	if _, err := b.Withheld(ctx, "storage.objects.list"); bucket.Missing(err) {
		return refusal.Blockers{{
			Why:  fmt.Sprintf("HAKUBE_BACKUP_TO=%s: there is no bucket %s", s.BackupTo, name),
			Cure: cure.Hint("make it where the cluster would not be lost with it", cure.MakeBucket(name, "EU")),
		}}, nil
	} else if err != nil {
		return nil, err
	}
	email := string(s.MasterAccount)
	if s.MasterAccount == "default" {
		p, err := e.GCE.GetProject(ctx)
		if err != nil {
			return nil, err
		}
		email = p.GetDefaultServiceAccount()
	}
	has, err := b.Held(ctx, "serviceAccount:"+email)
	switch {
	case bucket.Forbidden(err):
		e.Warn(cure.Hint(fmt.Sprintf("whether masters may write to bucket %s as %s is not known beforehand: its policy cannot be read; whoever owns it can see to that", name, email), Grant(string(s.BackupTo), email)))
		return nil, nil
	case err != nil:
		return nil, err
	}
	if !slices.ContainsFunc(has, func(role string) bool { return slices.Contains(enough, role) }) {
		e.Warn(cure.Hint(fmt.Sprintf("service account %s of masters has no role on bucket %s that lets it keep backups there; unless it has one elsewhere, whoever owns the bucket can give it", email, name), Grant(string(s.BackupTo), email)))
	}
	return nil, nil
}
