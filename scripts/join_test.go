package scripts

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// read returns a file below g.dir/disk, "" when there is none.
func (g *guest) read(name string) string {
	g.t.Helper()
	text, err := os.ReadFile(filepath.Join(g.dir, "disk", name))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		g.t.Fatal(err)
	}
	return string(text)
}

// fails runs commands that must fail and say why.
func (g *guest) fails(why, commands string) {
	g.t.Helper()
	if stdout, stderr, err := g.run(commands); err == nil || !strings.Contains(stderr, why) {
		g.t.Errorf("%s\nended with %v, want %q; stdout %q, stderr:\n%s", commands, err, why, stdout, stderr)
	}
}

// A disk decides over the metadata whether a machine founds or joins.
func TestDiskDecidesWhetherToJoin(t *testing.T) {
	const run = `
for f in mount_disk start_fetching set_up_network start_runtime need write_kubeadm pull_images clear_half_founding start_etcd \
	follow_address api_is_ready approve_kubelets phase keep_backups; do eval "$f() { :; }"; done
prepare_to_join() { echo join; }
restore_control_plane() { echo restore; }
found_control_plane() { echo found; }
say() { :; }
run_master 9>/dev/null`
	for name, test := range map[string]struct {
		start string
		disk  map[string]string
		want  string
	}{
		"founds":              {StartFound, nil, "found\n"},
		"joins":               {StartJoin, nil, "join\n"},
		"founded":             {StartFound, map[string]string{"hakube/founded": "x"}, "restore\n"},
		"joined":              {StartJoin, map[string]string{"hakube/founded": "x", "hakube/ring-main": "1\nx\n"}, "restore\n"},
		"member, not told so": {StartFound, map[string]string{"hakube/ring-events": "1\nx\n"}, "join\n"},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGuest(t)
			g.write(test.disk)
			g.want(test.want, "START="+test.start+"\n: >\"$LOG\"\n"+run)
		})
	}
}

// TestNodeRegistersWithItsMarks: a node's labels and taints are its kubelet's from the start,
// beside those that each node has, and without any nothing is said of taints.
func TestNodeRegistersWithItsMarks(t *testing.T) {
	const of = "\nnode_registration | grep -A1 -E 'name: (node-labels|register-with-taints)' | grep value: | tr -d ' '\n"
	const machine = "NAME=n IP=10.40.0.2 PROJECT=p ZONE=z-b REGION=z MACHINE_TYPE=e2 "
	const always = "value:topology.kubernetes.io/zone=z-b,topology.kubernetes.io/region=z,node.kubernetes.io/instance-type=e2"
	g := newGuest(t)
	g.want(always+"\n", machine+"ROLE=node"+of)
	g.want(always+",a=1,b=2,hakube/pool=gpu\nvalue:dedicated=gpu:NoSchedule,x:NoExecute\n",
		machine+"ROLE=node NODE_LABELS=a=1,b=2 POOL=gpu NODE_TAINTS=dedicated=gpu:NoSchedule,x:NoExecute"+of)
	g.want(always+",cloud.google.com/gke-accelerator=nvidia-tesla-t4,a=1\n", machine+"ROLE=node NODE_LABELS=a=1 ACCELERATOR=nvidia-tesla-t4"+of)
	g.want(always+"\nvalue:node-role.kubernetes.io/control-plane=:NoSchedule\n", machine+"ROLE=master"+of)
}

func TestPreparedMachineStartsItsMembersFirst(t *testing.T) {
	g := newGuest(t)
	g.write(map[string]string{"hakube/ring-main": "1\nx\n"})
	const prepare = `
for f in need make_etcd_pki start_ring wait; do eval "$f() { echo $f \"\$@\"; }"; done
phase() { :; }; say() { :; }; write_etcd_unit() { :; }; KUBEADM=k.yaml KUBE_VERSION=v1.36.3; : >"$LOG"
`
	g.want("need etcd\nmake_etcd_pki\nstart_ring main\nneed kubelet\nneed kubectl\nwait 42\nprepared\n",
		prepare+`ctr() { for n in apiserver controller-manager scheduler proxy; do echo "registry.k8s.io/kube-$n:v1.36.3"; done; }
prepare_to_join 42; echo "$END"`)
	// Images that are not there end it: they would be missing when quorum counts on it.
	g.fails("no such registry", prepare+`ctr() { echo registry.k8s.io/kube-apiserver:v1.36.30; }
kubeadm() { echo "no such registry" >&2; false; }
prepare_to_join 42; echo not reached; exit 0`)
}

