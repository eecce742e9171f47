package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"
	"golang.org/x/term"

	"hakube/cluster"
	"hakube/cluster/drill"
	"hakube/scripts/cure"
)

const (
	allDrills = "all"
	undoDrill = "undo"
)

func drillCommand(u *ui) *cli.Command {
	return &cli.Command{
		Name:      "drill",
		Usage:     "have something fail on purpose, measure what users would see, take it back, and judge it",
		ArgsUsage: "NAME|all|undo",
		Description: "Meanwhile the API is written and read at its address, and Nodes are watched. The verdict is against what is\n" +
			"expected of as many masters as there are, and whether the cluster is whole again; it is the exit code. What\n" +
			"would cost quorum is refused, and so is a cluster that is not valid before. It says what it is about to do and\n" +
			"asks for the cluster's name, on Google for the drill's too; --yes is for scripts.\n\n" +
			"The failure is taken back after --for, by ^C, and if hakube is killed by the machine itself, after five minutes;\n" +
			"a machine that Compute Engine stopped it alone can start again, which the next drill asks for: drill undo.\n\n" +
			drillNames() + "\n" + exitHelp,
		Flags:        append(settingFlags(), drillFlags()...),
		OnUsageError: usage,
		Action: func(c *cli.Context) error {
			name := c.Args().First()
			u.json, u.changes = c.Bool("json"), true
			u.called.by(c, append(drillWords(c), name)...)
			o, err := drillOptions(c)
			if err != nil {
				return err
			}
			s, err := loadSettings(u, c, cluster.DrillVerb)
			if err != nil {
				return err
			}
			cl, err := connect(c.Context, u, s, changing)
			if err != nil {
				return err
			}
			if name == undoDrill {
				return u.undoDrill(c, s, cl)
			}
			o.Ask = u.mayDrill(s, name)
			r, err := cl.Drill(c.Context, o, u.report())
			if r == nil {
				return err
			}
			return errors.Join(err, u.drilled(r, c.String("html")))
		},
	}
}

// drillNames are all drills with what they are, for help.
func drillNames() string {
	var b strings.Builder
	for _, x := range drill.Scenarios() {
		fmt.Fprintf(&b, "   %-20s %s\n", x.Name, x.Title)
	}
	return b.String()
}

func drillFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "on", DefaultText: "the one that leads", Usage: "the machine that is to fail, of zone-cut-off the zone"},
		&cli.GenericFlag{Name: "for", Value: new(waitValue), Usage: "how long it fails at least (default: 30); below 16 what a balancer does of it is not judged"},
		&cli.BoolFlag{Name: "anyway", Usage: "also where quorum would be lost, or the cluster is not valid before"},
		&cli.StringFlag{Name: "html", Usage: "file to make with the report as a page, a timeline for each drill"},
	}
}

// drillWords are the flags of a drill that are no settings, as they were said.
func drillWords(c *cli.Context) []string {
	words := drillSaid(c)
	if on := c.String("on"); on != "" {
		words = append(words, "--on="+on)
	}
	if c.Bool("anyway") {
		words = append(words, "--anyway")
	}
	return words
}

// drillSaid are those of them that hakube leaves as they are in a command that it names.
func drillSaid(c *cli.Context) (words []string) {
	if html := c.String("html"); html != "" {
		if whole, err := filepath.Abs(html); err == nil {
			html = whole
		}
		words = append(words, "--html="+html)
	}
	if d := time.Duration(*c.Generic("for").(*waitValue)); d > 0 {
		words = append(words, fmt.Sprintf("--for=%d", int(d.Seconds())))
	}
	return words
}

