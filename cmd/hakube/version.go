package main

import (
	"runtime"
	"runtime/debug"

	"github.com/urfave/cli/v2"

	"hakube/cluster"
)

// version is set at build time from the repository's tags (see Makefile).
var version = "unreleased"

func versionCommand(u *ui) *cli.Command {
	return &cli.Command{
		Name:         "version",
		Usage:        "print hakube's version, and the Kubernetes version it makes clusters of",
		Flags:        []cli.Flag{jsonFlag("print JSON")},
		OnUsageError: usage,
		Action: func(c *cli.Context) error {
			if err := noArguments(c); err != nil {
				return err
			}
			revision := ""
			if info, ok := debug.ReadBuildInfo(); ok {
				for _, s := range info.Settings {
					if s.Key == "vcs.revision" {
						revision = s.Value
					}
				}
			}
			if c.Bool("json") {
				return u.object(map[string]string{
					"hakube": version, "revision": revision, "kubernetes": cluster.DefaultKubeVersion,
					"go": runtime.Version(), "platform": runtime.GOOS + "/" + runtime.GOARCH,
				})
			}
			u.printf("hakube %s (Kubernetes %s, %s, %s/%s)\n", version, cluster.DefaultKubeVersion, runtime.Version(), runtime.GOOS, runtime.GOARCH)
			return nil
		},
	}
}
