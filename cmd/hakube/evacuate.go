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
