//go:build linux

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"hakube/gce/local"
	"hakube/gce/local/mirror"
)

// An upstream runs Kubernetes' own end-to-end tests against a cluster of real machines.
type upstream struct {
	*walk
	tests mirror.UpstreamTests
	out   string // the directory of what they print and report
	procs int
	limit time.Duration // of each run
}

// upstreamTests are the programs, held in the cache until the test has ended. Unless
// they are to be made it skips the test where they are not: that takes minutes.
func upstreamTests(ctx context.Context, t *testing.T, made bool) (tests mirror.UpstreamTests) {
	t.Helper()
	m, err := local.Prepare(ctx, func(text string) { fmt.Println(text) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { must(t, m.Close()) })
	if !made && !m.HasUpstream() {
		t.Skip("Kubernetes' own tests are not made: hakube local prepare --conformance makes them")
	}
	if tests, err = m.PrepareUpstream(ctx); err != nil {
		t.Fatal(err)
	}
	return tests
}

// A spec is one of those tests, as Ginkgo reports it (its type SpecReport).
type spec struct {
	ContainerHierarchyTexts []string
	LeafNodeType            string
	LeafNodeText            string
	State                   string
	RunTime                 time.Duration
	Failure                 struct {
		Message  string
		Location struct {
			FileName   string
			LineNumber int
		}
	}
}

func (s spec) String() string {
	return strings.Join(append(slices.Clone(s.ContainerHierarchyTexts), s.LeafNodeText), " ")
}

// why is the first line that says something of what a spec ended by.
func (s spec) why() string {
	for line := range strings.Lines(s.Failure.Message) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasSuffix(line, ":") {
			return line
		}
	}
	return "no reason is given"
}

// run runs the specs that Ginkgo's arguments choose, and returns all that were to run:
// those of them that others chose are "skipped" for a reason that the spec gave.
func (u *upstream) run(ctx context.Context, t *testing.T, name string, choose, args []string) (ran []spec) {
	t.Helper()
	must(t, os.MkdirAll(u.out, 0o755))
	report := filepath.Join(u.out, name+".json")
	must(t, os.RemoveAll(report)) // of another run
	log, err := os.Create(filepath.Join(u.out, name+".log"))
	must(t, err)
	defer log.Close()
	all := slices.Concat([]string{"--no-color", fmt.Sprint("--procs=", u.procs), "--timeout=" + u.limit.String(), "--output-dir=" + u.out, "--json-report=" + filepath.Base(report)},
		choose, []string{u.tests.E2E, "--", "--provider=skeleton", "--kubeconfig=" + u.kubeconfig, "--kubectl-path=" + u.kubectlPath}, args)
	cmd := exec.CommandContext(ctx, u.tests.Ginkgo, all...)
	cmd.Env, cmd.Stdout, cmd.Stderr, cmd.Dir = u.env, log, log, t.TempDir()
	// A group of their own: an interrupt comes by the context, once, and its specs clean up.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGINT) }
	cmd.WaitDelay = 30 * time.Second
	must(t, cmd.Start())
	done := make(chan struct{})
	go u.tell(done, name, log.Name())
	err = cmd.Wait()
	close(done)
	if err := syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
		t.Errorf("ending what is left of %s: %v", name, err)
	}
	if ctx.Err() != nil {
		t.Fatalf("%s was interrupted", name)
	}
	text, unread := os.ReadFile(report)
	var suites []struct{ SpecReports []spec }
	if unread == nil {
		unread = json.Unmarshal(text, &suites)
	}
	if unread != nil {
		t.Fatalf("%s: %v, %v:\n%s", name, err, unread, end(log.Name()))
	}
	for _, s := range suites {
		ran = append(ran, s.SpecReports...)
	}
	// What Ginkgo was not asked for it reports as skipped too, without a word.
	return slices.DeleteFunc(ran, func(s spec) bool {
		return s.State == "skipped" && s.Failure.Message == "" || s.LeafNodeType != "It" && s.State != "failed"
	})
}

// tell says each minute how far it is: the whole takes half an hour.
func (u *upstream) tell(done <-chan struct{}, name, log string) {
	begin := time.Now()
	for {
		select {
		case <-done:
			return
		case <-time.After(time.Minute):
			text, _ := os.ReadFile(log) // it tells less, at worst
			fmt.Printf("%s: %s, %d specs ended\n", name, time.Since(begin).Round(time.Second), strings.Count(string(text), "•"))
		}
	}
}

// judge prints what became of the specs and fails for those that failed.
func (u *upstream) judge(t *testing.T, name string, specs []spec, took time.Duration) {
	t.Helper()
	count, why := map[string]int{}, map[string]int{}
	for _, s := range specs {
		switch count[s.State]++; s.State {
		case "passed":
		case "skipped", "pending":
			why[s.why()]++
		default:
			text := s.Failure.Message
			t.Errorf("%s: %s: %s (%s:%d)\n%s", s.State, s, s.why(), filepath.Base(s.Failure.Location.FileName), s.Failure.Location.LineNumber, text[:min(len(text), 2000)])
		}
	}
	failed := len(specs) - count["passed"] - count["skipped"] - count["pending"]
	report(t, "%s: %d passed, %d failed, %d skipped, in %.0f s", name, count["passed"], failed, count["skipped"]+count["pending"], took.Seconds())
	for _, reason := range slices.Sorted(maps.Keys(why)) {
		report(t, "%s: %d skipped: %s", name, why[reason], reason)
	}
	if count["passed"] == 0 {
		t.Errorf("%s: no spec passed", name)
	}
	if t.Failed() {
		t.Logf("what they printed is in %s", u.out)
	}
}

// end is the last of a file.
func end(name string) string {
	text, err := os.ReadFile(name)
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-4000):])
}
