package emulator

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"hakube/gce/emulator/contract"
)

// A world is a server under test and a plain HTTP client for it.
type world struct {
	t       *testing.T
	s       *Server
	web     *httptest.Server
	backend *machines
	path    string
	options func(*Options)
}

const zoneB = "projects/p/zones/europe-west1-b/"
const regionW = "projects/p/regions/europe-west1/"

// newWorld starts a server with a backend that remembers what it was told.
func newWorld(t *testing.T, options ...func(*Options)) *world {
	t.Helper()
	w := &world{t: t, backend: newMachines(), path: filepath.Join(t.TempDir(), "gce.db"), options: func(o *Options) {
		for _, f := range options {
			f(o)
		}
	}}
	w.open()
	t.Cleanup(func() { w.web.Close(); w.s.Close() })
	return w
}

func (w *world) open() {
	w.t.Helper()
	o := Options{Path: w.path, NoSync: true, Backend: w.backend}
	w.options(&o)
	s, err := New(o)
	if err != nil {
		w.t.Fatal(err)
	}
	watch := contract.Contract{Client: "hakube", Broken: func(err error) { w.t.Error(err) }}
	w.s, w.web = s, httptest.NewServer(watch.Handler(s))
}

// reopen is what a restart of the daemon does.
func (w *world) reopen() {
	w.t.Helper()
	w.web.CloseClientConnections()
	w.web.Close()
	if err := w.s.Close(); err != nil {
		w.t.Fatal(err)
	}
	w.open()
}

// send makes one request; body is nil, a string or a document.
func (w *world) send(verb, path string, body any) (int, obj) {
	w.t.Helper()
	status, o, err := w.try(verb, path, body)
	if err != nil {
		w.t.Fatalf("%s %s: %v", verb, path, err)
	}
	return status, o
}

func (w *world) try(verb, path string, body any) (int, obj, error) {
	var r io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		r = strings.NewReader(b)
	default:
		js, err := json.Marshal(b)
		if err != nil {
			return 0, nil, err
		}
		r = bytes.NewReader(js)
	}
	req, err := http.NewRequestWithContext(context.Background(), verb, w.web.URL+"/compute/v1/"+path, r)
	if err != nil {
		return 0, nil, err
	}
	resp, err := w.web.Client().Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, nil, err
	}
	var o obj
	if len(raw) > 0 {
		if err := json.Unmarshal(raw, &o); err != nil {
			return 0, nil, fmt.Errorf("%w in %s", err, raw)
		}
	}
	return resp.StatusCode, o, nil
}

// get reads a document that must be there.
func (w *world) get(path string) obj {
	w.t.Helper()
	status, o := w.send("GET", path, nil)
	if status != 200 {
		w.t.Fatalf("GET %s: %d %s", path, status, message(o))
	}
	return o
}

// do makes a change that must be accepted and waits for its operation.
func (w *world) do(verb, path string, body any) obj {
	w.t.Helper()
	status, op := w.send(verb, path, body)
	if status != 200 {
		w.t.Fatalf("%s %s: %d %s", verb, path, status, message(op))
	}
	return w.wait(op)
}

// made is do for a change whose operation must succeed.
func (w *world) made(verb, path string, body any) obj {
	w.t.Helper()
	op := w.do(verb, path, body)
	if has(op, "error") {
		w.t.Fatalf("%s %s: operation failed: %v", verb, path, op["error"])
	}
	return op
}

func (w *world) wait(op obj) obj {
	w.t.Helper()
	for str(op, "status") != "DONE" {
		status, next := w.send("POST", string(toRef(str(op, "selfLink")))+"/wait", nil)
		if status != 200 {
			w.t.Fatalf("waiting for %s: %d %s", str(op, "name"), status, message(next))
		}
		op = next
	}
	return op
}

// refused makes a request that must be answered with a status and a reason.
func (w *world) refused(status int, reason, verb, path string, body any) string {
	w.t.Helper()
	got, o := w.send(verb, path, body)
	if got != status || why(o) != reason {
		w.t.Fatalf("%s %s: got %d %s %q, want %d %s", verb, path, got, why(o), message(o), status, reason)
	}
	return message(o)
}

