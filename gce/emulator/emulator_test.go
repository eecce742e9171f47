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
	"slices"
	"strings"
	"sync"
	"testing"

	"hakube/gce/emulator/backend"
	"hakube/gce/emulator/contract"
	"hakube/gce/emulator/internal/api"
	"hakube/gce/emulator/internal/doc"
)

// A world is a server under test and a plain HTTP client for it.
type world struct {
	t       *testing.T
	s       *Server
	web     *httptest.Server
	backend *machines
	path    string
	options func(*api.Options)
}

const zoneB = "projects/p/zones/europe-west1-b/"
const regionW = "projects/p/regions/europe-west1/"

// newWorld starts a server with a backend that remembers what it was told.
func newWorld(t *testing.T, options ...func(*api.Options)) *world {
	t.Helper()
	w := &world{t: t, backend: newMachines(), path: filepath.Join(t.TempDir(), "gce.db"), options: func(o *api.Options) {
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
	o := api.Options{Path: w.path, NoSync: true, Backend: w.backend, NoDefaultNetwork: true}
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
func (w *world) send(verb, path string, body any) (int, doc.Obj) {
	w.t.Helper()
	status, o, err := w.try(verb, path, body)
	if err != nil {
		w.t.Fatalf("%s %s: %v", verb, path, err)
	}
	return status, o
}

func (w *world) try(verb, path string, body any) (int, doc.Obj, error) {
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
	if !strings.HasPrefix(path, "/compute/beta/") {
		path = "/compute/v1/" + path
	}
	req, err := http.NewRequestWithContext(context.Background(), verb, w.web.URL+path, r)
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
	var o doc.Obj
	if len(raw) > 0 {
		if err := json.Unmarshal(raw, &o); err != nil {
			return 0, nil, fmt.Errorf("%w in %s", err, raw)
		}
	}
	return resp.StatusCode, o, nil
}

// get reads a document that must be there.
func (w *world) get(path string) doc.Obj {
	w.t.Helper()
	status, o := w.send("GET", path, nil)
	if status != 200 {
		w.t.Fatalf("GET %s: %d %s", path, status, message(o))
	}
	return o
}

// do makes a change that must be accepted and waits for its operation.
func (w *world) do(verb, path string, body any) doc.Obj {
	w.t.Helper()
	status, op := w.send(verb, path, body)
	if status != 200 {
		w.t.Fatalf("%s %s: %d %s", verb, path, status, message(op))
	}
	return w.wait(op)
}

// made is do for a change whose operation must succeed.
func (w *world) made(verb, path string, body any) doc.Obj {
	w.t.Helper()
	op := w.do(verb, path, body)
	if doc.Has(op, "error") {
		w.t.Fatalf("%s %s: operation failed: %v", verb, path, op["error"])
	}
	return op
}

func (w *world) wait(op doc.Obj) doc.Obj {
	w.t.Helper()
	for doc.Str(op, "status") != "DONE" {
		status, next := w.send("POST", string(doc.RefOf(doc.Str(op, "selfLink")))+"/wait", nil)
		if status != 200 {
			w.t.Fatalf("waiting for %s: %d %s", doc.Str(op, "name"), status, message(next))
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

func message(o doc.Obj) string { return doc.Str(doc.Sub(o, "error"), "message") }

func why(o doc.Obj) string {
	for _, e := range doc.Objects(doc.Sub(o, "error"), "errors") {
		return doc.Str(e, "reason")
	}
	return ""
}

// subnet makes a network and a subnetwork with ranges as hakube's.
func (w *world) subnet() {
	w.t.Helper()
	w.made("POST", "projects/p/global/networks", doc.Obj{"name": "default", "autoCreateSubnetworks": false})
	w.made("POST", regionW+"subnetworks", doc.Obj{
		"name": "s", "network": "global/networks/default", "ipCidrRange": "10.40.0.0/22",
		"secondaryIpRanges": []any{
			doc.Obj{"rangeName": "pods-default", "ipCidrRange": "10.64.0.0/14"},
			doc.Obj{"rangeName": "services-default", "ipCidrRange": "10.0.0.0/16"},
		},
	})
}

// instance is the body of an insert.
func instance(name string, more doc.Obj) doc.Obj {
	o := doc.Obj{
		"name": name, "machineType": "zones/europe-west1-b/machineTypes/n1-standard-1",
		"disks": []any{doc.Obj{"boot": true, "autoDelete": true, "initializeParams": doc.Obj{
			"sourceImage": "projects/debian-cloud/global/images/family/debian-12"}}},
		"networkInterfaces": []any{doc.Obj{
			"subnetwork":    "regions/europe-west1/subnetworks/s",
			"aliasIpRanges": []any{doc.Obj{"ipCidrRange": "/24", "subnetworkRangeName": "pods-default"}},
			"accessConfigs": []any{doc.Obj{"type": "ONE_TO_ONE_NAT", "name": "external-nat"}},
		}},
		"metadata": doc.Obj{"items": []any{doc.Obj{"key": "enable-guest-attributes", "value": "TRUE"}}},
	}
	for k, v := range more {
		o[k] = v
	}
	return o
}

// machines is a backend of names.
type machines struct {
	mu      sync.Mutex
	disks   map[string]backend.Disk
	running map[backend.MachineKey]backend.Machine
	// snapshots are the names of the disks they are of.
	snapshots map[uint64]string
	asleep    map[backend.MachineKey]bool
	starts    int
	stops     []bool // whether each was graceful
	syncs     int
	network   backend.Network
	exited    func(backend.MachineKey)
	health    map[netip.Addr]bool
	hold      chan struct{} // Start waits for it when not nil, and says so
	held      chan string
	fail      error // of the next Start
}

func newMachines() *machines {
	return &machines{disks: map[string]backend.Disk{}, running: map[backend.MachineKey]backend.Machine{}, snapshots: map[uint64]string{}, asleep: map[backend.MachineKey]bool{}, held: make(chan string, 100)}
}

var (
	_ backend.Backend     = (*machines)(nil)
	_ backend.Snapshotter = (*machines)(nil)
)

func (b *machines) CreateDisk(_ context.Context, d backend.Disk) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.disks[d.Name] = d
	return nil
}

func (b *machines) DeleteDisk(_ context.Context, d backend.Disk) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.disks, d.Name)
	return nil
}

func (b *machines) CreateSnapshot(_ context.Context, s backend.Snapshot, d backend.Disk) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.snapshots[s.ID] = d.Name
	return nil
}

func (b *machines) DeleteSnapshot(_ context.Context, s backend.Snapshot) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.snapshots, s.ID)
	return nil
}

