package etcdtest

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"

	"hakube/scripts"
)

// TestAge is no test: scripts run this program as age.
func TestAge(t *testing.T) {
	if os.Getenv("HAKUBE_TEST_AGE") == "" {
		t.Skip("for scripts only")
	}
	words := strings.Fields(os.Getenv("HAKUBE_TEST_AGE")) // -r KEY -o TO FROM
	key, err := age.ParseX25519Recipient(words[1])
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(words[4])
	if err == nil {
		text, err = sealed(text, []age.Recipient{key})
	}
	if err == nil {
		err = os.WriteFile(words[3], text, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// A realMaster is a master's data disk in a directory, with etcd itself in both rings.
// Units are processes.
type realMaster struct {
	t         *testing.T
	dir, etcd string
	client    map[string]int // ports
	peer      map[string]int
	key       *age.X25519Identity
}

// units stands for systemd and what else a machine has.
const units = `
systemd-run() {
	while [[ $1 != */etcd ]]; do shift; done
	"$@" >>"$TEST_DIR/throwaway.log" 2>&1 8>&- &
	echo $! >"$TEST_DIR/throwaway"
	for _ in {1..300}; do
		if ctl "$client" endpoint health >/dev/null 2>&1; then return; fi
		sleep 0.1
	done
	return 1
}
systemctl() {
	case $* in
	"stop hakube-backup-etcd.service") [[ -s $TEST_DIR/throwaway ]] || return 0; kill "$(<"$TEST_DIR/throwaway")"; tail -s 0.1 --pid="$(<"$TEST_DIR/throwaway")" -f /dev/null; rm "$TEST_DIR/throwaway" ;;
	"stop etcd@main.service etcd@events.service") for ring in main events; do [[ ! -s $TEST_DIR/$ring.pid ]] || { kill "$(<"$TEST_DIR/$ring.pid")"; tail -s 0.1 --pid="$(<"$TEST_DIR/$ring.pid")" -f /dev/null; }; done ;;
	esac
}
age() { HAKUBE_TEST_AGE="$*" "$TEST_PROGRAM" -test.run '^TestAge$' >/dev/null; }
`

func newRealMaster(t *testing.T) *realMaster {
	for _, name := range []string{"bash", "ss", "openssl"} {
		if _, err := exec.LookPath(name); err != nil {
			t.Skip(err)
		}
	}
	etcd := findEtcd(t)
	key, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	r, err := newRealRing(etcd, t.TempDir(), ringMain, ringEvents)
	if err != nil {
		t.Fatal(err)
	}
	m := &realMaster{t: t, dir: t.TempDir(), etcd: etcd, key: key, client: map[string]int{}, peer: map[string]int{}}
	for name, ports := range r.ports {
		m.client[name], m.peer[name] = ports[0], ports[1]
	}
	for name, text := range map[string]string{"hakube/kube-version": "v1.36.3\n", "hakube-cluster": "local/kubernetes\n"} {
		file := filepath.Join(m.dir, "disk", name)
		if err = os.MkdirAll(filepath.Dir(file), 0o700); err == nil {
			err = os.WriteFile(file, []byte(text), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	m.mustRun("make_etcd_pki\nmake_etcd_pki\nfor f in ca front-proxy-ca; do openssl genrsa 512 >\"$DISK/kubernetes/pki/$f.key\" 2>/dev/null; cp \"$ETCD_PKI/ca.crt\" \"$DISK/kubernetes/pki/$f.crt\"; done\n" +
		"cp \"$DISK/kubernetes/pki/ca.key\" \"$DISK/kubernetes/pki/sa.key\"; cp \"$DISK/kubernetes/pki/ca.crt\" \"$DISK/kubernetes/pki/sa.pub\"\nstart_ring main\nstart_ring events\nwait_until 60 serve members_vote >/dev/null 2>&1\necho x >\"$STATE/founded\"\n")
	t.Cleanup(func() {
		m.mustRun("systemctl stop hakube-backup-etcd.service; systemctl stop etcd@main.service etcd@events.service")
	})
	return m
}

// moved is a script whose machine is in the directory.
func (m *realMaster) moved(script string) string {
	return strings.NewReplacer("/mnt/disks/master-pd", m.dir+"/disk", "/run/hakube", m.dir+"/run", "/etc/etcd", m.dir+"/units", "/usr/local/bin/etcd", m.etcd,
		"/usr/local/bin:", filepath.Dir(m.etcd)+":/usr/local/bin:", "[main]=2379 [events]=4002", fmt.Sprintf("[main]=%d [events]=%d", m.client[ringMain], m.client[ringEvents]),
		"[main]=2380 [events]=2381", fmt.Sprintf("[main]=%d [events]=%d", m.peer[ringMain], m.peer[ringEvents]),
		"--dial-timeout=2s --command-timeout=5s", "--dial-timeout=1m --command-timeout=1m").Replace(script) // tests run beside other tests
}

func (m *realMaster) bash(stdin io.Reader, script string, args ...string) (out []byte, errs string, err error) {
	cmd := exec.Command("bash", append([]string{"-s", "--"}, args...)...)
	program, _ := os.Executable() // it is running
	cmd.Env = append(os.Environ(), "TEST_DIR="+m.dir, "TEST_PROGRAM="+program)
	cmd.Stdin = strings.NewReader(script)
	if stdin != nil {
		cmd.Stdin = io.MultiReader(cmd.Stdin, stdin)
	}
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err = cmd.Run()
	return stdout.Bytes(), stderr.String(), err
}

// machine are the functions of the startup-script for such a machine.
func (m *realMaster) machine() string {
	functions := strings.TrimSuffix(strings.TrimSpace(scripts.Startup()), `main "$@"`)
	return m.moved(functions) + units + `
mountpoint() { true; }
answer_with() {
	touch "$LOG"
	STEP_LINE=$(($(wc -l <"$LOG") + 1))
	exec 4>&1 5>&2 >>"$LOG" 2>&1
	trap explain EXIT
	"$@"
	trap - EXIT
	exec 1>&4 2>&5
}
start_fetching() { :; }
need() { :; }
pkill() { :; }
control_plane_has_ended() { true; }
write_etcd_unit() { :; }
start_ring() {
	configure_ring "$1" "${CLIENT_PORT[$1]}" "${PEER_PORT[$1]}"
	env $(<"$TEST_DIR/units/$1.env") ` + m.etcd + ` >>"$TEST_DIR/$1.log" 2>&1 4>&- 5>&- &
	echo $! >"$TEST_DIR/$1.pid"
}
NAME=m FQDN=localhost IP=127.0.0.1 CLUSTER_ID=local/kubernetes KUBE_VERSION=v1.36.3
mkdir -p "$RUN"
`
}

func (m *realMaster) mustRun(commands string) string {
	m.t.Helper()
	out, errs, err := m.bash(nil, m.machine()+commands+"\nexit\n")
	if err != nil {
		log, _ := os.ReadFile(m.dir + "/main.log")
		m.t.Fatalf("%v\n%s%s%s", err, out, errs, log)
	}
	return string(out)
}

// backup runs scripts/backup.sh as it is.
func (m *realMaster) backup() (archive []byte, errs string, err error) {
	head, body, _ := strings.Cut(scripts.Backup, "\nset -euo pipefail\n")
	return m.bash(nil, head+"\nset -euo pipefail\n"+units+m.moved(body), `{"A":"it's"}`, m.key.Recipient().String())
}

// slow leaves a test to "make test": etcds start, are stopped and restored, a quarter of a minute each.
func slow(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("etcds are started and restored one after the other: make test has it")
	}
}

// TestBackupScript takes a backup of rings of etcd itself: what is in it is what the rings
// had, nothing of it is left on the disk, and a ring that says something else is told of.
func TestBackupScript(t *testing.T) {
	slow(t)
	m := newRealMaster(t)
	m.mustRun(`for i in {1..9}; do etcd_ctl main put /registry/configmaps/default/c$i v$i; done; etcd_ctl main put /registry/masterleases/10.0.0.9 x >/dev/null; etcd_ctl main compaction 4`)
	archive, errs, err := m.backup()
	if err != nil {
		t.Fatalf("%v\n%s", err, errs)
	}
	parts := m.unpack(archive)
	if text := string(parts["hakube-backup.json"]); !strings.Contains(text, `"/registry/configmaps":9`) || !strings.Contains(text, `"cluster":"local/kubernetes"`) || !strings.Contains(text, `"settings":{"A":"it's"}`) || !strings.Contains(text, `"revision":11`) {
		t.Errorf("the record is %s", text)
	}
	if !bytes.Contains(parts["keys.json.age"], []byte(`"kubernetes/pki/ca.key"`)) || len(parts["main.db.age"]) < 10000 {
		t.Errorf("the keys are %.80q, the main ring has %d bytes", parts["keys.json.age"], len(parts["main.db.age"]))
	}
	left := func() {
		t.Helper()
		if _, err := os.Stat(m.dir + "/disk/backup"); !os.IsNotExist(err) {
			t.Errorf("something is left on the disk: %v", err)
		}
		if out, _ := exec.Command("pgrep", "-f", m.dir+"/disk/backup").Output(); len(out) > 0 {
			t.Errorf("a throwaway etcd is left: %s", out)
		}
	}
	left()
	for name, x := range map[string]struct{ from, to, want string }{
		"the ring says another hash":    {`== "$kv" ]] || refuse`, `== "1$kv" ]] || refuse`, "the restored ring main differs from the ring at revision 11"},
		"the snapshot is damaged":       {"\tsnapshot events\n", "\tsnapshot events\n\tprintf x | dd of=\"$WORK/main.db\" bs=1 seek=9000 conv=notrunc 2>/dev/null\n", "the snapshot of ring main cannot be restored"},
		"the disk has too little room":  {"192 << 20", "1 << 60", "the data disk has too little room"},
		"keys are missing on the disk":  {`if [[ -s $DISK/$name ]]; then names+=("$name"); fi`, `names+=("$name")`, "this machine has no kubernetes/pki/encryption.yaml"},
		"it is told to stop in between": {"\tencrypt keys.json\n", "\tkill -TERM $$\n\tencrypt keys.json\n", ""},
	} {
		broken := m.moved(scripts.Backup)
		if !strings.Contains(broken, m.moved(x.from)) {
			t.Fatalf("%s: the script has no %q", name, x.from)
		}
		head, body, _ := strings.Cut(strings.Replace(broken, m.moved(x.from), m.moved(x.to), 1), "\nset -euo pipefail\n")
		out, errs, err := m.bash(nil, head+"\nset -euo pipefail\n"+units+body, `{}`, m.key.Recipient().String())
		if err == nil || len(out) > 0 || !strings.Contains(errs, x.want) {
			t.Errorf("%s: %v, %d bytes, %s", name, err, len(out), errs)
		}
		left()
	}
}

// unpack decrypts all parts.
func (m *realMaster) unpack(archive []byte) map[string][]byte {
	m.t.Helper()
	parts := map[string][]byte{}
	for name, text := range untar(m.t, archive) {
		if strings.HasSuffix(name, ".age") {
			r, err := age.Decrypt(bytes.NewReader(text), m.key)
			if err == nil {
				text, err = io.ReadAll(r)
			}
			if err != nil {
				m.t.Fatalf("%s: %v", name, err)
			}
		}
		parts[name] = text
	}
	return parts
}

func untar(t *testing.T, archive []byte) map[string][]byte {
	t.Helper()
	parts := map[string][]byte{}
	r := tar.NewReader(bytes.NewReader(archive))
	for {
		h, err := r.Next()
		if err == io.EOF {
			return parts
		}
		if err == nil {
			parts[h.Name], err = io.ReadAll(r)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestRestoreScript puts a backup into the place of rings of etcd itself: the keys are those
// of the backup, revisions go on beyond all there were, older ones are compacted, API
// servers that are gone are forgotten, and what there was is kept to the end.
func TestRestoreScript(t *testing.T) {
	slow(t)
	m := newRealMaster(t)
	m.mustRun(`for i in {1..9}; do etcd_ctl main put /registry/configmaps/default/c$i v$i; done; etcd_ctl main put /registry/masterleases/10.0.0.9 x >/dev/null
		for key in pods/a/b pods/c/d podtemplates/a/b configmaps/default/c configmaps/default/c-2; do etcd_ctl main put /registry/$key x >/dev/null; done`)
	archive, errs, err := m.backup()
	if err != nil {
		t.Fatalf("%v\n%s", err, errs)
	}
	m.mustRun(`for i in {1..200}; do etcd_ctl main put /registry/configmaps/default/later v$i >/dev/null; done; etcd_ctl main del /registry/configmaps/default/c1`)
	parts, sums := m.unpack(archive), 0
	var both bytes.Buffer
	w := tar.NewWriter(&both)
	for _, ring := range []string{ringMain, ringEvents} {
		text := parts[ring+".db.age"]
		sums += len(text)
		if err := w.WriteHeader(&tar.Header{Name: ring + ".db", Mode: 0o600, Size: int64(len(text))}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(text); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	_, body, _ := strings.Cut(scripts.Restore, "# shellcheck shell=bash disable=SC2154,SC2317\n# restore makes")
	run := func(stdin []byte, args ...string) (string, string, error) {
		t.Helper()
		out, errs, err := m.bash(bytes.NewReader(stdin), m.machine()+"# restore makes"+body, args...)
		return string(out), errs, err
	}
	const id = "00112233445566778899aabbccddeeff"
	for name, x := range map[string]struct {
		stdin []byte
		args  []string
		want  string
	}{
		"not unpacked":          {nil, []string{"swap", id}, "the backup is not unpacked here"},
		"cut off on the way":    {both.Bytes()[:both.Len()/2], []string{"spread", id, "1000000000", fmt.Sprint(sums)}, ""},
		"more than there is":    {both.Bytes(), []string{"spread", id, "1000000000", "999999999999999"}, "the data disk has too little room"},
		"called in a wrong way": {nil, []string{"spread", id}, "usage: restore"},
		"all left out":          {nil, []string{"swap", id, "/"}, "usage: restore"},
		"no kind left out":      {nil, []string{"swap", id, "p"}, "usage: restore"},
	} {
		if _, errs, err := run(x.stdin, x.args...); err == nil || !strings.Contains(errs, x.want) && x.want != "" {
			t.Errorf("%s: %v, %s", name, err, errs)
		}
	}
	if got := m.mustRun(`etcd_ctl main get --print-value-only /registry/configmaps/default/later`); got != "v200\n" {
		t.Fatalf("after what was refused there is %q", got)
	}
	for _, x := range []struct {
		stdin []byte
		args  []string
		want  string
	}{
		{nil, []string{"look"}, `{"spread":"","swapped":""}`},
		{both.Bytes(), []string{"spread", id, "1000000000", fmt.Sprint(sums)}, `{"spread":"` + id + `","swapped":""}`},
		{nil, []string{"spread", id, "1000000000", fmt.Sprint(sums)}, `{"spread":"` + id + `","swapped":""}`}, // again: nothing is read
		{nil, []string{"swap", id, "pods/", "configmaps/default/c"}, `{"spread":"","swapped":"` + id + `"}`},
		{nil, []string{"swap", id}, `{"spread":"","swapped":"` + id + `"}`},
	} {
		if out, errs, err := run(x.stdin, x.args...); err != nil || out != x.want+"\n" {
			log, _ := os.ReadFile(m.dir + "/run/startup.log")
			t.Fatalf("%s: %q, %v\n%s%s", x.args, out, err, errs, log)
		}
	}
	for _, x := range []struct{ ask, want string }{
		{`etcd_ctl main get --print-value-only /registry/configmaps/default/c1`, "v1\n"},
		{`etcd_ctl main get --print-value-only /registry/configmaps/default/later`, ""},
		{`etcd_ctl main get --prefix --keys-only /registry/masterleases/`, ""},
		{`etcd_ctl main get --prefix --keys-only /registry/pod | grep .`, "/registry/podtemplates/a/b\n"},
		{`etcd_ctl main get --prefix --keys-only /registry/configmaps/default/c | grep -c .`, "10\n"}, // nine, and one whose name is longer
		{`etcd_ctl main get --rev 12 /registry/configmaps/default/c1 2>&1 | grep -o 'revision has been compacted' | tail -n 1 || true`, "revision has been compacted\n"},
		{`etcd_ctl main endpoint status -w fields | awk '$1 == "\"Revision\"" { print ($3 > 1000000010) }'`, "1\n"},
		{`etcd_ctl main member list -w simple | wc -l`, "1\n"},
		{`ls "$DISK/before-restore"`, "events\nmain\n"},
	} {
		if got := m.mustRun(x.ask); got != x.want {
			t.Errorf("%s: %q, want %q", x.ask, got, x.want)
		}
	}
	if out, errs, err := run(nil, "forget"); err != nil || out != `{"spread":"","swapped":""}`+"\n" {
		t.Errorf("forget: %q, %v, %s", out, err, errs)
	}
	if got := m.mustRun(`ls "$DISK"`); strings.Contains(got, "restore") {
		t.Errorf("left is %q", got)
	}
}

// TestKeepRings keeps rings of etcd itself beside a master's data: what is kept can be restored,
// an upgrade that goes on keeps what was there before it, one that begins takes anew, and of a
// snapshot that is not as the ring nothing is kept and what was is left.
func TestKeepRings(t *testing.T) {
	slow(t)
	m := newRealMaster(t)
	keep := func(script string, args ...string) (string, string, error) {
		head, body, _ := strings.Cut(script, "\nset -euo pipefail\n")
		out, errs, err := m.bash(nil, head+"\nset -euo pipefail\n"+units+m.moved(body), args...)
		return string(out), errs, err
	}
	record := func(version string) string {
		text, err := os.ReadFile(m.dir + "/disk/before-upgrade/" + version + "/record.json")
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	kept := func(want ...string) {
		t.Helper()
		entries, err := os.ReadDir(m.dir + "/disk/before-upgrade")
		names := []string{}
		for _, e := range entries {
			names = append(names, e.Name())
		}
		if err != nil || strings.Join(names, " ") != strings.Join(want, " ") {
			t.Errorf("kept are %q, %v, want %q", names, err, want)
		}
		if _, err := os.Stat(m.dir + "/disk/backup"); !os.IsNotExist(err) {
			t.Errorf("something is left on the disk: %v", err)
		}
	}
	m.mustRun(`for i in {1..9}; do etcd_ctl main put /registry/configmaps/default/c$i v$i; done`)
	out, errs, err := keep(scripts.KeepRings, "v1.36.4", "again")
	if err != nil || out != `{"kept":"v1.36.4"}`+"\n" {
		t.Fatalf("%q, %v\n%s", out, err, errs)
	}
	first := record("v1.36.4")
	if !strings.Contains(first, `"/registry/configmaps":9`) || !strings.Contains(first, `"kubernetes":"v1.36.3"`) || !strings.Contains(first, `"revision":10`) {
		t.Errorf("the record is %s", first)
	}
	kept("v1.36.4")
	m.mustRun(`etcd_ctl main put /registry/configmaps/default/later x`)
	if _, errs, err = keep(scripts.KeepRings, "v1.36.4"); err != nil || record("v1.36.4") != first {
		t.Errorf("one that goes on: %v\n%s\nthe record is %s", err, errs, record("v1.36.4"))
	}
	broken := strings.Replace(scripts.KeepRings, `== "$kv" ]] || refuse`, `== "1$kv" ]] || refuse`, 1)
	if out, errs, err = keep(broken, "v1.36.5"); err == nil || out != "" || !strings.Contains(errs, "the restored ring main differs from the ring at revision 11") || record("v1.36.4") != first {
		t.Errorf("a ring that says another hash: %q, %v, %s", out, err, errs)
	}
	kept("v1.36.4")
	if _, errs, err = keep(scripts.KeepRings, "v1.36.4", "again"); err != nil || !strings.Contains(record("v1.36.4"), `"revision":11`) {
		t.Errorf("one that begins: %v\n%s\nthe record is %s", err, errs, record("v1.36.4"))
	}
	if _, errs, err = keep(scripts.KeepRings, "v1.37.0"); err != nil {
		t.Errorf("of another version: %v\n%s", err, errs)
	}
	kept("v1.37.0")
	if said, err := exec.Command(filepath.Join(filepath.Dir(m.etcd), "etcdutl"), "snapshot", "status", m.dir+"/disk/before-upgrade/v1.37.0/main.db").CombinedOutput(); err != nil {
		t.Errorf("what is kept: %v\n%s", err, said)
	}
	if _, errs, err = keep(scripts.KeepRings, "../x"); err == nil || !strings.Contains(errs, "usage: keep-rings") {
		t.Errorf("a name that is no version: %v, %s", err, errs)
	}
}