func message(o obj) string { return str(sub(o, "error"), "message") }

func why(o obj) string {
	for _, e := range objects(sub(o, "error"), "errors") {
		return str(e, "reason")
	}
	return ""
}

// subnet makes a network and a subnetwork with ranges as hakube's.
func (w *world) subnet() {
	w.t.Helper()
	w.made("POST", "projects/p/global/networks", obj{"name": "default", "autoCreateSubnetworks": false})
	w.made("POST", regionW+"subnetworks", obj{
		"name": "s", "network": "global/networks/default", "ipCidrRange": "10.40.0.0/22",
		"secondaryIpRanges": []any{
			obj{"rangeName": "pods-default", "ipCidrRange": "10.64.0.0/14"},
			obj{"rangeName": "services-default", "ipCidrRange": "10.0.0.0/16"},
		},
	})
}

// instance is the body of an insert.
func instance(name string, more obj) obj {
	o := obj{
		"name": name, "machineType": "zones/europe-west1-b/machineTypes/n1-standard-1",
		"disks": []any{obj{"boot": true, "autoDelete": true, "initializeParams": obj{
			"sourceImage": "projects/debian-cloud/global/images/family/debian-12"}}},
		"networkInterfaces": []any{obj{
			"subnetwork":    "regions/europe-west1/subnetworks/s",
			"aliasIpRanges": []any{obj{"ipCidrRange": "/24", "subnetworkRangeName": "pods-default"}},
			"accessConfigs": []any{obj{"type": "ONE_TO_ONE_NAT", "name": "external-nat"}},
		}},
		"metadata": obj{"items": []any{obj{"key": "enable-guest-attributes", "value": "TRUE"}}},
	}
	for k, v := range more {
		o[k] = v
	}
	return o
}

// machines is a backend of names.
type machines struct {
	mu      sync.Mutex
	disks   map[string]Disk
	running map[MachineKey]Machine
	// snapshots are the names of the disks they are of.
	snapshots map[uint64]string
	starts    int
	stops     []bool // whether each was graceful
	syncs     int
	network   Network
	exited    func(MachineKey)
	health    map[netip.Addr]bool
	hold      chan struct{} // Start waits for it when not nil, and says so
	held      chan string
	fail      error // of the next Start
}

func newMachines() *machines {
	return &machines{disks: map[string]Disk{}, running: map[MachineKey]Machine{}, snapshots: map[uint64]string{}, held: make(chan string, 100)}
}

var (
	_ Backend     = (*machines)(nil)
	_ Snapshotter = (*machines)(nil)
)

func (b *machines) CreateDisk(_ context.Context, d Disk) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.disks[d.Name] = d
	return nil
}

func (b *machines) DeleteDisk(_ context.Context, d Disk) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.disks, d.Name)
	return nil
}

func (b *machines) CreateSnapshot(_ context.Context, s Snapshot, d Disk) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.snapshots[s.ID] = d.Name
	return nil
}

func (b *machines) DeleteSnapshot(_ context.Context, s Snapshot) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.snapshots, s.ID)
	return nil
}

func (b *machines) Start(ctx context.Context, m Machine) error {
	b.mu.Lock()
	hold, fail := b.hold, b.fail
	b.fail = nil
	b.mu.Unlock()
	if fail != nil {
		return fail
	}
	if hold != nil {
		b.held <- m.Name
		select {
		case <-hold:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.running[m.MachineKey] = m
	b.starts++
	return nil
}

func (b *machines) Stop(_ context.Context, m Machine, graceful bool) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stops = append(b.stops, graceful)
	delete(b.running, m.MachineKey)
	return nil
}

func (b *machines) Sync(_ context.Context, n Network) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.network = n
	b.syncs++
	return nil
}

func (b *machines) Serial(m Machine, start int64) ([]byte, error) {
	text := []byte("booting " + m.Name + "\n")
	return text[min(start, int64(len(text))):], nil
}

func (b *machines) Health(Balancer) (map[netip.Addr]bool, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return maps.Clone(b.health), nil
}

func (b *machines) Watch(exited func(MachineKey)) { b.exited = exited }
func (b *machines) Close() error                  { return nil }

func (b *machines) net() Network {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.network
}
