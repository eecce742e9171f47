package main

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/urfave/cli/v2"

	"hakube/cluster/settings"
	"hakube/scripts/cure"
)

// otherWords are what commands are called elsewhere.
var otherWords = map[string]string{
	"create": "up", "start": "up", "apply": "up", "add": "up", "delete": "down", "destroy": "down", "remove": "down", "rm": "down",
	"get": "status", "ls": "status", "list": "status", "show": "status", "describe": "status", "preview": "plan", "diff": "plan", "dry-run": "plan",
	"check": "validate", "verify": "validate", "fix": "repair", "heal": "repair", "settings": "help env",
}

// suggestion is ", did you mean …" with the nearest of names, or "".
func suggestion(word string, names []string) string {
	word = strings.ToLower(word)
	best, least := "", max(1, len(word)/3)+1
	for _, n := range names {
		d := settings.Distance(word, n)
		if len(word) >= 2 && strings.HasPrefix(n, word) {
			d = 1
		}
		if d < least {
			best, least = n, d
		}
	}
	if best == "" {
		return ""
	}
	return "; did you mean " + best
}

func visible(list []*cli.Command) (names []string) {
	for _, c := range list {
		if !c.Hidden {
			names = append(names, c.Name)
		}
	}
	return names
}

// unknownCommand is about a word that is no command, of hakube or of one of its
// commands that has some.
func unknownCommand(c *cli.Context) error {
	word, before := c.Args().First(), ""
	list := c.App.Commands
	if c.Command.Name == "plan" || c.Command.Name == "local" {
		before, list = c.Command.Name+" ", c.Command.Subcommands
	}
	near := suggestion(word, visible(list))
	if other := otherWords[strings.ToLower(word)]; near == "" && before == "" && other != "" {
		near = "; did you mean " + other
	}
	near = strings.Replace(near, "did you mean ", "did you mean hakube "+before, 1)
	return withHint(usageError{fmt.Errorf("no command %q%s", before+word, near)}, cure.Hint("see all", cure.HelpOn(strings.Fields(before)...)))
}

// invalidValue is how package flag says it.
var invalidValue = regexp.MustCompile(`(?s)^invalid (?:boolean )?value (".*") for (?:flag )?-+([a-z-]+): (.*)$`)

// usage is what a wrong flag is told, in place of the library's whole help.
func usage(c *cli.Context, err error, _ bool) error {
	text := err.Error()
	path := "hakube"
	var flags []cli.Flag
	if c.Command != nil {
		path, flags = cmp.Or(c.Command.HelpName, path), c.Command.Flags
	}
	if name, ok := strings.CutPrefix(text, "flag provided but not defined: -"); ok {
		name = strings.TrimLeft(name, "-")
		var names []string
		for _, f := range flags {
			names = append(names, f.Names()[0])
		}
		near := suggestion(strings.ReplaceAll(name, "_", "-"), names)
		for _, v := range settings.Variables() {
			if v.Name == name {
				near = "; did you mean " + v.Flag
			}
		}
		near = strings.Replace(near, "did you mean ", "did you mean --", 1)
		return usageError{fmt.Errorf("%s has no flag --%s%s", path, name, near)}
	}
	if name, ok := strings.CutPrefix(text, "flag needs an argument: -"); ok {
		return usageError{fmt.Errorf("--%s needs a value", strings.TrimLeft(name, "-"))}
	}
	if m := invalidValue.FindStringSubmatch(text); m != nil {
		why := m[3]
		if why == "parse error" {
			why = "neither true nor false"
		}
		return usageError{fmt.Errorf("--%s=%s: %s", m[2], m[1], why)}
	}
	return usageError{errors.New(text)}
}
