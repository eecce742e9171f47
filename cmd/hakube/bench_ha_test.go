package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"time"

	"hakube/cluster"
	"hakube/gce/emulator"
)

// tenCommands are those of the README: settings, verb, zone.
var tenCommands = []struct{ text, settings, verb, zone string }{
	{"1 master, 3 nodes in b", "", "up", "b"},
	{"+ 3 nodes in c", "KUBE_USE_EXISTING_MASTER=true", "up", "c"},
	{"+ 3 nodes in d", "KUBE_USE_EXISTING_MASTER=true", "up", "d"},
	{"+ a master in c, the address moves", "KUBE_REPLICATE_EXISTING_MASTER=true", "up", "c"},
	{"+ a master in d", "KUBE_REPLICATE_EXISTING_MASTER=true", "up", "d"},
	{"- a master in c", "KUBE_DELETE_NODES=false", "down", "c"},
	{"- a master in d, the address moves back", "KUBE_DELETE_NODES=false", "down", "d"},
	{"- 3 nodes in c", "KUBE_USE_EXISTING_MASTER=true", "down", "c"},
	{"- 3 nodes in d", "KUBE_USE_EXISTING_MASTER=true", "down", "d"},
	{"nothing is left", "", "down", "b"},
}

// benchTen is the walkthrough on model machines.
func benchTen(x *bench) {
	heading("the ten commands, model machines, latency none")
	x.start("--machines=model")
	x.ten()
}

// benchTenReal is the walkthrough on real machines.
func benchTenReal(x *bench) {
	heading("the ten commands, real machines, latency none")
	if runtime.GOOS != "linux" || os.Geteuid() != 0 {
		fmt.Println("  skipped: real machines need Linux and root")
		x.Skip("real machines need Linux and root")
	}
	x.start("--machines=real")
	x.ten()
}

// benchTenLatency is the two commands that move the address, with operations as
// long as Google's: what can be dark then is the time between the two changes.
func benchTenLatency(x *bench) {
	heading("the address moves, operations as long as published for Google, model machines")
	x.start("--machines=model", "--latency=gce")
	x.env = append(x.env, "KUBE_CREATE_NODES=false")
	to := emulator.LatencyOf("instances.deleteAccessConfig") + emulator.LatencyOf("forwardingRules.insert")
	back := emulator.LatencyOf("forwardingRules.delete") + emulator.LatencyOf("instances.addAccessConfig")
	x.command("", "up", "b")
	_, s := x.command("KUBE_REPLICATE_EXISTING_MASTER=true", "up", "c")
	x.dark(s, "to the balancer", fmt.Sprintf("at most %.0f s: the two changes and a probe", (to+time.Second).Seconds()))
	_, s = x.command("KUBE_DELETE_NODES=false", "down", "c")
	x.dark(s, "back to the master", fmt.Sprintf("at most %.0f s: the two changes and a probe", (back+time.Second).Seconds()))
}

// benchFromStart is the same when the address is on the balancer from create on.
func benchFromStart(x *bench) {
	heading("HAKUBE_LOAD_BALANCER=from-start, model machines, latency none")
	x.start("--machines=model")
	x.command("HAKUBE_LOAD_BALANCER=from-start", "up", "b")
	for _, c := range []struct{ settings, verb, text string }{
		{"KUBE_REPLICATE_EXISTING_MASTER=true", "up", "failed probes while a second master comes"},
		{"KUBE_DELETE_NODES=false", "down", "failed probes while it goes"},
	} {
		_, s := x.command(c.settings, c.verb, "c")
		x.say(float64(s.Dark.Failed), "of "+fmt.Sprint(s.Dark.Probes), "failed-"+c.verb, c.text, "0")
	}
}

// benchPools is the making and removing of pools.
func benchPools(x *bench) {
	heading("pools on model machines, latency none")
	x.start("--machines=model")
	x.command("", "up", "b")
	for _, n := range []string{"3", "100"} {
		for _, verb := range []string{"up", "down"} {
			took, _ := x.command("KUBE_USE_EXISTING_MASTER=true NUM_NODES="+n, verb, "c")
			x.say(took.Seconds(), "s", "s-pool-"+n+"-"+verb, n+" nodes "+map[string]string{"up": "more", "down": "less"}[verb], "")
		}
	}
}

// ten runs them all, and says what each costs.
func (x *bench) ten() {
	x.Helper()
	for i, c := range tenCommands {
		before := x.status().Calls
		took, s := x.command(c.settings, c.verb, c.zone)
		after := x.status().Calls
		metric := fmt.Sprintf("command-%d", i+1)
		x.say(took.Seconds(), "s", "s-"+metric, c.text, "")
		x.say(float64(after.Read-before.Read), "reads", "reads-"+metric, "", "")
		x.say(float64(after.Change-before.Change), "changes", "changes-"+metric, "", "")
		if s != nil && s.Dark != nil && strings.Contains(c.text, "moves") {
			x.dark(s, c.text[strings.Index(c.text, "the address"):], "at most 2 s")
		}
	}
}

func (x *bench) dark(s *cluster.Summary, text, aim string) {
	x.say(s.Dark.Longest, "s", "s-dark-"+strings.ReplaceAll(text, " ", "-"), "  dark while the address moves "+strings.TrimPrefix(text, "the address moves"), aim)
}

// command runs hakube in a zone of europe-west1 and returns its summary.
func (x *bench) command(settings, verb, zone string) (time.Duration, *cluster.Summary) {
	x.Helper()
	command := exec.Command(x.program, verb, "--json", "--yes")
	command.Env = append(append(slices.Clone(x.env), "KUBE_GCE_ZONE=europe-west1-"+zone), strings.Fields(settings)...)
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr = &stdout, &stderr
	began := time.Now()
	err := command.Run()
	took := time.Since(began)
	if err != nil {
		x.Fatalf("%s hakube %s in %s: %v\n%s", settings, verb, zone, err, stderr.Bytes())
	}
	s := &cluster.Summary{}
	if err := json.Unmarshal(stdout.Bytes(), s); err != nil {
		x.Fatalf("reading %q: %v", stdout.Bytes(), err)
	}
	return took, s
}
