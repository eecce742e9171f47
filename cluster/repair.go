package cluster

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"cloud.google.com/go/compute/apiv1/computepb"

	"hakube/cluster/plan"
	"hakube/gce"
	"hakube/replicate"
	"hakube/scripts"
)

// Repair brings masters back that fail: the one of the name, or all that are not
// whole. It ends with the voters there were before, under the same names, as long
// as quorum lives or those who make it can be brought back; what it cannot do is
// refused, with the way out. It finds the cluster's zones itself.
func (c *Cluster) Repair(ctx context.Context, name string, report func(plan.Event)) (s *Summary, err error) {
	warning, err := c.alone(ctx, RepairVerb, report, func(ctx context.Context, l *lease) error {
		s = nil
		r := c.run(RepairVerb)
		r.lease = l
		seen, err := r.seen(ctx, report)
		if err != nil {
			return err
		}
		if err := r.diagnose(ctx, seen, name); err != nil {
			return err
		}
		if len(r.patients) > 0 {
			err = plan.RunStages(ctx, r.repairList(), report)
		}
		s = r.summary()
		s.Nothing = len(r.patients) == 0
		for _, p := range r.patients {
			s.Repaired = append(s.Repaired, p.name)
		}
		return err
	})
	return s.warned(warning), err
}

// repairs tells whether the run is about masters that fail: then nothing is
// compared with the settings, and all is as it was made.
func (r *run) repairs() bool { return r.mode == Repair || r.mode == Rebuild }

// seen looks around, after this operator's key and masters' own addresses have
// been seen to, without which nobody could be asked.
func (r *run) seen(ctx context.Context, report func(plan.Event)) (*sight, error) {
	s, err := r.sight(ctx)
	if err != nil {
		return nil, err
	}
	again := len(r.reachable()) > 0
	if err := r.reach(ctx, report); err != nil {
		return nil, err
	}
	l := lines{want: true}
	for _, m := range s.masters {
		if s.denied(m.name) {
			l.beside(access{r, m.object})
			again = true
		}
	}
	if err := plan.Run(ctx, l.items, report); err != nil {
		return nil, err
	}
	if again {
		if s, err = r.sight(ctx); err != nil {
			return nil, err
		}
	}
	r.balanced = s.held.rule != ""
	if homes := r.have.homes(r.want.names); len(homes) > 0 {
		r.want.home = homes[0]
	}
	r.want.mark.Multizone = true
	for _, m := range s.masters {
		if m.multizone == "false" {
			r.want.mark.Multizone = false
		}
	}
	return s, nil
}

// diagnose picks the masters to repair and judges whether that can be done.
func (r *run) diagnose(ctx context.Context, s *sight, name string) error {
	if len(s.masters) == 0 {
		return &Refused{
			Why:  fmt.Sprintf("cluster %s has no master, nor the disk of one: nothing can bring it back", s.names.Prefix),
			Cure: "make it anew: hakube down; " + s.create(),
		}
	}
	if name != "" && !slices.ContainsFunc(s.masters, func(m seenMaster) bool { return m.name == name }) {
		return s.noSuchMaster(name)
	}
	for _, m := range s.masters {
		why := s.ill(m)
		if name != "" && m.name != name || why == "" && (name == "" || s.rings.silent[m.name] == nil) {
			continue
		}
		if name == "" && s.leftRings(m) {
			r.warn(fmt.Sprintf("%s is in no etcd ring and was left as it is: %s", m.name, removeMaster(m.object)))
			continue
		}
		r.patients = append(r.patients, m.object)
	}
	if len(r.patients) == 0 && !s.quorum() && name == "" { // all run, and do not agree
		for _, m := range s.masters {
			r.patients = append(r.patients, m.object)
		}
	}
	if len(r.patients) == 0 {
		return nil
	}
	for _, m := range s.masters {
		if err := r.ownsDisk(ctx, m); err != nil {
			return err
		}
	}
	if err := s.curable(); err != nil {
		return err
	}
	return r.model(ctx, s)
}

