package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"hakube/gce/local"
)

// BenchmarkHakube is "make bench": what hakube costs, measured on the program
// as it is built and run. Each figure is a line with its unit, and a metric
// for benchstat; the time testing would print says nothing and is left out.
func BenchmarkHakube(b *testing.B) {
	program := buildProgram(b)
	for _, part := range []struct {
		name string
		run  func(*bench)
	}{
		{"start-up", benchStartUp},
		{"calls", benchCalls},
		{"calls with latency", benchCallsLatency},
		{"latency", benchLatency},
		{"one command", benchOneCommand},
		{"ten", benchTen},
		{"ten with latency", benchTenLatency},
		{"from start", benchFromStart},
		{"pools", benchPools},
		{"thousand", benchThousand},
		{"api", benchAPI},
		{"insert to ssh", benchInsert},
		{"real", benchReal},
		{"addons", benchAddons},
		{"ten on real machines", benchTenReal},
	} {
		b.Run(part.name, func(b *testing.B) {
			for range b.N {
				part.run(newBench(b, program))
			}
			b.ReportMetric(0, "ns/op")
		})
	}
}

// buildProgram builds hakube with the flags of "make build".
func buildProgram(b *testing.B) string {
	path := filepath.Join(b.TempDir(), "hakube")
	out, err := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", path, ".").CombinedOutput()
	if err != nil {
		b.Fatalf("building hakube: %v\n%s", err, out)
	}
	return path
}

// bench is one measurement, in a home and with an embedded GCE of its own.
type bench struct {
	*testing.B
	program string
	gce     string // its state directory
	env     []string
}

// newBench makes a new home.
func newBench(b *testing.B, program string) *bench {
	home := b.TempDir()
	x := &bench{B: b, program: program, gce: filepath.Join(home, "gce")}
	for _, kv := range os.Environ() {
		// The tester's settings are not the benchmark's, but where his real machines' image is.
		if !strings.HasPrefix(kv, "KUBE") && !strings.HasPrefix(kv, "HAKUBE") || strings.HasPrefix(kv, "HAKUBE_CACHE_DIR=") {
			x.env = append(x.env, kv)
		}
	}
	cache, err := os.UserCacheDir()
	if err == nil && os.Getenv("HAKUBE_CACHE_DIR") == "" {
		x.env = append(x.env, "HAKUBE_CACHE_DIR="+filepath.Join(cache, "hakube"))
	}
	x.env = append(append(x.env, goCaches()...), "HOME="+home, "HAKUBE_LOCAL_DIR="+x.gce, "KUBECONFIG="+filepath.Join(home, "kubeconfig"),
		"KUBERNETES_PROVIDER=local", "KUBE_GCE_ZONE=europe-west1-b", "NUM_NODES=3")
	return x
}

// start starts the embedded GCE; the benchmark's end takes it away.
func (x *bench) start(flags ...string) {
	x.Helper()
	x.Cleanup(func() {
		if _, _, err := x.try("local", "reset"); err != nil {
			x.Errorf("taking the embedded GCE away: %v", err)
		}
	})
	x.hakube(append([]string{"local", "start"}, flags...)...)
}

// hakube runs the program and returns how long that took and what it said.
func (x *bench) hakube(args ...string) (time.Duration, []byte) {
	x.Helper()
	took, stderr, err := x.try(args...)
	if err != nil {
		x.Fatal(err)
	}
	return took, stderr
}

func (x *bench) try(args ...string) (time.Duration, []byte, error) {
	command := exec.Command(x.program, args...)
	command.Env = x.env
	// Files, not pipes: a daemon that inherits a pipe would be waited for.
	stderr, err := os.CreateTemp(filepath.Dir(x.gce), "stderr.*")
	if err != nil {
		return 0, nil, err
	}
	defer stderr.Close() //nolint:errcheck // what is in it was read
	command.Stderr = stderr
	began := time.Now()
	err = command.Run()
	took := time.Since(began)
	said, readErr := os.ReadFile(stderr.Name())
	if err != nil {
		return took, said, fmt.Errorf("hakube %s: %w\n%s", strings.Join(args, " "), err, said[max(0, len(said)-2000):])
	}
	return took, said, readErr
}

// status is the embedded GCE's own word.
func (x *bench) status() local.Status {
	x.Helper()
	s, err := local.Ask(context.Background(), x.gce)
	if err != nil {
		x.Fatal(err)
	}
	return s
}

