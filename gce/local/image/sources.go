package image

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// sources returns the lines of the host's apt sources that lead to Debian's
// own archive of our suite, so that whoever set a mirror near them keeps it.
// None means that mmdebstrap's default is to be used.
func sources(root string) []string {
	var out []string
	lists, _ := filepath.Glob(filepath.Join(root, "etc/apt/sources.list.d/*.list"))
	for _, name := range append(lists, filepath.Join(root, "etc/apt/sources.list")) {
		if text, err := os.ReadFile(name); err == nil {
			out = append(out, oneLine(string(text))...)
		}
	}
	stanzas, _ := filepath.Glob(filepath.Join(root, "etc/apt/sources.list.d/*.sources"))
	for _, name := range stanzas {
		if text, err := os.ReadFile(name); err == nil {
			out = append(out, deb822(string(text))...)
		}
	}
	if !slices.ContainsFunc(out, func(line string) bool { return strings.Contains(line, " "+suite+" ") }) {
		return nil // security or updates alone are not a release
	}
	return out
}

// wanted are the suites of a whole release.
var wanted = []string{suite, suite + "-updates", suite + "-security"}

// entry is one line of apt's older format, or "" if it is not Debian's own:
// others use the release's name too, but not Debian's key.
func entry(uri, suite, components, key string) string {
	if !slices.Contains(wanted, suite) || !slices.Contains(strings.Fields(components), "main") {
		return ""
	}
	if key != "" && !strings.Contains(key, "debian-archive") {
		return ""
	}
	option := ""
	if key != "" {
		option = fmt.Sprintf("[signed-by=%s] ", key)
	}
	return fmt.Sprintf("deb %s%s %s main", option, uri, suite)
}

func oneLine(text string) []string {
	var out []string
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		rest, ok := strings.CutPrefix(strings.TrimSpace(line), "deb ")
		if !ok {
			continue
		}
		key := ""
		rest = strings.TrimSpace(rest)
		if strings.HasPrefix(rest, "[") {
			options, after, _ := strings.Cut(rest[1:], "]")
			rest = after
			for _, option := range strings.Fields(options) {
				if value, ok := strings.CutPrefix(option, "signed-by="); ok {
					key = value
				}
			}
		}
		if f := strings.Fields(rest); len(f) >= 3 {
			if e := entry(f[0], f[1], strings.Join(f[2:], " "), key); e != "" {
				out = append(out, e)
			}
		}
	}
	return out
}

func deb822(text string) []string {
	var out []string
	fields := map[string]string{}
	last := ""
	flush := func() {
		if strings.Contains(" "+fields["types"]+" ", " deb ") && fields["enabled"] != "no" {
			for _, uri := range strings.Fields(fields["uris"]) {
				for _, s := range strings.Fields(fields["suites"]) {
					if e := entry(uri, s, fields["components"], fields["signed-by"]); e != "" {
						out = append(out, e)
					}
				}
			}
		}
		fields, last = map[string]string{}, ""
	}
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n")
		switch {
		case strings.HasPrefix(line, "#"):
		case strings.TrimSpace(line) == "":
			flush()
		case line[0] == ' ' || line[0] == '\t':
			fields[last] += " " + strings.TrimSpace(line)
		default:
			name, value, _ := strings.Cut(line, ":")
			last = strings.ToLower(name)
			fields[last] = strings.TrimSpace(value)
		}
	}
	flush()
	return out
}
