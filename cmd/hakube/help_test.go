package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"

	"hakube/cluster/settings"
)

// call runs hakube in this process and returns what it prints.
func call(t *testing.T, args ...string) (out, errs string, code int) {
	t.Helper()
	dir := t.TempDir()
	files := map[string]*os.File{}
	for _, name := range []string{"out", "err"} {
		f, err := os.Create(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close() //nolint:errcheck // only read
		files[name] = f
	}
	in, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close() //nolint:errcheck // only read
	code = run(append([]string{"hakube"}, args...), in, files["out"], files["err"])
	text := func(name string) string {
		b, err := os.ReadFile(files[name].Name())
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	return text("out"), text("err"), code
}

// TestWordsWithDots: a command that takes words of its own takes none of them for a cluster's
// name: backups did, of a bucket or a directory with a dot.
func TestWordsWithDots(t *testing.T) {
	n := 0
	eachCommand(newApp(&ui{}).Commands, "", func(path string, c *cli.Command) {
		if c.ArgsUsage == "" {
			return
		}
		n++
		if _, errs, _ := call(t, append(strings.Fields(path), "gs://backups.example.com/a")...); strings.Contains(errs, "--instance-prefix") {
			t.Errorf("%s: %s", path, errs)
		}
	})
	if n < 10 {
		t.Errorf("%d commands take words", n)
	}
}

// everyPath are all commands, with the words of each.
func everyPath() (paths [][]string) {
	eachCommand(newApp(&ui{}).Commands, "", func(path string, _ *cli.Command) { paths = append(paths, strings.Fields(path)) })
	return paths
}

// TestHelpFits: no line of any help is wider than a terminal, and each command
// says what it is for.
func TestHelpFits(t *testing.T) {
	pages := map[string]string{"help json": "", "help env": "", "--help": "", "help": ""}
	for _, p := range everyPath() {
		pages[strings.Join(p, " ")+" --help"] = ""
	}
	for p := range pages {
		out, errs, code := call(t, strings.Fields(p)...)
		if code != 0 || errs != "" || len(out) < 100 {
			t.Errorf("hakube %s: code %d\n%s%s", p, code, out, errs)
		}
		if p == "help json" {
			continue // a document for programs
		}
		for line := range strings.Lines(out) {
			if n := len([]rune(strings.TrimSuffix(line, "\n"))); n > width {
				t.Errorf("hakube %s: a line of %d characters: %s", p, n, line)
			}
		}
		if strings.Contains(out, " value\n") || strings.Contains(out, "GLOBAL OPTIONS") {
			t.Errorf("hakube %s: the library's template:\n%s", p, out)
		}
	}
}

// TestHelpMatters: a command's help lists the settings that matter to it and no
// others, each once, with its default and its variable, and what it lists works.
func TestHelpMatters(t *testing.T) {
	for _, c := range []struct{ command, has, hasNot string }{
		{"up", "--zone=ZONE --num-nodes=NUMBER --multizone[=true|false] --load-balancer=on-replicate|from-start --drain-timeout=SECONDS", "--sweep --yes --replica-name --delete-network --wait"},
		{"down", "--zone=ZONE --sweep[=true|false] --yes[=true|false] --replica-name=NAME --break-lock[=true|false]", "--num-nodes --node-size --multizone --cluster-ip-range"},
		{"status", "--project=PROJECT --instance-prefix=NAME --watch[=SECONDS]", "--num-nodes --sweep --node-size --zone"},
		{"repair", "--from-survivor=NAME --yes[=true|false] --ssh-key=FILE", "--num-nodes --sweep --watch"},
		{"validate", "--wait=SECONDS --allowed-notready-nodes=NUMBER", "--num-nodes --sweep"},
		{"plan up", "--num-nodes=NUMBER --exit-code", "--sweep"},
	} {
		out, _, _ := call(t, append(strings.Fields(c.command), "--help")...)
		flags := strings.Fields(out)
		for _, f := range strings.Fields(c.has) {
			if !slices.Contains(flags, f) {
				t.Errorf("hakube %s --help lacks %s", c.command, f)
			}
		}
		for _, f := range strings.Fields(c.hasNot) {
			if strings.Contains(out, "  "+f+"\n") || strings.Contains(out, "  "+f+"=") || strings.Contains(out, "  "+f+"[") {
				t.Errorf("hakube %s --help has %s", c.command, f)
			}
		}
	}
	for _, v := range settings.Variables() {
		if !slices.ContainsFunc([]string{"up", "down", "backup", "restore", "validate"}, v.For) {
			t.Errorf("%s is for no command that changes, keeps or judges anything", v.Name)
		}
	}
	// A script gives all its commands the same; and a boolean works as it is written.
	for _, args := range [][]string{{"status", "--num-nodes=three"}, {"down", "--zone=x", "--multizone=false"}, {"up", "--multizone", "--zone=x"}} {
		_, errs, code := call(t, append(args, "--project=example", "--provider=gce")...)
		if code != 2 || strings.Contains(errs, "no flag") || strings.Contains(errs, "MULTIZONE") {
			t.Errorf("hakube %q: %d %s", args, code, errs)
		}
	}
}

// TestSuggestions: what is mistyped comes back with what was meant.
func TestSuggestions(t *testing.T) {
	for args, want := range map[string]string{
		"pu": "did you mean hakube up", "staus": "did you mean hakube status", "vali": "did you mean hakube validate", "destroy": "did you mean hakube down", "UP": "did you mean hakube up",
		"local strat": "did you mean hakube local start", "plan dwon": "did you mean hakube plan down", "nonsense": "no command \"nonsense\"\nhakube: hint: see all:\n    ",
		"up --zome=x": "did you mean --zone", "up --NUM_NODES=3": "did you mean --num-nodes", "up --numnodes 3": "did you mean --num-nodes", "down --swep": "did you mean --sweep",
		"local start --machine=model": "did you mean --machines", "--verison": "did you mean --version", "up --zone": "--zone needs a value",
		"validate --wait=soon": `--wait="soon": not a time: a number of seconds, such as 900`, "validate --wait=-3": "a number of seconds", "status --watch=x": `--watch="x": seconds, 0.1 or more`,
		"up --json=x": `--json="x": neither true nor false`, "up --drain-timeout=soon": "a number of seconds, such as 900, or one with a unit, such as 15m",
		"up --zones=europe-west1-b --zones=europe-west1-c --prune": `--zones="europe-west1-c": it is there twice, and is one list: europe-west1-b,europe-west1-c`,
		"up --addons=volumes --addons metrics --addons=volumes":    "it is there twice, and is one list: volumes,metrics",
		"up --zones=b,b --num-nodes=3 --num-nodes=x":               `--num-nodes="x": not a whole number`,
		"help nothing": `no command "nothing"`, "status --from-survivor=x": "hakube status has no flag --from-survivor",
	} {
		out, errs, code := call(t, strings.Fields(args)...)
		if code != exitUsage || out != "" || !strings.Contains(errs, want) {
			t.Errorf("hakube %s: %d, want %q:\n%s%s", args, code, want, out, errs)
		}
	}
	for _, args := range []string{"--version", "version"} {
		if out, _, code := call(t, args); code != 0 || !strings.HasPrefix(out, "hakube ") || strings.Count(out, "\n") != 1 {
			t.Errorf("hakube %s: %d %q", args, code, out)
		}
	}
}

// TestManual: the manual is one that man and mandoc have nothing to say about,
// and has every command, setting and option.
func TestManual(t *testing.T) {
	out, _, code := call(t, "help", "man")
	if code != 0 {
		t.Fatal(out)
	}
	file := filepath.Join(t.TempDir(), "hakube.1")
	if err := os.WriteFile(file, []byte(out), 0o600); err != nil {
		t.Fatal(err)
	}
	for tool, args := range map[string][]string{"mandoc": {"-T", "lint", "-W", "warning", file}, "groff": {"-man", "-Tutf8", "-ww", "-z", file}} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Logf("%s is not installed", tool)
			continue
		}
		if said, err := exec.Command(tool, args...).CombinedOutput(); err != nil || len(bytes.TrimSpace(said)) > 0 {
			t.Errorf("%s: %v\n%s", tool, err, said)
		}
	}
	if _, err := exec.LookPath("mandoc"); err != nil {
		return
	}
	command := exec.Command("mandoc", "-T", "ascii", "-O", "width=200", file)
	text, err := command.Output()
	if err != nil {
		t.Fatal(err)
	}
	shown := string(text)
	for i := strings.IndexByte(shown, '\b'); i > 0; i = strings.IndexByte(shown, '\b') {
		shown = shown[:i-1] + shown[i+1:]
	}
	for _, p := range everyPath() {
		if !strings.Contains(shown, "hakube "+strings.Join(p, " ")) {
			t.Errorf("the manual lacks hakube %s", strings.Join(p, " "))
		}
	}
	for _, v := range append(settings.Variables(), ownVariables...) {
		if !strings.Contains(shown, v.Name) || v.Flag != "" && !strings.Contains(shown, "--"+v.Flag) {
			t.Errorf("the manual lacks %s", v.Name)
		}
	}
}

// TestKubectlBuildsNothing: where no kubectl is, nothing is made of the wish to
// know where it is.
func TestKubectlBuildsNothing(t *testing.T) {
	cache := filepath.Join(t.TempDir(), "cache")
	t.Setenv("HAKUBE_CACHE_DIR", cache)
	t.Setenv("HAKUBE_LOCAL_DIR", filepath.Join(t.TempDir(), "state"))
	out, errs, code := call(t, "local", "kubectl")
	if code != exitFailed || out != "" || !strings.Contains(errs, "hakube local kubectl --build") {
		t.Errorf("%d %s%s", code, out, errs)
	}
	if _, err := os.Stat(cache); err == nil {
		t.Error("a cache was made")
	}
}
