package cure

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// TestShell: a shell takes a command for what it is, whatever is in its values,
// and Parse reads back what String wrote.
func TestShell(t *testing.T) {
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("there is no shell here")
	}
	text := rapid.StringMatching(`[ -~äß\n\t]{0,12}`)
	rapid.Check(t, func(t *rapid.T) {
		value, arg := text.Draw(t, "value"), text.Draw(t, "arg")
		c := command("printenv", "X").With("X", value)
		out, err := exec.Command(sh, "-c", c.String()).Output()
		if err != nil || string(out) != value+"\n" {
			t.Fatalf("%s: %q, %v", c, out, err)
		}
		c = command("printf", "%s", arg).With("X", value).Without("Y")
		out, err = exec.Command(sh, "-c", c.String()).Output()
		if err != nil || string(out) != arg {
			t.Fatalf("%s: %q, %v", c, out, err)
		}
		back, err := Parse(c.String())
		if err != nil || !cmp.Equal(c, back, cmp.AllowUnexported(Command{})) {
			t.Fatalf("%s: %v, read back as %+v", c, err, back)
		}
	})
}

// TestUnset: a variable that must not be there is not, although the shell exports it.
func TestUnset(t *testing.T) {
	c := command("sh", "-c", "echo ${X-none}").Without("X").With("Y", "y")
	cmd := exec.Command("sh", "-c", c.String())
	cmd.Env = append(cmd.Environ(), "X=here")
	out, err := cmd.Output()
	if err != nil || strings.TrimSpace(string(out)) != "none" {
		t.Errorf("%s: %q, %v", c, out, err)
	}
}

// TestHints: hints are taken apart as they were put together.
func TestHints(t *testing.T) {
	a, b := Hint("one after the other", Down(), Up("z")), Hint("or wait")
	got := Apart(Hints(a, "", b))
	if diff := cmp.Diff([]string{"one after the other:\n\thakube down\n\tKUBE_GCE_ZONE=z hakube up", "or wait"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestParseRefuses: a line that a shell would act upon otherwise is not taken.
func TestParseRefuses(t *testing.T) {
	for _, line := range []string{"", "X=1", `eval "$(hakube local env)"`, "a; b", "a 'b", "a | b", "a > b"} {
		if c, err := Parse(line); err == nil {
			t.Errorf("%q is read as %v", line, c)
		}
	}
}
