package emulator

import (
	"net/netip"
	"slices"
	"testing"

	"hakube/gce/emulator/internal/doc"
)

// TestTargetPoolTraffic: what is behind a rule with a target pool, who has its address,
// how it is probed, and what becomes of all that with each change.
func TestTargetPoolTraffic(t *testing.T) {
	w := newWorld(t)
	w.service()
	vip := doc.Str(w.get(regionW+"forwardingRules/a1"), "IPAddress")
	m1, m2 := w.inside("m1"), w.inside("m2")
	behind := func(want ...netip.Addr) {
		t.Helper()
		l := w.backend.net().Balancers
		if len(l) != 1 {
			t.Fatalf("%d balancers", len(l))
		}
		var got []netip.Addr
		for _, g := range l[0].Backends {
			got = append(got, g.Machines...)
		}
		if !slices.Equal(got, want) {
			t.Errorf("behind the pool: %v, want %v", got, want)
		}
	}
	health := func(machine, want string) {
		t.Helper()
		_, o := w.send("POST", regionW+"targetPools/a1/getHealth", doc.Obj{"instance": machine})
		l := doc.Objects(o, "healthStatus")
		if len(l) != 1 || doc.Str(l[0], "healthState") != want || doc.Str(l[0], "ipAddress") != vip || doc.RefOf(doc.Str(l[0], "instance")) != doc.Ref(machine) {
			t.Errorf("health of %s: %v, want %s", machine, o, want)
		}
	}
	behind(m1, m2)
	b := w.backend.net().Balancers[0]
	if b.Address.String() != vip || b.Network != "" || b.Affinity != "NONE" || !slices.Equal(b.Ports, []string{"80"}) ||
		b.Check.Protocol != "HTTP" || b.Check.Port != 10256 || b.Check.Path != "/healthz" || b.Check.Interval.Seconds() != 5 {
		t.Errorf("behind the API: %+v", b)
	}
	if got := w.forwardedTo(); !slices.Equal(got["m1"], []string{vip}) || !slices.Equal(got["m2"], []string{vip}) {
		t.Errorf("machines that have the address: %v", got)
	}
	w.backend.mu.Lock()
	w.backend.health = map[netip.Addr]bool{m1: true}
	w.backend.mu.Unlock()
	health(zoneB+"instances/m1", "HEALTHY")
	health(zoneC+"instances/m2", "UNHEALTHY")

	w.made("PATCH", globalW+"httpHealthChecks/k8s-1-node", doc.Obj{"port": 31000, "host": "web"})
	if c := w.backend.net().Balancers[0].Check; c.Port != 31000 || c.Host != "web" || c.Path != "/healthz" {
		t.Errorf("the check after a patch: %+v", c)
	}
	w.made("PUT", globalW+"httpHealthChecks/k8s-1-node", doc.Obj{"name": "k8s-1-node", "port": 10256})
	if c := w.backend.net().Balancers[0].Check; c.Port != 10256 || c.Host != "" || c.Path != "/" {
		t.Errorf("the check after an update: %+v", c)
	}
	w.refused(400, "invalid", "PATCH", globalW+"httpHealthChecks/k8s-1-node", doc.Obj{"timeoutSec": 9})
	w.refused(404, "notFound", "PATCH", globalW+"httpHealthChecks/none", doc.Obj{"port": 1})

	w.made("POST", zoneC+"instances/m2/stop", nil)
	behind(m1)
	health(zoneC+"instances/m2", "UNHEALTHY")
	w.made("POST", zoneC+"instances/m2/start", nil)
	behind(m1, m2)
	w.made("POST", regionW+"targetPools/a1/removeHealthCheck", doc.Obj{"healthChecks": []any{doc.Obj{"healthCheck": globalW + "httpHealthChecks/k8s-1-node"}}})
	if c := w.backend.net().Balancers[0].Check; c.Protocol != "" {
		t.Errorf("without a check: %+v", c)
	}
	health(zoneC+"instances/m2", "HEALTHY")
	w.made("POST", regionW+"targetPools/a1/removeInstance", these(zoneC+"instances/m2"))
	behind(m1)
	if got := w.forwardedTo()["m2"]; len(got) != 0 {
		t.Errorf("one that was taken out still has the address: %v", got)
	}
}

// TestBackupPool: the machines of a backup get what the pool's own do not when too few
// of these are well, and it stays as long as it is one.
func TestBackupPool(t *testing.T) {
	w := newWorld(t)
	w.service()
	w.made("POST", regionW+"targetPools/a1/removeInstance", these(zoneC+"instances/m2"))
	w.made("POST", regionW+"targetPools", doc.Obj{"name": "spare", "instances": []any{zoneC + "instances/m2"}})
	w.made("POST", regionW+"targetPools/a1/setBackup?failoverRatio=0.5", doc.Obj{"target": doc.Base + regionW + "targetPools/spare"})
	o := w.get(regionW + "targetPools/a1")
	if doc.RefOf(doc.Str(o, "backupPool")) != regionW+"targetPools/spare" || o["failoverRatio"] != 0.5 {
		t.Errorf("the pool: %v", o)
	}
	b := w.backend.net().Balancers[0]
	if b.Failover != 0.5 || len(b.Backends) != 2 || b.Backends[0].Backup || !b.Backends[1].Backup {
		t.Fatalf("behind the API: %+v", b)
	}
	if got := w.forwardedTo()["m2"]; len(got) != 1 {
		t.Errorf("a backup's machine has the addresses %v", got)
	}
	m1, m2 := b.Backends[0].Machines[0], b.Backends[1].Machines[0]
	for _, c := range []struct{ well, want []netip.Addr }{
		{[]netip.Addr{m1, m2}, []netip.Addr{m1}},
		{[]netip.Addr{m2}, []netip.Addr{m2}},
		{[]netip.Addr{m1}, []netip.Addr{m1}},
		{nil, []netip.Addr{m1}},
	} {
		there := func(netip.Addr) bool { return true }
		if got := b.Picked(there, func(a netip.Addr) bool { return slices.Contains(c.well, a) }); !slices.Equal(got, c.want) {
			t.Errorf("with %v well, %v get the traffic, want %v", c.well, got, c.want)
		}
	}
	w.refused(400, "resourceInUseByAnotherResource", "DELETE", regionW+"targetPools/spare", nil)
	w.made("POST", regionW+"targetPools/a1/setBackup", doc.Obj{})
	if o := w.get(regionW + "targetPools/a1"); doc.Has(o, "backupPool") || doc.Has(o, "failoverRatio") {
		t.Errorf("without a backup: %v", o)
	}
	w.made("DELETE", regionW+"targetPools/spare", nil)
}
