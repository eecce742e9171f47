package main

import (
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"hakube/cluster"
)

// helpCommand is "hakube help [env|COMMAND]".
func helpCommand(u *ui) *cli.Command {
	return &cli.Command{
		Name:      "help",
		Usage:     "help on a command; \"hakube help env\" lists the settings",
		ArgsUsage: "[env|COMMAND]",
		Action: func(c *cli.Context) error {
			switch name := c.Args().First(); name {
			case "":
				return cli.ShowAppHelp(c)
			case "env":
				u.printf("%s", reference())
				return nil
			default:
				if c.App.Command(name) == nil {
					return unknownCommand(c)
				}
				// The library's own way looks for the command below this one.
				return c.App.RunContext(c.Context, append([]string{c.App.Name}, append(c.Args().Slice(), "--help")...))
			}
		},
	}
}

// ownVariables are read by hakube and are not settings of a cluster.
var ownVariables = []cluster.Variable{
	{Name: "HAKUBE_LOCAL_DIR", Default: "~/.local/state/hakube/local", Text: "state of the embedded GCE"},
	{Name: "HAKUBE_CACHE_DIR", Default: "~/.cache/hakube", Text: "guest image and binaries of the embedded GCE"},
	{Name: "HAKUBE_MIRROR_SOURCE", Default: "auto", Text: "where the embedded GCE gets binaries: download, build (from Go modules), or auto: download if there is internet"},
}

// reference is the table of settings, in Markdown so that the README's is the
// same; a test keeps them equal.
func reference() string {
	var b strings.Builder
	b.WriteString("| variable | flag | default | meaning |\n|---|---|---|---|\n")
	cell := func(s string) string { return strings.ReplaceAll(s, "|", `\|`) }
	for _, v := range append(cluster.Variables(), ownVariables...) {
		flag := ""
		if v.Flag != "" {
			flag = "`--" + v.Flag + "`"
		}
		def := ""
		if v.Default != "" {
			def = "`" + v.Default + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", v.Name, flag, def, cell(v.Text))
	}
	return b.String()
}
