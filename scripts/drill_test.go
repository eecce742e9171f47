package scripts

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// drillStubs are a machine as drill.sh sees it, in files of $M: units that run, limits of them, rules of
// its firewall, whether the data disk is mounted, how far its clock is off, the timer. Each call of a program
// is counted, and the one that CUT says ends all.
const drillStubs = `
cut() {
	local n=0
	[[ ! -e $M/calls ]] || n=$(<"$M/calls")
	echo $((n + 1)) >"$M/calls"
	if [[ ${CUT:-0} == $((n + 1)) ]]; then kill -KILL 0; fi
}
mv() { cut; command mv "$@"; }
rm() { cut; command rm "$@"; }
mkdir() { cut; command mkdir "$@"; }
sleep() { :; }
pkill() { cut; return 1; }
mountpoint() { [[ -e $M/mounted ]]; }
umount() { cut; command mv "$M/disk" "$M/device"; command mkdir "$M/disk"; command rm "$M/mounted"; }
mount() { cut; [[ ! -e $M/broken ]] || return 32; command rmdir "$M/disk"; command mv "$M/device" "$M/disk"; : >"$M/mounted"; }
fallocate() { cut; : >"$3"; }
df() { printf '%s\n' Avail 5000000; }
date() {
	local off
	off=$(<"$M/off")
	case $1 in
	-s) cut; command awk -v to="${2#@}" -v now="$(command date +%s.%N)" 'BEGIN { printf "%.2f", to - now }' >"$M/off" ;;
	*) command awk -v off="$off" -v now="$(command date +%s.%N)" -v whole="$([[ $1 == +%s ]] && echo yes)" 'BEGIN { printf whole ? "%d" : "%.3f", now + off }' ;;
	esac
}
iptables() {
	cut
	[[ $1 != -w ]] || shift 2
	[[ ! -e $M/broken ]] || return 4
	case $1 in
	-S) [[ -n ${2:-} ]] && { command grep -- "^-A $2 " "$M/rules" || true; } || command cat "$M/rules" ;;
	-N) ! command grep -q -- "^-N $2$" "$M/rules" && echo "-N $2" >>"$M/rules" ;;
	-A) echo "$*" >>"$M/rules" ;;
	-I) shift; echo "-A $*" >>"$M/rules" ;;
	-D) shift; command grep -q -- "^-A $*$" "$M/rules" && command sed -i "0,/^-A $*$/{/^-A $*$/d}" "$M/rules" ;;
	-F) command sed -i "/^-A $2 /d" "$M/rules" ;;
	-X) ! command grep -q -- "-j $2$" "$M/rules" && command sed -i "/^-N $2$/d" "$M/rules" ;;
	esac
}
systemd-run() {
	cut
	[[ ! -e $M/timer ]] || return 1
	: >"$M/timer"
}
systemctl() {
	cut
	case $* in
	"-q is-active chrony.service" | "-q is-active etcd@"*) [[ -e $M/units/$3 ]] ;;
	"-q is-active "*) return 3 ;;
	"stop hakube-drill-undo"*) command rm -f "$M/timer" ;;
	"stop "*) command rm "$M/units/$2" ;;
	"start "*) : >"$M/units/${*: -1}" ;;
	"kill "*) command rm -f "$M/units/${*: -1}" ;;
	"set-property "*) if [[ $4 == *= ]]; then command rm -f "$M/cgroup/$3/io.max"; else echo "7:0 wbps=128000" >"$M/cgroup/$3/io.max"; fi ;;
	"show "*) echo "/${*: -1}" ;;
	esac
}
`

// A drilledMachine is drill.sh with drillStubs under real bash, in a directory.
type drilledMachine struct {
	t    *testing.T
	dir  string
	text string
}

func newDrilledMachine(t *testing.T) *drilledMachine {
	t.Helper()
	if _, err := exec.LookPath("flock"); err != nil {
		t.Skip("flock is not installed")
	}
	m := &drilledMachine{t: t, dir: t.TempDir()}
	m.text = strings.NewReplacer("/mnt/disks/master-pd", m.dir+"/disk", "/run/hakube/drill", m.dir+"/run/hakube/drill", "/run/hakube-drill.lock", m.dir+"/lock",
		"/run/systemd/system", m.dir+"/run/systemd", "/sys/fs/cgroup", m.dir+"/cgroup", "/var/lib/kubelet/config.yaml", m.dir+"/kubelet.yaml",
		"\nverb=${1:-}\n", "\ncheck() { :; }\nverb=${1:-}\n").Replace(Drill)
	if !strings.Contains(m.text, "check() { :; }") {
		t.Fatal("drill.sh begins otherwise than this test knows")
	}
	for _, unit := range []string{"etcd@main.service", "etcd@events.service"} {
		m.write("units/"+unit, "")
		m.write("cgroup/"+unit+"/of", "")
	}
	m.write("units/kubelet.service", "")
	m.write("units/chrony.service", "")
	for _, name := range []string{"apiserver", "scheduler", "controller-manager"} {
		m.write("disk/kubernetes/manifests/kube-"+name+".yaml", name)
	}
	m.write("disk/kubernetes/manifests/mine.yaml", "mine")
	m.write("mounted", "")
	m.write("off", "0")
	m.write("rules", "-P INPUT ACCEPT\n-A INPUT -j KUBE-FIREWALL\n")
	m.write("stubs", drillStubs)
	m.write("drill", m.text)
	if err := os.MkdirAll(filepath.Join(m.dir, "run/systemd"), 0o700); err != nil {
		t.Fatal(err)
	}
	return m
}

