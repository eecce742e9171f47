package backup

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"time"

	"hakube/cluster/env"
	"hakube/cluster/inventory"
	"hakube/cluster/plan"
	"hakube/cluster/refusal"
	"hakube/cluster/rings"
	"hakube/cluster/schedule"
	"hakube/cluster/settings"
	"hakube/cluster/task"
	"hakube/replicate"
	"hakube/scripts"
	"hakube/scripts/cure"
)

// Choose picks the master to take a backup on: one whose members of both rings have
// quorum, and that leads as few of them as can be, since it has work to do meanwhile.
func Choose(s *rings.Survey) (rings.Master, error) {
	best, least := rings.Master{}, len(rings.Names)+1
	for _, m := range s.Masters {
		leads, good := 0, len(s.Answers[m.Name]) == len(rings.Names)
		for _, x := range s.Answers[m.Name] {
			good = good && x.Healthy && !x.Corrupt(x.ID) && !x.Corrupt("")
			if x.Leader == x.ID {
				leads++
			}
		}
		for _, x := range s.Answers[m.Name] {
			for _, a := range x.Alarms {
				good = good && (a.Kind != replicate.AlarmCorrupt || a.Member != "")
			}
		}
		if good && leads < least {
			best, least = m, leads
		}
	}
	if best.Name == "" {
		return best, &refusal.Refused{
			Why:  fmt.Sprintf("no master has data of both rings that others agree with:\n%v", s.Why()),
			Cure: cure.Hint("bring them back first", cure.Repair()),
		}
	}
	return best, nil
}

// Taking is the fact that there is a backup where it is to be kept.
type Taking struct {
	env   *env.Env
	from  inventory.Object
	home  string // the zone of the first master
	to    Target
	Made  *File // once it is there
	Where string
}

// Take is that fact.
func Take(e *env.Env, from inventory.Object, home string, to Target) *Taking {
	return &Taking{env: e, from: from, home: home, to: to}
}

func (t *Taking) String() string    { return "backup from " + t.from.Name }
func (t *Taking) About() plan.Thing { return task.Thing(t.from) }
func (*Taking) Waits()              {} // it can be cut anywhere, and leaves nothing

// Observe knows of no backup but the one that was just made.
func (t *Taking) Observe(context.Context) (plan.State, error) {
	if t.Made == nil {
		return plan.State{Is: plan.Absent}, nil
	}
	return plan.Exists("verified: " + t.Where)
}

// takeLimit is how long a master may take: rings have 4 GiB at most, which are restored,
// hashed and encrypted there, and sent here.
const takeLimit = 2 * time.Hour

// Do has the master make it, and keeps it only when it is whole.
func (t *Taking) Do(ctx context.Context) (err error) {
	record := t.env.Want.Recorded(t.home)
	i, err := t.env.MachineNow(ctx, t.from)
	if err != nil {
		return err
	}
	for _, variable := range settings.OfSchedule { // this one may be for others than those that masters make
		delete(record, variable)
	}
	maps.Copy(record, schedule.In(i.GetMetadata()))
	said, err := json.Marshal(record)
	if err != nil {
		return err
	}
	file, err := t.to.part() // readable by its owner only
	if err != nil {
		return fmt.Errorf("making the backup's file: %w", err)
	}
	defer func() {
		_ = file.Close()                                                                     // a file that was kept is on the disk by then
		if gone := os.Remove(file.Name()); gone != nil && !errors.Is(gone, fs.ErrNotExist) { // it has its name by now
			err = errors.Join(err, gone)
		}
	}()
	args := append([]string{string(said)}, t.env.Want.Settings.Recipients.List()...)
	err = t.env.OverSSH(ctx, t.from, takeLimit, func(ctx context.Context, h replicate.Host) error {
		to := &kept{file: file}
		if err := to.empty(); err != nil {
			return err
		}
		err := t.env.Deps.SSH.Stream(ctx, h, to, scripts.Backup, args...)
		if to.err != nil {
			return fmt.Errorf("writing the backup: %w", to.err)
		}
		return err
	})
	if err == nil {
		err = file.Sync()
	}
	if err != nil {
		return err
	}
	made, err := Open(file.Name())
	if err != nil {
		return fmt.Errorf("what %s sent is no backup: %w", t.from.Name, err)
	}
	if made.Record.Cluster != t.env.Want.ID() {
		return errors.Join(fmt.Errorf("%s made a backup of cluster %s, and it was to be of %s", t.from.Name, made.Record.Cluster, t.env.Want.ID()), made.Close())
	}
	if t.Where, err = t.to.keep(ctx, made); err != nil {
		return errors.Join(err, made.Close())
	}
	t.Made = made
	return nil
}

// Undo is never asked for.
func (*Taking) Undo(context.Context) error { return nil }

// kept is a file that remembers why it could not be written.
type kept struct {
	file *os.File
	err  error
}

func (k *kept) empty() error {
	if err := k.file.Truncate(0); err != nil {
		return err
	}
	_, err := k.file.Seek(0, 0)
	return err
}

func (k *kept) Write(p []byte) (int, error) {
	n, err := k.file.Write(p)
	if err != nil && k.err == nil {
		k.err = err
	}
	return n, err
}
