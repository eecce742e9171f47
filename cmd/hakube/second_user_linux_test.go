package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"hakube/gce/local"
	"hakube/gce/local/console"
)

func init() { programs["stranger"], programs["toucher"] = stranger, toucher }

// strangerUID is nobody's, firstUID that of the first user on most hosts.
const strangerUID, firstUID = 65534, 1000

// outerDoors are the ways in at the endpoint, as method and target.
var outerDoors = [][2]string{
	{"GET", "/compute/v1/projects/local/zones/europe-west1-b/instances"},
	{"POST", "/compute/v1/projects/local/zones/europe-west1-b/instances"},
	{"DELETE", "/compute/v1/projects/local/zones/europe-west1-b/instances/vm-1"},
	{"POST", "/batch/compute/v1"},
	{"GET", "/computeMetadata/v1/instance/attributes/"},
	{"GET", "/v2/"}, // the mirror
	{"GET", "/hakube/v1/status"},
	{"POST", "/hakube/v1/console"},
	{"GET", console.Path},
	{"GET", console.Path + "data"},
	{"GET", console.Path + "serial?project=local&zone=europe-west1-b&name=vm-1"},
	{"CONNECT", "198.51.100.1:22"},
}

// stranger is another user of this host, as a program: it tries what it can and
// says what came of it, a line each. Usage: stranger ENDPOINT DIR
func stranger() {
	at, dir := strings.TrimPrefix(os.Args[1], "http://"), os.Args[2]
	for _, d := range outerDoors {
		fmt.Printf("door %s %s: %s\n", d[0], d[1], knock(at, d[0], d[1]))
	}
	// What machines find in their network, by the only link that leads there.
	bound := net.Dialer{Timeout: 2 * time.Second, Control: func(_, _ string, c syscall.RawConn) (err error) {
		e := c.Control(func(fd uintptr) { err = unix.BindToDevice(int(fd), "hakube0") })
		if err == nil {
			err = e
		}
		return err
	}}
	for _, inner := range []string{"169.254.169.254:80", "169.254.169.254:53", "169.254.169.252:80", "199.36.153.8:443", innerAddress() + ":80", innerAddress() + ":53"} {
		fmt.Printf("inner %s: %s\n", inner, cameOf(func() error {
			c, err := bound.Dial("tcp", inner)
			if err == nil {
				c.Close()
			}
			return err
		}))
	}
	for _, file := range []string{dir, local.TokenFile(dir), local.LogFile(dir), filepath.Join(dir, "authority.pem"), "/run/hakube.lock"} {
		fmt.Printf("file %s: %s\n", file, cameOf(func() error { _, err := os.Open(file); return err }))
	}
	fmt.Printf("namespace: %s\n", cameOf(func() error {
		f, err := os.Open("/run/netns/hakube-vpc")
		if err != nil {
			return err
		}
		defer f.Close()
		return unix.Setns(int(f.Fd()), unix.CLONE_NEWNET)
	}))
	fmt.Printf("ask: %s\n", cameOf(func() error { _, err := local.Ask(context.Background(), dir); return err }))
}

func cameOf(do func() error) string {
	if err := do(); err != nil {
		return "kept out: " + err.Error()
	}
	return "let in"
}

// innerAddress is the far end of hakube0.
func innerAddress() string {
	link, err := net.InterfaceByName("hakube0")
	if err != nil {
		return err.Error()
	}
	out, err := exec.Command("ip", "-4", "-oneline", "address", "show", "dev", link.Name).Output()
	_, rest, ok := strings.Cut(string(out), " peer ")
	if err != nil || !ok {
		return fmt.Sprint(err, string(out))
	}
	address, _, _ := strings.Cut(rest, "/")
	return address
}

// knock is the status of the answer to a request without a token.
func knock(at, method, target string) string {
	conn, err := net.DialTimeout("tcp", at, time.Minute)
	if err != nil {
		return err.Error()
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	host := at
	if method == http.MethodConnect {
		host = target
	}
	fmt.Fprintf(conn, "%s %s HTTP/1.1\r\nHost: %s\r\nContent-Length: 2\r\n\r\n{}", method, target, host)
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return err.Error()
	}
	resp.Body.Close()
	return fmt.Sprint(resp.StatusCode)
}