func (m *drilledMachine) write(name, text string) {
	m.t.Helper()
	path := filepath.Join(m.dir, name)
	err := os.MkdirAll(filepath.Dir(path), 0o700)
	if err == nil {
		err = os.WriteFile(path, []byte(text), 0o600)
	}
	if err != nil {
		m.t.Fatal(err)
	}
}

// run runs a file of it, which ends at its n-th call if n is one, and returns what it printed.
func (m *drilledMachine) run(cut int, file string, args ...string) string {
	m.t.Helper()
	_ = os.Remove(filepath.Join(m.dir, "calls"))
	cmd := exec.Command("bash", append([]string{filepath.Join(m.dir, file)}, args...)...)
	cmd.Env = append(os.Environ(), "M="+m.dir, "BASH_ENV="+filepath.Join(m.dir, "stubs"), fmt.Sprintf("CUT=%d", cut))
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, err := cmd.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) && cut > 0 && !exit.Exited() {
		return "cut"
	}
	if err != nil {
		m.t.Fatalf("%s %s: %v, %s", file, args, err, out)
	}
	return string(out)
}

// looks is all that can be seen of it, but for what it counts by and for files that begin so.
func (m *drilledMachine) looks(but ...string) string {
	m.t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(m.dir, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, _ := filepath.Rel(m.dir, path)
		switch {
		case name == "calls", name == "lock", name == "off", strings.HasPrefix(name, "run/systemd/"), d.IsDir(),
			slices.ContainsFunc(but, func(begin string) bool { return strings.HasPrefix(name, begin) }):
			return nil
		}
		text, err := os.ReadFile(path)
		if name != "stubs" && name != "drill" {
			fmt.Fprintf(&b, "%s: %s\n", name, text)
		}
		return err
	})
	if err != nil {
		m.t.Fatal(err)
	}
	left, _ := filepath.Glob(m.dir + "/run/systemd/*/*")
	fmt.Fprintln(&b, left)
	text, _ := os.ReadFile(filepath.Join(m.dir, "off"))
	var off float64
	if _, err := fmt.Sscan(string(text), &off); err != nil {
		m.t.Fatal(err)
	}
	if off > 60 || off < -60 { // 300 is what a drill does; the rest is how long this test takes between two lines
		fmt.Fprintf(&b, "its clock is off by %.2f s\n", off)
	}
	return b.String()
}

// failing is what is to be seen of a failure, without what takes it back.
func (m *drilledMachine) failing() string { return m.looks("run/hakube/", "timer") }

// reboot is what of a failure ends with the machine: what is in /run and the kernel's. The startup-script
// mounts the disk and puts manifests back.
func (m *drilledMachine) reboot() {
	m.t.Helper()
	m.write("boot", `
rm -rf "$M/run" "$M/timer" "$M"/cgroup/*/io.max
mkdir -p "$M/run/systemd"
echo '-P INPUT ACCEPT
-A INPUT -j KUBE-FIREWALL' >"$M/rules"
echo 0 >"$M/off"
for unit in etcd@main etcd@events kubelet chrony; do : >"$M/units/$unit.service"; done
mountpoint || mount
rm -f "$M/disk/hakube-drill.fill"
if [[ -d $M/disk/kubernetes/retired ]]; then
	find "$M/disk/kubernetes/retired" -name 'kube-*.yaml' -exec mv {} "$M/disk/kubernetes/manifests/" \;
	rmdir "$M/disk/kubernetes/retired"
fi
`)
	m.run(0, "boot")
	if err := os.Remove(filepath.Join(m.dir, "boot")); err != nil {
		m.t.Fatal(err)
	}
}

const drillDone = "{\"error\":\"\"}\n"

