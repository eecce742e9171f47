package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"hakube/cluster"
	"hakube/gce"
	"hakube/gce/local"
)

// machine is "machine stop|start|delete ZONE NAME": what somebody does behind
// hakube's back.
func machine(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: machine stop|start|delete ZONE NAME")
	}
	ctx := context.Background()
	s, err := local.Ask(ctx, ts.Getenv("HAKUBE_LOCAL_DIR"))
	ts.Check(err)
	owner, err := local.Client(ts.Getenv("HAKUBE_LOCAL_DIR"))
	ts.Check(err)
	client, err := gce.New(ctx, gce.Options{Project: local.Project, Region: cluster.Zone(args[1]).Region(), Endpoint: s.Endpoint, HTTPClient: owner})
	ts.Check(err)
	instances := client.Instances(args[1])
	verbs := map[string]func(context.Context, string) error{"stop": instances.Stop, "start": instances.Start, "delete": instances.Delete}
	verb, ok := verbs[args[0]]
	if !ok {
		ts.Fatalf("no verb %q", args[0])
	}
	ts.Check(verb(ctx, args[2]))
}

func statusNamed(name string) *cluster.Status {
	return &cluster.Status{Cluster: name, Project: "local", Rings: map[string][]cluster.RingMember{}}
}

// TestWatch: elsewhere than on a terminal a page is printed when it differs from
// the last, a look that fails is said once, and an interrupt ends it well.
func TestWatch(t *testing.T) {
	out, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	stderr, err := os.Create(filepath.Join(t.TempDir(), "err"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancelCause(context.Background())
	defer stop(nil)
	silent := errors.New("the cloud is silent")
	looks := []any{statusNamed("one"), statusNamed("one"), silent, silent, statusNamed("two")}
	n := 0
	u := newUI(os.Stdin, out, stderr)
	err = u.watch(ctx, time.Millisecond, func(context.Context) (*cluster.Status, error) {
		if n == len(looks) {
			stop(errInterrupted)
			return nil, ctx.Err()
		}
		n++
		switch x := looks[n-1].(type) {
		case error:
			return nil, x
		case *cluster.Status:
			return x, nil
		}
		return nil, nil
	})
	if err != nil {
		t.Errorf("an interrupt is how it ends: %v", err)
	}
	pages, said := contents(t, out), contents(t, stderr)
	if strings.Count(pages, "cluster one") != 1 || strings.Count(pages, "cluster two") != 1 || strings.Contains(pages, "\x1b") {
		t.Errorf("pages are\n%s", pages)
	}
	if said != "hakube: error: the cloud is silent\n" {
		t.Errorf("standard error is %q", said)
	}
	if err := u.watch(context.Background(), time.Millisecond, func(context.Context) (*cluster.Status, error) { return nil, silent }); !errors.Is(err, silent) {
		t.Errorf("a first look that fails is the end: %v", err)
	}
}

func contents(t *testing.T, f *os.File) string {
	t.Helper()
	b, err := os.ReadFile(f.Name())
	if err := errors.Join(err, f.Close()); err != nil && b == nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestDrawPage: what does not fit is left out at the end and said, with lines
// that wrap counted as often as they do.
func TestDrawPage(t *testing.T) {
	var b bytes.Buffer
	drawPage(&b, []byte("a\nb\nc\nd\n"), 20, 6)
	if got, want := b.String(), "\x1b[Ha\x1b[K\r\nb\x1b[K\r\nc\x1b[K\r\nd\x1b[K\r\n\x1b[J"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	b.Reset()
	drawPage(&b, []byte("a\n"+strings.Repeat("b", 45)+"\nc\nd\n"), 20, 6)
	if got, want := b.String(), "\x1b[Ha\x1b[K\r\n"+strings.Repeat("b", 45)+"\x1b[K\r\n… 2 more lines: a taller window shows them\x1b[K\r\n\x1b[J"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestWatchValue(t *testing.T) {
	for text, want := range map[string]time.Duration{"true": watchEvery, "false": 0, "5": 5 * time.Second, "0.5": 500 * time.Millisecond} {
		var v watchValue
		if err := v.Set(text); err != nil || v.every != want {
			t.Errorf("--watch=%s is %s, %v", text, v.every, err)
		}
	}
	for _, text := range []string{"0", "-1", "x", "NaN", "1e9", "5s"} {
		if err := new(watchValue).Set(text); err == nil {
			t.Errorf("--watch=%s is taken", text)
		}
	}
}
