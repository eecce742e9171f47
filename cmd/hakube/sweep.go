package main

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/term"

	"hakube/cluster"
	"hakube/scripts/cure"
)

// orphans says what the cluster leaves behind and, when a person is there who
// has not said it already, asks whether it is to go too. What is answered is a
// word, not a letter: disks of volumes hold people's data. --yes is about the
// cluster, and answers nothing here.
func (u *ui) orphans(s cluster.Settings) func(context.Context, cluster.Found) (bool, error) {
	return func(_ context.Context, f cluster.Found) (bool, error) {
		switch {
		case len(f.Ours) > 0 && f.Sweep:
			u.note("removed with the cluster, though hakube did not make it:")
		case len(f.Ours) > 0:
			u.note("left behind by the cluster, and not made by hakube:")
		}
		disks := 0
		for _, l := range f.Ours {
			u.orphan("leftover", l, l.String())
			if l.Size != "" {
				disks++
			}
		}
		if len(f.Perhaps) > 0 {
			u.note("perhaps another's, and never removed by hakube:")
		}
		for _, l := range f.Perhaps {
			u.orphan("perhaps", l, l.String()+": "+l.Why)
		}
		if bill := f.Bill(); bill != "" {
			u.note("of that Google bills as long as it is there: %s", bill)
		}
		if len(f.Ours) == 0 || f.Sweep || bool(s.Yes) || !term.IsTerminal(int(u.in.Fd())) {
			return f.Sweep, nil
		}
		loss := ""
		if disks > 0 {
			loss = fmt.Sprintf(", and the data on disks of volumes (%d) with it", disks)
		}
		answer, err := u.ask(fmt.Sprintf("type sweep to remove all of it too (%d)%s; anything else leaves it", len(f.Ours), loss))
		return answer == "sweep", err
	}
}

func (u *ui) orphan(key string, l cluster.Orphan, text string) {
	if u.json {
		u.line(key, map[string]cluster.Orphan{key: l})
		return
	}
	u.note("  %s", text)
}

// sweepHint adds the command that removes what a down left behind.
func sweepHint(err error) error {
	var r *cluster.OrphansLeft
	if !errors.As(err, &r) || len(r.Ours) == 0 {
		return err
	}
	return withHint(err, cure.Hint("remove what was left behind too, the data on disks of volumes included", cure.Same().With("HAKUBE_SWEEP", "true")))
}
