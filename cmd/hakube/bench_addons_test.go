package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// benchAddons is what addons cost: the same cluster without any and with all, in turn, since a
// host is not as quick in one minute as in the next.
func benchAddons(x *bench) {
	heading("addons on real machines: 1 master, 2 nodes, none and all in turn, medians of 3")
	if runtime.GOOS != "linux" || os.Geteuid() != 0 {
		fmt.Println("  skipped: real machines need Linux and root")
		x.Skip("real machines need Linux and root")
	}
	x.start("--machines=real")
	figures := map[string][]float64{}
	for range 3 {
		for _, addons := range []string{"none", "all"} {
			before := x.status().Calls
			took, _ := x.command("HAKUBE_MASTER_SERVICE_ACCOUNT=default NUM_NODES=2 HAKUBE_ADDONS="+addons, "up", "b")
			after := x.status().Calls
			time.Sleep(30 * time.Second) // programs that start take more memory, and ask more
			now := x.status().Calls
			for name, figure := range map[string]float64{
				"s": took.Seconds(), "reads": float64(after.Read - before.Read), "changes": float64(after.Change - before.Change),
				"idle": float64(now.Read-after.Read+now.Change-after.Change) * 2, "MB": x.ofMaster(),
			} {
				figures[name+" "+addons] = append(figures[name+" "+addons], figure)
			}
			x.command("", "down", "b")
		}
	}
	for _, f := range []struct{ name, text, aim string }{
		{"s", "until the cluster is valid", "at most 10 s more than without"},
		{"reads", "reads of hakube and of the cluster until then", ""},
		{"changes", "changes until then", ""},
		{"idle", "calls a minute in the half one after that", ""},
		{"MB", "memory of the master (working set)", ""},
	} {
		none, all := median(figures[f.name+" none"]), median(figures[f.name+" all"])
		unit := map[string]string{"s": "s", "MB": "MB"}[f.name]
		x.say(none, unit, f.name+"-addons-none", f.text+", none", "")
		x.say(all, unit, f.name+"-addons-all", f.text+", all", "")
		x.say(all-none, unit, f.name+"-addons-more", "  more with all", f.aim)
	}
}

// ofMaster is the memory, in megabytes, which the first master's kubelet measured last.
func (x *bench) ofMaster() float64 {
	x.Helper()
	kubectl, err := x.output("local", "kubectl")
	if err != nil {
		x.Fatal(err)
	}
	command := exec.Command(strings.TrimSpace(kubectl), "get", "--raw=/api/v1/nodes/kubernetes-master/proxy/stats/summary")
	command.Env = x.env
	out, err := command.Output()
	if err != nil {
		x.Fatalf("asking the master's kubelet for its memory: %v", err)
	}
	var stats struct {
		Node struct {
			Memory struct{ WorkingSetBytes float64 }
		}
	}
	if err := json.Unmarshal(out, &stats); err != nil {
		x.Fatal(err)
	}
	return stats.Node.Memory.WorkingSetBytes / 1e6
}

// output is what hakube prints.
func (x *bench) output(args ...string) (string, error) {
	command := exec.Command(x.program, args...)
	command.Env, command.Dir = x.env, filepath.Dir(x.gce)
	out, err := command.Output()
	return string(out), err
}
