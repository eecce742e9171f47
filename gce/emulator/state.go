package emulator

import (
	"maps"
	"net/netip"
	"slices"
	"sync"

	"hakube/gce/emulator/backend"
	"hakube/gce/emulator/internal/balancers"
	"hakube/gce/emulator/internal/doc"
	"hakube/gce/emulator/internal/machine"
	"hakube/gce/emulator/internal/members"
	"hakube/gce/emulator/internal/networks"
	"hakube/gce/emulator/internal/store"
)

// A networkView is all that decides where packets go. It keeps the machines as they
// were at the last look and looks again at those alone that a change since then could
// show otherwise: of thousands, most changes touch one.
type networkView struct {
	machines map[doc.Ref]backend.Machine
	order    []doc.Ref // of machines, sorted

	mu    sync.Mutex
	all   bool
	dirty map[doc.Ref]bool // machines and disks
}

func newNetworkView() *networkView {
	return &networkView{machines: map[doc.Ref]backend.Machine{}, all: true, dirty: map[doc.Ref]bool{}}
}

// changed notes what is to be looked at again.
func (v *networkView) changed(refs []doc.Ref) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, r := range refs {
		switch r.Kind() {
		case "networks", "subnetworks":
			v.all = true
		case "instances", "disks":
			v.dirty[r] = true
		}
	}
}

// look brings the machines up to date.
func (v *networkView) look(t *store.Tx) {
	v.mu.Lock()
	all, dirty := v.all, v.dirty
	v.all, v.dirty = false, map[doc.Ref]bool{}
	v.mu.Unlock()
	if all {
		t.Each("", "instances", func(o doc.Obj) { dirty[doc.RefOf(doc.Str(o, "selfLink"))] = true })
	}
	for r := range maps.Clone(dirty) {
		if r.Kind() == "disks" && t.Get(r) != nil {
			for _, user := range doc.Strings(t.Get(r), "users") {
				dirty[doc.RefOf(user)] = true
			}
		}
	}
	for r := range dirty {
		if r.Kind() == "instances" && r[0] != '~' {
			v.see(t, r)
		}
	}
}

func (v *networkView) see(t *store.Tx, r doc.Ref) {
	at, was := slices.BinarySearch(v.order, r)
	o := t.Get(r)
	if o == nil || doc.Str(o, "status") == "TERMINATED" {
		if was {
			v.order = slices.Delete(v.order, at, at+1)
			delete(v.machines, r)
		}
		return
	}
	if !was {
		v.order = slices.Insert(v.order, at, r)
	}
	v.machines[r] = machine.Of(t, r, o, nil)
}

// state is the network as it is now. It is called by one sync at a time.
func (v *networkView) state(t *store.Tx) backend.Network {
	v.look(t)
	reached := map[string]map[doc.Ref][]netip.Addr{}
	n := backend.Network{Machines: make([]backend.Machine, 0, len(v.order))}
	for _, r := range v.order {
		m := v.machines[r]
		if _, known := reached[m.Project]; !known {
			reached[m.Project] = members.Forwarded(t, m.Project)
		}
		m.NIC.Forwarded = reached[m.Project][r]
		n.Machines = append(n.Machines, m)
	}
	for _, p := range t.Projects() {
		for _, o := range t.All(p, "subnetworks") {
			ranges := networks.RangesOf(o)
			n.Subnets = append(n.Subnets, backend.Subnet{
				Project: p, Network: doc.Ref(doc.Str(o, "network")).Name(), Name: doc.Str(o, "name"), Range: ranges[0], Secondary: ranges[1:],
			})
		}
		for _, o := range t.List("projects/" + p + "/global/firewalls") {
			if !doc.Bool(o, "disabled") {
				n.Firewalls = append(n.Firewalls, networks.FirewallOf(p, o))
			}
		}
		n.Balancers = append(n.Balancers, balancers.BalancersOf(t, p)...)
		n.Watched = append(n.Watched, balancers.WatchedIn(t, p)...)
	}
	return n
}
