package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"
	"golang.org/x/term"

	"hakube/cluster"
	"hakube/gce/local"
	"hakube/scripts/cure"
)

func resetCommand(u *ui) *cli.Command {
	return &cli.Command{
		Name: "reset", Usage: "stop it and delete everything in it", OnUsageError: usage,
		Description: "Machines, disks and objects of all projects go, what kubectl's configuration has of its clusters, and\n" +
			"with which machines it was started. Files in its directory that are not its own stay, and are named.\n" +
			"On a terminal it says what goes and asks, unless it is nothing; elsewhere it does not ask.\n\n" + exitHelp,
		Flags:  []cli.Flag{&cli.BoolFlag{Name: "yes", Usage: "do not ask on a terminal (KUBERNETES_SKIP_CONFIRM)"}},
		Action: inDir(func(c *cli.Context, dir string) error { return localReset(c, u, dir) }),
	}
}

func localReset(c *cli.Context, u *ui, dir string) error {
	if err := local.Usable(dir); err != nil {
		return fmt.Errorf("not reset, nothing was changed: %w", err)
	}
	if err := u.confirmReset(c, dir); err != nil {
		return err
	}
	cloud := local.RealDir(dir) // as long as it is there to be asked
	u.flight.begins()
	stays, err := local.Reset(c.Context, dir)
	if len(stays) > 0 {
		u.note("in %s stays what is not the embedded GCE's: %s", dir, strings.Join(stays, ", "))
	}
	if err != nil {
		return err
	}
	u.forget(c.Context, cloud)
	return nil
}

// forget takes what leads to a cloud that is no more out of the kubeconfig.
func (u *ui) forget(ctx context.Context, cloud string) {
	gone, err := cluster.ForgetCloud(ctx, os.Getenv("KUBECONFIG"), cloud)
	if err != nil {
		u.warn("kubectl's contexts that lead to the embedded GCE stay: " + err.Error())
		return
	}
	for _, name := range gone {
		u.note("kubectl's context %s led to what is gone, and is removed", name)
	}
}

// confirmReset says what goes and asks when a person is there.
func (u *ui) confirmReset(c *cli.Context, dir string) error {
	skip, _ := strconv.ParseBool(os.Getenv("KUBERNETES_SKIP_CONFIRM")) // what is no yes is no
	if c.Bool("yes") || skip || !term.IsTerminal(int(u.in.Fd())) {
		return nil
	}
	projects, err := local.Contents(c.Context, dir)
	if err != nil {
		return err
	}
	if len(projects) == 0 {
		return nil
	}
	u.note("this deletes everything in the embedded GCE of %s:", dir)
	for _, name := range slices.Sorted(maps.Keys(projects)) {
		u.note("  project %s: %s", name, amounts(projects[name]))
	}
	answer, err := u.ask("type reset to go on")
	if err != nil {
		return err
	}
	if answer != "reset" {
		return withHint(errors.New("not reset, nothing was changed: the answer was not reset"), cure.Hint("reset it without being asked", cure.LocalReset(dir).Flag("--yes")))
	}
	return nil
}

// amounts is "4 instances, 5 disks", machines first.
func amounts(counts map[string]int) string {
	var list []string
	for _, kind := range slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
		switch "instances" {
		case a:
			return -1
		case b:
			return 1
		}
		return strings.Compare(a, b)
	}) {
		list = append(list, fmt.Sprintf("%d %s", counts[kind], kind))
	}
	return strings.Join(list, ", ")
}
