package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	// rogpeppe/go-internal/testscript: stories of the command line, as the go command tests itself.
	"github.com/rogpeppe/go-internal/testscript"

	"hakube/gce/local"
)

func TestMain(m *testing.M) {
	testscript.Main(m, programs)
}

// besideOthers lets tests of model machines, which mostly wait, run side by side. They
// do after all that are not: real machines are alone with the cores.
func besideOthers(t *testing.T) {
	t.Helper()
	t.Parallel()
}

// shortForms has the longest tests of real machines take their short forms, as "make test"
// does; "make long" and a test by its name are whole.
var shortForms = os.Getenv("SHORT_FORMS") != ""

// programs are what this test binary is under other names.
var programs = map[string]func(){"hakube": main}

// TestStories runs hakube as people do, on model machines: what it prints, to
// which stream, with which exit code, and what stays silent.
func TestStories(t *testing.T) {
	var all holding
	t.Cleanup(func() {
		if testing.Short() {
			return // they were not held
		}
		report(t, "%d methods of Compute Engine used by %d stories, all as Google describes them", len(all.used), all.records)
	})
	testscript.Run(t, testscript.Params{
		Dir:                 "../../testdata/script",
		RequireExplicitExec: true,
		Setup: func(e *testscript.Env) error {
			home := filepath.Join(e.WorkDir, "home")
			dir := filepath.Join(e.WorkDir, "gce")
			for _, kv := range e.Vars {
				if strings.HasPrefix(kv, "KUBE") || strings.HasPrefix(kv, "HAKUBE") {
					e.T().Fatal("the story would see the tester's own settings: ", kv)
				}
			}
			e.Setenv("GOGC", "400") // a fifth less work
			e.Setenv("HOME", home)
			e.Setenv("HAKUBE_LOCAL_DIR", dir)
			e.Setenv("KUBECONFIG", filepath.Join(home, "kubeconfig"))
			record := filepath.Join(e.WorkDir, "contract")
			if !testing.Short() {
				e.Setenv("HAKUBE_LOCAL_CONTRACT", record)
			}
			e.Defer(func() { // also when the story ends early
				if _, err := local.Stop(context.Background(), dir); err != nil {
					e.T().Log("stopping the embedded GCE: ", err)
				}
				all.add(t, record)
			})
			return errors.Join(os.MkdirAll(home, 0o700), keyIn(home))
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"counts": counts, "exits": exits, "killdaemon": killDaemon, "leave": leave, "machine": machine, "occupy": occupy, "steady": steady},
	})
}

// counts is "counts read|change [<=]N": the calls the embedded GCE had since
// "counts mark".
func counts(ts *testscript.TestScript, neg bool, args []string) {
	s, err := local.Ask(context.Background(), ts.Getenv("HAKUBE_LOCAL_DIR"))
	ts.Check(err)
	if !s.Running {
		ts.Fatalf("the embedded GCE is not running")
	}
	marks := ts.MkAbs("counts")
	if len(args) == 1 && args[0] == "mark" {
		ts.Check(os.WriteFile(marks, []byte(formatCounts(s)), 0o600))
		return
	}
	b, err := os.ReadFile(marks)
	ts.Check(err)
	if err := checkCounts(string(b), s, args); (err != nil) != neg {
		ts.Fatalf("%v", err)
	}
}

// exits is "exits N program args…": the exit code is what scripts see.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits N program [args...]")
	}
	code := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		exit, ok := errors.AsType[*exec.ExitError](err)
		if !ok {
			ts.Fatalf("running %s: %v", args[1], err)
		}
		code = exit.ExitCode()
	}
	if want := args[0]; strconv.Itoa(code) != want {
		ts.Fatalf("exit code %d, want %s", code, want)
	}
}

// occupy listens at the address in a file until the story ends.
func occupy(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: occupy FILE")
	}
	l, err := net.Listen("tcp", strings.TrimSpace(ts.ReadFile(args[0])))
	ts.Check(err)
	ts.Defer(func() { l.Close() })
}

// steady writes an address into a file whose port the kernel gives to nobody who asks for
// any: between a stop and a start another one could be taken by whatever runs beside.
func steady(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: steady FILE")
	}
	for range 100 { // below where Linux and macOS begin with those, and below those of tests of etcd
		port := 20000 + rand.IntN(6000)
		if _, taken := portsGiven.LoadOrStore(port, true); taken {
			continue
		}
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			continue
		}
		ts.Check(l.Close())
		ts.Check(os.WriteFile(args[0], []byte(l.Addr().String()+"\n"), 0o600))
		return
	}
	ts.Fatalf("no port is free")
}

var portsGiven sync.Map // to stories, each once

// killDaemon is kill -9 of the embedded GCE of the story.
func killDaemon(ts *testscript.TestScript, neg bool, args []string) {
	dir := ts.Getenv("HAKUBE_LOCAL_DIR")
	s, err := local.Ask(context.Background(), dir)
	ts.Check(err)
	if neg || len(args) > 0 || !s.Running {
		ts.Fatalf("usage: killdaemon, with one running")
	}
	p, err := os.FindProcess(s.PID)
	ts.Check(err)
	ts.Check(p.Kill())
	for range 6000 {
		if s, err := local.Ask(context.Background(), dir); err == nil && !s.Running {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	ts.Fatalf("it is still there after a minute")
}
