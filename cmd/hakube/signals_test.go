//go:build linux

package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"hakube/gce/local"
)

// A terminal is a real one, with hakube in its foreground.
type terminal struct {
	t      *testing.T
	master *os.File
	cmd    *exec.Cmd
	ended  chan struct{}
	read   chan struct{} // all it said

	mu   sync.Mutex
	seen bytes.Buffer
}

// onTerminal runs a line of shell in a session of its own, whose terminal is new.
func (s *shell) onTerminal(t *testing.T, line string) *terminal {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("there are no terminals here: %v", err)
	}
	// By its Fd it would be of those whose reads block, and then a Close waits for a read:
	// the terminal would close when something more is said.
	raw, err := master.SyscallConn()
	must(t, err)
	var n int
	var failed error
	must(t, raw.Control(func(fd uintptr) {
		if failed = unix.IoctlSetPointerInt(int(fd), unix.TIOCSPTLCK, 0); failed == nil {
			n, failed = unix.IoctlGetInt(int(fd), unix.TIOCGPTN)
		}
	}))
	must(t, failed)
	slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer slave.Close()
	x := &terminal{t: t, master: master, ended: make(chan struct{}), read: make(chan struct{})}
	x.cmd = exec.Command("sh", "-c", line)
	x.cmd.Env, x.cmd.Stdin, x.cmd.Stdout, x.cmd.Stderr = s.env, slave, slave, slave
	x.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := x.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(x.read)
		b := make([]byte, 4096)
		for {
			n, err := master.Read(b)
			x.mu.Lock()
			x.seen.Write(b[:n])
			x.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	go func() { _ = x.cmd.Wait(); close(x.ended) }() // its code is read from the state
	t.Cleanup(func() { _ = x.cmd.Process.Kill(); _ = master.Close() })
	return x
}

func (x *terminal) text() string {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.seen.String()
}

