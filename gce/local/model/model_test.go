package model

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"hakube/gce/emulator"
	"hakube/replicate"
	"hakube/replicate/etcdtest"
	"hakube/scripts"
)

var firewalls = []emulator.Firewall{
	{Project: "local", Network: "default", Name: "default-ssh", Priority: 1000, Ranges: prefixes("0.0.0.0/0"), Allowed: tcp("22")},
	{Project: "local", Network: "default", Name: "m-https", Priority: 1000, Ranges: prefixes("0.0.0.0/0"), TargetTags: []string{"m"}, Allowed: tcp("443")},
	{Project: "local", Network: "default", Name: "m-etcd", Priority: 1000, SourceTags: []string{"m"}, TargetTags: []string{"m"}, Allowed: tcp("2380", "2381")},
	{Project: "local", Network: "default", Name: "inside", Priority: 1000, Ranges: prefixes("10.0.0.0/8"), Allowed: tcp("1-65535")},
	{Project: "local", Network: "other", Name: "all", Priority: 1, Ranges: prefixes("0.0.0.0/0"), Allowed: []emulator.Protocol{{Name: "all"}}},
	{Project: "local", Network: "default", Name: "out", Priority: 1, Egress: true, Ranges: prefixes("0.0.0.0/0"), Allowed: []emulator.Protocol{{Name: "all"}}},
}

func prefixes(p ...string) (all []netip.Prefix) {
	for _, s := range p {
		all = append(all, netip.MustParsePrefix(s))
	}
	return all
}

func tcp(ports ...string) []emulator.Protocol {
	return []emulator.Protocol{{Name: "udp"}, {Name: "tcp", Ports: ports}}
}

func TestAdmits(t *testing.T) {
	master := emulator.Machine{MachineKey: emulator.MachineKey{Project: "local"}, NIC: emulator.NIC{Network: "default"}, Tags: []string{"m"}}
	node := master
	node.Tags = []string{"n"}
	deny := emulator.Firewall{Project: "local", Network: "default", Deny: true, Ranges: prefixes("192.0.0.0/8"), Allowed: []emulator.Protocol{{Name: "all"}}}
	at := func(priority int) []emulator.Firewall {
		deny := deny
		deny.Priority = priority
		return append([]emulator.Firewall{deny}, firewalls...)
	}
	elsewhere := emulator.Firewall{Project: "local", Network: "default", Own: prefixes("198.51.100.9/32"), Ranges: prefixes("0.0.0.0/0"), Allowed: tcp("80")}
	here := elsewhere
	here.Own = prefixes("10.40.0.0/22")
	for name, test := range map[string]struct {
		rules []emulator.Firewall
		x     emulator.Machine
		port  uint16
		want  bool
	}{
		"another address":      {[]emulator.Firewall{elsewhere}, node, 80, false},
		"its own address":      {[]emulator.Firewall{here}, node, 80, true},
		"no rules":             {nil, master, 22, false},
		"ssh to all":           {firewalls, node, 22, true},
		"https to masters":     {firewalls, master, 443, true},
		"not to nodes":         {firewalls, node, 443, false},
		"tags are not outside": {firewalls, master, 2380, false},
		"nor is 10/8":          {firewalls, master, 8080, false},
		"denied earlier":       {at(999), master, 22, false},
		"denied at once":       {at(1000), master, 22, false},
		"denied later":         {at(1001), master, 22, true},
	} {
		if got := admits(test.rules, test.x, test.port, outside, netip.MustParseAddr("10.40.0.2")); got != test.want {
			t.Errorf("%s: %t", name, got)
		}
	}
	for ports, want := range map[string]bool{"22": true, "20-25": true, "22-22": true, "23-": false, "1-21": false, "x": false, "": false} {
		if inPorts(ports, 22) != want {
			t.Errorf("22 in %q is %t", ports, !want)
		}
	}
}

