package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"hakube/cluster"
	"hakube/cluster/drill"
	"hakube/cluster/inventory"
	"hakube/cluster/settings"
	"hakube/gce"
	"hakube/gce/emulator"
	"hakube/gce/local"
	"hakube/scripts/cure"
)

// completionCommand prints a script for the shell. What can come next is written
// into it, so that completing starts no process; only for the names of masters
// it asks this program, which asks nobody but an embedded GCE that runs.
func completionCommand(u *ui) *cli.Command {
	return &cli.Command{
		Name:         "completion",
		Usage:        "print shell completion: " + cure.EvalCompletion("bash"),
		ArgsUsage:    "bash|zsh|fish",
		OnUsageError: usage,
		Action: func(c *cli.Context) error {
			shells := map[string]func(completion) string{"bash": bashCompletion, "zsh": zshCompletion, "fish": fishCompletion}
			shell := c.Args().First()
			if shell == mastersWord {
				u.printf("%s\n", strings.Join(masters(c.Context), "\n"))
				return nil
			}
			script, ok := shells[shell]
			if !ok || c.NArg() != 1 {
				return usageError{fmt.Errorf("completion takes one of bash, zsh, fish")}
			}
			u.printf("%s", script(completionOf(c.App)))
			return nil
		},
	}
}

// What stands for values that a script cannot hold.
const (
	mastersWord = "masters" // also the argument by which a script asks for them
	fileWord    = "FILE"
)

// A completion is what a shell has to know.
type completion struct {
	paths []completed
	flags []flagValues // by name
}

// completed is what may follow a command.
type completed struct {
	path  string
	words []string // commands, arguments, and flags with --
}

type flagValues struct {
	name   string
	takes  bool     // a value that may be the next word
	text   string   // what it means
	values []string // [mastersWord] or [fileWord] alone stand for others
}

// eachCommand visits commands and their subcommands with their full names.
func eachCommand(list []*cli.Command, before string, visit func(path string, c *cli.Command)) {
	for _, c := range list {
		if c.Hidden || before != "" && c.Name == "help" { // the library gives one to each
			continue
		}
		path := strings.TrimSpace(before + " " + c.Name)
		visit(path, c)
		eachCommand(c.Subcommands, path, visit)
	}
}

// arguments are the words that some commands take.
func arguments(path string, commands []*cli.Command) []string {
	switch path {
	case "completion":
		return []string{"bash", "zsh", "fish"}
	case "help":
		return append([]string{"env", "json", "man"}, visible(commands)...)
	case "repair":
		return []string{mastersWord}
	case "drill":
		return append(drill.Names(), allDrills, undoDrill)
	case "roll", "plan roll", "upgrade", "plan upgrade":
		return append([]string{"masters", "pool"}, emulator.Zones()...)
	case "rotate", "plan rotate":
		return inventory.Rotatable
	case "evacuate", "plan evacuate":
		return emulator.Zones()
	}
	return nil
}

func completionOf(app *cli.App) completion {
	c := completion{paths: []completed{{"", append(visible(app.Commands), "--help", "--version")}}}
	seen := map[string]bool{}
	add := func(f flagValues) {
		if !seen[f.name] {
			seen[f.name] = true
			c.flags = append(c.flags, f)
		}
	}
	eachCommand(app.Commands, "", func(path string, cmd *cli.Command) {
		words := append(visible(slices.DeleteFunc(slices.Clone(cmd.Subcommands), func(s *cli.Command) bool { return s.Name == "help" })), arguments(path, app.Commands)...)
		for _, g := range pageOf(path, cmd).groups {
			for _, f := range g.flags {
				name, _, _ := strings.Cut(strings.TrimPrefix(f.name, "--"), "=")
				name = strings.TrimSuffix(name, "[")
				words = append(words, "--"+name)
				add(flagValues{name: name, takes: strings.Contains(f.name, "=") && !strings.Contains(f.name, "["), text: f.text, values: valuesOf(name)})
			}
		}
		c.paths = append(c.paths, completed{path, words})
	})
	return c
}

// valuesOf are those worth offering.
func valuesOf(flag string) []string {
	switch flag {
	case "replica-name", "from-survivor":
		return []string{mastersWord}
	case "zone":
		return emulator.Zones()
	}
	if own, ok := ownFlags[flag]; ok {
		return own.values
	}
	for _, v := range settings.Variables() {
		switch {
		case v.Flag == flag && v.File:
			return []string{fileWord}
		case v.Flag == flag:
			return v.Values
		}
	}
	return nil
}

// masters are the names of the cluster's masters as far as that is known at
// once: those on an embedded GCE that runs; else the first-born's.
func masters(ctx context.Context) []string {
	s, _, err := settings.Load(cluster.StatusVerb, nil, func(cluster.Provider) string { return local.Project })
	first := settings.NamesOf(&s).Master()
	if err != nil || s.Provider != cluster.Local {
		return []string{first}
	}
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	dir, err := local.Dir()
	if err != nil {
		return []string{first}
	}
	at, err := local.Ask(ctx, dir)
	if err != nil || !at.Running {
		return []string{first}
	}
	e := &embedded{dir: dir}
	if err := e.at(at.Endpoint); err != nil {
		return []string{first}
	}
	client, err := gce.New(ctx, gce.Options{Project: string(s.Project), Endpoint: at.Endpoint, HTTPClient: e.client(), UserAgent: "hakube/" + version})
	if err != nil {
		return []string{first}
	}
	list, err := client.AggregatedInstances(ctx)
	if err != nil {
		return []string{first}
	}
	var found []string
	for _, i := range list {
		if slices.Contains(i.GetTags().GetItems(), settings.NamesOf(&s).MasterTag()) {
			found = append(found, i.GetName())
		}
	}
	return found
}
