//go:build linux

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"
)

// Thursday: somebody's directory, somebody's entry, and no room.
func thursday(d *diary) {
	d.slip("HAKUBE_LOCAL_DIR=~/papers hakube local start --machines=model", 1, `
hakube: error: ~/papers cannot be the embedded GCE's directory: there is something else in it (thesis.tex)
hakube: hint: name with HAKUBE_LOCAL_DIR the one it was started in, or for a new one a directory that is empty or not there yet
hakube: hint: nothing was changed
`)
	d.slip("HAKUBE_LOCAL_DIR=~/papers hakube local reset --yes", 1, `
hakube: error: not reset, nothing was changed: ~/papers cannot be the embedded GCE's directory: there is something else in it (thesis.tex)
hakube: hint: name with HAKUBE_LOCAL_DIR the one it was started in, or for a new one a directory that is empty or not there yet
`)
	d.slip("HAKUBE_LOCAL_DIR=~/papers KUBE_GCE_ZONE=europe-west1-b hakube up", 1, `
hakube: error: ~/papers cannot be the embedded GCE's directory: there is something else in it (thesis.tex)
hakube: hint: name with HAKUBE_LOCAL_DIR the one it was started in, or for a new one a directory that is empty or not there yet
hakube: hint: nothing was changed
`)
	d.slip("HAKUBE_LOCAL_DIR=~/papers hakube status", 1, `
hakube: error: ~/papers cannot be the embedded GCE's directory: there is something else in it (thesis.tex)
hakube: hint: name with HAKUBE_LOCAL_DIR the one it was started in, or for a new one a directory that is empty or not there yet
`)
	d.slip("HAKUBE_LOCAL_DIR=~/papers hakube down --yes", 1, `
hakube: error: ~/papers cannot be the embedded GCE's directory: there is something else in it (thesis.tex)
hakube: hint: name with HAKUBE_LOCAL_DIR the one it was started in, or for a new one a directory that is empty or not there yet
hakube: hint: nothing was changed
`)

	ours := d.read("kubeconfig")
	d.write("kubeconfig", strings.ReplaceAll(ofOthers, "production", "local_kubernetes"))
	d.slip("KUBE_GCE_ZONE=europe-west1-b hakube up", 1, `
hakube: bringing up cluster kubernetes in zone europe-west1-b of project local (provider local)
hakube: error: kubeconfig ~/kubeconfig: its context local_kubernetes leads to https://192.0.2.9:6443, and its user local_kubernetes has credentials that hakube did not write; it would be lost
hakube: hint: put that right and run it again
hakube: hint: choose another name for this cluster's, here and from now on:
    HAKUBE_LOCAL_DIR=~/gce KUBERNETES_PROVIDER=local KUBE_GCE_ZONE=europe-west1-b KUBECONFIG=~/kubeconfig OVERRIDE_CONTEXT=local_kubernetes-hakube hakube up
hakube: hint: nothing was changed
`)
	d.write("kubeconfig", ours)

	if os.Geteuid() != 0 {
		d.t.Log("not root: no disk of 16 KB can be mounted, so none is full")
		return
	}
	full := filepath.Join(d.home, "full")
	must(d.t, os.Mkdir(full, 0o700))
	if err := syscall.Mount("tmpfs", full, "tmpfs", 0, "size=16k"); err != nil {
		d.t.Log("no disk of 16 KB can be mounted, so none is full: ", err)
		return
	}
	defer func() { must(d.t, syscall.Unmount(full, 0)) }()
	d.write("full/config", ofOthers)
	d.slip("export KUBECONFIG=~/full/config; KUBE_GCE_ZONE=europe-west1-b hakube up", 1, `
hakube: bringing up cluster kubernetes in zone europe-west1-b of project local (provider local)
hakube: error: kubeconfig ~/full/config cannot be written: the disk of ~/full is full: 12 KB are free, and it takes 256 KB
hakube: hint: put that right and run it again
hakube: hint: make room in ~/full, or choose another file: export KUBECONFIG=/tmp/kubeconfig-config
hakube: hint: nothing was changed
`)
	if got := d.read("full/config"); got != ofOthers {
		d.t.Errorf("the file on the full disk is %q", got)
	}
}