func (s *sight) noSuchMaster(name string) error {
	var all []string
	for _, m := range s.masters {
		all = append(all, m.name)
	}
	return &Refused{Why: fmt.Sprintf("cluster %s has no master %s", s.names.Prefix, name), Cure: "its masters are " + strings.Join(all, ", ")}
}

// leftRings tells of a master that votes nowhere and is not about to: one that a
// removal has left, or the disk of one.
func (s *sight) leftRings(m seenMaster) bool {
	return len(s.masters) > 1 && len(s.memberships(m.object)[noMember]) == len(ringNames) &&
		(m.phase == scripts.PhaseRunning || m.status == "")
}

// starved tells of a master that lacks nothing but the others: both its members
// run, and a ring of theirs has no quorum.
func (s *sight) starved(m seenMaster) bool {
	for _, ring := range ringNames {
		if s.rings.answers[m.name][ring].ID == "" {
			return false
		}
	}
	return m.disk && m.phase == scripts.PhaseRunning && len(s.masters) > 1 && !s.quorum()
}

// ill is why a master is not whole, "" if it is.
func (s *sight) ill(m seenMaster) string {
	if s.starved(m) {
		return ""
	}
	if state, why := s.state(m, s.nodeOf(m.object)); state != StateReady {
		return strings.TrimSuffix(state+": "+why, ": ")
	}
	if !m.disk {
		return "it has no data disk"
	}
	if s.rings.silent[m.name] != nil {
		return "" // it serves, and was not asked
	}
	for _, ring := range ringNames {
		own := s.rings.answers[m.name][ring]
		switch x := s.membership(ring, m.object); {
		case own.ID == "":
			return fmt.Sprintf("etcd %s: %s", ring, or(own.Error, "it does not run"))
		case x == noMember, x == learnerMember:
			return "it does not vote in ring " + ring
		case !own.Healthy:
			return fmt.Sprintf("etcd %s: %s", ring, or(own.Error, "not healthy"))
		}
	}
	if s.outside(m) {
		return "it is not in the balancer's group"
	}
	return ""
}

// ownsDisk refuses a data disk that is not this cluster's: by its mark, or by what
// the machine found on it.
func (r *run) ownsDisk(ctx context.Context, m seenMaster) error {
	if !m.disk {
		d, err := r.gce.Disks(m.zone).Get(ctx, r.want.names.DiskOf(m.name))
		switch {
		case gce.IsNotFound(err):
			return nil
		case err != nil:
			return err
		case !r.owns(d.GetDescription()):
			return r.foreignDisk(m.object, "carries no mark of this cluster")
		}
		return nil
	}
	return r.foreignContent(m.object, m.phase)
}

// foreignContent is a refusal if the machine's script says that its disk holds
// something of somebody else (scripts/startup/50-disk.sh).
func (r *run) foreignContent(m object, phase string) error {
	reason, failed := strings.CutPrefix(phase, scripts.PhaseFailed)
	_, what, _ := strings.Cut(reason, "the disk master-pd ")
	if !failed || !strings.HasPrefix(what, "belongs to cluster ") && !strings.HasPrefix(what, "holds ") && !strings.HasPrefix(what, "is partitioned") {
		return nil
	}
	return r.foreignDisk(m, strings.TrimSuffix(what, ", refusing it"))
}

func (r *run) foreignDisk(m object, what string) error {
	disk := r.want.names.DiskOf(m.name)
	commands := fmt.Sprintf("gcloud compute disks snapshot %s --zone=%s --snapshot-names=%s-kept; gcloud compute disks delete %s --zone=%s", disk, m.zone, disk, disk, m.zone)
	if r.have.statusOf(m) != "" {
		commands = fmt.Sprintf("gcloud compute instances delete %s --zone=%s --keep-disks=data; %s", m.name, m.zone, commands)
	}
	return &Refused{
		Why:  fmt.Sprintf("disk %s in %s %s: hakube neither uses nor deletes it", disk, m.zone, what),
		Cure: fmt.Sprintf("keep what is on it and give the name free, then repair goes on without it: %s; hakube repair %s", commands, m.name),
	}
}

