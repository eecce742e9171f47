//go:build linux

package main

import (
	"net/http"
	"slices"
	"testing"
	"time"

	"hakube/cluster"
)

// TestRealGrouped has three real masters come back by themselves: the machine of each in turn is
// deleted, as gcloud does it, and with nothing run by hand it is a voter of both rings again,
// Ready, and behind the balancer, while a register is written and read through the API's
// address. In "make test" it is the only master, whose API is dark meanwhile.
func TestRealGrouped(t *testing.T) {
	g := &grown{walk: newWalk(t), nodes: 1, masters: map[string]string{zoneB: master}}
	g.walk.limit = 20 * time.Minute // machines one after the other, on a host that has other work
	zones := []string{zoneB, zoneC, zoneD}
	if shortForms {
		zones = zones[:1]
	}
	g.walk.env = append(withoutZone(g.walk.env), "KUBE_GCE_ZONE="+zoneB, "NUM_NODES=1", "HAKUBE_LOAD_BALANCER=from-start")
	g.ok(t, "local", "start", "--machines=real")
	g.hakube(t, "up", zoneB, "HAKUBE_MASTER_GROUPS=true")
	for _, zone := range zones[1:] {
		g.masters[zone] = g.hakube(t, "up", zone, addMaster).Replica
	}
	r := newRegister(t, g.kubeconfig)
	for _, zone := range zones {
		g.comesBack(t, r, zone, g.masters[zone])
	}
	r.end(t)
	g.expect(t, zones, []string{zoneB})
	g.machines(t)
	g.walk.env = withoutZone(g.walk.env)
	g.ok(t, "down", "--yes")
	if s := g.status(t); len(s.Objects) != 0 {
		t.Errorf("down left %v", s.Objects)
	}
	g.nothingLeft(t)
}

// comesBack deletes a master's machine and waits for it to be whole again.
func (g *grown) comesBack(t *testing.T, r *register, zone, name string) {
	t.Helper()
	path := "zones/" + zone + "/instances/" + name
	was := g.call(t, http.MethodGet, path)
	begin := time.Now()
	g.call(t, http.MethodDelete, path)
	var made, voter, behind time.Duration
	for behind == 0 {
		if time.Since(begin) > 10*time.Minute {
			t.Fatalf("%s is not back: %+v", name, g.cluster(t))
		}
		time.Sleep(time.Second)
		if made == 0 && (!slices.Contains(g.names(t, "zones/"+zone+"/instances"), name) || g.call(t, http.MethodGet, path)["id"] == was["id"]) {
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
	report(t, "%s deleted: made again after %.0f s, voter after %.0f s, behind the balancer after %.0f s; %d of %d requests failed, longest stall %.1f s",
		name, made.Seconds(), voter.Seconds(), behind.Seconds(), failed, failed+answered, r.Stall(begin).Seconds())
}