// toucher tells of each process with a number whether it could be signalled.
func toucher() {
	for _, pid := range os.Args[1:] {
		n, err := strconv.Atoi(pid)
		if err == nil {
			err = syscall.Kill(n, 0)
		}
		fmt.Printf("%s: %v\n", pid, err)
	}
}

// noSharedNumbers: a user on the host is nobody in a machine, though both may be
// the first user there.
func (w *walk) noSharedNumbers(t *testing.T) {
	t.Helper()
	id := slices.Collect(maps.Keys(w.machines(t)))[0]
	runc := func(args ...string) *exec.Cmd {
		return exec.Command("runc", append([]string{"--root", w.dir + "/run/runc", "exec"}, args...)...)
	}
	var number string
	eventually(t, settled, "the guest agent has made the account", func() error {
		out, err := runc(id, "id", "-u", "someone").CombinedOutput()
		number = strings.TrimSpace(string(out))
		return err
	})
	sleep := runc("--user", number+":"+number, id, "sleep", "600")
	if err := sleep.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _, _ = sleep.Process.Kill(), sleep.Wait() }()
	var pids []string
	eventually(t, settled, "a process of the account runs", func() error {
		pids = nil
		all, err := filepath.Glob("/proc/[0-9]*/cgroup")
		for _, file := range all {
			text, _ := os.ReadFile(file) // gone meanwhile
			if strings.Contains(string(text), "/hakube/"+id) {
				pids = append(pids, strings.Split(file, "/")[2])
			}
		}
		if !slices.ContainsFunc(pids, func(pid string) bool {
			command, _ := os.ReadFile("/proc/" + pid + "/cmdline")
			return string(command) == "sleep\x00600\x00"
		}) {
			err = errors.Join(err, fmt.Errorf("not among %v", pids))
		}
		return err
	})
	for _, l := range beUser(t, firstUID, "toucher", pids...) {
		if pid, came, _ := strings.Cut(l, ": "); came != syscall.EPERM.Error() && came != syscall.ESRCH.Error() {
			command, _ := os.ReadFile("/proc/" + pid + "/cmdline")
			t.Errorf("the host's user %d may signal a machine's process %s (%q): %s", firstUID, pid, command, came)
		}
	}
	t.Logf("the account has the number %s; %d processes of the machine", number, len(pids))
}

// beStranger runs the program as another user and returns what it says.
func beStranger(t *testing.T, args ...string) []string {
	t.Helper()
	return beUser(t, strangerUID, "stranger", args...)
}

func beUser(t *testing.T, uid uint32, name string, args ...string) (lines []string) {
	t.Helper()
	open, err := os.MkdirTemp("", "hakube-stranger-") // which everybody may enter, unlike the test's
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(open) })
	if err := os.Chmod(open, 0o755); err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(open, name)
	if err := os.Rename(hakubeIn(t, open), program); err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(t.Context(), program, args...)
	c.Dir, c.Env = "/", []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin"}
	c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return strings.Split(strings.TrimSpace(string(out)), "\n")
}