// curable refuses what no repair brings back: a ring of which too few voters have
// their data, as far as can be known before machines were looked into.
func (s *sight) curable() error {
	for _, ring := range ringNames {
		total, has := s.withData(ring)
		if need := total/2 + 1; has < need {
			return s.lostForGood(fmt.Sprintf("etcd ring %s has lost quorum for good: %d of its %d voters have their data, it takes %d to agree on anything", ring, has, total, need))
		}
	}
	return nil
}

// withData counts the voters of a ring, and those whose data disk is there. When
// nobody tells of the ring they are the masters that are left.
func (s *sight) withData(ring string) (total, has int) {
	x, _, known := s.rings.ring(ring)
	if !known {
		for _, m := range s.masters {
			total++
			if m.disk {
				has++
			}
		}
		return total, has
	}
	for _, y := range x.Members {
		if y.Learner {
			continue
		}
		total++
		name, _ := machineOf(y)
		if slices.ContainsFunc(s.masters, func(m seenMaster) bool { return m.name == name && m.disk }) {
			has++
		}
	}
	return total, has
}

// lostForGood names the one way that is left: to go on with one member, or none.
func (s *sight) lostForGood(why string) error {
	if best, ok := s.survivor(); ok {
		return &Refused{Why: why, Cure: "go on with what one of them has, and lose what it has not: hakube repair --from-survivor " + best.name}
	}
	return &Refused{
		Why:  why + "; no master's data are left, so nothing can bring the cluster back",
		Cure: "make it anew: hakube down; " + s.create(),
	}
}

// survivor is the master with the most of the main ring: the best to go on with.
func (s *sight) survivor() (best seenMaster, ok bool) {
	if len(s.masters) < 2 {
		return best, false
	}
	index := int64(-1)
	for _, m := range s.masters {
		own := s.rings.answers[m.name][replicate.RingMain].Index
		if m.disk && own > index {
			best, index, ok = m, own, true
		}
	}
	return best, ok
}

// model reads a master like which others are made: what it was made with counts,
// not what this operator's variables happen to say.
func (r *run) model(ctx context.Context, s *sight) error {
	var from object
	for _, m := range s.masters {
		sick := slices.ContainsFunc(r.patients, func(p object) bool { return p.name == m.name })
		if m.status != "" && (from.name == "" || !sick) {
			from = m.object
		}
	}
	if from.name == "" {
		return nil // by the settings, as up would
	}
	i, err := r.gce.Instances(from.zone).Get(ctx, from.name)
	if err != nil {
		return fmt.Errorf("reading the master to make others like: %w", err)
	}
	r.source = i
	r.want.masterType = gce.Base(i.GetMachineType())
	return r.modelDisks(ctx, from, i)
}

// modelDisks reads the sizes of a master's disks and the type of the one with data.
func (r *run) modelDisks(ctx context.Context, from object, i *computepb.Instance) error {
	for _, d := range i.GetDisks() {
		if d.GetBoot() && d.GetDiskSizeGb() > 0 {
			r.want.settings.MasterRootSize = Size(d.GetDiskSizeGb())
		}
	}
	d, err := r.gce.Disks(from.zone).Get(ctx, r.want.names.DiskOf(from.name))
	if gce.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading the disk to make others like: %w", err)
	}
	r.want.settings.MasterDiskSize, r.want.settings.MasterDiskType = Size(d.GetSizeGb()), Name(gce.Base(d.GetType()))
	return nil
}

// repairMetadata is for a machine around a disk. A disk that knows its cluster
// decides by itself; with a blank one it joins, whatever there was: a repair never
// founds a second cluster.
func (r *run) repairMetadata(ip string) *computepb.Metadata {
	if r.source != nil {
		return r.replicaMetadata()
	}
	m := r.want.metadata(scripts.RoleMaster, ip, nil)
	set(m, scripts.KeyStart, scripts.StartJoin)
	return m
}