func TestMemberJoinsRing(t *testing.T) {
	const join = `
systemctl() { echo "$@"; }
for f in make_etcd_pki write_etcd_unit fetch_version; do eval "$f() { :; }"; done
start_ring() { echo start "$1"; }
join_ring main `
	g := newGuest(t)
	g.fails("no keys of the cluster yet", join+"a1 m=https://m:2380")

	g.write(map[string]string{"etcd/pki/ca.key": "x", "hakube/kube-version": "v1.36.3", "etcd/main/member/wal": "of another attempt"})
	g.want("stop etcd@main.service\nstart main\n", join+"a1 m=https://m:2380")
	if got := g.read("hakube/ring-main"); got != "a1\nm=https://m:2380\n" {
		t.Errorf("the ring is remembered as %q", got)
	}
	if g.read("etcd/main/member/wal") != "" {
		t.Error("data of an earlier attempt are still there")
	}

	g.write(map[string]string{"etcd/main/member/wal": "its own"})
	g.want("start main\n", join+"a1 m=https://m:2380,n=https://n:2380")
	if g.read("etcd/main/member/wal") != "its own" || g.read("hakube/ring-main") != "a1\nm=https://m:2380,n=https://n:2380\n" {
		t.Errorf("again: %q, %q", g.read("etcd/main/member/wal"), g.read("hakube/ring-main"))
	}

	g.write(map[string]string{"hakube/founded": "x"})
	g.want("start main\n", join+"a1 m=https://m:2380,n=https://n:2380")
	g.fails("member of ring main is a1, not b2", join+"b2 m=https://m:2380")
	if g.read("etcd/main/member/wal") != "its own" {
		t.Error("data of a master were thrown away")
	}
}

func TestEtcdIsToldToFoundOrToJoin(t *testing.T) {
	const configure = `
put() { grep -E '^ETCD_(INITIAL_CLUSTER|INITIAL_CLUSTER_STATE|LISTEN_CLIENT_URLS)='; }
NAME=m FQDN=m.z.c.p.internal IP=10.40.0.2 CLUSTER_ID=p/k; mkdir -p "$STATE"
configure_ring events 4002 2381`
	g := newGuest(t)
	g.want("ETCD_LISTEN_CLIENT_URLS=https://127.0.0.1:4002\nETCD_INITIAL_CLUSTER=m=https://m.z.c.p.internal:2381\nETCD_INITIAL_CLUSTER_STATE=new\n", configure)
	g.write(map[string]string{"hakube/ring-events": "a1\nm=https://m:2381,n=https://n:2381\n"})
	g.want("ETCD_LISTEN_CLIENT_URLS=https://127.0.0.1:4002\nETCD_INITIAL_CLUSTER=m=https://m:2381,n=https://n:2381\nETCD_INITIAL_CLUSTER_STATE=existing\n", configure)
	g.write(map[string]string{"hakube/founded": "x"})
	g.fails("has lost its data", configure)
	g = newGuest(t) // who founded the ring does so once
	g.write(map[string]string{"hakube/founded": "x", "etcd/events/member/wal": "x"})
	g.want("ETCD_LISTEN_CLIENT_URLS=https://127.0.0.1:4002\nETCD_INITIAL_CLUSTER=m=https://m.z.c.p.internal:2381\nETCD_INITIAL_CLUSTER_STATE=existing\n", configure)
}

// pipe runs a script as it runs over ssh: from stdin.
func (g *guest) pipe(text string, args ...string) (stdout, stderr string, err error) {
	cmd := exec.Command("bash", append([]string{"-s", "--"}, args...)...)
	cmd.Env = append(os.Environ(), "TEST_DIR="+g.dir, "GCE_METADATA_HOST="+strings.TrimPrefix(g.server.URL, "http://"))
	cmd.Stdin = strings.NewReader(text)
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errs
	err = cmd.Run()
	return out.String(), errs.String(), err
}

// moved is a script with its directories below g.dir and functions replaced.
func (g *guest) moved(text, functions string) string {
	text = strings.NewReplacer("/run/hakube", g.dir+"/run", "/mnt/disks/master-pd", g.dir+"/disk").Replace(text)
	begin := strings.LastIndex(text, "# shellcheck shell=bash disable") // where what was composed ends
	return text[:begin] + functions + "\n" + text[begin:]
}

