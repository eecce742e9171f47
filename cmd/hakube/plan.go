package main

import (
	"context"
	"fmt"

	"github.com/urfave/cli/v2"

	"hakube/cluster"
	"hakube/cluster/plan"
)

func planCommand(u *ui) *cli.Command {
	sub := func(verb cluster.Verb, usageText string) *cli.Command {
		return &cli.Command{
			Name: string(verb), Usage: usageText, OnUsageError: usage,
			Flags: append(settingFlags(), &cli.BoolFlag{Name: "exit-code", Usage: "exit 3 if there is something to change"}),
			Action: onCluster(u, verb, looking, func(c *cli.Context, _ cluster.Settings, cl *cluster.Cluster) error {
				preview := cl.PreviewUp
				if verb == cluster.Down {
					preview = cl.PreviewDown
				}
				return runPlan(c, u, cl, preview)
			}),
		}
	}
	evacuate := &cli.Command{
		Name: string(cluster.EvacuateVerb), Usage: "what evacuate would do", ArgsUsage: "ZONE", OnUsageError: usage,
		Flags: append(settingFlags(), toZoneFlag(), &cli.BoolFlag{Name: "exit-code", Usage: "exit 3 if there is something to change"}),
		Action: func(c *cli.Context) error {
			_, cl, err := u.evacuation(c, looking)
			if err != nil {
				return err
			}
			return runPlan(c, u, cl, func(ctx context.Context, report func(plan.Event)) (int, error) {
				return cl.PreviewEvacuate(ctx, c.Args().First(), c.String("to"), report)
			})
		},
	}
	roll := &cli.Command{
		Name: string(cluster.RollVerb), Usage: "what roll would do", ArgsUsage: "[masters | pool ZONE]", OnUsageError: usage,
		Flags: append(settingFlags(), allFlag(), &cli.BoolFlag{Name: "exit-code", Usage: "exit 3 if there is something to change"}),
		Action: func(c *cli.Context) error {
			r, err := u.rolling(c, cluster.RollVerb, looking)
			if err != nil {
				return err
			}
			return runPlan(c, u, r.cl, r.preview)
		},
	}
	upgrade := &cli.Command{
		Name: string(cluster.UpgradeVerb), Usage: "what upgrade would do", ArgsUsage: "[masters | pool ZONE]", OnUsageError: usage,
		Flags: append(settingFlags(), &cli.BoolFlag{Name: "exit-code", Usage: "exit 3 if there is something to change"}),
		Action: func(c *cli.Context) error {
			r, err := u.rolling(c, cluster.UpgradeVerb, looking)
			if err != nil {
				return err
			}
			return runPlan(c, u, r.cl, r.preview)
		},
	}
	rotates := &cli.Command{
		Name: string(cluster.RotateVerb), Usage: "what rotate would do", ArgsUsage: rotateArgs, OnUsageError: usage,
		Flags: append(settingFlags(), distrustFlag(), &cli.BoolFlag{Name: "exit-code", Usage: "exit 3 if there is something to change"}),
		Action: func(c *cli.Context) error {
			_, of, cl, err := u.rotation(c, looking)
			if err != nil {
				return err
			}
			return runPlan(c, u, cl, func(ctx context.Context, report func(plan.Event)) (int, error) {
				return cl.PreviewRotate(ctx, of, report)
			})
		},
	}
	return &cli.Command{
		Name:         "plan",
		Usage:        "say what up, down, evacuate, roll, upgrade or rotate would do, without doing it",
		Description:  "The same walk over the same list, looking only. Waits are steps too: one that does not\nhold now counts as a change.\n\n" + exitHelp,
		OnUsageError: usage,
		Action: func(c *cli.Context) error {
			if c.Args().Present() {
				return unknownCommand(c)
			}
			return cli.ShowSubcommandHelp(c)
		},
		HideHelpCommand: true,
		Subcommands: []*cli.Command{
			sub(cluster.Up, "what up would do"),
			sub(cluster.Down, "what down would do"),
			evacuate,
			roll,
			rotates,
			upgrade,
		},
	}
}

// runPlan prints the steps on standard output: here they are the result.
func runPlan(c *cli.Context, u *ui, cl *cluster.Cluster, preview func(context.Context, func(plan.Event)) (int, error)) error {
	steps := []jsonStep{}
	var found cluster.Found
	cl.OnOrphans(func(_ context.Context, f cluster.Found) (bool, error) { found = f; return false, nil })
	reduced := []cluster.Smaller{}
	cl.OnSmaller(func(_ context.Context, x cluster.Smaller) error { reduced = append(reduced, x); return nil })
	span := cluster.Spanning{Crossings: []string{}, Surplus: []string{}}
	cl.OnSpan(func(x cluster.Spanning) error { span = x; return nil })
	var warnings []string
	cl.OnWarning(func(text string) { warnings = append(warnings, text) })
	rolls := cluster.Rolling{Masters: []cluster.Rolled{}, Pools: []cluster.RolledPool{}}
	cl.OnRoll(func(x cluster.Rolling) error { rolls = x; return nil })
	rotation := cluster.Rotating{Masters: []cluster.Rolled{}}
	cl.OnRotate(func(x cluster.Rotating) error { rotation, warnings = x, append(warnings, x.Ends...); return nil })
	changes, err := preview(c.Context, func(e plan.Event) {
		switch {
		case !e.Kind.Final():
		case u.json:
			steps = append(steps, lineOf(e))
		default:
			u.printf("%s\n", stepLine(e))
		}
	})
	if err != nil {
		return err
	}
	if u.json {
		var smaller *cluster.Smaller
		for _, x := range reduced {
			u.note("would remove %s", x)
		}
		if len(reduced) == 1 {
			smaller = &reduced[0]
		}
		err = u.object("plan", planResult{changes, steps, append([]cluster.Orphan{}, found.Ours...), append([]cluster.Orphan{}, found.Perhaps...), smaller, reduced, append([]string{}, span.Surplus...), append([]string{}, span.Crossings...), rolls.Masters, rolls.Pools, rotation.Masters})
	} else {
		u.leftBehind(found)
		for _, x := range reduced {
			u.printf("would remove %s\n", x)
		}
		if span.Leaves != "" {
			u.tellMoves(span, func(format string, a ...any) { u.printf(format+"\n", a...) })
			span.Surplus = nil
		}
		u.tellRolls(rolls, func(format string, a ...any) { u.printf(format+"\n", a...) })
		u.tellRotation(rotation, func(format string, a ...any) { u.printf(format+"\n", a...) })
		for _, what := range span.Surplus {
			if span.Prune {
				u.printf("would go, as more than was named: %s\n", what)
			} else {
				u.printf("more than was named, and stays without --prune: %s\n", what)
			}
		}
		for _, what := range span.Crossings {
			u.printf("crosses zones: %s\n", what)
		}
		u.printf("%s\n", planLine(changes))
	}
	u.warnAll(warnings)
	if err == nil && changes > 0 && c.Bool("exit-code") {
		return errChanges
	}
	return err
}

// leftBehind prints what no step would remove.
func (u *ui) leftBehind(f cluster.Found) {
	if !f.Sweep {
		for _, l := range f.Ours {
			u.printf("left behind without --sweep: %s\n", l)
		}
	}
	for _, l := range f.Perhaps {
		u.printf("perhaps another's, and stays: %s: %s\n", l, l.Why)
	}
}

func planLine(changes int) string {
	switch changes {
	case 0:
		return "nothing to do"
	case 1:
		return "1 step to do"
	}
	return fmt.Sprintf("%d steps to do", changes)
}
