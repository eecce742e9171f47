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

// failed tells whether it neither passed nor was left out.
func (s spec) failed() bool {
	return !slices.Contains([]string{"passed", "skipped", "pending"}, s.State)
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

// A suite is what Ginkgo reports of all specs (its type Report).
type suite struct {
	SuiteSucceeded             bool
	SpecialSuiteFailureReasons []string
	PreRunStats                struct{ SpecsThatWillRun int }
	SpecReports                []spec
}

// run runs the specs that Ginkgo's arguments choose, and returns all that were to run, of
// which some are "skipped" for a reason that the spec gave, and all others.
func (u *upstream) run(ctx context.Context, t *testing.T, name string, choose, args []string) (ran, others []spec) {
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
	var suites []suite
	if unread == nil {
		unread = json.Unmarshal(text, &suites)
	}
	if unread != nil || len(suites) != 1 {
		t.Fatalf("%s: %v, %v, %d suites:\n%s", name, err, unread, len(suites), end(log.Name()))
	}
	var failed bool
	for _, s := range suites[0].SpecReports {
		failed = failed || s.failed()
		// What Ginkgo was not asked for it reports as skipped too, without a word.
		switch asked := s.State != "skipped" || s.Failure.Message != ""; {
		case asked && (s.LeafNodeType == "It" || s.failed()):
			ran = append(ran, s)
		case s.LeafNodeType == "It":
			others = append(others, s)
		}
	}
	if was := suites[0]; !failed && !was.SuiteSucceeded || len(ran) < was.PreRunStats.SpecsThatWillRun {
		t.Errorf("%s: %d of %d specs ran: %v, %q:\n%s", name, len(ran), was.PreRunStats.SpecsThatWillRun, err, was.SpecialSuiteFailureReasons, end(log.Name()))
	}
	return ran, others
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
		switch {
		case s.State == "passed":
			count["passed"]++
		case s.failed():
			count["failed"]++
			text := s.Failure.Message
			t.Errorf("%s: %s: %s (%s:%d)\n%s", s.State, s, s.why(), filepath.Base(s.Failure.Location.FileName), s.Failure.Location.LineNumber, text[:min(len(text), 2000)])
		default:
			count["skipped"]++
			why[s.why()]++
		}
	}
	report(t, "%s: %d passed, %d failed, %d skipped, in %.0f s", name, count["passed"], count["failed"], count["skipped"], took.Seconds())
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
