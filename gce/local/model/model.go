// Package model makes model guests the machines of an embedded GCE: what real
// machines get from Linux (addresses, a firewall, a metadata server, a balancer)
// is done here by function calls, on any operating system and without root.
package model

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"path/filepath"
	"strconv"
	"sync"

	"hakube/gce/emulator"
	"hakube/gce/local"
	"hakube/replicate/etcdtest"
)

// NewHost is what stands behind the embedded GCE with --machines=model.
func NewHost(dir string) (*local.Host, error) {
	m := New(filepath.Join(dir, "model"))
	return &local.Host{
		Backend: m,
		Attach:  func(api *emulator.Server) { m.Attach(api.MetadataFor) },
		Dial: func(ctx context.Context, address string) (net.Conn, error) {
			to, err := netip.ParseAddrPort(address)
			if err != nil {
				return nil, err
			}
			return m.Dial(ctx, to)
		},
		Halt: m.Halt,
		// They are no routes of this host, so there may be thousands. Of a group
		// (RFC 2365, organisation-local), since no TCP connection leads to one: an
		// ssh that does not go through the daemon ends here, at once, and does not
		// leave by the default route for whoever answers there.
		External: netip.MustParsePrefix("239.192.0.0/14"),
	}, nil
}

// Machines are model guests as the machines of an embedded GCE.
type Machines struct {
	dir   string
	world *etcdtest.World

	attached chan struct{} // closed by Attach; until then metadata must wait
	metadata func(emulator.MachineKey) (http.Handler, bool)

	mu      sync.Mutex
	guests  map[emulator.MachineKey]*etcdtest.Guest // that run
	network emulator.Network
	calls   map[*call]struct{} // connections of this host with machines
	turn    int                // of the balancers' backends
}

var _ emulator.Backend = (*Machines)(nil)

// New keeps disks in dir.
func New(dir string, change ...func(*etcdtest.Options)) *Machines {
	var o etcdtest.Options
	for _, f := range change {
		f(&o)
	}
	o.Scripts = drilled(o.Scripts)
	return &Machines{
		dir: dir, world: etcdtest.NewWorld(o),
		attached: make(chan struct{}), guests: map[emulator.MachineKey]*etcdtest.Guest{}, calls: map[*call]struct{}{},
	}
}

// Attach says where machines find their metadata. Machines that boot before
// wait for it: the server starts them while it is being made.
func (m *Machines) Attach(metadata func(emulator.MachineKey) (http.Handler, bool)) {
	m.metadata = metadata
	close(m.attached)
}

// disk is the file of a disk. The id tells disks of one name apart.
func (m *Machines) disk(d emulator.Disk) string {
	return filepath.Join(m.dir, d.Name+"-"+strconv.FormatUint(d.ID, 36)+".json")
}

func (m *Machines) CreateDisk(_ context.Context, d emulator.Disk) error {
	if d.Snapshot != 0 {
		return copyFile(m.disk(d), m.snapshot(d.Snapshot))
	}
	return etcdtest.CreateDisk(m.disk(d))
}

func (m *Machines) DeleteDisk(_ context.Context, d emulator.Disk) error {
	return etcdtest.DeleteDisk(m.disk(d))
}

func (m *Machines) Start(_ context.Context, x emulator.Machine) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.guests[x.MachineKey] != nil {
		return nil
	}
	machine := etcdtest.Machine{Name: x.Name, Metadata: metadataServer{m, x.MachineKey}, Disks: map[string]string{}, Sizes: map[string]int64{}}
	for _, d := range x.Disks {
		if d.Boot {
			machine.Boot = m.disk(d.Disk)
		} else {
			machine.Disks[d.Device], machine.Sizes[d.Device] = m.disk(d.Disk), d.SizeGB<<30
		}
	}
	g, err := m.world.Start(machine)
	if err != nil {
		return err
	}
	m.guests[x.MachineKey] = g
	m.connect()
	return nil
}

// AttachDisk implements [emulator.Backend].
func (m *Machines) AttachDisk(_ context.Context, x emulator.Machine, a emulator.Attachment) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if g := m.guests[x.MachineKey]; g != nil {
		g.Plug(a.Device, m.disk(a.Disk))
	}
	return nil
}

