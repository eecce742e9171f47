package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"
	"golang.org/x/term"

	"hakube/cluster"
	"hakube/scripts/cure"
)

func repairCommand(u *ui) *cli.Command {
	return &cli.Command{
		Name:      "repair",
		Usage:     "bring masters back that fail: all that are not whole, or the one named; ends with the voters of before",
		ArgsUsage: "[NAME]",
		Description: "Machines are started, or made again around their data disks; etcd and API servers are restarted;\n" +
			"members whose data are lost leave both etcd rings and join again, as long as the others have quorum.\n" +
			"A ring that takes no writes is compacted and its alarm disarmed, one member defragmented after the other.\n" +
			"Needs no zone. What it cannot do is refused, with the way out.\n\n" +
			"When quorum is lost for good, --from-survivor NAME goes on with what that master has: its rings\n" +
			"become rings of one, and all other masters are deleted, machines and data disks. It says what may\n" +
			"be lost and asks for the cluster's name first; --yes is for scripts.\n\n" + exitHelp,
		Flags: append(settingFlags(), &cli.StringFlag{
			Name: "from-survivor", DefaultText: "none", Usage: "go on with this master alone, when quorum is lost for good",
		}),
		OnUsageError: usage,
		Action: func(c *cli.Context) error {
			survivor := c.String("from-survivor")
			name := c.Args().First()
			switch {
			case c.NArg() > 1:
				return usageError{fmt.Errorf("repair takes one master's name at most, got %q too", c.Args().Get(1))}
			case strings.HasPrefix(name, "-"):
				return usageError{fmt.Errorf("flags come before the name, got %s", name)}
			case survivor != "" && name != "":
				return usageError{errors.New("--from-survivor and a name contradict each other: all others are given up")}
			case c.IsSet("from-survivor") && survivor == "":
				return usageError{errors.New("--from-survivor: name the master to go on with")}
			}
			u.json, u.changes = c.Bool("json"), true
			u.called.by(c, repairWords(name, survivor)...)
			verb := cluster.RepairVerb
			if survivor != "" {
				verb = cluster.RebuildVerb
			}
			s, err := loadSettings(u, c, verb)
			if err != nil {
				return err
			}
			cl, err := connect(c.Context, u, s, changing)
			if err != nil {
				return err
			}
			u.goesOn = true
			which := fmt.Sprintf("cluster %s of project %s (provider %s)", s.Prefix, s.Project, s.Provider)
			var summary *cluster.Summary
			if survivor != "" {
				u.note("going on with %s alone: %s", survivor, which)
				summary, err = cl.FromSurvivor(c.Context, survivor, u.report(), func(l cluster.Loss) error { return u.confirmLoss(s, l, "alone") })
			} else {
				u.note("repairing %s", which)
				summary, err = cl.Repair(c.Context, name, u.report())
			}
			if summary != nil {
				u.warnAll(summary.Warnings)
			}
			if err != nil {
				return err
			}
			if u.json {
				return u.object("repair", u.resultOf(summary))
			}
			switch {
			case summary.Nothing:
				u.note("nothing to repair: the masters of cluster %s are whole", s.Prefix)
			case survivor != "":
				u.note("cluster %s has one master now, %s; given up: %s", s.Prefix, survivor, strings.Join(summary.GivenUp, ", "))
			default:
				u.note("repaired: %s; the rings have the voters of before", strings.Join(summary.Repaired, ", "))
			}
			return nil
		},
	}
}

// repairWords are those of the command line that are no settings.
func repairWords(name, survivor string) []string {
	switch {
	case survivor != "":
		return []string{"--from-survivor", survivor}
	case name != "":
		return []string{name}
	}
	return nil
}

// restoreDisk brings the cluster back to a snapshot of a master's data disk.
func (u *ui) restoreDisk(c *cli.Context, s cluster.Settings, name string) error {
	cl, err := connect(c.Context, u, s, changing)
	if err != nil {
		return err
	}
	return u.restored(s, "snapshot "+name, "snapshot", func(ask func(cluster.Loss) error) (*cluster.Summary, error) {
		return cl.RestoreDisk(c.Context, name, u.report(), ask)
	})
}

// restored has the cluster brought back to what, a backup or a snapshot as kind says, and tells
// how that ended.
func (u *ui) restored(s cluster.Settings, what, kind string, restore func(ask func(cluster.Loss) error) (*cluster.Summary, error)) error {
	u.goesOn = true
	u.note("restoring %s: cluster %s of project %s (provider %s)", what, s.Prefix, s.Project, s.Provider)
	summary, err := restore(func(l cluster.Loss) error { return u.confirmLoss(s, l, "and what the "+kind+" has") })
	if summary != nil {
		u.warnAll(summary.Warnings)
	}
	if err != nil {
		return err
	}
	if u.json {
		return u.object("restore", u.resultOf(summary))
	}
	u.note("cluster %s is as %s has it, with one master, %s", s.Prefix, what, strings.Join(summary.Repaired, ", "))
	return nil
}

// confirmLoss says what may be lost and asks for the cluster's name.
func (u *ui) confirmLoss(s cluster.Settings, l cluster.Loss, with string) error {
	for _, line := range l.Lines {
		u.warn(line)
	}
	if s.Yes {
		return nil
	}
	if !term.IsTerminal(int(u.in.Fd())) {
		return withHint(errors.New("not done: there is no terminal to ask whether that may be lost"), cure.Hint("go on without asking", cure.Same().With("KUBERNETES_SKIP_CONFIRM", "true")))
	}
	answer, err := u.ask(fmt.Sprintf("type the cluster's name, %s, to go on with %s %s", s.Prefix, l.Survivor, with))
	if err != nil {
		return err
	}
	if answer != string(s.Prefix) {
		return withHint(fmt.Errorf("not done, nothing was changed: the name was not %s", s.Prefix), cure.Hint("go on without asking", cure.Same().With("KUBERNETES_SKIP_CONFIRM", "true")))
	}
	return nil
}