// TestRealSecondUser is another user of a host with real machines, at each way in:
// the endpoint asks for the token, and what machines find without one in their
// network is not to be reached from the host.
func TestRealSecondUser(t *testing.T) {
	w := newWalk(t)
	said := w.ok(t, "local", "start", "--machines=real").stderr
	for _, b := range boundaries(w.dir, local.Real) {
		if !strings.Contains(said, "hakube: "+b+"\n") {
			t.Errorf("start does not say %q:\n%s", b, said)
		}
	}
	w.insert(t, "global/networks", `{"name":"lab","autoCreateSubnetworks":false}`)
	w.insert(t, regional+"/subnetworks", `{"name":"lab","network":"global/networks/lab","ipCidrRange":"10.90.0.0/24"}`)
	w.insert(t, zonal+"/instances", `{"name":"vm-1","machineType":"`+zonal+`/machineTypes/e2-small",
		"disks":[{"boot":true,"autoDelete":true,"initializeParams":{"sourceImage":"projects/debian-cloud/global/images/family/debian-12"}}],
		"metadata":{"items":[{"key":"ssh-keys","value":"someone:ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJt2h4mAoz5lQhmTzHe0Zb5oQxKqfYkz1h5m4mXr0b5C someone"}]},
		"serviceAccounts":[{"email":"default","scopes":["https://www.googleapis.com/auth/compute.readonly"]}],
		"networkInterfaces":[{"subnetwork":"`+regional+`/subnetworks/lab","accessConfigs":[{"type":"ONE_TO_ONE_NAT","name":"external-nat"}]}]}`)
	w.machines(t)
	s := w.status(t)
	before := s.Calls.Change
	lines := beStranger(t, s.Endpoint, w.dir)
	t.Log(strings.Join(lines, "\n"))
	doors := 0
	for _, l := range lines {
		what, came, _ := strings.Cut(l, ": ")
		kind, _, _ := strings.Cut(what, " ")
		switch {
		case kind == "door" && came == "401", kind != "door" && strings.HasPrefix(came, "kept out: "):
			doors++
		default:
			t.Errorf("another user at %s: %s", what, came)
		}
	}
	if want := len(outerDoors) + 6 + 5 + 2; doors != want {
		t.Errorf("%d doors are closed, want %d", doors, want)
	}
	if n := w.status(t).Calls.Change; n != before || !slices.Equal(w.instances(t), []string{"vm-1"}) {
		t.Errorf("the other user made %d changes, and there are %v", n-before, w.instances(t))
	}
	if open := hostSockets(t, s.PID); !slices.Equal(open, []string{"tcp " + strings.TrimPrefix(s.Endpoint, "http://")}) {
		t.Errorf("the daemon can be reached from the host at %v, want the endpoint only", open)
	}
	// Machines need no token, as on Google.
	for _, url := range []string{"http://metadata.google.internal/computeMetadata/v1/instance/name", "http://169.254.169.252/v2/"} {
		w.on(t, "vm-1", "curl", "-sSf", "-m", "60", "-o", "/dev/null", "-H", "Metadata-Flavor: Google", url)
	}
	w.identityInside(t, "vm-1")
	w.noSharedNumbers(t)
	report(t, "%d ways in are closed to another user of the host", doors)
}

// hostSockets are a process' sockets that others on the host can send to: in the
// host's own namespace, and not connected to anybody.
func hostSockets(t *testing.T, pid int) (open []string) {
	t.Helper()
	mine := map[string]bool{}
	fds, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range fds {
		to, _ := os.Readlink(fd) // closed meanwhile
		if inode, ok := strings.CutPrefix(to, "socket:["); ok {
			mine[strings.TrimSuffix(inode, "]")] = true
		}
	}
	for table, column := range map[string]int{"tcp": 9, "tcp6": 9, "udp": 9, "udp6": 9, "udplite": 9, "raw": 9, "raw6": 9, "icmp": 9, "packet": 8, "unix": 6} {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/%s", pid, table))
		if err != nil {
			continue // not in this kernel
		}
		for line := range strings.Lines(string(text)) {
			f := strings.Fields(line)
			switch {
			case len(f) <= column || !mine[f[column]]:
			case strings.HasPrefix(table, "tcp") && f[3] != "0A": // not listening
			case table == "unix" && len(f) < 8 && f[3] != "00010000": // no name, not listening
			case table == "tcp":
				open = append(open, "tcp "+address(f[1]))
			default:
				open = append(open, table+" "+line)
			}
		}
	}
	slices.Sort(open)
	return open
}

// address reads "0100007F:1F90", four bytes in the host's order.
func address(text string) string {
	var a, b, c, d byte
	var port int
	if _, err := fmt.Sscanf(text, "%02X%02X%02X%02X:%04X", &d, &c, &b, &a, &port); err != nil {
		return text
	}
	return fmt.Sprintf("%d.%d.%d.%d:%d", a, b, c, d, port)
}