// Friday: hands at ^C, at the window's cross, and a pipe that ends early.
func friday(d *diary) {
	d.done("hakube local stop; hakube local start --machines=model --latency=gce")
	poolD := "KUBE_USE_EXISTING_MASTER=true KUBE_GCE_ZONE=europe-west1-d NUM_NODES=1 hakube up"
	before := d.everything()
	making := `group kubernetes-minion-group in europe-west1-d +making`
	d.asked(poolD, exitInterrupted, `
hakube: bringing the pool of zone europe-west1-d to 1 nodes: cluster kubernetes of project local (provider local)
hakube: finishing group kubernetes-minion-group in europe-west1-d, and no more; a second ^C leaves at once
hakube: interrupted after 6 of 10 steps, before nodes are Ready; every change that was begun is finished
hakube: hint: go on from here:
    HAKUBE_LOCAL_DIR=~/gce KUBERNETES_PROVIDER=local KUBE_GCE_ZONE=europe-west1-d KUBE_USE_EXISTING_MASTER=true NUM_NODES=1 KUBECONFIG=~/kubeconfig hakube up
`, making, ctrlC)
	d.kept(poolD, before)
	d.done("KUBE_USE_EXISTING_MASTER=true KUBE_GCE_ZONE=europe-west1-d hakube down")
	d.asked(poolD, exitInterrupted, `
hakube: bringing the pool of zone europe-west1-d to 1 nodes: cluster kubernetes of project local (provider local)
hakube: finishing group kubernetes-minion-group in europe-west1-d, and no more; a second ^C leaves at once
hakube: left at once: group kubernetes-minion-group in europe-west1-d may be done, or half done; what was not begun is left to do
hakube: hint: go on from here:
    HAKUBE_LOCAL_DIR=~/gce KUBERNETES_PROVIDER=local KUBE_GCE_ZONE=europe-west1-d KUBE_USE_EXISTING_MASTER=true NUM_NODES=1 KUBECONFIG=~/kubeconfig hakube up
`, making, ctrlC, "a second", ctrlC)
	d.kept(poolD, before)
	d.done("KUBE_USE_EXISTING_MASTER=true KUBE_GCE_ZONE=europe-west1-d hakube down")

	changes := d.daemon().Calls.Change
	x := d.onTerminal(d.t, "export "+strings.Replace(poolD, " hakube", "; hakube", 1)+" 2>"+d.home+"/said; sleep 1000")
	// The lease is one change, the group the next. It is being made for two seconds, which
	// is when a file is first told that it is waited for: too late to meet it.
	eventually(d.t, time.Minute, "the group is asked for", func() error {
		if n := d.daemon().Calls.Change - changes; n < 2 {
			return fmt.Errorf("%d changes were made", n)
		}
		return nil
	})
	must(d.t, x.master.Close())
	d.says("said", "go on from here")
	d.done(poolD)
	d.quoted("closing the terminal", d.read("said"), 0, 0, `
hakube: bringing the pool of zone europe-west1-d to 1 nodes: cluster kubernetes of project local (provider local)
hakube: finishing group kubernetes-minion-group in europe-west1-d, and no more; a second ^C leaves at once
hakube: interrupted after 6 of 10 steps, before nodes are Ready; every change that was begun is finished
hakube: hint: go on from here:
    HAKUBE_LOCAL_DIR=~/gce KUBERNETES_PROVIDER=local KUBE_GCE_ZONE=europe-west1-d KUBE_USE_EXISTING_MASTER=true NUM_NODES=1 KUBECONFIG=~/kubeconfig hakube up
`)
	d.kept("closing the terminal", before)

	d.done("hakube local stop; hakube local start --machines=model --latency=none")
	d.slip("KUBE_GCE_ZONE=europe-west1-b hakube up 2>&1 | head -1; exit ${PIPESTATUS[0]}", 0, `
hakube: bringing up cluster kubernetes in zone europe-west1-b of project local (provider local)
`)
	d.slip("hakube status | head -1; exit ${PIPESTATUS[0]}", 0, ``)
	d.done("hakube validate")
}

// googlesOwn is what each new project has: the network default, with its subnetworks and rules.
var googlesOwn = regexp.MustCompile(`/(networks|subnetworks)/default$|/firewalls/default-allow-(icmp|internal|rdp|ssh)$`)

