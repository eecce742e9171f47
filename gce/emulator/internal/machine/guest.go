package machine

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"hakube/gce/emulator/backend"
	"hakube/gce/emulator/internal/api"
	"hakube/gce/emulator/internal/doc"
	"hakube/gce/emulator/internal/identity"
	"hakube/gce/emulator/internal/members"
	"hakube/gce/emulator/internal/problem"
	"hakube/gce/emulator/internal/projects"
	"hakube/gce/emulator/internal/store"
	"hakube/gce/metadata"
)

// MetadataFor returns what a machine sees at 169.254.169.254, and false when
// there is no such machine (any more).
func (g *Guests) MetadataFor(key backend.MachineKey) (http.Handler, bool) {
	src, ok := g.Source(key)
	if !ok {
		return nil, false
	}
	return metadata.Handler(src), true
}

// Source is one machine's side of the store, and false when there is no such
// machine (any more).
func (g *Guests) Source(key backend.MachineKey) (metadata.Source, bool) {
	r := doc.RefIn(key.Project, "zones/"+key.Zone, "instances", key.Name)
	if o := g.s.Store.Read(r); o == nil || doc.ID(o) != key.ID {
		return nil, false
	}
	return source{g, r, key.ID}, true
}

// Guests are what machines see of themselves, and who of them waits for news.
type Guests struct {
	s     *api.Server
	token Tokens

	mu    sync.Mutex
	wakes map[doc.Ref]chan struct{} // closed when the object changes
}

// Tokens give a machine an access token for one of its service accounts.
type Tokens func(r doc.Ref, id uint64, email string, scopes []string) (metadata.Token, error)

// NewGuests is nobody waiting.
func NewGuests(s *api.Server, token Tokens) *Guests {
	return &Guests{s: s, token: token, wakes: map[doc.Ref]chan struct{}{}}
}

// A source is one machine's side of the store.
type source struct {
	*Guests
	r  doc.Ref
	id uint64
}

var _ metadata.Source = source{}

var errGone = errors.New("the machine is being deleted")

func (m source) View() (metadata.View, <-chan struct{}, error) {
	if doc.ID(m.s.Store.Read(m.r)) != m.id {
		return metadata.View{}, nil, errGone // and nobody would end the watch
	}
	changed := m.watch(m.r)
	if doc.ID(m.s.Store.Read(m.r)) != m.id {
		return metadata.View{}, nil, errGone
	}
	v, err := MetadataView(m.s, m.r)
	return v, changed, err
}

func (m source) Token(email string, scopes []string) (metadata.Token, error) {
	return m.token(m.r, m.id, email, scopes)
}

func (m source) GuestAttributes() (metadata.GuestAttributes, error) {
	return GuestAttributes(m.s.Store.Read(m.r.Note("guest"))), nil
}

func (m source) PutGuestAttribute(namespace, key, value string) error {
	return m.attributes(func(all doc.Obj) {
		if doc.Sub(all, namespace) == nil {
			all[namespace] = doc.Obj{}
		}
		doc.Sub(all, namespace)[key] = value
	})
}

func (m source) DeleteGuestAttribute(namespace, key string) error {
	return m.attributes(func(all doc.Obj) {
		delete(doc.Sub(all, namespace), key)
		if len(doc.Sub(all, namespace)) == 0 {
			delete(all, namespace)
		}
	})
}

func (m source) attributes(f func(doc.Obj)) error {
	return m.s.Store.Update(func(t *store.Tx) error {
		if doc.ID(t.Get(m.r)) != m.id {
			return errGone
		}
		all := doc.Clone(doc.Sub(t.Get(m.r.Note("guest")), "attributes"))
		if all == nil {
			all = doc.Obj{}
		}
		f(all)
		t.Put(m.r.Note("guest"), doc.Obj{"attributes": all})
		return nil
	})
}

// watch returns a channel that is closed when the instance, its guest
// attributes or its project's metadata change.
func (g *Guests) watch(r doc.Ref) <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.wakes[r] == nil {
		g.wakes[r] = make(chan struct{})
	}
	return g.wakes[r]
}

// balances are the kinds that decide which addresses are forwarded to whom.
var balances = []string{"forwardingRules", "backendServices", "instanceGroups", "targetPools"}

