//go:build linux

package main

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"hakube/cluster"
)

// TestRealGrouped has three real masters come into groups of their own, with hakube killed
// twice on the way, and come back by themselves: the machine of each in turn is deleted, as
// gcloud does it, then etcd, API server, kubelet and containerd of one are killed, and with
// nothing run by hand it is a voter of both rings again, Ready, and behind the balancer, while
// a register is written and read through the API's address. In "make test" it is the only
// master, made in a group, whose API is dark meanwhile.
func TestRealGrouped(t *testing.T) {
	g := &grown{walk: newWalk(t), nodes: 1, masters: map[string]string{zoneB: master}}
	g.walk.limit = 20 * time.Minute // machines one after the other, on a host that has other work
	zones := []string{zoneB, zoneC, zoneD}
	if shortForms {
		zones = zones[:1]
	}
	g.walk.env = append(withoutZone(g.walk.env), "KUBE_GCE_ZONE="+zoneB, "NUM_NODES=1", "HAKUBE_LOAD_BALANCER=from-start")
	g.ok(t, "local", "start", "--machines=real")
	if shortForms {
		g.hakube(t, "up", zoneB, "HAKUBE_MASTER_GROUPS=true")
	} else {
		g.hakube(t, "up", zoneB)
	}
	for _, zone := range zones[1:] {
		g.masters[zone] = g.hakube(t, "up", zone, addMaster).Replica
	}
	r := newRegister(t, g.kubeconfig)
	if !shortForms {
		r.ReadPatiently(askAgain)
		g.intoGroups(t, r)
	}
	for _, zone := range zones {
		g.comesBack(t, r, zone, g.masters[zone])
	}
	last := zones[len(zones)-1]
	g.processesComeBack(t, r, last, g.masters[last])
	r.end(t)
	if asked, failed, longest := r.Patient(); !shortForms && (asked == 0 || failed > 0) {
		t.Errorf("%d of %d reads that are asked again for %s were not answered, the longest took %s", failed, asked, askAgain, longest)
	}
	g.expect(t, zones, []string{zoneB})
	g.machines(t)
	g.walk.env = withoutZone(g.walk.env)
	g.ok(t, "down", "--yes")
	if s := g.status(t); len(s.Objects) != 0 {
		t.Errorf("down left %v", s.Objects)
	}
	g.nothingLeft(t)
}

// askAgain is for how long a read is asked again, as by a client that uses client-go's retry,
// before it counts as failed.
const askAgain = 15 * time.Second

// intoGroups has the masters there are come into groups of their own: hakube is killed when the
// first one's group is there and its machine is not, and when that is a backend again; run
// again it goes on.
func (g *grown) intoGroups(t *testing.T, r *register) {
	t.Helper()
	begin := time.Now()
	g.killed(t, zoneB, []string{`group of kubernetes-master\S* +made`, ` is a backend +made`}, "HAKUBE_MASTER_GROUPS=true hakube roll masters",
		"roll", "--master-groups=true", "masters")
	var s cluster.Summary
	decode(t, g.ok(t, "roll", "--json", "--master-groups=true", "masters").stdout, &s)
	failed, answered := r.Failed(begin)
	report(t, "%d masters into groups, hakube killed twice: %.0f s; %d of %d requests failed, longest stall %.1f s",
		len(g.masters), time.Since(begin).Seconds(), failed, failed+answered, r.Stall(begin).Seconds())
	for _, line := range r.Failures(begin) {
		report(t, "into groups: %s", line)
	}
	becomes(t, "groups watch all masters", func(d *differing) {
		for _, m := range g.cluster(t).Masters {
			if m.Group != "watches" {
				d.add("%s is looked after by: %s", m.Name, m.Group)
			}
		}
	})
	if len(s.Rolled) < 2 {
		t.Errorf("made again at last: %v", s.Rolled)
	}
}

// comesBack deletes a master's machine and waits for it to be whole again.
func (g *grown) comesBack(t *testing.T, r *register, zone, name string) {
	t.Helper()
	path := "zones/" + zone + "/instances/" + name
	was := g.call(t, http.MethodGet, path)
	begin := time.Now()
	g.call(t, http.MethodDelete, path)
	g.wholeAgain(t, r, "deleted: made", name, begin, func() bool {
		return slices.Contains(g.names(t, "zones/"+zone+"/instances"), name) && g.call(t, http.MethodGet, path)["id"] != was["id"]
	})
}

// processes are what a master's control plane stands on, by the names of the programs.
var processes = []string{"etcd", "kube-apiserver", "kubelet", "containerd"}

// processesComeBack kills the programs of a master and waits for it to be whole again: its
// machine stays, and its group does nothing.
func (g *grown) processesComeBack(t *testing.T, r *register, zone, name string) {
	t.Helper()
	pids := func() map[string]string {
		all := map[string]string{}
		for _, p := range processes {
			all[p] = strings.Join(strings.Fields(g.onIn(t, zone, name, "sh", "-c", "pgrep -x "+p+" || true")), " ")
		}
		return all
	}
	path := "zones/" + zone + "/instances/" + name
	id, was := g.call(t, http.MethodGet, path)["id"], pids()
	begin := time.Now()
	g.onIn(t, zone, name, "pkill", "-KILL", "-x", strings.Join(processes, "|"))
	g.wholeAgain(t, r, "killed: started", name, begin, func() bool {
		now := pids()
		return !slices.ContainsFunc(processes, func(p string) bool { return now[p] == "" || now[p] == was[p] })
	})
	if g.call(t, http.MethodGet, path)["id"] != id {
		t.Errorf("%s is another machine: its group makes one again whose processes end", name)
	}
}

// wholeAgain waits for a master to be whole again, first by what tells that it is not as before.
func (g *grown) wholeAgain(t *testing.T, r *register, what, name string, begin time.Time, again func() bool) {
	t.Helper()
	var made, voter, behind time.Duration
	for behind == 0 {
		if time.Since(begin) > 15*time.Minute {
			t.Fatalf("%s is not back: %+v", name, g.cluster(t))
		}
		time.Sleep(time.Second)
		if made == 0 && !again() {
			continue
		} else if made == 0 {
			made = time.Since(begin)
		}
		s := g.cluster(t)
		votes := func(ring string) bool {
			return slices.ContainsFunc(s.Rings[ring], func(m cluster.RingMember) bool { return m.Member == name && m.Voter && m.Healthy })
		}
		if voter == 0 && votes("main") && votes("events") {
			voter = time.Since(begin)
		}
		for _, m := range s.Masters {
			if m.Name == name && m.State == cluster.StateReady && m.Node == "Ready" && behindBalancer(s.Balancer, m) == "healthy" && voter != 0 {
				behind = time.Since(begin)
			}
		}
	}
	failed, answered := r.Failed(begin)
	report(t, "%s %s again after %.0f s, voter after %.0f s, behind the balancer after %.0f s; %d of %d requests failed, longest stall %.1f s",
		name, what, made.Seconds(), voter.Seconds(), behind.Seconds(), failed, failed+answered, r.Stall(begin).Seconds())
	for _, line := range r.Failures(begin) {
		report(t, "%s: %s", name, line)
	}
}
