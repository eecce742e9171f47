package cure

import "strings"

// Hint is what would help: words, and the commands they are about in the order
// to run them, each on a line of its own that begins with a tab. So it can be
// carried as text by errors of all packages, and still be taken apart where it
// is shown.
func Hint(words string, commands ...Command) string {
	var b strings.Builder
	b.WriteString(words)
	for i, c := range commands {
		if i == 0 && words != "" {
			b.WriteByte(':')
		}
		if b.Len() > 0 {
			b.WriteByte('\n')
		}
		b.WriteString("\t" + c.String())
	}
	return b.String()
}

// Hints is several of them, one below the other.
func Hints(hints ...string) string {
	var some []string
	for _, h := range hints {
		if h != "" {
			some = append(some, h)
		}
	}
	return strings.Join(some, "\n")
}

// Line tells what a line of a hint is: a command, or words.
func Line(line string) (command string, is bool) { return strings.CutPrefix(line, "\t") }

// Apart is each of several hints for itself.
func Apart(hints string) (list []string) {
	for line := range strings.SplitSeq(hints, "\n") {
		_, command := Line(line)
		last := len(list) - 1
		if command && last >= 0 {
			list[last] += "\n" + line
		} else {
			list = append(list, line)
		}
	}
	return list
}
