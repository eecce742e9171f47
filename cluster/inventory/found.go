package inventory

import (
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
	listed        map[Kind]bool        // of which all there are were read
	names         map[Object]bool      // of those, whoever's
}

// Lacks tells that all there are of its kind were listed, and the object was not among
// them. It may have been made a moment ago.
func (f *Collector) Lacks(o Object) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.listed[o.Kind] && !f.names[o.Id()]
}

// tookAll takes note that all of a kind were taken.
func (f *Collector) tookAll(k Kind) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.listed == nil {
		f.listed = map[Kind]bool{}
	}
	f.listed[k] = true
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
	o.Role, o.Multizone = fields["role"], fields["multizone"]
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
