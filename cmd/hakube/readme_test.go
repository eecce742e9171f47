package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"hakube/gce/local"
	"hakube/gce/local/mirror"
)

// ownSection is the section of the embedded GCE's manual. Each line of its
// code is run by a test: TestReadmeOwn runs what needs model machines,
// TestReadmeOwnReal what needs real ones, and TestWalkthrough the one block
// that needs the walkthrough's three masters.
const (
	ownManual  = "../../gce/local/README.md"
	ownSection = "A GCE of your own"
)

// What tells the blocks apart.
const (
	blockModel   = "hakube local start --machines=model"
	blockReal    = "hakube local start --machines=real"
	blockMasters = `gcloud compute instances list --filter="tags.items=kubernetes-master"`
)

// sectionBlocks are the lines of each code block of a section of a file.
func sectionBlocks(t *testing.T, file, name string) (blocks [][]string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(text), "\n## "+name+"\n")
	if !ok {
		t.Fatalf("%s has no section %q", file, name)
	}
	section, _, _ := strings.Cut(rest, "\n## ")
	inside := false
	for line := range strings.Lines(section) {
		code, is := strings.CutPrefix(strings.TrimRight(line, "\n"), "    ")
		if is && !inside {
			blocks = append(blocks, nil)
		}
		if inside = is; is {
			blocks[len(blocks)-1] = append(blocks[len(blocks)-1], code)
		}
	}
	return blocks
}

// readmeBlocks are the blocks of the section about the embedded GCE that begin
// with first, and how many blocks the section has in all.
func readmeBlocks(t *testing.T, first string) (found [][]string, all int) {
	t.Helper()
	blocks := sectionBlocks(t, ownManual, ownSection)
	for _, b := range blocks {
		if b[0] == first {
			found = append(found, b)
		}
	}
	if len(found) == 0 {
		t.Fatalf("%s has no block that begins with %q", ownManual, first)
	}
	return found, len(blocks)
}

// said is what a line of the README must print, by how the line begins. Lines
// that are not here must succeed, which bash's -e sees to.
var said = []struct{ line, want string }{
	{"gcloud compute instances list --project=second", `(?m)^kubernetes-master .* RUNNING$`},
	{"gcloud compute instances list --filter=\"tags", `(?ms)^kubernetes-master .*^kubernetes-master-e71 .* RUNNING$`},
	{"gcloud compute instances list --filter=\"status=TERM", `(?m)^kubernetes-master-e71 .* TERMINATED$`},
	{"gcloud compute instances list", `(?m)^kubernetes-master .* RUNNING$`},
	{"gcloud compute instances describe kubernetes-master", `^RUNNING\t10\.40\.0\.2\n`},
	{"gcloud compute firewall-rules list", `(?m)^kubernetes-master-https `},
	{"gcloud compute operations list", `(?m)^operation-.* insert .* DONE +20`},
	{"kubectl get nodes", `(?m)^kubernetes-master +Ready `},
	{"hakube local console", `^http://127\.0\.0\.1:\d+/`},
	{"gcloud compute ssh hakube@vm-1 --zone=europe-west1-b --command=\"hostname", `(?m)^vm-1\.europe-west1-b\.c\.local\.internal$`},
	{"gcloud compute instances describe vm-1", `^TERMINATED\n`},
	{"gcloud compute instances get-serial-port-output vm-1", `reboot: System halted`},
	{"gcloud compute instances start", `(?s)Instance external IP is 198\.51\.100\.`},
	{"kubectl wait --for=condition=Ready=Unknown", `condition met`},
	{"kubectl wait --for=condition=Ready", `condition met`},
	{"hakube validate", `^cluster kubernetes is valid: `},
}