// Wake is told by the store what changed. What concerns a whole project wakes
// all its machines: those that see nothing new wait on.
func (g *Guests) Wake(changed []doc.Ref) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, r := range changed {
		r := doc.Ref(strings.TrimPrefix(string(r), "~guest/"))
		if strings.Count(string(r), "/") == 1 && !strings.HasPrefix(string(r), "~") || slices.Contains(balances, r.Kind()) || strings.HasPrefix(string(r), members.Draining) {
			r := doc.Ref(strings.TrimPrefix(strings.TrimPrefix(string(r), "~arriving/"), members.Draining))
			for i, ch := range g.wakes {
				if i.Project() == r.Project() {
					delete(g.wakes, i)
					close(ch)
				}
			}
			continue
		}
		if ch := g.wakes[r]; ch != nil {
			delete(g.wakes, r)
			close(ch)
		}
	}
}

// MetadataView is what the metadata server of an instance shows.
func MetadataView(s *api.Server, r doc.Ref) (v metadata.View, err error) {
	s.Store.View(func(t *store.Tx) {
		o := t.Get(r)
		if o == nil {
			err = problem.NotFound(r)
			return
		}
		v = viewOf(t, r, o)
	})
	return v, err
}

func viewOf(t *store.Tx, r doc.Ref, o doc.Obj) metadata.View {
	m := Of(t, r, o, members.Forwarded(t, r.Project()))
	project := projects.ProjectDoc(t, r.Project())
	number := projects.ProjectNumber(r.Project())
	in := fmt.Sprintf("projects/%d/", number)
	v := metadata.View{
		Instance: metadata.Instance{
			ID: m.ID, Name: m.Name, Hostname: m.Hostname, Description: doc.Str(o, "description"),
			Zone: in + "zones/" + m.Zone, MachineType: in + "machineTypes/" + doc.Ref(doc.Str(o, "machineType")).Name(),
			CPUPlatform: doc.Str(o, "cpuPlatform"), Tags: m.Tags, Attributes: maps.Clone(m.Metadata),
			NetworkInterfaces: []metadata.NetworkInterface{nicView(t, o, m.NIC, in)},
			Scheduling: metadata.Scheduling{
				AutomaticRestart: doc.Bool(doc.Sub(o, "scheduling"), "automaticRestart"), OnHostMaintenance: doc.Str(doc.Sub(o, "scheduling"), "onHostMaintenance"),
				Preemptible: doc.Bool(doc.Sub(o, "scheduling"), "preemptible"),
			},
		},
		Project: metadata.Project{ID: r.Project(), Number: number, Attributes: identity.MetadataMap(doc.Sub(project, "commonInstanceMetadata"))},
	}
	for _, a := range doc.Objects(o, "disks") {
		v.Instance.Disks = append(v.Instance.Disks, metadata.Disk{
			DeviceName: doc.Str(a, "deviceName"), Mode: doc.Str(a, "mode"), Interface: doc.Str(a, "interface"),
		})
		if doc.Bool(a, "boot") {
			if image := doc.Str(t.Get(doc.RefOf(doc.Str(a, "source"))), "sourceImage"); image != "" {
				v.Instance.Image = string(doc.RefOf(image))
			}
		}
	}
	for _, sa := range doc.Objects(o, "serviceAccounts") {
		v.Instance.ServiceAccounts = append(v.Instance.ServiceAccounts, metadata.ServiceAccount{Email: doc.Str(sa, "email"), Scopes: doc.Strings(sa, "scopes")})
	}
	return v
}

func nicView(t *store.Tx, o doc.Obj, n backend.NIC, in string) metadata.NetworkInterface {
	v := metadata.NetworkInterface{
		IP: n.Address.String(), MAC: n.MAC, MTU: n.MTU, Network: in + "networks/" + n.Network, Gateway: n.Gateway.String(),
		DNSServers: []string{"169.254.169.254"},
	}
	for _, nic := range doc.Objects(o, "networkInterfaces") {
		if p, err := netip.ParsePrefix(doc.Str(t.Get(doc.RefOf(doc.Str(nic, "subnetwork"))), "ipCidrRange")); err == nil {
			mask := ^uint32(0) << (32 - p.Bits())
			v.SubnetMask = fmt.Sprintf("%d.%d.%d.%d", mask>>24, mask>>16&255, mask>>8&255, mask&255)
		}
		for _, ac := range doc.Objects(nic, "accessConfigs") {
			v.AccessConfigs = append(v.AccessConfigs, metadata.AccessConfig{ExternalIP: doc.Str(ac, "natIP"), Type: doc.Str(ac, "type")})
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

// GuestAttributes are what the guest wrote, out of its note.
func GuestAttributes(o doc.Obj) metadata.GuestAttributes {
	out := metadata.GuestAttributes{}
	for ns := range doc.Sub(o, "attributes") {
		out[ns] = doc.StringMap(doc.Sub(o, "attributes"), ns)
	}
	return out
}
