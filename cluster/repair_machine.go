package cluster

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"hakube/cluster/plan"
	"hakube/gce"
	"hakube/replicate"
	"hakube/scripts"
)

// withDisk is the fact that no machine runs without its data disk: there is none
// to be made into a master again, and one that is made has to be made with it.
type withDisk struct {
	*run
	of object
}

func (w withDisk) String() string { return w.of.name + " is not without its disk" }

func (w withDisk) Observe(ctx context.Context) (plan.State, error) {
	i, err := w.gce.Instances(w.of.zone).Get(ctx, w.of.name)
	if gce.IsNotFound(err) {
		return exists("there is no machine")
	}
	if err != nil {
		return plan.State{}, err
	}
	if !w.owns(i.GetDescription()) {
		return plan.State{}, foreign("machine "+w.of.name, w.of, i.GetDescription())
	}
	for _, d := range i.GetDisks() {
		if gce.Base(d.GetSource()) == w.want.names.DiskOf(w.of.name) {
			return exists("")
		}
	}
	return plan.State{Is: plan.Absent, Why: "the machine has no data disk"}, nil
}

func (w withDisk) Do(ctx context.Context) error {
	w.moved(w.of.name)
	return w.gce.Instances(w.of.zone).Delete(ctx, w.of.name)
}

func (withDisk) Undo(context.Context) error { return nil } // never unwanted

// tagged is the fact that a master has the network tag that firewall rules are for.
type tagged struct {
	*run
	of object
}

func (t tagged) String() string { return "network tag of " + t.of.name }

func (t tagged) Observe(ctx context.Context) (plan.State, error) {
	i, err := t.gce.Instances(t.of.zone).Get(ctx, t.of.name)
	if err != nil {
		return plan.State{}, err
	}
	if !slices.Contains(i.GetTags().GetItems(), t.want.names.MasterTag()) {
		return plan.State{Is: plan.Absent, Why: "firewall rules let nothing in"}, nil
	}
	return exists(t.want.names.MasterTag())
}

func (t tagged) Do(ctx context.Context) error {
	instances := t.gce.Instances(t.of.zone)
	i, err := instances.Get(ctx, t.of.name)
	if err != nil {
		return err
	}
	tags := i.GetTags()
	tags.Items = append(tags.Items, t.want.names.MasterTag())
	return instances.SetTags(ctx, t.of.name, tags)
}

func (tagged) Undo(context.Context) error { return nil } // never unwanted

// sshAnswers is the fact that a machine takes connections over ssh. One that runs, as
// far as the cloud knows, and does not answer is reset; when that does not boot it
// either, it is made again around its data disk, with a new boot disk.
type sshAnswers struct {
	*run
	of object
}

func (a sshAnswers) String() string { return a.of.name + " answers" }

func (a sshAnswers) Observe(ctx context.Context) (plan.State, error) {
	if why := a.silence(ctx); why != nil {
		return plan.State{Is: plan.Absent, Why: why.Error()}, nil
	}
	return exists("")
}

// silence is why nothing runs on the machine over ssh, nil if something does.
func (a sshAnswers) silence(ctx context.Context) error {
	_, err := a.ringsOn(ctx, a.of)
	if run := (*replicate.RunError)(nil); errors.As(err, &run) && run.Err == nil || errors.Is(err, replicate.ErrDenied) {
		return nil // it answered, if only to say that it is no master yet
	}
	return err
}

// bootLimit is how long a machine may take from power to its first answer over
// ssh: a fifth of what the API may take, at most three minutes.
func (r *run) bootLimit() time.Duration {
	return min(r.want.settings.InitTimeout.Duration()/5, 3*time.Minute)
}

