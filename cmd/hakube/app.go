package main

import (
	"cmp"
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"

	// urfave/cli/v2: commands, flags and help, as the project asks for.
	"github.com/urfave/cli/v2"

	"hakube/cluster/settings"
	"hakube/scripts/cure"
)

// newApp is the command line. Errors are returned, never printed or turned
// into exits by the library: it would skip the deferred calls of main.
func newApp(u *ui) *cli.App {
	return &cli.App{
		Name:  "hakube",
		Usage: "grow a Kubernetes cluster on Google Compute Engine by command, and shrink it again",
		Description: "Settings are kube-up's environment variables (" + cure.Help("env").String() + "); a flag of the same\n" +
			"meaning wins. KUBERNETES_PROVIDER=local is a GCE on this machine.\n\n" +
			"   " + cure.Up("europe-west1-b").String() + "      a master and a pool of nodes\n" +
			"   " + cure.DownIn("europe-west1-b").String() + "    all of it away again\n\n" + exitHelp,
		Commands: []*cli.Command{
			upCommand(u), downCommand(u), planCommand(u), statusCommand(u), validateCommand(u), repairCommand(u), evacuateCommand(u), rollCommand(u), upgradeCommand(u), rotateCommand(u), drillCommand(u), backupCommand(u), backupsCommand(u), restoreCommand(u), kubeconfigCommand(u), localCommand(u),
			helpCommand(u), completionCommand(u), versionCommand(u),
		},
		CommandNotFound: func(*cli.Context, string) {}, // the action says it
		Action: func(c *cli.Context) error {
			switch {
			case c.Args().Present():
				return unknownCommand(c)
			case c.Bool("version"):
				return printVersion(u, false)
			}
			return cli.ShowAppHelp(c)
		},
		Flags: []cli.Flag{
			cli.HelpFlag, // left out by the library beside a help command of our own
			&cli.BoolFlag{Name: "version", Usage: "print the version"},
		},
		OnUsageError:    usage,
		ExitErrHandler:  func(*cli.Context, error) {},
		HideHelpCommand: true,
		HideVersion:     true,
		Writer:          u.out,
		ErrWriter:       u.err,
		Reader:          u.in,
	}
}

// nameWithDots is the name of a cluster as other tools take it, behind a command on one.
// A word without dots is a slip: a zone, a master's name. Where a command takes words of its
// own it is one of those: a bucket and a directory may have dots too.
func nameWithDots(c *cli.Context) (string, bool) {
	ofCluster := c.Command.ArgsUsage == "" && slices.ContainsFunc(c.Command.Flags, func(f cli.Flag) bool { return f.Names()[0] == "instance-prefix" })
	name := c.Args().First()
	return name, ofCluster && c.NArg() == 1 && strings.Contains(name, ".") && !c.IsSet("instance-prefix")
}

// nameLast puts such a name behind the flags, since the library takes none behind a word:
// hakube up hacluster.example.com --zones=….
func nameLast(args []string) []string {
	for i := 2; i < len(args)-1; i++ {
		if strings.HasPrefix(args[i-1], "-") || strings.HasPrefix(args[i], "-") {
			break // it is a flag, or may be the value of one
		}
		if strings.Contains(args[i], ".") && strings.HasPrefix(args[i+1], "-") {
			return slices.Concat(args[:i], args[i+1:], args[i:i+1])
		}
	}
	return args
}

// noArguments refuses words behind a command that takes none.
func noArguments(c *cli.Context) error {
	if _, ok := nameWithDots(c); ok {
		return nil
	}
	if c.Args().Present() {
		return usageError{fmt.Errorf("%s takes no argument, got %q", c.Command.FullName(), c.Args().First())}
	}
	return nil
}

// settingFlags are a flag for each variable. The environment is not theirs to
// read (two readers of one variable would disagree), so they have no defaults.
func settingFlags() []cli.Flag {
	flags := []cli.Flag{jsonFlag("print progress and result as JSON")}
	for _, v := range settings.Variables() {
		flags = append(flags, &cli.GenericFlag{
			Name: v.Flag, Value: &settingValue{boolean: v.Bool, list: v.List},
		})
	}
	return flags
}

func jsonFlag(usage string) cli.Flag { return &cli.BoolFlag{Name: "json", Usage: usage} }

// settingValue takes any text; what it means is decided with all others.
type settingValue struct {
	text    string
	boolean bool
	list    bool
	given   bool
}

// Set takes the last that is said, as other tools do. Of a list that would leave out what
// was said before it, and with --prune remove it.
func (v *settingValue) Set(s string) error {
	if v.list && v.given && s != v.text {
		return fmt.Errorf("it is there twice, and is one list: %s,%s", v.text, s)
	}
	v.text, v.given = s, true
	return nil
}
func (v *settingValue) String() string   { return v.text }
func (v *settingValue) IsBoolFlag() bool { return v.boolean }

// given are the settings on the command line, by the variable's name.
func given(c *cli.Context) map[string]string {
	m := map[string]string{}
	if name, ok := nameWithDots(c); ok {
		m["KUBE_GCE_INSTANCE_PREFIX"] = strings.ReplaceAll(strings.TrimSuffix(name, "."), ".", "-")
	}
	for _, v := range settings.Variables() {
		if c.IsSet(v.Flag) {
			m[v.Name] = c.Generic(v.Flag).(*settingValue).text
		}
	}
	return m
}

// linked is set at build time from the repository's tags (see Makefile). What
// "go install" builds has none and tells what the go command recorded.
var linked = ""

// version and commit are what this program was made from; commit is "" if the
// go command did not record it.
var version, commit = built(linked, buildInfo())

func buildInfo() *debug.BuildInfo {
	info, _ := debug.ReadBuildInfo() // nil in a program that was not built by the go command
	return info
}

// built is a program's version, "unreleased" where nothing recorded it, and the
// commit it was made from.
func built(linked string, info *debug.BuildInfo) (name, commit string) {
	recorded := ""
	if info != nil {
		if v := info.Main.Version; v != "(devel)" {
			recorded = v
		}
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				commit = s.Value
			}
		}
	}
	return cmp.Or(linked, recorded, "unreleased"), commit
}

func versionCommand(u *ui) *cli.Command {
	return &cli.Command{
		Name:         "version",
		Usage:        "print hakube's version and commit, and the Kubernetes version it was tested with",
		Flags:        []cli.Flag{jsonFlag("print JSON")},
		OnUsageError: usage,
		Action: func(c *cli.Context) error {
			if err := noArguments(c); err != nil {
				return err
			}
			return printVersion(u, c.Bool("json"))
		},
	}
}

func printVersion(u *ui, asJSON bool) error {
	if asJSON {
		return u.object("version", versionResult{version, commit, settings.DefaultKubeVersion, runtime.Version(), runtime.GOOS + "/" + runtime.GOARCH})
	}
	from := ""
	if len(commit) > 12 && !strings.Contains(version, commit[:7]) {
		from = "commit " + commit[:12] + ", "
	}
	u.printf("hakube %s (%sKubernetes %s, %s, %s/%s)\n", version, from, settings.DefaultKubeVersion, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return nil
}
