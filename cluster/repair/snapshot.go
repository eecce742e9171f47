package repair

import (
	"context"
	"fmt"
	"slices"
	"time"

	"cloud.google.com/go/compute/apiv1/computepb"

	"hakube/cluster/backup"
	"hakube/cluster/grouped"
	"hakube/cluster/inventory"
	"hakube/cluster/live"
	"hakube/cluster/member"
	"hakube/cluster/plan"
	"hakube/cluster/refusal"
	"hakube/cluster/rings"
	"hakube/cluster/snapshots"
	"hakube/cluster/status"
	"hakube/cluster/step"
	"hakube/cluster/task"
	"hakube/gce"
	"hakube/scripts/cure"
)

// OntoDisk picks the master whose data disk a snapshot is of, and says what it costs to go on
// with that. All masters' data disks have to be lost: what is on one that is there is newer, and
// with it a member from before would come to an agreement on what neither had.
func OntoDisk(ctx context.Context, r *task.Task, s *status.Snapshot, name string) (loss Loss, err error) {
	x, err := r.GCE.Snapshots().Get(ctx, name)
	if err != nil {
		return loss, err
	}
	master, zone, is := snapshots.MasterOf(&r.Want, x)
	if !is {
		return loss, &refusal.Refused{
			Why:  fmt.Sprintf("snapshot %s is of disk %s, which is no data disk of a master of cluster %s", name, gce.Base(x.GetSourceDisk()), s.Names.Prefix),
			Cure: cure.Hint("see those that are", cure.Backups(snapshots.Place)),
		}
	}
	if x.GetStatus() != "READY" {
		return loss, &refusal.Refused{Why: fmt.Sprintf("snapshot %s is %s", name, x.GetStatus()), Cure: cure.Hint("wait for it, or take another one", cure.Backups(snapshots.Place))}
	}
	begun := s.Held.Restore == name
	if s.Quorum() && s.Decided() && !begun {
		return loss, &refusal.Refused{
			Why:  "both rings have quorum: nothing need be lost. A snapshot is for disks that are; back to an earlier moment leads a backup",
			Cure: cure.Hint("repair what fails", cure.Repair()),
		}
	}
	of := inventory.Object{Kind: inventory.Instance, Name: master, Zone: zone, Role: inventory.RoleMaster}
	others := slices.DeleteFunc(slices.Clone(s.Masters), func(m status.ObservedMaster) bool { return m.Name == master && m.Zone == zone })
	for _, m := range append([]status.ObservedMaster{{Object: of}}, others...) {
		if err := lost(ctx, r, m.Object, x, begun); err != nil {
			return loss, err
		}
	}
	loss.Survivor, r.Snapshot = master, x
	made, _ := time.Parse(time.RFC3339, x.GetCreationTimestamp()) // Compute Engine's own
	loss.Lines = []string{
		fmt.Sprintf("the snapshot is of %s, %s ago: what was written since is lost", made.UTC().Format(time.RFC3339), time.Since(made).Round(time.Second)),
		"it is the disk of " + master + " as after a loss of power, and nobody has tried it",
	}
	r.Failing = []inventory.Object{of}
	if i := slices.IndexFunc(s.Masters, func(m status.ObservedMaster) bool { return m.Name == master && m.Zone == zone }); i >= 0 {
		r.Failing[0] = s.Masters[i].Object
	}
	for _, m := range others {
		loss.GivenUp, r.GivenUp = append(loss.GivenUp, m.Name), append(r.GivenUp, m.Object)
		loss.Lines = append(loss.Lines, fmt.Sprintf("%s in %s is given up; add a master again afterwards", m.Name, m.Zone))
	}
	if len(r.Have.Homes(r.Want.Names)) == 0 {
		r.Want = r.Want.At(zone, r.Want.Mark.Multizone)
	}
	r.Lease.Note(inventory.RestoreKey, name)
	r.Want, err = likeMaster(ctx, r, s)
	return loss, err
}

// lost refuses a data disk that is there, unless this restore has made it of the snapshot.
func lost(ctx context.Context, r *task.Task, of inventory.Object, x *computepb.Snapshot, begun bool) error {
	disk := r.Want.Names.DiskOf(of.Name)
	d, err := r.GCE.Disks(of.Zone).Get(ctx, disk)
	switch {
	case gce.IsNotFound(err):
		return nil
	case err != nil:
		return err
	case begun && d.GetSourceSnapshotId() == fmt.Sprint(x.GetId()):
		return nil
	}
	commands := []cure.Command{cure.KeepDisk(disk, of.Zone), cure.DeleteDisk(disk, of.Zone)}
	if slices.ContainsFunc(d.GetUsers(), func(link string) bool { return gce.Base(link) == of.Name }) {
		commands = append([]cure.Command{cure.DeleteMachine(of.Name, of.Zone)}, commands...)
	}
	return &refusal.Refused{
		Why: fmt.Sprintf("%s in %s has a data disk, which may hold more than the snapshot does: hakube makes a disk of a snapshot where no master has one, and deletes none for it", of.Name, of.Zone),
		Cure: cure.Hints(cure.Hint("try what it has first", cure.FromSurvivor(of.Name)),
			cure.Hint("or keep what is on it and give the name free, then once more", append(commands, cure.Same())...)),
	}
}

// DiskList is the way to a master whose data disk is made of a snapshot. It begins as that
// master did after a loss of power; then all others go, its rings are made its own, and what
// they have is written once more, with other revisions: clients saw later ones than a disk of
// earlier has.
func DiskList(r *task.Task) [][]plan.Item {
	of, from := r.Failing[0], backup.OfDisk(r.Snapshot.GetId())
	stages := [][]plan.Item{Revivals(r)}
	l := task.Lines{Want: true}
	l.Then(member.HasData{Of: of, Outlook: r.Outlook(), GivesUp: r.Mode.GivesUp})
	others := task.Lines{}
	for _, o := range r.GivenUp {
		others.Beside(member.MachineGone{Env: r.Env, Of: o})
	}
	own := task.Lines{Want: true}
	for _, ring := range rings.Names {
		own.Then(member.RingAlone{Env: r.Env, Of: of, Ring: ring})
		own.Then(member.TakesWrites(r, ring, r.Failing[:1]))
	}
	own.Then(backup.Rewritten(r.Env, of, from))
	return append(stages, l.Items, others.Items, append(own.Items, goOn(r, of, from)...))
}

// goOn is what a restore ends with, whatever its data come from.
func goOn(r *task.Task, of inventory.Object, from backup.Origin) []plan.Item {
	own := task.Lines{Want: true}
	own.Then(backup.Swapped(r.Env, of, from))
	own.Then(member.ControlPlane(r, of))
	if r.Balanced {
		own.Then(step.MasterGroups(r, of.Zone)...)
		own.Then(step.BackendZones(r.Env, of.Zone)...)
		own.Then(grouped.TrafficTo(r, of)...)
	}
	own.Then(member.API(r))
	own.Then(live.Kubeconfig(r))
	all := *r
	all.Mode.Whole = true // Nodes of masters and machines that were lost stand in the backup
	own.Then(live.OrphanedNodes(&all))
	own.Then(live.NodeReady{Env: r.Env, Of: of, Rejoins: r.Rejoins})
	own.Then(grouped.Watched(r, of)...)
	return own.Items
}
