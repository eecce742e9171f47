package main

import (
	"cmp"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/urfave/cli/v2"

	"hakube/cluster/settings"
)

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