func (a sshAnswers) Do(ctx context.Context) error {
	if a.have.statusOf(a.of) != "RUNNING" { // this run has started it
		if err := a.wait(ctx, ""); err == nil || ctx.Err() != nil {
			return err
		}
	}
	instances := a.gce.Instances(a.of.zone)
	before, _, err := instances.SerialOutput(ctx, a.of.name, 0)
	if err != nil {
		return err
	}
	if err := instances.Reset(ctx, a.of.name); err != nil {
		return err
	}
	a.moved(a.of.name)
	err = a.wait(ctx, before)
	var dead *noBoot
	if err == nil || ctx.Err() != nil {
		return err
	}
	if !errors.As(err, &dead) && a.boots(ctx, before) {
		return a.partitioned(ctx, err)
	}
	if err := plan.Gate(ctx); err != nil {
		return err
	}
	plan.Note(ctx, "it does not boot: it is made again around its data disk")
	if err := instances.Delete(ctx, a.of.name); err != nil {
		return err
	}
	a.moved(a.of.name)
	if err := plan.Gate(ctx); err != nil {
		return err
	}
	if err := a.insertMaster(ctx, a.of); err != nil {
		return err
	}
	return a.wait(ctx, "")
}

// noBoot is the firmware's word that there is nothing to boot from.
type noBoot struct{ word string }

func (e *noBoot) Error() string { return "it does not boot: " + e.word }

// firmware are words on the console of a machine whose boot disk is no good: of
// the UEFI firmware of Compute Engine, and of its older one.
var firmware = []string{"No bootable option or device was found", "No bootable device", "Boot failed: not a bootable disk"}

// wait waits until the machine answers. before is what its console had before it
// was started.
func (a sshAnswers) wait(ctx context.Context, before string) error {
	return plan.Until(ctx, plan.Condition{
		For: "ssh to " + a.of.name, Every: a.poll, Limit: a.bootLimit(),
		Check: func(ctx context.Context) (bool, string, error) {
			err := a.silence(ctx)
			if err == nil {
				return true, "", nil
			}
			for _, word := range firmware {
				if strings.Contains(a.console(ctx, before), word) {
					return false, "", plan.Permanent(&noBoot{word})
				}
			}
			return false, "", err
		},
	})
}

// console is what the machine has printed since; nothing if that cannot be read.
func (a sshAnswers) console(ctx context.Context, before string) string {
	text, _, err := a.gce.Instances(a.of.zone).SerialOutput(ctx, a.of.name, 0)
	if err != nil {
		return ""
	}
	if rest, ok := strings.CutPrefix(text, before); ok {
		return rest
	}
	return text // the console begins anew, or what is old of it was dropped
}

// boots tells by its console that its startup-script ran, or runs.
func (a sshAnswers) boots(ctx context.Context, before string) bool {
	return strings.Contains(a.console(ctx, before), "hakube: ")
}

// partitioned is a machine that lives, and is not reached.
func (a sshAnswers) partitioned(ctx context.Context, err error) error {
	ip, ipErr := a.external(ctx, a.of)
	if ipErr != nil {
		return errors.Join(err, ipErr)
	}
	return &Refused{
		Why: fmt.Sprintf("%s in %s boots, as its console says, and is not reached: from here at %s:22: %v", a.of.name, a.of.zone, ip, err),
		Cure: fmt.Sprintf("hakube's firewall rules and the tag %s are as they should be; look for what else is in the way (other firewall rules, routes, the machine's own): gcloud compute instances get-serial-port-output %s --zone=%s",
			a.want.names.MasterTag(), a.of.name, a.of.zone),
	}
}

func (sshAnswers) Undo(context.Context) error { return nil } // never unwanted

// revived is the fact that a master's own etcds run, or that it is known why not.
type revived struct {
	*run
	of object
}

func (v revived) String() string { return "etcd on " + v.of.name + " was looked after" }