// drillOptions reads the command line.
func drillOptions(c *cli.Context) (o drill.Options, err error) {
	name := c.Args().First()
	known := append(drill.Names(), allDrills, undoDrill)
	switch {
	case name == "":
		return o, usageError{errors.New("name the drill: " + strings.Join(known, ", "))}
	case !slices.Contains(known, name):
		return o, usageError{fmt.Errorf("there is no drill %q; there are %s", name, strings.Join(known, ", "))}
	case c.NArg() > 1:
		return o, usageError{fmt.Errorf("drill takes one name, got %q too; flags come before it", c.Args().Get(1))}
	case name == allDrills && c.String("on") != "":
		return o, usageError{errors.New("drill all and --on contradict each other: drills are of different machines")}
	}
	if html := c.String("html"); html != "" {
		if info, err := os.Stat(filepath.Dir(html)); err != nil || !info.IsDir() {
			return o, usageError{fmt.Errorf("--html %s: there is no directory %s", html, filepath.Dir(html))}
		}
	}
	o = drill.Options{Names: []string{name}, On: c.String("on"), Anyway: c.Bool("anyway"), Said: drillSaid(c), Pace: drill.UsualPace}
	if name == allDrills {
		o.Names, o.All = drill.Names(), true
	}
	if d := time.Duration(*c.Generic("for").(*waitValue)); d > 0 {
		o.Hold = d
	}
	if longest := o.Deadline / 2; o.Hold > longest {
		return o, usageError{fmt.Errorf("--for=%s: a machine takes its failure back by itself after %s, so it may fail for %s", o.Hold, o.Deadline, longest)}
	}
	return o, nil
}

func (u *ui) undoDrill(c *cli.Context, s cluster.Settings, cl *cluster.Cluster) error {
	undone, err := cl.UndoDrill(c.Context, u.report())
	if err != nil {
		return err
	}
	u.note("nothing of a drill is left in cluster %s; seen to: %s", s.Prefix, strings.Join(undone, ", "))
	return nil
}

// mayDrill says what would be done and asks: for the cluster's name, and on Google, where
// somebody may use it, for the drill's as well.
func (u *ui) mayDrill(s cluster.Settings, name string) func([]drill.Plan, []drill.Skip) error {
	return func(plans []drill.Plan, skipped []drill.Skip) error {
		for _, x := range skipped {
			u.note("not made: %s: %s", x.Drill, x.Why)
		}
		for _, p := range plans {
			u.note("to be made: %s", p.Text())
			for _, line := range p.Arithmetic() {
				u.note("before: %s", line)
			}
		}
		if s.Yes || len(plans) == 0 {
			return nil
		}
		if !term.IsTerminal(int(u.in.Fd())) {
			return withHint(errors.New("not done: there is no terminal to ask whether that may fail"), cure.Hint("go on without asking", cure.Same().With("KUBERNETES_SKIP_CONFIRM", "true")))
		}
		if err := u.typed("that fails now, on purpose: type the cluster's name", string(s.Prefix)); err != nil || s.Provider == cluster.Local {
			return err
		}
		return u.typed("this cluster is at Google, and somebody may use it: type the drill", name)
	}
}

// typed asks for a word.
func (u *ui) typed(question, word string) error {
	answer, err := u.ask(fmt.Sprintf("%s, %s, to go on", question, word))
	if err == nil && answer != word {
		err = withHint(fmt.Errorf("not done, nothing was changed: the answer was not %s", word), cure.Hint("go on without asking", cure.Same().With("KUBERNETES_SKIP_CONFIRM", "true")))
	}
	return err
}

// drilled shows the report, and is an error when not all passed.
func (u *ui) drilled(r *drill.Report, html string) error {
	for i := range r.Drills {
		for j := range r.Drills[i].Said {
			r.Drills[i].Said[j].Command = u.whole(r.Drills[i].Said[j].Command)
		}
	}
	if html != "" {
		if err := writePage(r, html); err != nil {
			return err
		}
		u.note("the report is %s", html)
	}
	if u.json {
		if err := u.object("drill", r); err != nil {
			return err
		}
	} else {
		for _, d := range r.Drills {
			u.printf("%s\n", strings.Join(d.Text(), "\n"))
		}
		for _, x := range r.Skipped {
			u.printf("not made  %s: %s\n", x.Drill, x.Why)
		}
	}
	if len(r.Drills) == 0 {
		return errors.New("no drill was made")
	}
	return r.Failure()
}

func writePage(r *drill.Report, path string) (err error) {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return r.Page(f)
}
