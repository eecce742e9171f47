package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// TestRelease makes the files of a release for this platform twice, each in a
// clone of its own in another directory: the same commit gives the same bytes,
// the binary knows its version, and the package and the licences are whole.
func TestRelease(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds hakube four times")
	}
	for _, tool := range []string{"git", "jq", "dpkg-deb"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("there is no %s", tool)
		}
	}
	if runtime.GOOS != "linux" {
		t.Skip("Debian packages are made on Linux")
	}
	run := func(dir, name string, args ...string) string {
		t.Helper()
		c := exec.Command(name, args...)
		c.Dir = dir
		c.Env = append(os.Environ(), "PLATFORMS=linux/"+runtime.GOARCH, "GOFLAGS=")
		out, err := c.CombinedOutput()
		if err != nil {
			t.Fatalf("%s %q: %v\n%s", name, args, err, out)
		}
		return string(out)
	}
	var sums []string
	var files string
	for _, name := range []string{"one", "another, elsewhere"} {
		clone := filepath.Join(t.TempDir(), name)
		run(".", "git", "clone", "-q", "--shared", filepath.Join("..", ".."), clone)
		files = filepath.Join(t.TempDir(), "files")
		run(clone, ".ci/release.sh", "files", "v0.0.1-test", files)
		sum, err := os.ReadFile(filepath.Join(files, "SHA256SUMS"))
		if err != nil {
			t.Fatal(err)
		}
		sums = append(sums, string(sum))
	}
	if sums[0] != sums[1] {
		t.Errorf("the same commit gave\n%s\nand\n%s", sums[0], sums[1])
	}
	commit := strings.TrimSpace(run(".", "git", "rev-parse", "HEAD"))
	binary := filepath.Join(files, "hakube-v0.0.1-test-linux-"+runtime.GOARCH)
	if out := run(".", binary, "version", "--json"); !strings.Contains(out, `"hakube":"v0.0.1-test"`) || !strings.Contains(out, commit) {
		t.Errorf("the binary of commit %s says %s", commit, out)
	}
	listing := run(".", "dpkg-deb", "--contents", filepath.Join(files, "hakube_0.0.1-test_"+runtime.GOARCH+".deb"))
	for _, want := range []string{"./usr/bin/hakube", "bash-completion/completions/hakube", "./usr/share/doc/hakube/copyright"} {
		if !strings.Contains(listing, want) {
			t.Errorf("the package has no %s:\n%s", want, listing)
		}
	}
	for file, want := range map[string]string{
		"THIRD-PARTY-LICENSES": "k8s.io/client-go", filepath.Base(binary) + ".cdx.json": `"pkg:golang/k8s.io/client-go@`,
	} {
		if b, err := os.ReadFile(filepath.Join(files, file)); err != nil || !strings.Contains(string(b), want) {
			t.Errorf("%s has no %s (%v)", file, want, err)
		}
	}
}
