package main

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"hakube/gce/local"
)

// A trial is a person with model machines of their own.
type trial struct {
	t         *testing.T
	exe, dir  string
	cwd       string
	env       []string
	home      string
	longest   time.Duration
	killCount int
}

func newTrial(t *testing.T) *trial {
	t.Helper()
	home := t.TempDir()
	p := &trial{t: t, exe: hakubeIn(t, t.TempDir()), dir: filepath.Join(home, "gce"), home: home}
	p.env = append(cleanEnv(t, home), "HAKUBE_LOCAL_DIR="+p.dir, "KUBECONFIG="+filepath.Join(home, "kubeconfig"), "KUBERNETES_PROVIDER=local", "NUM_NODES=2")
	t.Cleanup(func() {
		if t.Failed() {
			log, _ := os.ReadFile(local.LogFile(p.dir)) // absent: it never started
			t.Logf("the end of the daemon's log:\n%s", log[max(0, len(log)-5000):])
		}
		if _, err := local.Reset(context.Background(), p.dir); err != nil {
			t.Errorf("resetting: %v", err)
		}
	})
	p.ok("local", "start", "--machines=model")
	return p
}

// run runs hakube with settings before its words: "KUBE_GCE_ZONE=…", "up".
func (p *trial) run(words ...string) (stdout, stderr string, code int) {
	p.t.Helper()
	i := slices.IndexFunc(words, func(w string) bool { return !strings.Contains(w, "=") })
	ctx, cancel := context.WithTimeout(context.Background(), 8*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, p.exe, words[i:]...)
	cmd.Env, cmd.Dir = append(slices.Clone(p.env), words[:i]...), p.cwd
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr, cmd.WaitDelay = &out, &errs, time.Second
	begin := time.Now()
	err := cmd.Run()
	p.longest = max(p.longest, time.Since(begin))
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) || ctx.Err() != nil {
		p.t.Fatalf("hakube %v: %v %v\n%s%s", words, err, ctx.Err(), &out, &errs)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

func (p *trial) ok(words ...string) (stdout, stderr string) {
	p.t.Helper()
	stdout, stderr, code := p.run(words...)
	if code != 0 {
		p.t.Fatalf("hakube %v exits with %d:\n%s%s", words, code, stdout, stderr)
	}
	return stdout, stderr
}

// kill is kill -9 of the daemon; false when there is none.
func (p *trial) kill() bool {
	s, err := local.Ask(context.Background(), p.dir)
	if err != nil || !s.Running {
		return false
	}
	process, err := os.FindProcess(s.PID)
	if err == nil {
		err = process.Kill()
	}
	if err != nil {
		return false
	}
	p.killCount++
	return true
}

// underFire runs hakube while the daemon is killed some times, at moments that
// differ from run to run.
func (p *trial) underFire(times int, words ...string) {
	p.t.Helper()
	over := make(chan struct{})
	var wg sync.WaitGroup
	var at []time.Duration
	begin := time.Now()
	wg.Go(func() {
		for range times {
			select {
			case <-over:
				return
			case <-time.After(time.Duration(10+rand.IntN(400)) * time.Millisecond):
			}
			if p.kill() {
				at = append(at, time.Since(begin).Round(time.Millisecond))
			}
		}
	})
	stdout, stderr, code := p.run(words...)
	close(over)
	wg.Wait()
	p.t.Logf("%v: daemon killed at %v; exit %d after %v", words, at, code, time.Since(begin).Round(time.Millisecond))
	if code == 0 && len(at) > 0 {
		p.comeBack() // the last kill can come after the command's last call: looking starts nothing
	}
	for tries := 2; code != 0; tries++ {
		// No master may be asked for a moment, since all of them boot at once.
		if !strings.Contains(stderr, "hakube: hint: ") || len(at) == 0 {
			p.t.Fatalf("hakube %v exits with %d after kills at %v, and no hint:\n%s%s", words, code, at, stdout, stderr)
		}
		if time.Since(begin) > 8*time.Minute {
			p.t.Fatalf("hakube %v does not go on when it is run again:\n%s%s", words, stdout, stderr)
		}
		p.t.Logf("run again, since: %s", stderr)
		if strings.Contains(stderr, "has died; what was made in it is kept") { // before the command began: it names this
			p.ok("local", "start")
		}
		time.Sleep(time.Second)
		stdout, stderr, code = p.run(words...)
		p.t.Logf("run %d: exit %d", tries, code)
	}
}

// comeBack starts the daemon if a kill has left none. A process that was killed can
// be asked for a moment: it has gone when the kernel has taken its lock away.
func (p *trial) comeBack() {
	p.t.Helper()
	for range 100 {
		killed, err := local.Killed(p.dir)
		if err != nil {
			p.t.Fatal(err)
		}
		if killed {
			p.ok("local", "start")
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func (p *trial) objects() map[string]int {
	p.t.Helper()
	s, err := local.Ask(context.Background(), p.dir)
	if err != nil || !s.Running {
		p.t.Fatalf("the embedded GCE: %+v %v", s, err)
	}
	return s.Objects
}

// TestDaemonKilled kills the embedded GCE again and again while a cluster is
// made, gets a second master, loses it and is removed. hakube starts it again
// and ends well. Model machines live in the daemon, so for them each kill is a
// power cut of every machine at once; they boot from their disks.
func TestDaemonKilled(t *testing.T) {
	t.Parallel()
	rounds, kills := 2, 3
	if testing.Short() {
		rounds, kills = 1, 1
	}
	for range rounds {
		p := newTrial(t)
		b, c := "KUBE_GCE_ZONE="+zoneB, "KUBE_GCE_ZONE="+zoneC
		p.underFire(kills, b, "up")
		p.ok(b, "up")
		one := p.objects()
		if one["instances"] != 3 || one["disks"] != 4 {
			t.Errorf("after create: %v", one)
		}
		p.underFire(kills, c, addMaster, "up")
		if out, _ := p.ok(b, "validate"); !strings.Contains(out, "cluster kubernetes is valid") {
			t.Errorf("validate says %s", out)
		}
		two := p.objects()
		if two["instances"] != 4 || two["forwardingRules"] != 1 {
			t.Errorf("with two masters: %v", two)
		}
		p.underFire(kills, c, noNodes, "down")
		p.ok(b, "up")
		p.underFire(kills, b, "down")
		if left := p.objects(); len(left) > 0 {
			t.Errorf("left: %v", left)
		}
		t.Logf("%d kills; the longest command took %v", p.killCount, p.longest.Round(time.Millisecond))
	}
}

// TestDaemonStopped: one that was stopped on purpose is not started again by a
// run that was under way, which says how to go on.
func TestDaemonStopped(t *testing.T) {
	p := newTrial(t)
	u := newUI(os.Stdin, os.Stdout, os.Stderr)
	t.Setenv("HAKUBE_LOCAL_DIR", p.dir)
	e, _, err := reach(t.Context(), u, making)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := e.dial(t.Context(), "tcp")
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	before := e.host
	p.ok("local", "stop")
	if _, err := e.dial(t.Context(), "tcp"); err == nil || !strings.Contains(err.Error(), "the embedded GCE was stopped") {
		t.Errorf("after a stop: %v", err)
	} else if h := (interface{ Hint() string })(nil); !errors.As(err, &h) || !strings.Contains(h.Hint(), "hakube local start") {
		t.Errorf("a stop leads to no way on: %v", err)
	}
	p.ok("local", "start") // by the person, at any address
	if conn, err := e.dial(t.Context(), "tcp"); err != nil {
		t.Errorf("after a start: %v", err)
	} else {
		conn.Close()
	}
	after := e.host
	p.kill()
	for held := true; held; { // until the kernel has taken it away
		if held, err = local.Killed(p.dir); err != nil {
			t.Fatal(err)
		}
		held = !held
	}
	p.ok("local", "start")
	if s, err := local.Ask(t.Context(), p.dir); err != nil || s.Endpoint != "http://"+after {
		t.Errorf("after a kill it is at %s, was at %s (%v)", s.Endpoint, after, err)
	}
	t.Logf("at %s, after a stop at %s", before, after)
}

// TestKilledAtStart: a daemon that a signal ends while it starts is started
// again by what is named, and one that ends by itself says why.
func TestKilledAtStart(t *testing.T) {
	t.Setenv("HOME", t.TempDir())
	dir := t.TempDir()
	for script, again := range map[string]bool{"kill -9 $$": true, "kill $$": true, "exit 1": false} {
		_, err := local.Start(t.Context(), dir, exec.Command("sh", "-c", script))
		h := (interface{ Hint() string })(nil)
		led := errors.As(killedAtStart(err), &h) && strings.Contains(h.Hint(), "hakube local start")
		if err == nil || led != again {
			t.Errorf("%s: %v leads to a start again: %v", script, err, led)
		}
	}
}