// TestDrillUndo cuts each failure and its undo at each call of a program: another undo, the timer's, two of
// them, or a reboot leave the machine as it was before.
func TestDrillUndo(t *testing.T) {
	for i, failure := range []string{"api", "etcd-main", "controllers", "kubelet", "clients", "others", "disk-slow", "disk-full", "clock", "disk-lost"} {
		if testing.Short() && i%3 != 0 {
			continue // they share what begins and ends them; "make test" has all
		}
		t.Run(failure, func(t *testing.T) {
			t.Parallel()
			m := newDrilledMachine(t)
			begin := []string{"begin", failure, "300"}
			if failure == "others" {
				begin = append(begin, "10.0.0.1", "10.64.1.0/24")
			}
			before, calm, cuts := m.looks(), m.failing(), 0
			same := func(what string, n int) {
				t.Helper()
				if now := m.looks(); now != before {
					t.Fatalf("%s, cut %d: it is\n%s\nwas\n%s", what, n, now, before)
				}
			}
			undone := func() {
				t.Helper()
				if out := m.run(0, "drill", "undo"); out != drillDone {
					t.Fatalf("undo says %s", out)
				}
			}
			step := 1
			if testing.Short() {
				step = 5
			}
			for n := 1; ; n += step { // the failure is cut
				out := m.run(n, "drill", begin...)
				if out != "cut" && out != drillDone {
					t.Fatalf("begin says %s", out)
				}
				if out != "cut" && m.looks() == before {
					t.Fatal("it does not fail")
				}
				if _, err := os.Stat(filepath.Join(m.dir, "timer")); err != nil && m.failing() != calm {
					t.Fatalf("failing, cut %d: nobody would take it back but undo:\n%s", n, m.looks())
				}
				if n%3 == 0 {
					m.reboot()
				}
				undone()
				same("failing", n)
				if cuts++; out != "cut" {
					break
				}
			}
			for n := 1; ; n += step { // its undo is
				m.run(0, "drill", begin...)
				by, args := "drill", []string{"undo"}
				if n%2 == 0 {
					by, args = "run/hakube/drill/undo", nil
				}
				out := m.run(n, by, args...)
				undone()
				same("taking back by "+by, n)
				if cuts++; out != "cut" {
					break
				}
			}
			m.run(0, "drill", begin...)
			m.run(0, "run/hakube/drill/undo") // what the timer does alone, which systemd forgets then
			_ = os.Remove(filepath.Join(m.dir, "timer"))
			same("the timer", 0)
			fmt.Printf("REPORT TestDrillUndo: %s is cut %d times\n", failure, cuts)
		})
	}
}

// TestDrillUndoFails: what cannot be taken back is said, hinders no other part, and is tried again.
func TestDrillUndoFails(t *testing.T) {
	m := newDrilledMachine(t)
	before := m.looks()
	m.run(0, "drill", "begin", "disk-lost", "300")
	m.write("broken", "")
	if out := m.run(0, "drill", "undo"); out != "{\"error\":\"not taken back: disk network\"}\n" {
		t.Errorf("it says %s", out)
	}
	if _, err := os.Stat(filepath.Join(m.dir, "units/etcd@main.service")); err != nil {
		t.Error("etcd was not started")
	}
	if out := m.run(0, "drill", "begin", "kubelet", "300"); !strings.Contains(out, "not taken back") {
		t.Errorf("another begins: %s", out)
	}
	if err := os.Remove(filepath.Join(m.dir, "broken")); err != nil {
		t.Fatal(err)
	}
	if out := m.run(0, "drill", "undo"); out != drillDone || m.looks() != before {
		t.Errorf("it says %s and is\n%s\nwas\n%s", out, m.looks(), before)
	}
}

// TestDrillProbe: names are asked for as pods do, of whom the kubelet names, and what is not answered
// is lost.
func TestDrillProbe(t *testing.T) {
	m := newDrilledMachine(t)
	server, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	asked := make(chan string, 1)
	go func() {
		for n := 0; ; n++ {
			b := make([]byte, 512)
			size, from, err := server.ReadFrom(b)
			if err != nil {
				return
			}
			select {
			case asked <- string(b[:size]):
			default:
			}
			answer := append(b[:size:size], 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 5, 0, 4, 10, 0, 0, 1)
			switch answer[2], answer[3], answer[7] = 0x81, 0x80, 1; n % 3 {
			case 1:
				answer[3], answer[7] = 0x83, 0 // there is no such name
			case 2:
				continue
			}
			_, _ = server.WriteTo(answer, from)
		}
	}()
	m.write("kubelet.yaml", "clusterDNS:\n- 127.0.0.1\nclusterDomain: example.test\n")
	_, port, _ := net.SplitHostPort(server.LocalAddr().String())
	m.write("once", strings.Replace(m.text, "while ((SECONDS < 900)); do", "DNS_PORT="+port+"; for _ in 1 2 3; do", 1))
	if m.text == strings.Replace(m.text, "while ((SECONDS < 900)); do", "", 1) {
		t.Fatal("the probe goes on otherwise than this test knows")
	}
	out := strings.Fields(m.run(0, "once", "probe"))
	if len(out) != 13 || out[0] != "names" || out[1] != "ok" || out[4] != "lost" || out[9] != "lost" {
		t.Errorf("it prints %q, want an answer and two that are lost", out)
	}
	const query = "HK\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x0akubernetes\x07default\x03svc\x07example\x04test\x00\x00\x01\x00\x01"
	select {
	case got := <-asked:
		if got != query {
			t.Errorf("it asks %q, want %q", got, query)
		}
	case <-time.After(time.Minute):
		t.Error("nobody asked")
	}
}