func TestScriptsOverSSHAnswerOnStdoutOnly(t *testing.T) {
	const join = `read_metadata() { echo noise; }; join_control_plane() { echo more; cat; `
	g := newGuest(t)
	stdout, stderr, err := g.pipe(g.moved(JoinControlPlane, join+`}`))
	if err != nil || stdout != "{\"joined\":true}\n" || stderr != "" {
		t.Errorf("printed %q, %q, %v", stdout, stderr, err)
	}
	if want := []string{"joining", PhaseRunning}; !slices.Equal(g.phases, want) {
		t.Errorf("phases %q, want %q", g.phases, want)
	}

	g.phases = nil
	stdout, stderr, err = g.pipe(g.moved(JoinControlPlane, join+`die "the reason"; }`))
	if err == nil || stdout != "" || stderr != "the reason\n" {
		t.Errorf("a failure printed %q, %q, %v", stdout, stderr, err)
	}
	if want := []string{"joining", PhasePrepared}; !slices.Equal(g.phases, want) {
		t.Errorf("phases %q, want %q", g.phases, want)
	}
	if _, stderr, err = g.pipe(g.moved(JoinControlPlane, join+`: >"$LOG"; false; echo not reached; }`)); err == nil || stderr != "exit status 1\n" {
		t.Errorf("a silent failure printed %q, %v", stderr, err)
	}

	// A master is not joined again.
	g.phases = nil
	g.write(map[string]string{"hakube/founded": "x"})
	stdout, stderr, err = g.pipe(g.moved(JoinControlPlane, join+`false; }
write_kubeadm() { :; }; restore_control_plane() { :; }; api_is_ready() { :; }`))
	if err != nil || stdout != "{\"joined\":true}\n" || !slices.Equal(g.phases, []string{PhaseRunning}) {
		t.Errorf("again: printed %q, %q, %v, phases %q", stdout, stderr, err, g.phases)
	}

	for script, args := range map[string][]string{StartEtcd: {"main"}, Retire: {"soon"}} {
		if _, stderr, err := g.pipe(g.moved(script, ""), args...); err == nil || !strings.Contains(stderr, "usage: ") {
			t.Errorf("wrong arguments %q: %q, %v", args, stderr, err)
		}
	}
	if _, stderr, err := g.pipe(g.moved(StartEtcd, ""), "third", "a1", "x"); err == nil || !strings.Contains(stderr, "there is no ring third") {
		t.Errorf("a strange ring: %q, %v", stderr, err)
	}
}

func TestRetire(t *testing.T) {
	const leave = `read_metadata() { :; }
etcd_ctl() {
	case "$*" in
	main*status*) printf '"MemberID" : 10\n"Leader" : 10\n' ;;
	events*status*) printf '"MemberID" : 10\n"Leader" : 11\n' ;;
	*list*) printf 'a, started, m, p, c, false\nb, started, n, p, c, false\nc, unstarted, , p, , false\nd, started, l, p, c, true\ne, started, o, p, c, false\n' ;;
	*) echo "$@" >>"$TEST_DIR/asked"; [[ $3 == e ]] ;;
	esac
}
control_plane_has_ended() { [[ ! -e $DISK/kubernetes/manifests/kube-apiserver.yaml ]]; }
systemctl() { echo "$@" >>"$TEST_DIR/asked"; }
sleep() { echo sleep "$1" >>"$TEST_DIR/asked"; }
`
	g := newGuest(t)
	g.write(map[string]string{"kubernetes/manifests/kube-apiserver.yaml": "api", "kubernetes/manifests/other.yaml": "not ours"})
	asked := filepath.Join(g.dir, "asked")
	for _, want := range []string{
		"sleep 7\nmain move-leader b\nmain move-leader e\nstop kubelet.service\n",
		"main move-leader b\nmain move-leader e\nstop kubelet.service\n", // again: nothing to drain
	} {
		_ = os.Remove(asked)
		stdout, stderr, err := g.pipe(g.moved(Retire, leave), "7")
		got, _ := os.ReadFile(asked)
		if err != nil || stdout != "{\"retired\":true}\n" || string(got) != want {
			t.Errorf("printed %q, %q, %v; asked for\n%swant\n%s", stdout, stderr, err, got, want)
		}
	}
	if g.read("kubernetes/manifests/kube-apiserver.yaml") != "" || g.read("kubernetes/manifests/other.yaml") == "" {
		t.Error("the wrong manifests were taken away")
	}
	g.want("", "unretire; unretire")
	if g.read("kubernetes/manifests/kube-apiserver.yaml") != "api" {
		t.Error("the API server does not come back")
	}
}

