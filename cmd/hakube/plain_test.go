package main

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode"

	"hakube/cluster/plan"
)

// What others said must not act on the terminal: colours, titles, the
// clipboard, another reading direction, a line over the one before.
func TestPlain(t *testing.T) {
	for text, want := range map[string]string{
		"a name, …, ü, 日本":              "a name, …, ü, 日本",
		"\x1b]0;title\x07\x1b[2J":       `\x1b]0;title\x07\x1b[2J`,
		"good\rbad\b\x00\x7f":           `good\x0dbad\x08\x00\x7f`,
		"\u009b31m \u202etxt.exe":       `\u009b31m \u202etxt.exe`,
		"two\nlines\tand a tab":         "two\nlines\tand a tab",
		"no UTF-8 \xff\x9b31m":          `no UTF-8 \xff\x9b31m`,
		"a replacement \uFFFD as it is": "a replacement \uFFFD as it is",
	} {
		if got := plain(text); got != want {
			t.Errorf("%q reads %q, want %q", text, got, want)
		}
		b, err := json.Marshal(map[string]string{"text": text})
		if err != nil {
			t.Fatal(err)
		}
		out := plainJSON(b)
		var was, is map[string]string
		if json.Unmarshal(b, &was) != nil || json.Unmarshal(out, &is) != nil || was["text"] != is["text"] {
			t.Errorf("%q in JSON reads %q", text, out)
		}
		if strings.ContainsFunc(string(out), func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Errorf("%q in JSON is %q", text, out)
		}
	}
	line := stepLine(plan.Event{N: 1, Of: 2, Step: "machine \x1b[31mm", Kind: plan.Failed, Why: "Google says \x1b[2J\rnothing\nmore"})
	if strings.ContainsAny(line, "\x1b\r\n") {
		t.Errorf("a line of progress is %q", line)
	}
	if b := brief(strings.Repeat("x", 1<<20)); len(b) > 5000 {
		t.Errorf("a message of %d bytes", len(b))
	}
}
