package main

import (
	"os"
	"runtime"
	"strconv"
	"strings"
)

// benchThousand is one daemon with one machine, then with a thousand, and how
// long it takes to get there and back.
func benchThousand(x *bench) {
	heading("1 and 1,000 model machines, latency none")
	x.start("--machines=model")
	x.env = append(x.env, "KUBE_CREATE_NODES=false")
	x.hakube("up")
	x.memory("1", "1 machine", "")
	x.env = append(x.env, "KUBE_CREATE_NODES=true", "NUM_NODES=999", "MAX_INSTANCES_PER_MIG=1000")
	took, _ := x.hakube("up")
	x.say(took.Seconds(), "s", "s-1000-create", "999 nodes more, until the cluster is valid", "")
	x.memory("1000", "1,000 machines", "at most 300 MB")
	took, _ = x.hakube("up")
	x.say(took.Seconds(), "s", "s-1000-idle", "the same again, nothing to do", "")
	took, _ = x.hakube("status")
	x.say(took.Seconds(), "s", "s-1000-status", "hakube status", "at most 2 s")
	took, _ = x.hakube("down", "--yes")
	x.say(took.Seconds(), "s", "s-1000-remove", "remove", "")
	x.memory("after", "no machine any more", "")
	if objects := x.status().Objects; len(objects) > 0 {
		x.Errorf("left behind: %v", objects)
	}
}

// memory says what the daemon holds now, and held at most so far, as Linux
// counts it; other systems are not asked.
func (x *bench) memory(metric, text, aim string) {
	x.Helper()
	if runtime.GOOS != "linux" {
		return
	}
	b, err := os.ReadFile("/proc/" + strconv.Itoa(x.status().PID) + "/status")
	if err != nil {
		x.Fatal(err)
	}
	held := map[string]float64{}
	for line := range strings.Lines(string(b)) {
		if field := strings.Fields(line); len(field) == 3 && field[2] == "kB" {
			kib, err := strconv.ParseFloat(field[1], 64)
			if err != nil {
				x.Fatal(err)
			}
			held[field[0]] = kib * 1024 / 1e6
		}
	}
	x.say(held["VmRSS:"], "MB", "MB-"+metric, "memory of the daemon (VmRSS), "+text, aim)
	x.say(held["VmHWM:"], "MB", "MB-"+metric+"-peak", "  at most so far (VmHWM)", "")
}