func (b *machines) Start(ctx context.Context, m backend.Machine) error {
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

func (b *machines) Stop(_ context.Context, m backend.Machine, graceful bool) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stops = append(b.stops, graceful)
	delete(b.running, m.MachineKey)
	delete(b.asleep, m.MachineKey)
	return nil
}

func (b *machines) AttachDisk(_ context.Context, m backend.Machine, a backend.Attachment) error {
	return b.plug(m, a.Device, true)
}

func (b *machines) DetachDisk(_ context.Context, m backend.Machine, a backend.Attachment) error {
	return b.plug(m, a.Device, false)
}

// plug notes a machine with its disks as they are from now on.
func (b *machines) plug(m backend.Machine, device string, in bool) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if fail := b.fail; fail != nil {
		b.fail = nil
		return fail
	}
	has := slices.ContainsFunc(m.Disks, func(a backend.Attachment) bool { return a.Device == device })
	if _, runs := b.running[m.MachineKey]; !runs || has != in {
		return fmt.Errorf("plugging %s: runs %v, has it %v", device, runs, has)
	}
	b.running[m.MachineKey] = m
	return nil
}

func (b *machines) GrowDisk(_ context.Context, d backend.Disk) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.disks[d.Name] = d
	return nil
}

func (b *machines) Suspend(_ context.Context, m backend.Machine) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.asleep[m.MachineKey] = true
	return nil
}

func (b *machines) Resume(_ context.Context, m backend.Machine) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.asleep, m.MachineKey)
	return nil
}

func (b *machines) Sync(_ context.Context, n backend.Network) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.network = n
	b.syncs++
	return nil
}

func (b *machines) Serial(m backend.Machine, start int64) ([]byte, error) {
	text := []byte("booting " + m.Name + "\n")
	return text[min(start, int64(len(text))):], nil
}

func (b *machines) Health(backend.Balancer) (map[netip.Addr]bool, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return maps.Clone(b.health), nil
}

func (b *machines) Watch(exited func(backend.MachineKey)) { b.exited = exited }
func (b *machines) Close() error                          { return nil }

func (b *machines) net() backend.Network {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.network
}