// TestMachines is the backend's contract: what is repeated does nothing,
// and a later process finds the disks.
func TestMachines(t *testing.T) {
	ctx := context.Background()
	dir := filepath.Join(t.TempDir(), "model")
	boot := emulator.Disk{Project: "local", Zone: "z", Name: "m", ID: 7, Image: "debian-12"}
	pd := emulator.Disk{Project: "local", Zone: "z", Name: "m-pd", ID: 8}
	x := emulator.Machine{
		MachineKey: emulator.MachineKey{Project: "local", Zone: "z", Name: "m", ID: 9}, Tags: []string{"m"},
		NIC:   emulator.NIC{Network: "default", Address: netip.MustParseAddr("10.40.0.2"), External: netip.MustParseAddr("198.51.100.7")},
		Disks: []emulator.Attachment{{Disk: boot, Boot: true}, {Disk: pd, Device: "master-pd"}},
	}
	meta := &etcdtest.Metadata{Project: "local", Zone: "europe-west1-b", Name: "m", Address: x.NIC.Address, Aliases: []string{"10.64.0.0/24"}}
	for k, v := range map[string]string{
		scripts.KeyStartupScript: scripts.Startup(), scripts.KeyRole: scripts.RoleMaster, scripts.KeyAddress: "198.51.100.7",
		scripts.KeyCluster: "local/kubernetes", scripts.KeyClusterName: "kubernetes", scripts.KeyPodRange: "10.64.0.0/14",
		scripts.KeyDNSIP: "10.0.0.10", scripts.KeyServiceRange: "10.0.0.0/16",
	} {
		meta.Set(k, v)
	}
	find := func(k emulator.MachineKey) (http.Handler, bool) { return meta, k == x.MachineKey }

	var m *Machines
	process := func() { // a new process; machines are adopted before there is metadata
		m = New(dir)
		m.Watch(func(emulator.MachineKey) {})
		for range 2 {
			if err := errors.Join(m.CreateDisk(ctx, boot), m.CreateDisk(ctx, pd), m.Start(ctx, x)); err != nil {
				t.Fatal(err)
			}
		}
		m.Attach(find)
		if err := m.Sync(ctx, emulator.Network{Machines: []emulator.Machine{x}, Firewalls: firewalls}); err != nil {
			t.Fatal(err)
		}
		g := m.guests[x.MachineKey]
		for deadline := time.Now().Add(time.Minute); g.Phase() != scripts.PhaseRunning; {
			if time.Sleep(time.Millisecond); time.Now().After(deadline) {
				t.Fatal(g.Phase())
			}
		}
	}
	dial := func(to string) error {
		ctx, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
		defer cancel()
		c, err := m.Dial(ctx, netip.MustParseAddrPort(to))
		if err == nil {
			err = c.Close()
		}
		return err
	}
	mute := func(err error) bool {
		var timeout net.Error
		return errors.As(err, &timeout) && timeout.Timeout()
	}
	process()
	for _, to := range []string{"198.51.100.7:22", "198.51.100.7:443", "10.40.0.2:443"} {
		if err := dial(to); err != nil {
			t.Errorf("%s: %v", to, err)
		}
	}
	for _, to := range []string{"198.51.100.7:80", "198.51.100.8:22", "10.40.0.3:22"} {
		if err := dial(to); !mute(err) {
			t.Errorf("%s: %v", to, err)
		}
	}
	if console, err := m.Serial(x, 0); err != nil || len(console) == 0 {
		t.Errorf("the console has %q, %v", console, err)
	}
	if g, err := m.Guest("m", "z"); err != nil || g != m.guests[x.MachineKey] {
		t.Errorf("the guest of m in z: %v", err)
	}
	if _, err := m.Guest("m", "y"); err == nil {
		t.Error("there is a guest of m in another zone")
	}
	if err := m.Partition(replicate.RingMain, []string{"m"}); err != nil {
		t.Error(err) // a ring of one does not notice
	}
	hostKey := string(m.guests[x.MachineKey].HostKey().Marshal())

	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	process()
	if got := string(m.guests[x.MachineKey].HostKey().Marshal()); got != hostKey {
		t.Error("another host key after a new process")
	}
	if err := m.Sync(ctx, emulator.Network{Machines: []emulator.Machine{x}, Firewalls: firewalls[:1]}); err != nil {
		t.Fatal(err)
	}
	if err := dial("198.51.100.7:443"); !mute(err) {
		t.Errorf("443 without its rule: %v", err)
	}
	for range 2 {
		if err := m.Stop(ctx, x, true); err != nil {
			t.Fatal(err)
		}
	}
	if err := dial("198.51.100.7:22"); !mute(err) {
		t.Errorf("a machine that is stopped: %v", err)
	}
	for range 2 {
		if err := errors.Join(m.DeleteDisk(ctx, boot), m.DeleteDisk(ctx, pd)); err != nil {
			t.Fatal(err)
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("left: %v, %v", left, err)
	}
	for range 2 {
		if err := errors.Join(m.Halt(ctx), m.Close()); err != nil {
			t.Error(err)
		}
	}
}
