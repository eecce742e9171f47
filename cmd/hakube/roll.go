package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"hakube/cluster"
	"hakube/cluster/plan"
)

func rollCommand(u *ui) *cli.Command {
	return &cli.Command{
		Name:      "roll",
		Usage:     "make machines again as they are wanted now: masters one after the other with their data, then nodes zone by zone",
		ArgsUsage: "[masters | pool ZONE]",
		Description: "A machine is made again when it differs from what the settings say (type, image, boot disk, account and their\n" +
			"like; what nobody sets is as it is), or was made by another hakube's startup script. With a word it is of the\n" +
			"masters alone, or of the pool of a zone (of HAKUBE_POOL).\n\n" +
			"Before each master all others have to vote, take writes and serve. The balancer stops sending to it, its pods\n" +
			"leave within their budgets, its API server ends in order, and the machine is deleted; it comes back with its data\n" +
			"disk, name, votes and address in the network. Who leads a ring or a controller goes last. With one or two masters\n" +
			"nobody serves meanwhile. Of a pool HAKUBE_SURGE new nodes come, and when they are Ready as many old ones are drained\n" +
			"within their budgets and go; the pool keeps its size.\n\n" +
			"A master that does not come back, a node that does not get Ready, and one whose pods may not leave end it, with\n" +
			"all others serving. Cut anywhere, the same again goes on. The version of Kubernetes (hakube upgrade), and what is\n" +
			"on masters' data disks, stay.\n\n" + exitHelp,
		Flags:        append(settingFlags(), allFlag()),
		OnUsageError: usage,
		Action:       func(c *cli.Context) error { return u.rolls(c, cluster.RollVerb, "rolling") },
	}
}

// tellRolled says what was made again.
func (u *ui) tellRolled(summary *cluster.Summary) {
	if len(summary.Rolled) > 0 {
		u.note("made again: %s; the rings have the voters of before", strings.Join(summary.Rolled, ", "))
	}
	for _, p := range summary.RolledPools {
		u.note("made again: %s", nodesOf(p))
	}
}

func allFlag() cli.Flag {
	return &cli.BoolFlag{Name: "all", Usage: "those that are as they are to be, too"}
}

// A rollCall is a roll, or a plan of one, as it was called.
type rollCall struct {
	s       cluster.Settings
	cl      *cluster.Cluster
	words   string // of what
	run     func(context.Context, func(plan.Event)) (*cluster.Summary, error)
	preview func(context.Context, func(plan.Event)) (int, error)
}

// rolling reads the command line of a roll or an upgrade, or of a plan of one.
func (u *ui) rolling(c *cli.Context, verb cluster.Verb, does doing) (r rollCall, err error) {
	u.json, u.changes = c.Bool("json"), does != looking
	what, zone, all := c.Args().First(), c.Args().Get(1), c.Bool("all")
	words := c.Args().Slice()
	if all {
		words = append([]string{"--all"}, words...)
	}
	u.called.by(c, words...)
	switch most := map[string]int{"masters": 1, "pool": 2}[what]; {
	case what != "" && most == 0:
		return r, usageError{fmt.Errorf("%s takes the word masters, or pool and a zone, got %q", verb, what)}
	case c.NArg() > most:
		return r, usageError{fmt.Errorf("%s takes one word, or pool and a zone, got %q too; flags come before it", verb, c.Args().Get(most))}
	case what == "pool" && zone == "":
		return r, usageError{fmt.Errorf("name the zone whose pool is to be %s", map[cluster.Verb]string{cluster.RollVerb: "rolled", cluster.UpgradeVerb: "upgraded"}[verb])}
	case what == "pool" && cluster.Zone(zone).Region() == "":
		return r, usageError{fmt.Errorf("%q is no zone, such as europe-west1-b", zone)}
	}
	if r.s, err = loadSettings(u, c, verb); err != nil {
		return r, err
	}
	if what == "pool" {
		r.s.Zone = cluster.Zone(zone)
	}
	if r.cl, err = connect(c.Context, u, r.s, does); err != nil {
		return r, err
	}
	u.goesOn = true
	if verb == cluster.UpgradeVerb {
		r.cl = r.cl.Upgrade()
	}
	switch what {
	case "masters":
		r.words = "the masters"
		r.run = func(ctx context.Context, f func(plan.Event)) (*cluster.Summary, error) {
			return r.cl.RollMasters(ctx, all, f)
		}
		r.preview = func(ctx context.Context, f func(plan.Event)) (int, error) {
			return r.cl.PreviewRollMasters(ctx, all, f)
		}
	case "pool":
		r.words = nodesIn(zone, string(r.s.Pool))
		r.run = func(ctx context.Context, f func(plan.Event)) (*cluster.Summary, error) {
			return r.cl.RollPool(ctx, zone, all, f)
		}
		r.preview = func(ctx context.Context, f func(plan.Event)) (int, error) {
			return r.cl.PreviewRollPool(ctx, zone, all, f)
		}
	default:
		r.words = "the machines"
		r.run = func(ctx context.Context, f func(plan.Event)) (*cluster.Summary, error) { return r.cl.Roll(ctx, all, f) }
		r.preview = func(ctx context.Context, f func(plan.Event)) (int, error) { return r.cl.PreviewRoll(ctx, all, f) }
	}
	return r, nil
}

// tellRolls says of each master and each pool whether it is made again, and why.
func (u *ui) tellRolls(x cluster.Rolling, say func(string, ...any)) {
	if x.From != "" && x.From != x.To {
		say("from %s to %s, and not back: what both rings hold now is kept on each master's data disk", x.From, x.To)
	}
	for _, m := range x.Masters {
		if m.Why == "" {
			say("stays: %s in %s, which is as it is to be", m.Name, m.Zone)
		} else {
			say("to be made again: %s in %s: %s", m.Name, m.Zone, m.Why)
		}
	}
	for _, p := range x.Pools {
		if p.Why == "" {
			say("stays: %s, as they are to be", nodesOf(p))
		} else {
			say("to be made again: %s: %s", nodesOf(p), p.Why)
		}
	}
	if x.Dark {
		say("fewer than three masters: the API is dark from when a machine is away until it serves again, once for each")
	}
}

func nodesOf(p cluster.RolledPool) string {
	return fmt.Sprintf("%s (%d)", nodesIn(p.Zone, p.Pool), p.Nodes)
}

// nodesIn are a pool's nodes, for people.
func nodesIn(zone, pool string) string {
	if pool == "" {
		return "the nodes of " + zone
	}
	return "the nodes of " + zone + ", pool " + pool
}
