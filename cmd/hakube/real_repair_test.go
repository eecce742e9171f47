//go:build linux

package main

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"hakube/cluster"
)

// TestRealRepair lets masters of three real ones fail and has them repaired: the
// etcd of one ring, a ring that is full, and the machine with its data disk. Then two of them are lost for
// good, and the third one goes on alone. What was written at the start is there to
// the end. Nobody may read guest attributes: all of it goes by what the machines say on
// their consoles. "make test" has the machine with its disk and the survivor.
func TestRealRepair(t *testing.T) {
	g := &grown{walk: newWalk(t), nodes: 1, masters: map[string]string{}}
	g.walk.env = append(g.walk.env, "NUM_NODES=1", "MULTIZONE=true")
	g.ok(t, "local", "start", "--machines=real", "--policy=compute.disableGuestAttributesAccess")
	one, three := []string{zoneB}, []string{zoneB, zoneC, zoneD}
	for _, step := range []struct {
		name string
		long bool // not in "make test"
		do   func(*testing.T)
	}{
		{"three masters", false, func(t *testing.T) {
			g.hakube(t, "up", zoneB)
			for _, zone := range three[1:] {
				g.masters[zone] = g.hakube(t, "up", zone, addMaster).Replica
			}
			g.kubectl(t, "create", "configmap", "written-before", "--from-literal=by=three masters")
		}},
		{"etcd of one ring is damaged", true, func(t *testing.T) {
			name := g.masters[zoneC]
			g.onIn(t, zoneC, name, "sh", "-c", `systemctl kill -s KILL etcd@events &&
				for log in /mnt/disks/master-pd/etcd/events/member/wal/*.wal; do dd if=/dev/urandom of=$log bs=4096 count=4 conv=notrunc; done`)
			g.sick(t, name)
			g.repaired(t, name)
			g.expect(t, three, one)
			if out := g.onIn(t, zoneC, name, "ls", "/mnt/disks/master-pd/etcd"); !strings.Contains(out, "events.was-1") {
				t.Errorf("the damaged data were not kept, there is %q", out)
			}
		}},
		{"a ring is full", true, func(t *testing.T) {
			name := g.masters[zoneC]
			g.onIn(t, zoneC, name, "bash", "-c", fillRing)
			g.sick(t, name)
			if r := g.run(t, "down", "--zone="+zoneD, "--delete-nodes=false"); r.code != exitFailed || !strings.Contains(r.stderr, "nothing was changed") || !strings.Contains(r.stderr, "alarm NOSPACE of "+name) {
				t.Errorf("removing a master meanwhile exits with %d:\n%s", r.code, r.stderr)
			}
			g.repaired(t, name)
			g.expect(t, three, one)
			g.kubectl(t, "create", "configmap", "written-after", "--from-literal=by=three masters")
		}},
		{"the first-born and its disk are gone", false, func(t *testing.T) {
			g.lose(t, master, zoneB)
			g.sick(t, master)
			g.repaired(t, "")
			g.expect(t, three, one)
		}},
		{"two are lost for good", false, func(t *testing.T) {
			left := g.masters[zoneD]
			g.lose(t, master, zoneB)
			g.lose(t, g.masters[zoneC], zoneC)
			way := "hakube repair --from-survivor " + left
			becomes(t, "status names the way out first", func(d *differing) {
				if s := g.cluster(t); len(s.Unfinished) == 0 || !isNamed(s.Unfinished[0].Command, way) {
					d.add("status names %+v", s.Unfinished)
				}
			})
			if r := g.run(t, "repair"); r.code != exitFailed || !strings.Contains(r.stderr, strings.TrimPrefix(way, "hakube")) {
				t.Errorf("repair exits with %d:\n%s", r.code, r.stderr)
			}
			if r := g.run(t, "repair", "--from-survivor", left); r.code != exitFailed || !strings.Contains(r.stderr, "there is no terminal to ask") {
				t.Errorf("without --yes it exits with %d:\n%s", r.code, r.stderr)
			}
			begin := time.Now()
			r := g.ok(t, "repair", "--from-survivor", left, "--yes")
			report(t, "going on with one of three masters: %.1f s", time.Since(begin).Seconds())
			t.Log(r.stderr)
			becomes(t, "one master is left, and well", func(d *differing) {
				s := g.cluster(t)
				if len(s.Masters) != 1 || s.Masters[0].State != cluster.StateReady || s.Address.Holder != left || len(s.Rings["main"]) != 1 || len(s.Rings["events"]) != 1 {
					d.add("left are %+v, rings %+v, address %+v", s.Masters, s.Rings, s.Address)
				}
			})
			g.valid(t)
			g.written(t)
		}},
		{"down", false, func(t *testing.T) {
			g.machines(t)
			g.walk.env = withoutZone(g.walk.env)
			g.ok(t, "down", "--yes")
			if s := g.status(t); len(s.Objects) != 0 {
				t.Errorf("down left %v", s.Objects)
			}
			g.nothingLeft(t)
		}},
	} {
		if step.long && shortForms {
			report(t, "left to make long: %s", step.name)
			continue
		}
		begin := time.Now()
		if !t.Run(step.name, func(t *testing.T) { step.do(t) }) {
			t.FailNow()
		}
		t.Logf("%s: %s", step.name, time.Since(begin).Round(100*time.Millisecond))
	}
}