// runLines runs lines of the README with bash, as they stand, and holds what
// each prints against said.
func runLines(t *testing.T, env, lines []string) {
	t.Helper()
	const mark = "\x01 line "
	var script strings.Builder
	for i, l := range lines {
		fmt.Fprintf(&script, "printf '\\n\\001 line %d\\n'; printf '\\n\\001 line %d\\n' >&2\n", i, i)
		if strings.Contains(l, "sudo halt") {
			// The machine may be gone before it can say how the command ended.
			l += " || test $? = 255"
			if !strings.Contains(l, "-master") { // what follows is about the machine, not about an API that goes on
				l += "\nsleep 2"
			}
		}
		script.WriteString(l + "\n")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Minute)
	defer cancel()
	// Files and no pipes: a daemon that keeps one would be waited for.
	out, err := os.Create(filepath.Join(t.TempDir(), "output"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close() //nolint:errcheck // only read
	bash := exec.CommandContext(ctx, "bash", "-euo", "pipefail", "-c", script.String())
	bash.Env, bash.Stdout, bash.Stderr = env, out, out
	ended := bash.Run()
	text, err := os.ReadFile(out.Name())
	if err != nil {
		t.Fatal(err)
	}
	printed := map[int]string{}
	at := -1
	for line := range bytes.Lines(text) {
		if n, ok := bytes.CutPrefix(line, []byte(mark)); ok {
			if _, err := fmt.Sscan(string(n), &at); err != nil {
				t.Fatal(err)
			}
		} else if !bytes.Equal(line, []byte("\n")) {
			printed[at] += string(line)
		}
	}
	if ended != nil {
		t.Fatalf("README.md's line %q: %v\n%s", lines[max(at, 0)], ended, printed[at])
	}
	for i, l := range lines {
		for _, s := range said {
			if strings.HasPrefix(l, s.line) {
				if !regexp.MustCompile(s.want).MatchString(printed[i]) {
					t.Errorf("README.md's line %q prints\n%swant %s", l, printed[i], s.want)
				}
				break
			}
		}
	}
}

// shellEnv is a clean shell: a new home, and hakube, gcloud and kubectl on the
// PATH. It skips the test where one of them is missing.
func shellEnv(t *testing.T, home string) []string {
	t.Helper()
	if testing.Short() {
		t.Skip("gcloud takes seconds a command: skipped by -short")
	}
	if _, err := exec.LookPath("gcloud"); err != nil {
		t.Skip("gcloud is not installed")
	}
	bin := t.TempDir()
	exe := hakubeIn(t, bin)
	env := slices.DeleteFunc(cleanEnv(t, home), func(kv string) bool { return strings.HasPrefix(kv, "CLOUDSDK_") })
	if _, err := exec.LookPath("kubectl"); err != nil {
		cache, err := mirror.CacheDir()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(cache); err != nil || runtime.GOOS != "linux" || os.Geteuid() != 0 {
			t.Skip("kubectl is not installed, and there is no cache to take it from")
		}
		command := exec.Command(exe, "local", "kubectl", "--build")
		command.Env = env
		path, err := command.Output()
		if err != nil {
			t.Fatalf("hakube local kubectl: %v", err)
		}
		if err := os.Symlink(strings.TrimSpace(string(path)), filepath.Join(bin, "kubectl")); err != nil {
			t.Fatal(err)
		}
	}
	return append(env, "PATH="+bin+":"+os.Getenv("PATH"))
}

// TestReadmeOwn runs what the section says of model machines, each block in a
// home of its own.
func TestReadmeOwn(t *testing.T) {
	blocks, all := readmeBlocks(t, blockModel)
	real, _ := readmeBlocks(t, blockReal)
	masters, _ := readmeBlocks(t, blockMasters)
	if n := len(blocks) + len(real) + len(masters); n != all || len(real) != 1 || len(masters) != 1 {
		t.Fatalf("the section has %d blocks, of which tests know %d", all, n)
	}
	lines := 0
	for _, b := range blocks {
		runBlock(t, b)
		lines += len(b)
	}
	report(t, "%d lines of gce/local/README.md run on model machines", lines)
}

// TestReadmeTry runs what a newcomer types first, down to the end.
func TestReadmeTry(t *testing.T) {
	blocks := sectionBlocks(t, readme, "Try it")
	if len(blocks) != 2 || blocks[0][0] != blockModel || !slices.Equal(blocks[1], []string{"make demo"}) {
		t.Fatalf("the section's blocks are %q", blocks)
	}
	runBlock(t, blocks[0])
}

// runBlock runs a block that starts the embedded GCE and resets it, in a home of its own.
func runBlock(t *testing.T, lines []string) {
	t.Helper()
	home := t.TempDir()
	env := shellEnv(t, home)
	dir := filepath.Join(home, ".local", "state", "hakube", "local")
	t.Cleanup(func() { // also when a line failed
		if _, err := local.Stop(context.Background(), dir); err != nil {
			t.Errorf("stopping the embedded GCE: %v", err)
		}
	})
	runLines(t, env, lines)
	if _, err := os.Stat(dir); err == nil {
		t.Errorf("the block's last line leaves %s", dir)
	}
}
