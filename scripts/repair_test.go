package scripts

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// piped is a script as it runs on a machine, but for the lock and the log.
const piped = `
answer_with() { "$@"; }
say() { :; }
mountpoint() { true; }
make_etcd_pki() { :; }
write_etcd_unit() { :; }
fetch_component() { :; }
ETCD_VERSION=3.6.8
mkdir -p "$STATE"
`

// A master's members are started that have data; of the others it is told why not.
func TestReviveEtcd(t *testing.T) {
	const stubs = piped + `
start_ring() { say "start $1"; STARTED=$1; }
systemctl() {
	case $* in
	"-q is-active etcd@main.service") [[ $MAIN == runs || ${STARTED:-} == main && $MAIN == starts ]] ;;
	"-q is-active etcd@events.service") [[ $EVENTS == runs ]] ;;
	"show etcd@events"*) echo 2 ;;
	show*) echo 0 ;;
	esac
}
journalctl() { printf '%s\n' '{"level":"info","msg":"starting"}' '{"level":"fatal","msg":"discovery failed","error":"walpb: crc \"mismatch\""}'; }
`
	for name, x := range map[string]struct {
		main, events string
		disk         map[string]string
		want         string
	}{
		"both run": {"runs", "runs", map[string]string{"hakube/founded": "x"},
			`{"disk":true,"rings":{"main":{"state":"runs","error":""},"events":{"state":"runs","error":""}}}`},
		"one was stopped, one ends": {"starts", "ends", map[string]string{"hakube/founded": "x", "etcd/main/member/wal": "x", "etcd/events/member/wal": "x"},
			`{"disk":true,"rings":{"main":{"state":"runs","error":""},"events":{"state":"ends","error":"discovery failed: walpb: crc \"mismatch\""}}}`},
		"data are gone": {"ends", "runs", map[string]string{"hakube/founded": "x"},
			`{"disk":true,"rings":{"main":{"state":"lost","error":""},"events":{"state":"runs","error":""}}}`},
		"no master yet": {"ends", "ends", nil,
			`{"disk":true,"rings":{"main":{"state":"none","error":""},"events":{"state":"none","error":""}}}`},
		"to join again": {"starts", "runs", map[string]string{"hakube/founded": "x", "hakube/again-main": "a1"},
			`{"disk":true,"rings":{"main":{"state":"runs","error":""},"events":{"state":"runs","error":""}}}`},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGuest(t)
			g.write(x.disk)
			g.want(x.want+"\n", stubs+"MAIN="+x.main+" EVENTS="+x.events+"\n"+reviveEtcd)
		})
	}
	g := newGuest(t) // a disk that is not there
	g.want(`{"disk":false,"rings":{"main":{"state":"none","error":""},"events":{"state":"none","error":""}}}`+"\n",
		stubs+"mountpoint() { false; }\n"+reviveEtcd)
}

