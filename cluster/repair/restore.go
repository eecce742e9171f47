package repair

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"hakube/cluster/backup"
	"hakube/cluster/inventory"
	"hakube/cluster/member"
	"hakube/cluster/plan"
	"hakube/cluster/refusal"
	"hakube/cluster/rings"
	"hakube/cluster/settings"
	"hakube/cluster/status"
	"hakube/cluster/step"
	"hakube/cluster/task"
)

// Onto picks the master that a backup is restored on, and says what that costs: all that
// was written since, and all other masters. With no master left it is made as the backup
// says the first was.
func Onto(ctx context.Context, r *task.Task, s *status.Snapshot, b *backup.Source) (loss Loss, err error) {
	if b.Record.Cluster != r.Want.ID() {
		return loss, &refusal.Refused{
			Why:  fmt.Sprintf("the backup is of cluster %s, and this is %s: hakube restores a cluster's own backups only", b.Record.Cluster, r.Want.ID()),
			Cure: "name the cluster it is of, by PROJECT and KUBE_GCE_INSTANCE_PREFIX",
		}
	}
	at := b.Record.Made.Time()
	loss.Lines = append(loss.Lines, fmt.Sprintf("the backup is of %s, %s ago: what was written since is lost", at.Format(time.RFC3339), time.Since(at).Round(time.Second)))
	for _, ring := range rings.Names {
		line := fmt.Sprintf("ring %s: the backup has revision %d and %d keys", ring, b.Record.Rings[ring].Revision, b.Record.Rings[ring].Keys)
		if x, _, ok := s.Rings.Ring(ring); ok && x.Revision > 0 {
			line += fmt.Sprintf("; the ring is at revision %d", x.Revision)
		}
		loss.Lines = append(loss.Lines, line)
	}
	if len(s.Masters) == 0 {
		r.Want = asRecorded(r, b.Record.Settings)
		r.Failing = []inventory.Object{inventory.FirstMaster(r.Want.Names, r.Want.Home)}
		loss.Survivor = r.Failing[0].Name
		loss.Lines = append(loss.Lines, fmt.Sprintf("no master is left: %s is made anew in %s", loss.Survivor, r.Want.Home))
		return loss, nil
	}
	for i, m := range s.Masters {
		if err := status.OwnsDisk(ctx, r, m); err != nil {
			return loss, err
		}
		if i == 0 {
			loss.Survivor, r.Failing = m.Name, []inventory.Object{m.Object}
			continue
		}
		loss.GivenUp, r.GivenUp = append(loss.GivenUp, m.Name), append(r.GivenUp, m.Object)
		loss.Lines = append(loss.Lines, fmt.Sprintf("%s in %s is given up: its machine and its data disk are deleted; add a master again afterwards", m.Name, m.Zone))
	}
	r.Want, err = likeMaster(ctx, r, s)
	if r.Source == nil { // its machine is gone, and its disk may be
		r.Want = asRecorded(r, b.Record.Settings).At(s.Masters[0].Zone, r.Want.Mark.Multizone)
	}
	return loss, err
}

// asRecorded takes what nothing that is left of the cluster tells from the backup's record. What
// the address says of its beginning is older than what masters had become by then.
func asRecorded(r *task.Task, recorded map[string]string) (want settings.Spec) {
	want = r.Want
	for _, name := range slices.Sorted(maps.Keys(recorded)) {
		switch {
		case settings.DiesWithMasters(name):
			want = want.Instead(name, recorded[name])
		case name != "KUBE_GCE_ZONE":
			want = want.Taking(name, recorded[name], true)
		}
	}
	home := recorded["KUBE_GCE_ZONE"]
	if want.Settings.IsGiven("KUBE_GCE_ZONE") {
		home = string(want.Settings.Zone)
	}
	want = want.Derived(r.Deps.Operator())
	return want.At(home, bool(want.Settings.Multizone))
}

// RestoreList is the way back to a backup, in stages. The data lie on the master, unpacked
// and tried, before any other master goes; those go before it begins with them, so that no
// old quorum can form behind its back.
func RestoreList(r *task.Task, b *backup.Source) [][]plan.Item {
	of := r.Failing[0]
	l := task.Lines{Items: Revivals(r), Want: true}
	if !r.Have.Has(inventory.Object{Kind: inventory.Disk, Name: r.Want.Names.DiskOf(of.Name), Zone: of.Zone}) {
		l.Then(member.Prepared(r, of))
	}
	l.Then(backup.Authorities(r.Env, of, b))
	l.Then(backup.Spread(r.Env, of, b))
	others := task.Lines{}
	for _, o := range r.GivenUp {
		others.Beside(member.MachineGone{Env: r.Env, Of: o})
	}
	return [][]plan.Item{l.Items, others.Items, goOn(r, of, b)}
}

// RestoredList is the end of it.
func RestoredList(r *task.Task) []plan.Item {
	l := task.Lines{Want: true}
	l.Then(step.TokensOfTemplates(r.Env)) // or nodes that are made from now on would not join
	l.Then(backup.Forgotten(r.Env, r.Failing[0]))
	return l.Items
}