// say prints a figure for people and keeps it for benchstat. The unit is what
// benchstat compares by, so it names the figure; aim is "" for none.
func (x *bench) say(figure float64, unit, metric, text, aim string) {
	if aim != "" {
		aim = "  (aim: " + aim + ")"
	}
	fmt.Printf("  %-58s %9s %s%s\n", text, number(figure), unit, aim)
	x.ReportMetric(figure, metric)
}

func number(f float64) string {
	if f == float64(int64(f)) {
		return strconv.FormatInt(int64(f), 10)
	}
	return strconv.FormatFloat(f, 'f', 2, 64)
}

func heading(text string) { fmt.Printf("\n%s\n", text) }

func median[T cmp.Ordered](all []T) T {
	all = slices.Sorted(slices.Values(all))
	return all[len(all)/2]
}

// benchStartUp runs the command that does least: what is left is the program's
// own start.
func benchStartUp(x *bench) {
	heading("the program")
	var all []time.Duration
	for range 20 {
		took, _ := x.hakube("version")
		all = append(all, took)
	}
	file, err := os.Stat(x.program)
	if err != nil {
		x.Fatal(err)
	}
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	x.say(ms(median(all)), "ms", "ms-start", "start-up (hakube version), median of 20", "at most 100 ms")
	x.say(ms(slices.Min(all)), "ms", "ms-start-min", "start-up, least of 20", "")
	x.say(float64(file.Size())/1e6, "MB", "MB-program", "size", "")
}

// benchCalls counts requests to the API, as Google would count them against a quota.
func benchCalls(x *bench) { x.calls("none", "at most 45") }

// benchCallsLatency is that with operations as long as Google's: what is asked while
// something is waited for is in it.
func benchCallsLatency(x *bench) { x.calls("gce", "at most 60") }

func (x *bench) calls(latency, reads string) {
	heading("calls to the Compute Engine API: 1 master, 3 nodes, model machines, latency " + latency)
	x.start("--machines=model", "--latency="+latency)
	for _, part := range []struct {
		name, text     string
		args           []string
		reads, changes string // aims
	}{
		{"create", "create", []string{"up"}, reads, "at most 16"},
		{"idle", "the same again, nothing to do", []string{"up"}, "at most 15", "0"},
		{"remove", "remove", []string{"down", "--yes"}, "", ""},
	} {
		before := x.status().Calls
		x.hakube(part.args...)
		after := x.status().Calls
		x.say(float64(after.Read-before.Read), "reads", "reads-"+part.name, part.text, part.reads)
		x.say(float64(after.Change-before.Change), "changes", "changes-"+part.name, part.text, part.changes)
	}
}

// benchReal is the one figure a person feels: everything is real, so it
// depends on this machine's processors and disk.
func benchReal(x *bench) {
	heading("create on real machines: 1 master, 3 nodes")
	if runtime.GOOS != "linux" || os.Geteuid() != 0 {
		fmt.Println("  skipped: real machines need Linux and root")
		x.Skip("real machines need Linux and root")
	}
	x.start("--machines=real")
	took, events := x.hakube("up", "--json")
	x.say(took.Seconds(), "s", "s-real", "until the cluster is valid", "at most 180 s")
	for _, s := range longest(x, events, 5) {
		x.say(s.Elapsed, "s", "s-real:"+metricName(s.Step), "  "+s.Step, "")
	}
	took, _ = x.hakube("down", "--yes")
	x.say(took.Seconds(), "s", "s-real-remove", "removed again", "")
}

// A stepEvent is what "hakube up --json" says of a step on standard error.
type stepEvent struct {
	Step    string
	Event   string
	Elapsed float64 // seconds since the step began
}

// longest are the steps that took longest, the longest first.
func longest(x *bench, events []byte, n int) (steps []stepEvent) {
	for line := range bytes.Lines(events) {
		var e stepEvent
		if err := json.Unmarshal(line, &e); err != nil {
			x.Fatalf("reading %q: %v", line, err)
		}
		if e.Event == "made" || e.Event == "kept" {
			steps = append(steps, e)
		}
	}
	slices.SortStableFunc(steps, func(a, b stepEvent) int { return cmp.Compare(b.Elapsed, a.Elapsed) })
	return steps[:min(n, len(steps))]
}

// metricName is a step's name as benchstat takes it: without spaces.
func metricName(step string) string { return strings.ReplaceAll(step, " ", "-") }