// A ring is forced once, by a setting that neither a reboot nor the end leaves.
func TestForceRing(t *testing.T) {
	const stubs = piped + `
set -- main
sleep() { :; }
start_ring() { cat "$DROP_IN/force.conf" >>"$TEST_DIR/forced"; echo 1 >"$TEST_DIR/members"; }
systemctl() { :; }
api_is_ready() { :; }
etcd_ctl() {
	(api_is_ready_with_others) 2>/dev/null || touch "$TEST_DIR/waits-for-nobody"
	[[ $2 != member ]] || seq "$(<"$TEST_DIR/members")"
}
`
	g := newGuest(t)
	script := strings.ReplaceAll(stubs+forceRing, "/run/systemd/system", g.dir+"/units")
	members := func(n string) {
		if err := os.WriteFile(filepath.Join(g.dir, "members"), []byte(n), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	forced := func() string {
		text, _ := os.ReadFile(filepath.Join(g.dir, "forced")) // absent: it was not
		return string(text)
	}
	members("3")
	g.fails("has no data of ring main", script)
	g.write(map[string]string{"etcd/main/member/wal": "x"})
	g.want("{\"alone\":true}\n", script)
	if _, err := os.Stat(filepath.Join(g.dir, "waits-for-nobody")); err != nil {
		t.Errorf("a boot goes on waiting for the others meanwhile: %v", err)
	}
	if _, err := os.Stat(filepath.Join(g.dir, "run/alone")); err == nil {
		t.Error("a boot that comes later would not wait for the others")
	}
	if got := forced(); got != "[Service]\nEnvironment=ETCD_FORCE_NEW_CLUSTER=true\n" {
		t.Errorf("it was forced by %q", got)
	}
	if left, err := filepath.Glob(g.dir + "/units/*"); err != nil || len(left) > 0 {
		t.Errorf("left are %v, %v", left, err)
	}
	g.want("{\"alone\":true}\n", script)
	if n := strings.Count(forced(), "FORCE"); n != 1 {
		t.Errorf("a ring of one was forced again: %d times", n)
	}
	g.fails("usage: force-ring", strings.Replace(script, "set -- main", "set -- other", 1))
}

// What a master had of a ring is kept when it joins again, and it goes on joining
// until it has data.
func TestMemberJoinsRingAgain(t *testing.T) {
	const join = `
systemctl() { :; }
for f in make_etcd_pki write_etcd_unit fetch_version start_ring say; do eval "$f() { :; }"; done
join_ring main b2 m=https://m:2380 again`
	g := newGuest(t)
	g.write(map[string]string{"etcd/pki/ca.key": "x", "hakube/kube-version": "v1.36.3", "hakube/founded": "x", "hakube/ring-main": "a1\nx\n", "etcd/main/member/wal": "old"})
	for range 2 { // also after a cut
		g.want("", join)
		if old, again := g.read("etcd/main.was-1/member/wal"), g.read("hakube/again-main"); old != "old" || again != "b2\n" {
			t.Errorf("kept is %q, to join again %q", old, again)
		}
		if g.read("etcd/main/member/wal") != "" || g.read("hakube/ring-main") != "b2\nm=https://m:2380\n" {
			t.Errorf("the member begins with %q as %q", g.read("etcd/main/member/wal"), g.read("hakube/ring-main"))
		}
	}
}

// An API server that is ready is left alone; one that is not is ended first.
func TestReviveAPI(t *testing.T) {
	const stubs = piped + `
sleep() { :; }
pkill() { echo "pkill $*" >&2; return 1; }
write_kubeadm() { :; }
restore_control_plane() { READY=$AFTER; }
systemctl() { echo "$*" >&2; READY=$LATER; }
api_is_ready() { [[ ${READY:-no} == yes ]] || { SECONDS=$((SECONDS + 100)); false; }; }
`
	g := newGuest(t)
	g.fails("is no master yet", stubs+reviveAPI)
	g.write(map[string]string{"hakube/founded": "x"})
	for _, x := range []struct{ settings, want, said string }{
		{"READY=yes", "true", ""},
		{"AFTER=yes", "true", "pkill -TERM"},
		{"AFTER=no LATER=yes", "true", "restart containerd.service kubelet.service"},
		{"AFTER=no LATER=no", "false", "restart containerd.service kubelet.service"},
	} {
		stdout, stderr, err := g.run(stubs + x.settings + "\n" + reviveAPI)
		if err != nil || stdout != `{"ready":`+x.want+"}\n" || !strings.Contains(stderr, x.said) || x.said == "" && strings.Contains(stderr, "pkill") {
			t.Errorf("%s: %q, %v; stderr:\n%s", x.settings, stdout, err, stderr)
		}
	}
}

// A master's Node that is gone is made again by its kubelet, and marked; where there is
// one nothing is restarted.
func TestRegisterNode(t *testing.T) {
	const stubs = piped + `
NAME=m
as_admin() { echo "$*" >&2; [[ $* != get* || ${THERE:-no} == yes ]]; }
systemctl() { echo "$*" >&2; THERE=yes; }
`
	g := newGuest(t)
	g.fails("is no master yet", stubs+registerNode)
	g.write(map[string]string{"hakube/founded": "x"})
	for settings, restarts := range map[string]bool{"THERE=yes": false, "THERE=no": true} {
		stdout, stderr, err := g.run(stubs + settings + "\n" + registerNode)
		if err != nil || stdout != "{\"registered\":true}\n" || strings.Contains(stderr, "restart kubelet.service") != restarts ||
			!strings.Contains(stderr, "taint node m") || !strings.Contains(stderr, "label node m") {
			t.Errorf("%s: %q, %v; stderr:\n%s", settings, stdout, err, stderr)
		}
	}
}
