package inventory

import (
	"context"
	"sync"

	"cloud.google.com/go/compute/apiv1/computepb"

	"hakube/cluster/settings"
	"hakube/gce"
)

// Collector collects objects from reads that run at the same time.
type Collector struct {
	Mark     settings.Mark
	Reserved func(*gce.Client, *computepb.Address) // told of addresses of ours; nil is nobody
	seen     *Memory                               // told of machines and disks of ours; nil is nobody

	mu   sync.Mutex
	List []Object // that carry the mark
	Used []Use    // whoever's
	// AccessConfigs are, by external address, the flags that name the access config which has it.
	AccessConfigs map[string][]string
	Networks      []*computepb.Network // whoever's
	listed        map[Kind][]Described // all there are, whoever's, of kinds that were listed
	names         map[Object]bool      // of those, whoever's
}

// Lacks tells that all there are of its kind were listed, and the object was not among
// them. It may have been made a moment ago.
func (f *Collector) Lacks(o Object) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.listed[o.Kind] != nil && !f.names[o.Id()]
}

// tookAll takes note of all there are of a kind.
func (f *Collector) tookAll(k Kind, all []Described) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.listed == nil {
		f.listed = map[Kind][]Described{}
	}
	f.listed[k] = all
}

// Listed is what the look around read of a kind of the project or of zones, or else what
// list reads now.
func Listed[T Described](ctx context.Context, f *Collector, k Kind, list func(context.Context) ([]T, error)) ([]T, error) {
	var seen []Described
	if f != nil {
		f.mu.Lock()
		seen = f.listed[k]
		f.mu.Unlock()
	}
	if seen == nil {
		return list(ctx)
	}
	all := make([]T, len(seen))
	for i, x := range seen {
		all[i] = x.(T)
	}
	return all, nil
}

// Take keeps an object if it is ours, and in any case what it uses.
func (f *Collector) Take(c *gce.Client, o Object, x Described) {
	if note := o.Kind.Row().note; note != nil {
		note(f, c, &o, x)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.names == nil {
		f.names = map[Object]bool{}
	}
	f.names[o.Id()] = true
	if !f.Mark.Owns(x.GetDescription()) {
		return
	}
	fields := settings.MarkFields(x.GetDescription())
	o.Role, o.Multizone, o.Pool = fields["role"], fields["multizone"], fields[settings.PoolField]
	f.List = append(f.List, o)
}

// A Memory is what was read of a cluster's own objects on the way, of which later
// steps want to know more than an inventory has. What is asked by name replaces
// what a list said.
type Memory struct {
	mu       sync.Mutex
	Machines map[string]*computepb.Instance // by zone/name
	Disks    map[string]*computepb.Disk
	Networks []*computepb.Network // of the project, as the last list had them
	Lists    *Collector           // of the last look
	// Unreserved tells that the API's address was asked for and is not there. It is the
	// first of a cluster's objects to come and the last to go, so there is no other.
	Unreserved bool
	asked      map[Object]Described                    // what was read by its name and not used yet
	managed    map[Object][]*computepb.ManagedInstance // of groups, as they were last listed
	making     map[string]bool                         // templates, in this run
	templates  map[string]templateSeen                 // nodes', by name, once they were asked for
	Templates  map[string]*computepb.InstanceTemplate  // of ours, as they were last listed
}

type templateSeen struct {
	x   *computepb.InstanceTemplate
	err error // that there is none
}

// Asked takes note of what was read by its name.
func (m *Memory) Asked(o Object, x Described) {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.asked == nil {
		m.asked = map[Object]Described{}
	}
	m.asked[o.Id()] = x
}

// JustRead gives out what was read by its name since the last look around, once: who
// looks a second time reads it again.
func (m *Memory) JustRead(o Object) (x Described, was bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	x, was = m.asked[o.Id()]
	delete(m.asked, o.Id())
	return x, was
}

// SawManaged takes note of a group's machines.
func (m *Memory) SawManaged(group Object, list []*computepb.ManagedInstance) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.managed == nil {
		m.managed = map[Object][]*computepb.ManagedInstance{}
	}
	m.managed[group.Id()] = list
}

// Managed are a group's machines as they were last listed in this run.
func (m *Memory) Managed(group Object) (list []*computepb.ManagedInstance, was bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	list, was = m.managed[group.Id()]
	return list, was
}

// ForgetManaged is for a group that is being changed.
func (m *Memory) ForgetManaged(group Object) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.managed, group.Id())
}

// Template is one of nodes, which nobody can change: read once, until it is made.
func (m *Memory) Template(name string, read func() (*computepb.InstanceTemplate, error)) (*computepb.InstanceTemplate, error) {
	m.mu.Lock()
	seen, was := m.templates[name]
	m.mu.Unlock()
	if was {
		return seen.x, seen.err
	}
	x, err := read()
	m.mu.Lock()
	defer m.mu.Unlock()
	if err == nil || gce.IsNotFound(err) && !m.making[name] {
		if m.templates == nil {
			m.templates = map[string]templateSeen{}
		}
		m.templates[name] = templateSeen{x, err}
	}
	return x, err
}

// MakesTemplate is for a template that is being made: that there is none holds no more.
func (m *Memory) MakesTemplate(name string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.templates, name)
	if m.making == nil {
		m.making = map[string]bool{}
	}
	m.making[name] = true
}

func (m *Memory) listedTemplate(x *computepb.InstanceTemplate) {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.Templates == nil {
		m.Templates = map[string]*computepb.InstanceTemplate{}
	}
	m.Templates[x.GetName()] = x
}

func (m *Memory) instance(x *computepb.Instance) {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.Machines == nil {
		m.Machines = map[string]*computepb.Instance{}
	}
	m.Machines[gce.Base(x.GetZone())+"/"+x.GetName()] = x
}

func (m *Memory) disk(x *computepb.Disk) {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.Disks == nil {
		m.Disks = map[string]*computepb.Disk{}
	}
	m.Disks[gce.Base(x.GetZone())+"/"+x.GetName()] = x
}
