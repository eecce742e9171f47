package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"hakube/cluster"
	"hakube/cluster/settings"
)

// A page is what there is to say about a command. Help is one way to print it,
// the manual another.
type page struct {
	path, usage, arguments, text string
	commands                     []entry
	groups                       []group
	settings                     int // how many more settings it takes than it lists
}

type group struct {
	title string
	flags []entry
}

// An entry is a command or a flag, and what it means.
type entry struct{ name, text string }

// ownFlags are the values of the flags that are no settings, for help and
// completion.
var ownFlags = map[string]struct {
	placeholder string
	values      []string
}{
	"machines": {"real|model", []string{"real", "model"}}, "latency": {"none|gce", []string{"none", "gce"}}, "listen": {"ADDRESS:PORT", nil},
	"wait": {"SECONDS", nil}, "from-survivor": {"NAME", nil}, "on": {"NAME", nil}, "for": {"SECONDS", nil}, "html": {"FILE", nil}, "to": {"WHERE", nil},
}

// optionalValues are flags that may stand alone or with =VALUE.
var optionalValues = map[string]string{"watch": "SECONDS"}

// pageOf is the page of a command by its path: "plan up".
func pageOf(path string, c *cli.Command) page {
	p := page{path: strings.TrimSpace("hakube " + path), usage: c.Usage, arguments: c.ArgsUsage, text: c.Description}
	for _, sub := range c.Subcommands {
		if !sub.Hidden && sub.Name != "help" { // the library gives one to each
			p.commands = append(p.commands, entry{sub.Name, sub.Usage})
		}
	}
	byFlag := map[string]cluster.Variable{}
	for _, v := range settings.Variables() {
		byFlag[v.Flag] = v
	}
	var own group
	for _, f := range c.Flags {
		name := f.Names()[0]
		v, isSetting := byFlag[name]
		switch {
		case name == "help":
		case !isSetting:
			own.flags = append(own.flags, ownEntry(name, f))
		case v.For(c.Name):
			if n := len(p.groups); n == 0 || p.groups[n-1].title != v.Group {
				p.groups = append(p.groups, group{title: v.Group})
			}
			last := &p.groups[len(p.groups)-1]
			last.flags = append(last.flags, entry{flagForm(v), v.Text + defaultOf(v.Default) + " [" + v.Name + "]"})
		default:
			p.settings++
		}
	}
	own.flags = append(own.flags, entry{"--help", "show this"})
	own.title = "Options"
	p.groups = slices.Insert(p.groups, 0, own)
	return p
}

// flagForm is how a setting's flag is written.
func flagForm(v cluster.Variable) string {
	if v.Bool {
		return "--" + v.Flag + "[=true|false]"
	}
	return "--" + v.Flag + "=" + v.Placeholder
}

func defaultOf(text string) string {
	if text == "" {
		return ""
	}
	return fmt.Sprintf(" (default: %s)", text)
}

func ownEntry(name string, f cli.Flag) entry {
	form, text := "--"+name, ""
	if values, ok := ownFlags[name]; ok {
		form += "=" + values.placeholder
	} else if value := optionalValues[name]; value != "" {
		form += "[=" + value + "]"
	}
	if d, ok := f.(cli.DocGenerationFlag); ok {
		text = d.GetUsage()
	}
	return entry{form, text}
}

// topPage is the page of hakube itself.
func topPage(app *cli.App) page {
	p := page{path: app.Name, usage: app.Usage, text: app.Description}
	for _, c := range app.Commands {
		if !c.Hidden {
			p.commands = append(p.commands, entry{c.Name, c.Usage})
		}
	}
	p.groups = []group{{"Options", []entry{{"--help", "show this"}, {"--version", "print the version"}}}}
	return p
}