// until waits for words on the terminal.
func (x *terminal) until(pattern string) {
	x.t.Helper()
	for range 6000 {
		if regexp.MustCompile(pattern).MatchString(x.text()) {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	x.t.Fatalf("it never says %q:\n%s", pattern, x.text())
}

func (x *terminal) types(text string) {
	x.t.Helper()
	if _, err := x.master.WriteString(text); err != nil {
		x.t.Fatal(err)
	}
}

// code is its exit code.
func (x *terminal) code() int {
	x.t.Helper()
	select {
	case <-x.ended:
	case <-time.After(5 * time.Minute):
		x.t.Fatalf("it does not end:\n%s", x.text())
	}
	select {
	case <-x.read: // nobody has the terminal open any more
	case <-time.After(10 * time.Second):
	}
	return x.cmd.ProcessState.ExitCode()
}

const ctrlC, ctrlD = "\x03", "\x04"

// TestTerminal: what a person does at a terminal. ^C is answered at once, with
// what is being finished; the second leaves and says how to go on; at a question
// it changes nothing. The embedded GCE that the run has started does not notice.
func TestTerminal(t *testing.T) {
	besideOthers(t)
	s := newShell(t)
	s.env = append(s.env, "KUBE_GCE_NETWORK=mine") // a new project has "default"
	s.ok(t, "local", "start", "--machines=model", "--latency=gce")
	up := "exec " + s.exe + " up"

	x := s.onTerminal(t, up)
	x.until(`network mine +making`)
	x.types(ctrlC)
	x.until(`hakube: finishing .*network mine.*, and no more; a second \^C leaves at once`)
	if code := x.code(); code != exitInterrupted || !strings.Contains(x.text(), "every change that was begun is finished") || !strings.Contains(x.text(), "go on from here") {
		t.Errorf("^C exits with %d:\n%s", code, x.text())
	}

	x = s.onTerminal(t, up)
	x.until(`subnetwork \S+ +making`)
	x.types(ctrlC)
	x.until(`a second \^C leaves at once`)
	x.types(ctrlC)
	if code := x.code(); code != exitInterrupted || !regexp.MustCompile(`hakube: left at once: .* may be done, or half done`).MatchString(x.text()) || !strings.Contains(x.text(), "go on from here") {
		t.Errorf("the second ^C exits with %d:\n%s", code, x.text())
	}

	s.latency(t, "none")
	s.ok(t, "up")
	for typed, want := range map[string]string{ctrlC: `interrupted, nothing was changed`, ctrlD: `nobody answered: nothing was changed`, "no\n": `nothing was changed`} {
		x = s.onTerminal(t, "exec env -u KUBE_GCE_ZONE "+s.exe+" down")
		x.until(`type the cluster.s name, kubernetes, to go on: `)
		x.types(typed)
		code := x.code()
		if want := map[bool]int{true: exitInterrupted, false: exitFailed}[typed == ctrlC]; code != want {
			t.Errorf("%q exits with %d", typed, code)
		}
		x.until(want)
	}
	s.ok(t, "validate")
	x = s.onTerminal(t, "exec env -u KUBE_GCE_ZONE "+s.exe+" down")
	x.until(`type the cluster.s name, kubernetes, to go on: `)
	x.types("kubernetes\n")
	if code := x.code(); code != 0 {
		t.Errorf("the right name exits with %d:\n%s", code, x.text())
	}
}

// TestTerminalCloses: the run finishes the change in flight and ends; nothing it
// writes to a terminal that is gone kills it, and the embedded GCE that it started
// from there lives on.
func TestTerminalCloses(t *testing.T) {
	besideOthers(t)
	s := newShell(t)
	s.env = append(s.env, "KUBE_GCE_NETWORK=mine") // a new project has "default"
	s.ok(t, "local", "start", "--machines=model", "--latency=gce")
	s.ok(t, "local", "stop")
	x := s.onTerminal(t, "exec "+s.exe+" up")
	x.until(`network mine +making`)
	if err := x.master.Close(); err != nil {
		t.Fatal(err)
	}
	if code := x.code(); code != exitInterrupted {
		t.Errorf("the run exits with %d", code)
	}
	daemon, err := local.Ask(context.Background(), s.dir)
	if err != nil || !daemon.Running {
		t.Fatalf("the embedded GCE went with the terminal: %+v, %v", daemon, err)
	}
	s.latency(t, "none")
	out := s.ok(t, "up")
	if !regexp.MustCompile(`network mine +kept`).MatchString(out) {
		t.Errorf("the change in flight was not finished:\n%s", out)
	}
}

// TestHangup: HUP is as TERM, and one more of it is no second ^C.
func TestHangup(t *testing.T) {
	besideOthers(t)
	s := newShell(t)
	s.env = append(s.env, "KUBE_GCE_NETWORK=mine") // a new project has "default"
	s.ok(t, "local", "start", "--machines=model", "--latency=gce")
	code, said, _ := s.signalled(t, syscall.SIGHUP, []string{`"step":"network mine","event":"making"`, `"interrupting"`}, "up", "--json")
	if code != exitInterrupted || !strings.Contains(said, `"event":"made"`) || !strings.Contains(said, "every change that was begun is finished") {
		t.Errorf("HUP exits with %d:\n%s", code, said)
	}
}

// TestReaderGoes: a reader of either stream that goes away, a stream that was never
// open and a full disk end nothing half-way.
func TestReaderGoes(t *testing.T) {
	if testing.Short() {
		t.Skip("make test has it")
	}
	besideOthers(t)
	s := newShell(t)
	s.ok(t, "local", "start", "--machines=model")
	run := func(line string) (string, int) {
		t.Helper()
		cmd := exec.Command("bash", "-c", line)
		cmd.Env = append(s.env, "H="+s.exe)
		out, err := cmd.CombinedOutput()
		if err != nil && cmd.ProcessState == nil {
			t.Fatal(err)
		}
		return string(out), cmd.ProcessState.ExitCode()
	}
	for _, x := range []struct {
		line string
		code int
	}{
		{`$H up 2>&1 | head -1; exit ${PIPESTATUS[0]}`, 0},
		{`$H up --json 2>&1 | true; exit ${PIPESTATUS[0]}`, 0},
		{`$H up | true; exit ${PIPESTATUS[0]}`, 0},
		{`$H status | head -1; exit ${PIPESTATUS[0]}`, 0},
		{`timeout 60 $H status --watch=0.1 --json | head -1; exit ${PIPESTATUS[0]}`, 0},
		{`$H validate >&- 2>&- <&-`, 0},
		{`$H status >&-`, 0},
		{`$H status >/dev/full`, 1},
		{`$H status --json >/dev/full`, 1},
		{`$H up >/dev/full`, 1},
		{`$H validate`, 0},
		{`$H down 2>&1 | true; exit ${PIPESTATUS[0]}`, 0},
		{`$H down`, 0},
	} {
		out, code := run(x.line)
		if code != x.code {
			t.Errorf("%s: exit code %d, want %d\n%s", x.line, code, x.code, out)
		}
		if strings.Contains(x.line, "/dev/full") && !strings.Contains(out, "writing the result: ") {
			t.Errorf("%s does not say why:\n%s", x.line, out)
		}
	}
	if out, _ := run(`$H down`); !strings.Contains(out, "nothing to remove") {
		t.Errorf("something was left:\n%s", out)
	}
}
