//go:build linux

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"hakube/cluster"
)

// settled is how long controllers, kubelets, probes and health checks may take until what
// they bring about is there. It only ends a wait: they are some moments behind each command,
// and on a host of two cores that has other work half a minute and more.
const settled = 4 * time.Minute

// differing is what one look found otherwise than it is to be.
type differing []error

func (d *differing) add(format string, args ...any) { *d = append(*d, fmt.Errorf(format, args...)) }

// becomes looks until all is as it is to be.
func becomes(t *testing.T, what string, look func(*differing)) {
	t.Helper()
	eventually(t, settled, what, func() error {
		var d differing
		look(&d)
		return errors.Join(d...)
	})
}

// cluster is `hakube status --json`.
func (w *walk) cluster(t *testing.T) (s cluster.Status) {
	t.Helper()
	for begin := time.Now(); ; time.Sleep(time.Second) {
		r := w.run(t, "status", "--json")
		if r.code == 0 {
			s = cluster.Status{}
			decode(t, r.stdout, &s)
			return s
		}
		if time.Since(begin) > settled {
			t.Fatalf("hakube status exits with %d:\n%s%s", r.code, r.stdout, r.stderr)
		}
		t.Logf("hakube status exits with %d: %s", r.code, r.stderr)
	}
}

// valid waits for the cluster to be so, with those arguments more.
func (w *walk) valid(t *testing.T, args ...string) {
	t.Helper()
	w.ok(t, append([]string{"validate", "--wait=4m"}, args...)...)
}

// nothingToDo: up would change nothing, once what is behind has come.
func (w *walk) nothingToDo(t *testing.T, args ...string) {
	t.Helper()
	eventually(t, settled, "up would change nothing", func() error {
		if r := w.run(t, append([]string{"plan", "up", "--exit-code"}, args...)...); r.code != 0 {
			return fmt.Errorf("plan up exits with %d:\n%s%s", r.code, r.stdout, r.stderr)
		}
		return nil
	})
}

// allReady: the Ready nodes are those.
func (w *walk) allReady(t *testing.T, want func() []string) {
	t.Helper()
	becomes(t, "all machines are Ready nodes", func(d *differing) {
		if got, machines := w.readyNodes(t), want(); !slices.Equal(got, machines) {
			d.add("Ready nodes are %v, machines are %v", got, machines)
		}
	})
}

// names looks whether status names a command for what is half done.
func naming(s cluster.Status, command string) error {
	if slices.ContainsFunc(s.Unfinished, func(x cluster.Unfinished) bool {
		return isNamed(x.Command, command) || isNamed(x.Or, command)
	}) {
		return nil
	}
	text, _ := json.Marshal(s.Unfinished) // of strings
	return fmt.Errorf("status does not name %q: %s", command, text)
}

// ofAMoment are the errors by which an API server, its etcd or a kubelet says that it could
// not answer now, which whoever typed a command that ends so types again.
var ofAMoment = []string{
	"i/o timeout", "deadline exceeded", "timeout exceeded", "handshake timeout", "connection refused", "connection reset", "connection lost", "no route to host",
	"unexpected eof", ": eof", "server closed idle connection", "etcdserver: ", "currently unable to handle the request", "in the time allotted", "too many requests",
	"unable to upgrade connection", "error dialing backend", "tls: internal error", "certificate signed by unknown authority (possibly", "readyz check failed", "watch closed before",
	"rbac: ", `user "kubernetes-admin" cannot`, // an API server that has just begun and not read its rules
}

// passes tells whether an error of kubectl is of a moment. What a program in a pod ended with
// is not, whatever it printed.
func passes(err error) bool {
	text := strings.ToLower(err.Error())
	return !strings.Contains(text, "command terminated with exit code") &&
		slices.ContainsFunc(ofAMoment, func(words string) bool { return strings.Contains(text, words) })
}

// answered runs kubectl, again while what it ends with is of a moment. What was asked for may
// have been done all the same by one that was not answered.
func (w *walk) answered(t *testing.T, args ...string) (string, error) {
	t.Helper()
	begin, again := time.Now(), false
	for {
		out, err := w.tryKubectl(t, args...)
		switch {
		case err == nil:
			return out, nil
		case again && doneBefore(args[0], err):
			return "", nil
		case !passes(err) || time.Since(begin) > settled:
			return out, err
		}
		t.Logf("asked again, after %s: %v", time.Since(begin).Round(time.Second), err)
		again = true
		time.Sleep(time.Second)
	}
}

func doneBefore(verb string, err error) bool {
	switch text := err.Error(); verb {
	case "create", "run", "expose", "autoscale":
		return strings.Contains(text, "(AlreadyExists)")
	case "delete", "taint":
		return strings.Contains(text, "not found")
	}
	return false
}

// changed holds the changing calls of a command to those it is for, the lease's, and its
// renewals: a lease of a minute is made new by who changes something after a quarter of it.
func (w *walk) changed(t *testing.T, before int64, began time.Time, want int64) {
	t.Helper()
	renewals := int64(time.Since(began) / (15 * time.Second))
	if n := w.status(t).Calls.Change - before; n < want+leaseCalls || n > want+leaseCalls+renewals {
		t.Errorf("it made %d changing calls, want %d, the lease's %d and at most %d renewals", n, want, leaseCalls, renewals)
	}
}
