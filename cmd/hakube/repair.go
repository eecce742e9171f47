package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"
	"golang.org/x/term"

	"hakube/cluster"
	"hakube/cluster/plan"
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

func evacuateCommand(u *ui) *cli.Command {
	return &cli.Command{
		Name:      "evacuate",
		Usage:     "have all that is in a zone go to others, masters and nodes, before the zone fails or after it has",
		ArgsUsage: "ZONE",
		Description: "Masters of the zone are made in the cluster's other zones, where there are fewest, and vote before those of\n" +
			"the zone go; nodes are there before those of the zone are drained, within their budgets. There are as many of\n" +
			"both as before. A cluster that has no other zone needs --to, which is a zone of its region. What does not\n" +
			"answer in the zone is not waited for: its votes are taken out of the rings while these have quorum.\n\n" +
			"Claims whose disks are in the zone cannot follow their pods and are named. It asks for the cluster's name\n" +
			"before the first change; --yes is for scripts. Cut anywhere, the same again goes on. Back is the same\n" +
			"command for another zone. A zone that has nothing of the cluster is left already.\n\n" + exitHelp,
		Flags:        append(settingFlags(), toZoneFlag()),
		OnUsageError: usage,
		Action: func(c *cli.Context) error {
			s, cl, err := u.evacuation(c, changing)
			if err != nil {
				return err
			}
			zone, to := c.Args().First(), c.String("to")
			u.note("evacuating zone %s: cluster %s of project %s (provider %s)", zone, s.Prefix, s.Project, s.Provider)
			cl.OnSpan(u.leaves(s))
			cl.OnPart(u.begins)
			summary, err := cl.Evacuate(c.Context, zone, to, u.report())
			if err != nil {
				return err
			}
			u.warnAll(summary.Warnings)
			switch {
			case u.json:
				return u.object("evacuate", u.resultOf(summary))
			case summary.Nothing:
				u.note("nothing to evacuate: cluster %s has nothing in zone %s", s.Prefix, zone)
				return nil
			}
			u.closing(summary)
			u.note("zone %s has nothing of cluster %s any more", zone, s.Prefix)
			return nil
		},
	}
}

func toZoneFlag() cli.Flag {
	return &cli.StringFlag{Name: "to", DefaultText: "the cluster's other zones", Usage: "the zone to go to, of the cluster's region"}
}

// evacuation reads the command line of an evacuation, or of a plan of one.
func (u *ui) evacuation(c *cli.Context, does doing) (s cluster.Settings, cl *cluster.Cluster, err error) {
	zone, to := c.Args().First(), c.String("to")
	u.json, u.changes = c.Bool("json"), does != looking
	words := []string{}
	if to != "" {
		words = append(words, "--to="+to)
	}
	u.called.by(c, append(words, zone)...)
	region := cluster.Zone(zone).Region()
	switch {
	case zone == "":
		return s, nil, usageError{errors.New("name the zone to evacuate")}
	case strings.HasPrefix(zone, "-"):
		return s, nil, usageError{fmt.Errorf("name the zone to evacuate, got %s", zone)}
	case c.NArg() > 1:
		return s, nil, usageError{fmt.Errorf("evacuate takes one zone, got %q too; flags come before it", c.Args().Get(1))}
	case region == "":
		return s, nil, usageError{fmt.Errorf("%q is no zone, such as europe-west1-b", zone)}
	case c.IsSet("to") && cluster.Zone(to).Region() != region:
		return s, nil, usageError{fmt.Errorf("--to=%s: it is no zone of region %s, and a cluster has one region", to, region)}
	case to == zone:
		return s, nil, usageError{fmt.Errorf("--to=%s is the zone that is evacuated", to)}
	}
	if s, err = loadSettings(u, c, cluster.EvacuateVerb); err != nil {
		return s, nil, err
	}
	s.Zone = cluster.Zone(zone)
	if cl, err = connect(c.Context, u, s, does); err == nil {
		u.goesOn = true
	}
	return s, cl, err
}

// leaves says what an evacuation moves, and what it cannot, and asks for the cluster's name,
// once and before the first change.
func (u *ui) leaves(s cluster.Settings) func(cluster.Spanning) error {
	told := false // it looks around again when dead masters are out
	return func(x cluster.Spanning) error {
		if told {
			return nil
		}
		told = true
		u.tellMoves(x, u.note)
		if s.Yes {
			return nil
		}
		if !term.IsTerminal(int(u.in.Fd())) {
			return withHint(fmt.Errorf("not done: there is no terminal to ask whether zone %s may be evacuated", x.Leaves), cure.Hint("go on without asking", cure.Same().With("KUBERNETES_SKIP_CONFIRM", "true")))
		}
		return u.nameTyped(s, "this removes "+strings.Join(x.Surplus, ", ")+", once they are replaced elsewhere")
	}
}

// tellMoves says of each thing that moves where it goes, and of what cannot that it stays.
func (u *ui) tellMoves(x cluster.Spanning, say func(string, ...any)) {
	for _, what := range x.Words {
		say("to be made: %s", what)
	}
	for _, what := range x.Surplus {
		say("goes then: %s", what)
	}
	for _, what := range x.Claims {
		say("stays in zone %s: the disk of claim %s, so its pods cannot run elsewhere", x.Leaves, what)
	}
	if x.Only {
		say("there is one master: the API's address goes to a balancer and back to a machine, and the API is dark for some seconds each time; while there are two masters none may fail")
	}
}

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
