package main

import (
	"fmt"
	"io"
	"runtime/debug"
	"strings"

	"github.com/urfave/cli/v2"

	"hakube/cluster"
	"hakube/cluster/settings"
	"hakube/scripts/cure"
)

// The library's own templates know neither groups nor the width of a terminal.
func init() {
	cli.HelpPrinter = func(w io.Writer, _ string, data any) {
		switch d := data.(type) {
		case *cli.App:
			fmt.Fprint(w, topPage(d).plain())
		case *cli.Command:
			_, path, _ := strings.Cut(d.HelpName, " ")
			fmt.Fprint(w, pageOf(path, d).plain())
		}
	}
}

// helpCommand is "hakube help [TOPIC|COMMAND]".
func helpCommand(u *ui) *cli.Command {
	return &cli.Command{
		Name:         "help",
		Usage:        "help on a command; env: the settings, json: what --json prints, man: the manual",
		ArgsUsage:    "[env|json|man|COMMAND]",
		OnUsageError: usage,
		Action: func(c *cli.Context) error {
			switch name := c.Args().First(); name {
			case "":
				return cli.ShowAppHelp(c)
			case "env":
				u.printf("%s", environment())
				return nil
			case "json":
				text, err := schema()
				if err == nil {
					u.printf("%s", text)
				}
				return err
			case "man":
				u.printf("%s", manual(c.App))
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

// width is what help is made for: the terminal that everybody has.
const width = 80

// plain is the page as text.
func (p page) plain() string {
	var b strings.Builder
	call := p.path
	if len(p.commands) > 0 {
		call += " COMMAND"
	}
	call = strings.TrimSpace(call + " [OPTIONS] " + p.arguments)
	b.WriteString(fill(p.path+": "+p.usage, 0, 4) + "\n")
	b.WriteString(fill("Usage: "+call, 0, 4))
	if p.text != "" {
		b.WriteString("\n" + paragraphs(p.text))
	}
	if len(p.commands) > 0 {
		b.WriteString("\nCommands:\n")
		for _, c := range p.commands {
			b.WriteString(fill(fmt.Sprintf("%-12s%s", c.name, c.text), 2, 14))
		}
	}
	for _, g := range p.groups {
		b.WriteString("\n" + g.title + ":\n")
		for _, f := range g.flags {
			b.WriteString("  " + f.name + "\n" + fill(f.text, 8, 8))
		}
	}
	if p.settings > 0 {
		b.WriteString("\n" + fill(fmt.Sprintf("%d more settings matter to other commands; all of them may be given: %s", p.settings, cure.Help("env")), 0, 0))
	}
	return b.String()
}

// paragraphs are texts with empty lines between; lines that begin with three
// blanks stay as they are.
func paragraphs(text string) string {
	var b strings.Builder
	for i, p := range strings.Split(text, "\n\n") {
		if i > 0 {
			b.WriteByte('\n')
		}
		if strings.HasPrefix(p, "   ") {
			b.WriteString(p + "\n")
		} else {
			b.WriteString(fill(strings.ReplaceAll(p, "\n", " "), 0, 0))
		}
	}
	return b.String()
}

// fill breaks a text into lines of the width, the first indented by first, the
// others by rest. A word that is longer than a line stays whole. Blanks in a row
// at the beginning of the text, as in a column, are kept.
func fill(text string, first, rest int) string {
	var b strings.Builder
	line := strings.Repeat(" ", first)
	empty := true
	for _, word := range strings.Split(text, " ") {
		if !empty && len([]rune(line))+1+len([]rune(word)) > width {
			b.WriteString(strings.TrimRight(line, " ") + "\n")
			line, empty = strings.Repeat(" ", rest), true
		}
		if !empty {
			line += " "
		}
		line, empty = line+word, false
	}
	b.WriteString(strings.TrimRight(line, " ") + "\n")
	return b.String()
}

// ownVariables are read by hakube and are not settings of a cluster.
var ownVariables = []cluster.Variable{
	{Name: "HAKUBE_LOCAL_DIR", Default: "~/.local/state/hakube/local", Text: "state of the embedded GCE"},
	{Name: "HAKUBE_CACHE_DIR", Default: "~/.cache/hakube", Text: "guest image and binaries of the embedded GCE"},
	{Name: "HAKUBE_MIRROR_SOURCE", Default: "auto", Text: "where the embedded GCE gets binaries: download, build (from Go modules), or auto: download if there is internet"},
}

// environment is the table of settings as text.
func environment() string {
	var b strings.Builder
	b.WriteString(fill("Each setting is a variable of the environment, and a flag of the same meaning, which wins. "+
		"A number of seconds may have a unit: 900, 15m.", 0, 0))
	title := ""
	for _, v := range append(settings.Variables(), ownVariables...) {
		if v.Group == "" {
			v.Group = "The embedded GCE"
		}
		if v.Group != title {
			b.WriteString("\n" + v.Group + ":\n")
			title = v.Group
		}
		name := v.Name
		if v.Flag != "" {
			name += " (" + flagForm(v) + ")"
		}
		b.WriteString(fill(name, 2, 8) + fill(v.Text+defaultOf(v.Default), 8, 8))
	}
	return b.String()
}

// markdown is the same in Markdown, for README.md of this directory; a test keeps it so.
func markdown() string {
	var b strings.Builder
	b.WriteString("| variable | flag | default | meaning |\n|---|---|---|---|\n")
	cell := func(s string) string { return strings.ReplaceAll(s, "|", `\|`) }
	code := func(s string) string {
		if s == "" {
			return ""
		}
		return "`" + s + "`"
	}
	for _, v := range append(settings.Variables(), ownVariables...) {
		flag := v.Flag
		if flag != "" {
			flag = "--" + flag
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", code(v.Name), code(flag), code(v.Default), cell(v.Text))
	}
	return b.String()
}

// manual is hakube(1), from the same pages as help.
func manual(app *cli.App) string {
	var b strings.Builder
	top := topPage(app)
	fmt.Fprintf(&b, ".TH HAKUBE 1 %q %q %q\n", made(buildInfo()), "hakube "+version, "User commands")
	fmt.Fprintf(&b, ".SH NAME\nhakube \\- %s\n", roff(top.usage))
	b.WriteString(".SH SYNOPSIS\n.B hakube\n.I COMMAND\n.RI [ OPTIONS ]\n")
	b.WriteString(".SH DESCRIPTION\n" + roffText(top.text, ".PP"))
	b.WriteString(".SH COMMANDS\n")
	eachCommand(app.Commands, "", func(path string, c *cli.Command) {
		p := pageOf(path, c)
		fmt.Fprintf(&b, ".SS %s\n%s\n", roff(strings.TrimSpace(p.path+" "+p.arguments)), roff(p.usage))
		if p.text != "" {
			b.WriteString(".PP\n" + roffText(p.text, ".PP"))
		}
		for _, g := range p.groups {
			if len(g.flags) == 1 { // only --help
				continue
			}
			fmt.Fprintf(&b, ".PP\n%s:\n", roff(g.title))
			for _, f := range g.flags {
				fmt.Fprintf(&b, ".TP\n.B %s\n%s\n", roff(f.name), roff(f.text))
			}
		}
	})
	b.WriteString(".SH ENVIRONMENT\n")
	for i, p := range strings.Split(strings.TrimSpace(environment()), "\n\n") {
		if i == 0 {
			b.WriteString(roffText(p, ".PP"))
			continue
		}
		title, rows, _ := strings.Cut(p, "\n")
		fmt.Fprintf(&b, ".SS %s\n", roff(strings.TrimSuffix(title, ":")))
		for line := range strings.SplitSeq(rows, "\n") {
			if strings.HasPrefix(line, "        ") {
				fmt.Fprintf(&b, "%s\n", roff(strings.TrimSpace(line)))
			} else {
				fmt.Fprintf(&b, ".TP\n.B %s\n", roff(strings.TrimSpace(line)))
			}
		}
	}
	b.WriteString(".SH SEE ALSO\n.BR kubectl (1),\n.BR gcloud (1)\n")
	return b.String()
}

// made is the day of the commit the program was made from, so that the manual of
// a version is always the same.
func made(info *debug.BuildInfo) string {
	if info != nil {
		for _, s := range info.Settings {
			if day, _, ok := strings.Cut(s.Value, "T"); ok && s.Key == "vcs.time" {
				return day
			}
		}
	}
	return "1970-01-01" // nothing recorded it
}

// roffText are paragraphs; what is indented is kept as it is.
func roffText(text, between string) string {
	var b strings.Builder
	for i, p := range strings.Split(strings.TrimSpace(text), "\n\n") {
		if i > 0 {
			b.WriteString(between + "\n")
		}
		if strings.HasPrefix(p, "   ") {
			b.WriteString(".nf\n" + roff(p) + "\n.fi\n")
		} else {
			b.WriteString(roff(strings.ReplaceAll(p, "\n", " ")) + "\n")
		}
	}
	return b.String()
}

// roff is text that nothing of is taken for a request.
func roff(s string) string {
	s = strings.NewReplacer(`\`, `\e`, "-", `\-`, "…", "...", "~", `\(ti`, "^", `\(ha`).Replace(s)
	if !strings.HasPrefix(s, " ") && !strings.Contains(s, "\n") {
		s = strings.TrimSuffix(fill(s, 0, 0), "\n")
	}
	lines := strings.Split(s, "\n")
	for i, l := range lines {
		if strings.HasPrefix(l, ".") || strings.HasPrefix(l, "'") {
			lines[i] = `\&` + l
		}
	}
	return strings.Join(lines, "\n")
}