// fillRing gives ring main on one machine a small quota, and writes to one key, over and
// over, until etcd takes no more. What the key had before is what the room goes to.
const fillRing = `set -eu
sed -i s/^ETCD_QUOTA_BACKEND_BYTES=.*/ETCD_QUOTA_BACKEND_BYTES=33554432/ /etc/etcd/main.env
systemctl restart etcd@main
pki=/mnt/disks/master-pd/etcd/pki
ctl() { etcdctl --endpoints=https://127.0.0.1:2379 --cacert=$pki/ca.crt --cert=$pki/client.crt --key=$pki/client.key "$@"; }
head -c 1000000 /dev/zero | tr '\0' x >/tmp/value
for n in $(seq 180); do
	if ! said=$(ctl put of-the-test </tmp/value 2>&1); then
		case $said in *"database space exceeded"*) exit 0 ;; esac
		echo "$said" >&2
		sleep 0.2
	fi
done
exit 1`

// lose deletes a master's machine and its data disk.
func (g *grown) lose(t *testing.T, name, zone string) {
	t.Helper()
	g.call(t, http.MethodDelete, "zones/"+zone+"/instances/"+name)
	g.call(t, http.MethodDelete, "zones/"+zone+"/disks/"+name+"-pd")
}

// sick: status names the master and the command that repairs it, and the cluster is
// not valid.
func (g *grown) sick(t *testing.T, name string) {
	t.Helper()
	eventually(t, settled, "status names "+name, func() error {
		return naming(g.cluster(t), "hakube repair "+name)
	})
	if r := g.run(t, "validate"); r.code != exitFailed || !strings.Contains(r.stderr, name) {
		t.Errorf("validate exits with %d:\n%s", r.code, r.stderr)
	}
}

// repaired runs repair, for one master or for all that fail.
func (g *grown) repaired(t *testing.T, name string) {
	t.Helper()
	args := []string{"repair", "--json"}
	if name != "" {
		args = append(args, name)
	}
	begin := time.Now()
	r := g.run(t, args...)
	if r.code != 0 {
		t.Fatalf("hakube %s exits with %d:\n%s", strings.Join(args, " "), r.code, r.stderr)
	}
	var s cluster.Summary
	decode(t, r.stdout, &s)
	if len(s.Repaired) != 1 || name != "" && s.Repaired[0] != name {
		t.Errorf("repaired %v, want %s", s.Repaired, name)
	}
	report(t, "hakube repair of %v: %.1f s", s.Repaired, time.Since(begin).Seconds())
	t.Log(r.stderr)
	g.written(t)
}

func (g *grown) written(t *testing.T) {
	t.Helper()
	if by := g.kubectl(t, "get", "configmap", "written-before", "-o", "jsonpath={.data.by}"); by != "three masters" {
		t.Errorf("what was written before reads %q", by)
	}
}
