package main

import (
	"fmt"
	"runtime/debug"
	"strings"

	"github.com/urfave/cli/v2"
)

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
