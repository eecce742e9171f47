// Package machine is an instance as its host and its guest see it.
package machine

import (
	"net/netip"
	"strings"

	"hakube/gce/emulator/backend"
	"hakube/gce/emulator/internal/api"
	"hakube/gce/emulator/internal/catalog"
	"hakube/gce/emulator/internal/disks"
	"hakube/gce/emulator/internal/doc"
	"hakube/gce/emulator/internal/identity"
	"hakube/gce/emulator/internal/members"
	"hakube/gce/emulator/internal/projects"
	"hakube/gce/emulator/internal/store"
)

// At is an instance as its backend sees it now.
func At(s *api.Server, r doc.Ref) (m backend.Machine, ok bool) {
	s.Store.View(func(t *store.Tx) {
		if o := t.Get(r); o != nil {
			m, ok = Of(t, r, o, members.Forwarded(t, r.Project())), true
		}
	})
	return m, ok
}

// Of is an instance for its host; forwarded is that of its project.
func Of(t *store.Tx, r doc.Ref, o doc.Obj, forwarded map[doc.Ref][]netip.Addr) backend.Machine {
	size, _ := catalog.MachineSize(doc.Ref(doc.Str(o, "machineType")).Name())
	m := backend.Machine{
		MachineKey: backend.MachineKey{Project: r.Project(), Zone: r.Place(), Name: r.Name(), ID: doc.ID(o)},
		Tags:       doc.Strings(doc.Sub(o, "tags"), "items"),
		CPUs:       size.Cpus, MemoryMB: size.Memory,
		CanIPForward: doc.Bool(o, "canIpForward"),
		Metadata:     identity.MetadataMap(doc.Sub(o, "metadata")),
	}
	if m.Hostname = doc.Str(o, "hostname"); m.Hostname == "" {
		m.Hostname = m.Name + "." + m.Zone + "." + m.Domain()
		if strings.HasPrefix(projects.DNSSetting(t, r.Project(), m.Metadata), "Global") {
			m.Hostname = m.Name + "." + m.Domain()
		}
	}
	for _, a := range doc.Objects(o, "disks") {
		d := doc.RefOf(doc.Str(a, "source"))
		m.Disks = append(m.Disks, backend.Attachment{
			Disk: disks.DiskOf(d, t.Get(d)), Device: doc.Str(a, "deviceName"), Boot: doc.Bool(a, "boot"), ReadOnly: doc.Str(a, "mode") == "READ_ONLY",
		})
	}
	if nics := doc.Objects(o, "networkInterfaces"); len(nics) > 0 {
		m.NIC = nicOf(t, nics[0])
		m.NIC.Forwarded = forwarded[r]
	}
	return m
}

func nicOf(t *store.Tx, o doc.Obj) backend.NIC {
	subnet, network := doc.RefOf(doc.Str(o, "subnetwork")), doc.RefOf(doc.Str(o, "network"))
	n := backend.NIC{Network: network.Name(), Subnetwork: subnet.Name(), MTU: int(doc.Num(t.Get(network), "mtu"))}
	if n.MTU == 0 {
		n.MTU = 1460
	}
	n.Gateway, _ = netip.ParseAddr(doc.Str(t.Get(subnet), "gatewayAddress"))
	n.Address, _ = netip.ParseAddr(doc.Str(o, "networkIP"))
	n.MAC = macOf(n.Address)
	for _, a := range doc.Objects(o, "aliasIpRanges") {
		if p, err := netip.ParsePrefix(doc.Str(a, "ipCidrRange")); err == nil {
			n.Aliases = append(n.Aliases, p)
		}
	}
	for _, ac := range doc.Objects(o, "accessConfigs") {
		n.External, _ = netip.ParseAddr(doc.Str(ac, "natIP"))
	}
	return n
}

// macOf is how Google derives a NIC's hardware address from the internal one.
func macOf(a netip.Addr) string {
	if !a.Is4() {
		return ""
	}
	const hex = "0123456789abcdef"
	var b strings.Builder
	b.WriteString("42:01")
	for _, x := range a.As4() {
		b.WriteByte(':')
		b.WriteByte(hex[x>>4])
		b.WriteByte(hex[x&15])
	}
	return b.String()
}
