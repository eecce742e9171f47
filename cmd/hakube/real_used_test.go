//go:build linux

package main

import (
	"strconv"
	"strings"
	"testing"
	"time"
)

// silence is how long nobody uses the cluster before it grows. The rings are not quiet
// for as long: each API server compacts them every five minutes, with entries of its
// own. So the cluster grows well before the next of these.
const (
	silence  = 5 * time.Minute
	stillFor = 45 * time.Second
	stillMax = 3 * time.Minute
)

// TestRealUsed grows a cluster of real machines that has been used, from one master
// to three, has a lost machine and disk repaired, and shrinks it again. It has more
// than 6,000 entries in both rings and 100 MB of objects, snapshots were taken of it,
// it was compacted and defragmented, its etcds were restarted twice, its authorities
// are a year old, and nobody has used it for five minutes. In "make test" it grows to two
// masters, once its events have been quiet for less, and goes with both.
func TestRealUsed(t *testing.T) {
	g := &grown{walk: newWalk(t), nodes: 1, masters: map[string]string{}}
	g.walk.env = append(g.walk.env, "NUM_NODES=1", "MULTIZONE=true")
	g.ok(t, "local", "start", "--machines=real")
	one, masters, long := []string{zoneB}, []string{zoneB, zoneC, zoneD}, silence
	if shortForms {
		masters, long = masters[:2], 0
	}
	for _, step := range []struct {
		name string
		long bool // not in "make test"
		do   func(*testing.T)
	}{
		{"a master that is used", false, func(t *testing.T) {
			g.hakube(t, "up", zoneB)
			g.kubectl(t, "create", "configmap", "written-before", "--from-literal=by=three masters")
			g.usedUp(t)
			g.expect(t, one, one)
		}},
		{"quiet", false, func(t *testing.T) { g.quiet(t, long) }},
		{"more masters", false, func(t *testing.T) {
			for _, zone := range masters[1:] {
				g.masters[zone] = g.hakube(t, "up", zone, addMaster).Replica
			}
			g.expect(t, masters, one)
			g.written(t)
		}},
		{"a machine and its disk are gone", true, func(t *testing.T) {
			g.lose(t, g.masters[zoneC], zoneC)
			g.repaired(t, g.masters[zoneC])
			g.expect(t, masters, one)
		}},
		{"one master", true, func(t *testing.T) {
			for _, zone := range masters[1:] {
				g.hakube(t, "down", zone, noNodes)
			}
			g.expect(t, one, one)
			g.written(t)
		}},
		{"down", false, func(t *testing.T) {
			g.machines(t)
			g.walk.env = withoutZone(g.walk.env)
			g.ok(t, "down", "--yes")
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

// use is what a year does to a master. Keys are put and taken away again below
// hakube-used/, where no API server looks; what stays of them is the log.
const use = `set -euo pipefail
cd /mnt/disks/master-pd
pki=$PWD/etcd/pki
ctl() { etcdctl --endpoints="https://127.0.0.1:$1" --cacert=$pki/ca.crt --cert=$pki/client.crt --key=$pki/client.key --command-timeout=60s "${@:2}"; }
fill() { # PORT: 6,000 entries
	curl -sS --fail --cacert $pki/ca.crt --cert $pki/client.crt --key $pki/client.key --parallel --parallel-max 40 -o /dev/null \
		-d '{"key":"aGFrdWJlLXVzZWQveA==","value":"eA=="}' "https://127.0.0.1:$1/v3/kv/put?n=[1-6000]"
	ctl "$1" del --prefix hakube-used/ >/dev/null
}
objects() { # 112 of 900 kB each
	head -c 900000 /dev/zero | tr '\0' x >/tmp/value
	for n in $(seq 112); do
		printf '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"big-%d","namespace":"default"},"data":{"x":"%s"}}\n' "$n" "$(</tmp/value)"
	done | kubectl --kubeconfig=/etc/kubernetes/admin.conf create -f - >/dev/null
	rm /tmp/value
}
aged() { # CA: its certificate a year ago, by its key
	local dir
	dir=$(mktemp -d)
	touch "$dir/index"
	echo 01 >"$dir/serial"
	openssl x509 -x509toreq -in "$1.crt" -signkey "$1.key" -out "$dir/request" 2>/dev/null
	printf '[ca]\ndefault_ca=d\n[d]\ndatabase=%s/index\nserial=%s/serial\nnew_certs_dir=%s\ndefault_md=sha256\npolicy=p\nunique_subject=no\n[p]\ncommonName=supplied\n' \
		"$dir" "$dir" "$dir" >"$dir/conf"
	printf 'basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign,digitalSignature\nsubjectKeyIdentifier=%s\n' \
		"$(openssl x509 -in "$1.crt" -noout -ext subjectKeyIdentifier | tail -n 1 | tr -d ' ')" >"$dir/extensions"
	openssl ca -batch -notext -preserveDN -selfsign -config "$dir/conf" -extfile "$dir/extensions" -keyfile "$1.key" -in "$dir/request" -out "$dir/new" \
		-startdate "$(date -u -d '1 year ago' +%y%m%d%H%M%SZ)" -enddate "$(date -u -d '9 years' +%y%m%d%H%M%SZ)" 2>/dev/null
	cat "$dir/new" >"$1.crt"
	rm -r "$dir"
}
fill 2379
fill 4002
objects
for port in 2379 4002; do
	ctl $port snapshot save /tmp/snapshot >/dev/null 2>&1
	rm /tmp/snapshot
	ctl $port compact --physical "$(ctl $port endpoint status -w fields | awk '$1 == "\"Revision\"" { print $3 }')" >/dev/null
	ctl $port defrag >/dev/null
done
for ca in kubernetes/pki/ca kubernetes/pki/front-proxy-ca etcd/pki/ca; do aged $ca; done
cp etcd/pki/ca.crt kubernetes/pki/etcd/ca.crt
for again in 1 2; do systemctl restart etcd@main etcd@events; done
for port in 2379 4002; do ctl $port endpoint status -w fields | awk '$1 == "\"RaftIndex\"" || $1 == "\"DBSize\"" { print $3 }'; done
openssl x509 -in etcd/pki/ca.crt -noout -startdate
`

// usedUp lets a year pass on the first master, and looks that it did.
func (g *grown) usedUp(t *testing.T) {
	t.Helper()
	out := strings.Fields(g.on(t, master, "bash", "-c", use))
	if len(out) < 5 {
		t.Fatalf("it came to %q", out)
	}
	for i, least := range []int{100_000_000, 6000, 0, 6000} {
		slot := []string{"bytes of ring main", "entries of ring main", "bytes of ring events", "entries of ring events"}[i]
		if n, err := strconv.Atoi(out[i]); err != nil || n < least {
			t.Errorf("%s: %s, want at least %d", slot, out[i], least)
		}
	}
	report(t, "used: %s", strings.Join(out, " "))
	eventually(t, settled, "the API is ready again", func() error {
		_, err := g.tryKubectl(t, "get", "--raw=/readyz")
		return err
	})
	g.valid(t)
}

// quiet lets time pass in which nobody uses the cluster, and then waits for a moment
// when the ring of events has had no entry for a while and has none soon.
func (g *grown) quiet(t *testing.T, long time.Duration) {
	t.Helper()
	last, since, begin := "", time.Now(), time.Now()
	for {
		if now := g.on(t, master, "bash", "-c", entriesOfEvents); now != last {
			last, since = now, time.Now()
		}
		still := time.Since(since)
		if time.Since(begin) >= long && still >= stillFor && still <= stillMax {
			report(t, "ring events has been at entry %s for %s", strings.TrimSpace(last), still.Round(time.Second))
			return
		}
		if time.Since(begin) > long+11*time.Minute {
			t.Fatalf("ring events is at %s and not quiet", last)
		}
		time.Sleep(5 * time.Second)
	}
}

const entriesOfEvents = `pki=/mnt/disks/master-pd/etcd/pki
etcdctl --endpoints=https://127.0.0.1:4002 --cacert=$pki/ca.crt --cert=$pki/client.crt --key=$pki/client.key endpoint status -w fields |
	awk '$1 == "\"RaftIndex\"" { print $3 }'`
