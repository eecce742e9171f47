//go:build linux

package machine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"testing"

	"github.com/vishvananda/netlink" // the test makes a network of its own for the machine
	"github.com/vishvananda/netns"

	"hakube/gce/emulator"
	"hakube/gce/metadata"
)

// TestMain lets this program be the daemon that startAndDie needs.
func TestMain(m *testing.M) {
	if text := os.Getenv("HAKUBE_TEST_START_AND_DIE"); text != "" {
		fmt.Fprintln(os.Stderr, start(text)) // returns only on an error
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// A daemon is what startAndDie hands to its other process.
type daemon struct {
	Dir, Cache, NetNS string
	Machine           emulator.Machine
}

func start(text string) error {
	var d daemon
	if err := json.Unmarshal([]byte(text), &d); err != nil {
		return err
	}
	h, err := New(Options{Dir: d.Dir, Cache: d.Cache, NetNS: func(emulator.Machine) (string, error) { return d.NetNS, nil }})
	if err != nil {
		return err
	}
	if err := h.Start(context.Background(), d.Machine); err != nil {
		return err
	}
	return syscall.Kill(os.Getpid(), syscall.SIGKILL)
}

// startAndDie starts the machine from another process, which is then killed.
func startAndDie(t *testing.T, dir, netns string, m emulator.Machine) {
	t.Helper()
	text, err := json.Marshal(daemon{dir, cacheDir(t), netns, m})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), "HAKUBE_TEST_START_AND_DIE="+string(text))
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Fatalf("starting from another process: %v: %s", err, out)
	}
}

func requireMachines(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("quick tests have no real machines: they take minutes, and the image is built for them")
	}
	if os.Geteuid() != 0 {
		t.Skip("real machines need root")
	}
	for _, program := range []string{"runc", "mmdebstrap"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skip(program + " is not installed")
		}
	}
}

// cacheDir is the cache of whoever runs the tests: the image is built once.
func cacheDir(t *testing.T) string {
	t.Helper()
	if dir := os.Getenv("HAKUBE_CACHE_DIR"); dir != "" {
		return dir
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		t.Skip(err)
	}
	return filepath.Join(dir, "hakube")
}

// A guest is what a machine sees of the world in these tests: a network
// namespace with nothing in it but loopback and the metadata server.
type guest struct {
	netns   string // path
	machine emulator.Machine
	phase   chan string // what the startup script said

	mu         sync.Mutex
	attributes metadata.GuestAttributes
	project    map[string]string // metadata of the project
	changed    chan struct{}     // closed when they change
}

// set changes the project's metadata, which whoever waits for is told.
func (g *guest) set(key, value string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.project = map[string]string{key: value}
	close(g.changed)
	g.changed = make(chan struct{})
}

func newGuest(t *testing.T, m emulator.Machine) *guest {
	t.Helper()
	name := "machine-test-" + machineID(m.ID) // not hakube-: those go with any embedded GCE of this host
	g := &guest{netns: "/run/netns/" + name, machine: m, phase: make(chan string, 8), attributes: metadata.GuestAttributes{}, changed: make(chan struct{})}

	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	own, err := netns.Get()
	if err != nil {
		t.Fatal(err)
	}
	defer own.Close()
	made, err := netns.NewNamed(name) // and enters it
	if err != nil {
		t.Fatal(err)
	}
	defer made.Close()
	defer func() {
		if err := netns.Set(own); err != nil {
			panic(err) // the thread is no longer usable for anything
		}
	}()
	t.Cleanup(func() {
		if err := netns.DeleteNamed(name); err != nil {
			t.Error(err)
		}
	})
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		t.Fatal(err)
	}
	if err := netlink.LinkSetUp(lo); err != nil {
		t.Fatal(err)
	}
	for _, a := range []string{metadataAddress + "/32", m.NIC.Address.String() + "/32"} {
		address, err := netlink.ParseAddr(a)
		if err != nil {
			t.Fatal(err)
		}
		if err := netlink.AddrAdd(lo, address); err != nil {
			t.Fatal(err)
		}
	}
	// A socket belongs to the namespace it was opened in, whoever accepts on it.
	listener, err := net.Listen("tcp", metadataAddress+":80")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: metadata.Handler(g)}
	done := make(chan struct{})
	go func() { defer close(done); _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close(); <-done })
	return g
}

func (g *guest) View() (metadata.View, <-chan struct{}, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return metadata.View{
		Instance: metadata.Instance{
			ID: g.machine.ID, Name: g.machine.Name, Hostname: g.machine.Hostname,
			Zone: "projects/1/zones/" + g.machine.Zone, MachineType: "projects/1/machineTypes/n1-standard-1",
			Attributes: g.machine.Metadata,
		},
		Project: metadata.Project{ID: "local", Number: 1, Attributes: g.project},
	}, g.changed, nil
}

func (g *guest) GuestAttributes() (metadata.GuestAttributes, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	copied := metadata.GuestAttributes{}
	for name, values := range g.attributes {
		copied[name] = maps.Clone(values)
	}
	return copied, nil
}

func (g *guest) PutGuestAttribute(namespace, key, value string) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.attributes[namespace] == nil {
		g.attributes[namespace] = map[string]string{}
	}
	g.attributes[namespace][key] = value
	if namespace == "hakube" && key == "phase" {
		g.phase <- value
	}
	return nil
}

func (g *guest) Token(string, []string) (metadata.Token, error) {
	return metadata.Token{}, metadata.ErrNoAccount
}

func (g *guest) DeleteGuestAttribute(namespace, key string) error {
	return fmt.Errorf("nobody deletes %s/%s here", namespace, key)
}

func (g *guest) hostKeys() map[string]string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return maps.Clone(g.attributes["hostkeys"])
}