// DetachDisk implements [emulator.Backend].
func (m *Machines) DetachDisk(_ context.Context, x emulator.Machine, a emulator.Attachment) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if g := m.guests[x.MachineKey]; g != nil && !g.Unplug(a.Device) {
		return emulator.InUseError{Device: a.Device}
	}
	return nil
}

// GrowDisk implements [emulator.Backend]. The files are as large as what is on them, so
// it is only told.
func (m *Machines) GrowDisk(_ context.Context, d emulator.Disk) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, g := range m.guests {
		g.Grow(m.disk(d), d.SizeGB<<30)
	}
	return nil
}

// Suspend implements [emulator.Backend]. Nobody hears of a model that is off the
// network, and it of nobody: connections hang, as with one that stands still.
func (m *Machines) Suspend(_ context.Context, x emulator.Machine) error {
	return m.still(x, (*etcdtest.Guest).CutOff)
}

// Resume implements [emulator.Backend]. One that another process suspended has lost
// its memory with that, and boots.
func (m *Machines) Resume(ctx context.Context, x emulator.Machine) error {
	if err := m.Start(ctx, x); err != nil {
		return err
	}
	return m.still(x, (*etcdtest.Guest).Reconnect)
}

func (m *Machines) still(x emulator.Machine, how func(*etcdtest.Guest) error) error {
	m.mu.Lock()
	g := m.guests[x.MachineKey]
	m.mu.Unlock()
	if g == nil {
		return nil
	}
	return how(g)
}

// Guest is the machine of a name in a zone that runs, for what can go wrong in it.
func (m *Machines) Guest(name, zone string) (*etcdtest.Guest, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for key, g := range m.guests {
		if key.Name == name && key.Zone == zone {
			return g, nil
		}
	}
	return nil, fmt.Errorf("no machine %s runs in zone %s", name, zone)
}

// Partition splits the etcd peers of all masters by machine names, see
// etcdtest.World.Partition.
func (m *Machines) Partition(ring string, groups ...[]string) error {
	return m.world.Partition(ring, groups...)
}

// CrowdDNS is etcdtest.World.CrowdDNS.
func (m *Machines) CrowdDNS(machine string) { m.world.CrowdDNS(machine) }

// KeepPods is etcdtest.World.KeepPods.
func (m *Machines) KeepPods(ranges ...string) { m.world.KeepPods(ranges...) }

func (m *Machines) Stop(_ context.Context, x emulator.Machine, _ bool) error {
	m.mu.Lock()
	g := m.guests[x.MachineKey]
	delete(m.guests, x.MachineKey)
	m.connect()
	m.mu.Unlock()
	if g != nil {
		g.Stop()
	}
	return nil
}

// Halt stops all machines: no more is written to their disks.
func (m *Machines) Halt(context.Context) error {
	m.mu.Lock()
	guests := m.guests
	m.guests = map[emulator.MachineKey]*etcdtest.Guest{}
	m.connect()
	m.mu.Unlock()
	for _, g := range guests {
		g.Stop()
	}
	return nil
}

func (m *Machines) Sync(_ context.Context, n emulator.Network) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.network = n
	m.connect()
	return nil
}

func (m *Machines) Serial(x emulator.Machine, start int64) ([]byte, error) {
	m.mu.Lock()
	g := m.guests[x.MachineKey]
	m.mu.Unlock()
	if g == nil {
		return nil, nil
	}
	return g.Serial(start), nil
}

// Watch has nothing to tell: model machines do not end by themselves.
func (m *Machines) Watch(func(emulator.MachineKey)) {}

// Close stops all machines. The next process starts them again from their disks.
func (m *Machines) Close() error { return m.world.Close() }

// metadataServer is a machine's metadata server.
type metadataServer struct {
	m   *Machines
	key emulator.MachineKey
}

func (s metadataServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	select {
	case <-s.m.attached:
	case <-r.Context().Done():
		http.Error(w, "the machine is stopped", http.StatusServiceUnavailable)
		return
	}
	h, ok := s.m.metadata(s.key)
	if !ok {
		http.Error(w, fmt.Sprintf("no instance %s", s.key.Name), http.StatusServiceUnavailable)
		return
	}
	h.ServeHTTP(w, r)
}