func (v revived) verdict() (x replicate.Revived, known bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	x, known = v.verdicts[v.of.name]
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
	for _, ring := range ringNames {
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
	err := v.look(ctx, &last)
	var failed *replicate.RunError // by itself: a reset would not help
	if err != nil && ctx.Err() == nil && !errors.As(err, &failed) && v.have.statusOf(v.of) == "RUNNING" {
		// It ran, and its disk failed under it: what a boot says of it counts.
		if err := plan.Gate(ctx); err != nil {
			return err
		}
		plan.Note(ctx, "its data disk does not answer: the machine is reset")
		if err := v.gce.Instances(v.of.zone).Reset(ctx, v.of.name); err != nil {
			return err
		}
		err = v.look(ctx, &last)
	}
	if err != nil {
		return err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.verdicts[v.of.name] = last
	return nil
}

func (v revived) look(ctx context.Context, last *replicate.Revived) error {
	return plan.Until(ctx, plan.Condition{
		For: "the data disk of " + v.of.name, Every: v.poll, Limit: v.bootLimit(),
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
			return strings.HasPrefix(phase, scripts.PhaseFailed), or(phase, "boots"), err
		},
	})
}

func (revived) Undo(context.Context) error { return nil } // never unwanted

// readableDisk is the fact that a master's data disk holds what is its own. One that
// is foreign is refused. One of ours that cannot be read is made again, with the
// machine, if the others have quorum without it: then nothing is lost.
type readableDisk struct {
	*run
	of object
}

func (d readableDisk) String() string { return "what is on the disk of " + d.of.name }

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
	var others []object
	for _, m := range d.masters() {
		if m.name != d.of.name {
			others = append(others, m)
		}
	}
	s := d.survey(ctx, others)
	if _, ok := s.healthy(); !ok {
		return d.hopeless(fmt.Sprintf("the disk of %s cannot be read, and no other master has quorum in both rings", d.of.name), s)
	}
	for _, ring := range ringNames {
		if err := replicate.MayRemove(ring, s.voters(ring), d.of.name); err != nil {
			return err
		}
	}
	d.moved(d.of.name)
	disk := d.want.names.DiskOf(d.of.name)
	for _, change := range []func(context.Context) error{
		func(ctx context.Context) error { return d.gce.Instances(d.of.zone).Delete(ctx, d.of.name) },
		func(ctx context.Context) error {
			return d.letGo(ctx, "disk "+disk, func(ctx context.Context) error { return d.gce.Disks(d.of.zone).Delete(ctx, disk) })
		},
		func(ctx context.Context) error { return d.insertDisk(ctx, disk, d.of.zone) },
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
	delete(d.verdicts, d.of.name)
	d.mu.Unlock()
	return revived(d).Do(ctx)
}

func (readableDisk) Undo(context.Context) error { return nil } // never unwanted

// nodeReady is the wait for a master's Node.
type nodeReady struct {
	*run
	of object
}

func (n nodeReady) String() string { return "node " + n.of.name + " is Ready" }
func (nodeReady) Waits()           {}

func (n nodeReady) Observe(ctx context.Context) (plan.State, error) {
	client, err := n.kube(ctx)
	if err != nil {
		return plan.State{Is: plan.Absent, Why: plainly443(err)}, nil
	}
	nodes, err := nodesFrom(ctx, client)
	if err != nil {
		return plan.State{Is: plan.Absent, Why: plainly443(err)}, nil
	}
	for i := range nodes {
		if nodes[i].Name == n.of.name {
			if why := notReady(&nodes[i]); why != "" {
				return plan.State{Is: plan.Partial, Why: why}, nil
			}
			return exists("")
		}
	}
	return plan.State{Is: plan.Absent, Why: "it is no node yet"}, nil
}

func (n nodeReady) Do(ctx context.Context) error {
	return plan.Until(ctx, plan.Condition{
		For: n.String(), Every: n.poll, Limit: validateLimit,
		Check: func(ctx context.Context) (bool, string, error) {
			s, err := n.Observe(ctx)
			return s.Is == plan.Present, s.Why, err
		},
	})
}

func (nodeReady) Undo(context.Context) error { return nil } // never unwanted