// Saturday: another user of the host, and another operator of the cluster.
func saturday(d *diary) {
	before := d.everything()
	if _, err := exec.LookPath("setpriv"); err == nil && os.Geteuid() == 0 {
		for _, x := range []struct {
			args []string
			said string
		}{
			{[]string{"status"}, `
hakube: error: ~/gce cannot be the embedded GCE's directory: the user with number 65534 may not look into it
hakube: hint: choose another with HAKUBE_LOCAL_DIR
`},
			{[]string{"down", "--yes"}, `
hakube: error: ~/gce cannot be the embedded GCE's directory: the user with number 65534 may not look into it
hakube: hint: choose another with HAKUBE_LOCAL_DIR
hakube: hint: nothing was changed
`},
			{[]string{"local", "reset", "--yes"}, `
hakube: error: not reset, nothing was changed: ~/gce cannot be the embedded GCE's directory: the user with number 65534 may not look into it
hakube: hint: choose another with HAKUBE_LOCAL_DIR
`},
		} {
			out, code := d.another(x.args...)
			d.quoted("another user's hakube "+strings.Join(x.args, " "), out, code, 1, x.said)
		}
		s := d.daemon()
		for _, line := range beStranger(d.t, s.Endpoint, d.dir) {
			if strings.HasPrefix(line, "inner ") {
				continue // the network of real machines, which this is not about: TestRealSecondUser
			}
			what, came, _ := strings.Cut(line, ": ")
			if is := strings.HasPrefix(what, "door "); is && came != "401" || !is && !strings.HasPrefix(came, "kept out: ") {
				d.t.Errorf("another user at %s: %s", what, came)
			}
		}
	} else {
		d.t.Log("not root, or no setpriv: hakube cannot be run as another user")
	}
	d.asBefore("another user's visit", before)

	d.done("hakube local stop; hakube local start --machines=model --latency=gce")
	grow := d.onTerminal(d.t, "export KUBE_USE_EXISTING_MASTER=true KUBE_GCE_ZONE=europe-west1-c NUM_NODES=2; exec hakube up")
	grow.until(`making`)
	d.asked("KUBECONFIG="+d.home+"/of-bob KUBE_USE_EXISTING_MASTER=true KUBE_GCE_ZONE=europe-west1-d NUM_NODES=2 hakube up", exitInterrupted, `
hakube: bringing the pool of zone europe-west1-d to 2 nodes: cluster kubernetes of project local (provider local)
hakube: interrupted at the step "no other run changes the cluster", nothing was changed
hakube: hint: go on from here:
    HAKUBE_LOCAL_DIR=~/gce KUBERNETES_PROVIDER=local KUBE_GCE_ZONE=europe-west1-d KUBE_USE_EXISTING_MASTER=true NUM_NODES=2 KUBECONFIG=~/of-bob hakube up
`, `the other run: \S+ on \S+ \(process \d+\): add pool in europe-west1-c`, ctrlC)
	if code := grow.code(); code != 0 {
		d.t.Errorf("the first of two exits with %d:\n%s", code, grow.text())
	}
	d.done("hakube local stop; hakube local start --machines=model --latency=none; KUBE_GCE_ZONE=europe-west1-b hakube up")
}

// Sunday: nothing runs, and all goes.
func sunday(d *diary) {
	before := d.everything()
	d.done("hakube local stop")
	for _, x := range [][2]string{
		{"hakube status", `
hakube: error: the embedded GCE in ~/gce does not run; what was made in it is kept
hakube: hint: start it:
    HAKUBE_LOCAL_DIR=~/gce hakube local start
`},
		{"hakube validate", `
hakube: error: the embedded GCE in ~/gce does not run; what was made in it is kept
hakube: hint: start it:
    HAKUBE_LOCAL_DIR=~/gce hakube local start
`},
		{"hakube down --yes --json", `
{"schema":1,"type":"error","time":"NOW","code":1,"commands":[],"error":"the embedded GCE in ~/gce does not run; what was made in it is kept","why":"the embedded GCE in ~/gce does not run; what was made in it is kept"}
{"schema":1,"type":"hint","time":"NOW","code":null,"commands":["HAKUBE_LOCAL_DIR=~/gce hakube local start"],"hint":"start it:","why":"start it:"}
`},
	} {
		out, code := d.typed(d.t, d.home, "bash", "-c", x[0])
		d.quoted(x[0], out, code, 1, x[1])
	}
	d.done("hakube local start")
	d.asBefore("hakube local stop", before)
	d.done("KUBE_GCE_ZONE=europe-west1-b hakube up; hakube validate")
	d.done("hakube down --yes")
	for name := range d.objects() {
		if !googlesOwn.MatchString(name) {
			d.t.Errorf("%s is left", name)
		}
	}
	if got := d.read("kubeconfig"); !strings.Contains(got, "token: theirs") || strings.Contains(got, "local_kubernetes") {
		d.t.Errorf("the kubeconfig is\n%s", got)
	}
}