func TestRunningControlPlaneIsSeen(t *testing.T) {
	g := newGuest(t)
	for _, name := range []string{"kube-apiserver", "kube-controller-manager", "kube-scheduler"} {
		g.want("seen\n", `
cp "$(type -P sleep)" "$TEST_DIR/`+name+`"; "$TEST_DIR/`+name+`" 60 & pid=$!
until [[ $(</proc/$pid/comm) == kube-* ]]; do :; done
if ! control_plane_has_ended; then echo seen; fi
kill "$pid"`)
	}
}

func TestEtcdMember(t *testing.T) {
	newGuest(t) // for its skip
	dir := t.TempDir()
	const etcdctl = `#!/usr/bin/env bash
while [[ $1 == --* ]]; do [[ $1 != --endpoints* ]] || echo "$1" >>"$ASKED"; shift; done
echo "$@" >>"$ASKED"
[[ $2 != promote ]] || { printf '{"level":"warn"}\nError: etcdserver: can only promote a "learner"\n' >&2; exit 1; }
echo "Member added"
`
	t.Setenv("ASKED", filepath.Join(dir, "asked"))
	for name, text := range map[string]string{"etcdctl": etcdctl, "client.key": "key"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	text := strings.NewReplacer("/usr/local/bin", dir, "/mnt/disks/master-pd/etcd/pki", dir).Replace(EtcdMember)
	for args, want := range map[string][2]string{
		"add events https://n:2381": {"4002\nmember add joining --learner --peer-urls=https://n:2381", ""},
		"promote main a1":           {"2379\nmember promote a1", `etcdserver: can only promote a "learner"`},
		"remove main a1":            {"2379\nmember remove a1", ""},
		"lead main a1":              {"2379\nmove-leader a1", ""},
	} {
		_ = os.Remove(filepath.Join(dir, "asked"))
		cmd := exec.Command("bash", append([]string{"-s", "--"}, strings.Fields(args)...)...)
		cmd.Stdin = strings.NewReader(text)
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s: %v", args, err)
		}
		var answer struct{ Error string }
		if err := json.Unmarshal(out, &answer); err != nil || answer.Error != want[1] {
			t.Errorf("%s: %s, %v, want error %q", args, out, err, want[1])
		}
		asked, _ := os.ReadFile(filepath.Join(dir, "asked"))
		if string(asked) != "--endpoints=https://127.0.0.1:"+want[0]+"\n" {
			t.Errorf("%s: asked etcd\n%swant\n%s", args, asked, want[0])
		}
	}
	for _, args := range []string{"", "add main", "add third https://n:1", "crown main a1"} {
		cmd := exec.Command("bash", append([]string{"-s", "--"}, strings.Fields(args)...)...)
		cmd.Stdin = strings.NewReader(text)
		if out, err := cmd.Output(); err == nil || len(out) > 0 {
			t.Errorf("%q: printed %q, %v, want a failure", args, out, err)
		}
	}
}

// TestJoinsWithAnother: a node whose token was exchanged for another one meanwhile goes on with that
// which its metadata have by then.
func TestJoinsWithAnother(t *testing.T) {
	g := newGuest(t)
	g.files["instance/attributes/hakube-join-token"] = "bbbbbb.0123456789abcdef"
	g.want("aaaaaa bbbbbb ", `JOIN=$TEST_DIR/join; ROLE=node JOIN_TOKEN=aaaaaa.0123456789abcdef ADDRESS=192.0.2.1 CA_HASH=sha256:0 NAME=n IP=10.0.0.1 PROJECT=p ZONE=z REGION=r MACHINE_TYPE=m
api_answers() { true; }
sleep() { true; }
rm() { true; }
kubeadm() {
	sed -n 's/^ *token: "\([a-z]*\).*/\1/p' "$JOIN" | tr '\n' ' '
	grep -q bbbbbb "$JOIN"
}
write_join
join`)
}
