package emulator

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"hakube/gce/metadata"
)

// MetadataFor returns what a machine sees at 169.254.169.254, and false when
// there is no such machine (any more).
func (s *Server) MetadataFor(key MachineKey) (http.Handler, bool) {
	r := in(key.Project, "zones/"+key.Zone, "instances", key.Name)
	if o := s.store.read(r); o == nil || ident(o) != key.ID {
		return nil, false
	}
	return metadata.Handler(source{s, r, key.ID}), true
}

// A source is one machine's side of the store.
type source struct {
	s  *Server
	r  ref
	id uint64
}

var _ metadata.Source = source{}

var errGone = errors.New("the machine is being deleted")

func (m source) View() (metadata.View, <-chan struct{}, error) {
	if ident(m.s.store.read(m.r)) != m.id {
		return metadata.View{}, nil, errGone // and nobody would end the watch
	}
	changed := m.s.watch(m.r)
	if ident(m.s.store.read(m.r)) != m.id {
		return metadata.View{}, nil, errGone
	}
	v, err := m.s.metadataView(m.r)
	return v, changed, err
}

func (m source) GuestAttributes() (metadata.GuestAttributes, error) {
	return guestAttributes(m.s.store.read(m.r.note("guest"))), nil
}

func (m source) PutGuestAttribute(namespace, key, value string) error {
	return m.attributes(func(all obj) {
		if sub(all, namespace) == nil {
			all[namespace] = obj{}
		}
		sub(all, namespace)[key] = value
	})
}

func (m source) DeleteGuestAttribute(namespace, key string) error {
	return m.attributes(func(all obj) {
		delete(sub(all, namespace), key)
		if len(sub(all, namespace)) == 0 {
			delete(all, namespace)
		}
	})
}

func (m source) attributes(f func(obj)) error {
	return m.s.store.update(func(t *tx) error {
		if ident(t.get(m.r)) != m.id {
			return errGone
		}
		all := clone(sub(t.get(m.r.note("guest")), "attributes"))
		if all == nil {
			all = obj{}
		}
		f(all)
		t.put(m.r.note("guest"), obj{"attributes": all})
		return nil
	})
}

// watch returns a channel that is closed when the instance, its guest
// attributes or its project's metadata change.
func (s *Server) watch(r ref) <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.wakes[r] == nil {
		s.wakes[r] = make(chan struct{})
	}
	return s.wakes[r]
}

// balances are the kinds that decide which addresses are forwarded to whom.
var balances = []string{"forwardingRules", "backendServices", "instanceGroups"}

// wake is told by the store what changed. What concerns a whole project wakes
// all its machines: those that see nothing new wait on.
func (s *Server) wake(changed []ref) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range changed {
		r := ref(strings.TrimPrefix(string(r), "~guest/"))
		if strings.Count(string(r), "/") == 1 && !strings.HasPrefix(string(r), "~") || slices.Contains(balances, r.kind()) || strings.HasPrefix(string(r), draining) {
			r := ref(strings.TrimPrefix(strings.TrimPrefix(string(r), "~arriving/"), draining))
			for i, ch := range s.wakes {
				if i.project() == r.project() {
					delete(s.wakes, i)
					close(ch)
				}
			}
			continue
		}
		if ch := s.wakes[r]; ch != nil {
			delete(s.wakes, r)
			close(ch)
		}
	}
}

func (s *Server) metadataView(r ref) (v metadata.View, err error) {
	s.store.view(func(t *tx) {
		o := t.get(r)
		if o == nil {
			err = notFound(r)
			return
		}
		v = viewOf(t, r, o)
	})
	return v, err
}

func viewOf(t *tx, r ref, o obj) metadata.View {
	m := machineOf(t, r, o, forwarded(t, r.project()))
	project := projectDoc(t, r.project())
	number := projectNumber(r.project())
	in := fmt.Sprintf("projects/%d/", number)
	v := metadata.View{
		Instance: metadata.Instance{
			ID: m.ID, Name: m.Name, Hostname: m.Hostname, Description: str(o, "description"),
			Zone: in + "zones/" + m.Zone, MachineType: in + "machineTypes/" + ref(str(o, "machineType")).name(),
			CPUPlatform: str(o, "cpuPlatform"), Tags: m.Tags, Attributes: maps.Clone(m.Metadata),
			NetworkInterfaces: []metadata.NetworkInterface{nicView(t, o, m.NIC, in)},
			Scheduling: metadata.Scheduling{
				AutomaticRestart: flag(sub(o, "scheduling"), "automaticRestart"), OnHostMaintenance: str(sub(o, "scheduling"), "onHostMaintenance"),
				Preemptible: flag(sub(o, "scheduling"), "preemptible"),
			},
		},
		Project: metadata.Project{ID: r.project(), Number: number, Attributes: metadataMap(sub(project, "commonInstanceMetadata"))},
	}
	for _, a := range objects(o, "disks") {
		v.Instance.Disks = append(v.Instance.Disks, metadata.Disk{
			DeviceName: str(a, "deviceName"), Mode: str(a, "mode"), Interface: str(a, "interface"),
		})
		if flag(a, "boot") {
			if image := str(t.get(toRef(str(a, "source"))), "sourceImage"); image != "" {
				v.Instance.Image = string(toRef(image))
			}
		}
	}
	for _, sa := range objects(o, "serviceAccounts") {
		v.Instance.ServiceAccounts = append(v.Instance.ServiceAccounts, metadata.ServiceAccount{Email: str(sa, "email"), Scopes: stringsOf(sa, "scopes")})
	}
	return v
}

func nicView(t *tx, o obj, n NIC, in string) metadata.NetworkInterface {
	v := metadata.NetworkInterface{
		IP: n.Address.String(), MAC: n.MAC, MTU: n.MTU, Network: in + "networks/" + n.Network, Gateway: n.Gateway.String(),
		DNSServers: []string{"169.254.169.254"},
	}
	for _, nic := range objects(o, "networkInterfaces") {
		if p, err := netip.ParsePrefix(str(t.get(toRef(str(nic, "subnetwork"))), "ipCidrRange")); err == nil {
			mask := ^uint32(0) << (32 - p.Bits())
			v.SubnetMask = fmt.Sprintf("%d.%d.%d.%d", mask>>24, mask>>16&255, mask>>8&255, mask&255)
		}
		for _, ac := range objects(nic, "accessConfigs") {
			v.AccessConfigs = append(v.AccessConfigs, metadata.AccessConfig{ExternalIP: str(ac, "natIP"), Type: str(ac, "type")})
		}
	}
	for _, p := range n.Aliases {
		v.IPAliases = append(v.IPAliases, p.String())
	}
	for _, a := range n.Forwarded {
		v.ForwardedIPs = append(v.ForwardedIPs, a.String())
	}
	return v
}
