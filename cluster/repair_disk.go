package cluster

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"hakube/cluster/inventory"
	"hakube/cluster/plan"
	"hakube/cluster/rings"
	"hakube/replicate"
	"hakube/scripts"
)

// revived is the fact that a master's own etcds run, or that it is known why not.
type revived struct {
	*run
	of inventory.Object
}

func (v revived) String() string { return "etcd on " + v.of.Name + " was looked after" }

func (v revived) verdict() (x replicate.Revived, known bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	x, known = v.verdicts[v.of.Name]
	return x, known
}

func (v revived) Observe(ctx context.Context) (plan.State, error) {
	if x, known := v.verdict(); known {
		return exists(verdictText(x))
	}
	own, err := v.ringsOn(ctx, v.of)
	if err == nil && own[replicate.RingMain].ID != "" && own[replicate.RingEvents].ID != "" {
		return exists("both run")
	}
	return plan.State{Is: plan.Absent}, nil
}

func verdictText(x replicate.Revived) string {
	if !x.Disk {
		return "the data disk cannot be read"
	}
	said := map[string]string{
		replicate.RingNone: "not yet", replicate.RingRuns: "runs", replicate.RingLost: "has lost its data", replicate.RingEnds: "ends when it is started",
	}
	var parts []string
	for _, ring := range rings.Names {
		text := ring + " " + said[x.Rings[ring].State]
		if e := x.Rings[ring].Error; e != "" {
			text += ": " + e
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, "; ")
}

// Do asks until the disk is mounted or the startup-script has said why not.
func (v revived) Do(ctx context.Context) error {
	var last replicate.Revived
	look := func(ctx context.Context) error { return v.look(ctx, &last) }
	err := v.whileStirred(ctx, v.of, look)
	var failed *replicate.RunError // by itself: a reset would not help
	if err != nil && ctx.Err() == nil && !errors.As(err, &failed) && v.have.StatusOf(v.of) == "RUNNING" {
		// It ran, and its disk failed under it: what a boot says of it counts.
		if err := plan.Gate(ctx); err != nil {
			return err
		}
		plan.Note(ctx, "its data disk does not answer: the machine is reset")
		if err := v.GCE.Instances(v.of.Zone).Reset(ctx, v.of.Name); err != nil {
			return err
		}
		err = v.whileStirred(ctx, v.of, look)
	}
	if err != nil {
		return err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.verdicts[v.of.Name] = last
	return nil
}

func (v revived) look(ctx context.Context, last *replicate.Revived) error {
	return plan.Until(ctx, plan.Condition{
		For: "the data disk of " + v.of.Name, Every: v.poll, Limit: v.bootLimit(),
		Check: func(ctx context.Context) (bool, string, error) {
			host, err := v.host(ctx, v.of)
			if err != nil {
				return false, "", err
			}
			x, err := replicate.ReviveEtcd(ctx, v.deps.SSH, host)
			if err != nil && !inTheWay(err) {
				err = plan.Permanent(err)
			}
			if err != nil {
				return false, "", err
			}
			*last = x
			if x.Disk {
				return true, "", nil
			}
			phase, err := prepared(v).phase(ctx)
			return strings.HasPrefix(phase, scripts.PhaseFailed), cmp.Or(phase, "boots"), err
		},
	})
}

func (revived) Undo(context.Context) error { return nil } // never unwanted

// readableDisk is the fact that a master's data disk holds what is its own. One that
// is foreign is refused. One of ours that cannot be read is made again, with the
// machine, if the others have quorum without it: then nothing is lost.
type readableDisk struct {
	*run
	of inventory.Object
}

func (d readableDisk) String() string { return "what is on the disk of " + d.of.Name }

func (d readableDisk) Observe(ctx context.Context) (plan.State, error) {
	x, known := revived(d).verdict()
	if !known || x.Disk {
		return exists("its own")
	}
	phase, err := prepared(d).phase(ctx)
	if err != nil {
		return plan.State{}, err
	}
	if err := d.foreignContent(d.of, phase); err != nil {
		return plan.State{}, err
	}
	return plan.State{Is: plan.Absent, Why: strings.TrimPrefix(phase, scripts.PhaseFailed)}, nil
}

func (d readableDisk) Do(ctx context.Context) error {
	var others []inventory.Object
	for _, m := range d.masters() {
		if m.Name != d.of.Name {
			others = append(others, m)
		}
	}
	s := d.survey(ctx, others)
	if _, ok := s.Healthy(); !ok {
		return d.hopeless(fmt.Sprintf("the disk of %s cannot be read, and no other master has quorum in both rings", d.of.Name), s)
	}
	for _, ring := range rings.Names {
		if err := replicate.MayRemove(ring, s.Voters(ring), d.of.Name); err != nil {
			return err
		}
	}
	d.moved(d.of.Name)
	disk := d.want.Names.DiskOf(d.of.Name)
	for _, change := range []func(context.Context) error{
		func(ctx context.Context) error { return d.GCE.Instances(d.of.Zone).Delete(ctx, d.of.Name) },
		func(ctx context.Context) error {
			return d.letGo(ctx, "disk "+disk, func(ctx context.Context) error { return d.GCE.Disks(d.of.Zone).Delete(ctx, disk) })
		},
		func(ctx context.Context) error { return d.insertDisk(ctx, disk, d.of.Zone) },
		func(ctx context.Context) error { return d.insertMaster(ctx, d.of) },
		func(ctx context.Context) error { return sshAnswers(d).wait(ctx, "") },
		func(ctx context.Context) error { return d.reviveAgain(ctx) },
	} {
		if err := plan.Gate(ctx); err != nil {
			return err
		}
		if err := change(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (d readableDisk) reviveAgain(ctx context.Context) error {
	d.mu.Lock()
	delete(d.verdicts, d.of.Name)
	d.mu.Unlock()
	return revived(d).Do(ctx)
}

func (readableDisk) Undo(context.Context) error { return nil } // never unwanted
