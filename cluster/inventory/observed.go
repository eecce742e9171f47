package inventory

import (
	"cmp"
	"slices"
	"sync"

	"cloud.google.com/go/compute/apiv1/computepb"

	"hakube/gce"
)

// Observed is what was seen of machines since the inventory was read: the states of
// masters, addresses, the machines themselves, and what machine types and images are
// like. Steps run beside each other and note what they read, so that the next one does
// not ask again. Nothing is concluded here.
type Observed struct {
	mu        sync.Mutex                     // of all below
	states    map[string]string              // of masters, by name: RUNNING, TERMINATED …
	externals map[string]string              // machines' own external addresses, by name
	machines  map[string]*computepb.Instance // of masters, as they were just read, by name
	cpus      map[string]int                 // of machine types, by name
	bios      map[string]bool                // images without UEFI
}

// NewObserved has seen nothing yet.
func NewObserved() *Observed {
	return &Observed{
		states: map[string]string{}, externals: map[string]string{}, machines: map[string]*computepb.Instance{},
		cpus: map[string]int{}, bios: map[string]bool{},
	}
}

// AsSeen are masters with what steps have seen of their machines since.
func (s *Observed) AsSeen(list []Object) []Object {
	list = slices.Clone(list)
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range list {
		list[i].Status = cmp.Or(s.states[list[i].Name], list[i].Status)
	}
	return list
}

// SawMaster takes note of a machine's state, and of how it is reached.
func (s *Observed) SawMaster(i *computepb.Instance) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.states[i.GetName()] = i.GetStatus()
	if ip := ExternalOf(i); ip != "" && i.GetStatus() == "RUNNING" {
		s.externals[i.GetName()] = ip
	}
	s.machines[i.GetName()] = i
}

// SawMasters takes note of the external addresses of masters that run.
func (s *Observed) SawMasters(have *Inventory) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, o := range have.Objects {
		if o.Kind == Instance && o.Role == RoleMaster && o.External != "" && o.Status == "RUNNING" {
			s.externals[o.Name] = o.External
		}
	}
}

// TakeMachine is a master's machine as it was just read, once; nil if it was not.
func (s *Observed) TakeMachine(of Object) *computepb.Instance {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := s.machines[of.Name]
	delete(s.machines, of.Name)
	if i != nil && gce.Base(i.GetZone()) != of.Zone {
		return nil
	}
	return i
}

// ExternalSeen is a machine's own external address, "" if it was not seen.
func (s *Observed) ExternalSeen(name string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.externals[name]
}

// SawExternal takes note of a machine's own external address.
func (s *Observed) SawExternal(name, ip string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.externals[name] = ip
}

// ForgetMachine has a machine, and its address, asked for again.
func (s *Observed) ForgetMachine(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.externals, name)
	delete(s.machines, name)
}

// CPUs is how many a machine type has, once it was seen.
func (s *Observed) CPUs(machineType string) (n int, known bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, known = s.cpus[machineType]
	return n, known
}

// SawCPUs takes note of a machine type.
func (s *Observed) SawCPUs(machineType string, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cpus[machineType] = n
}

// SawImage takes note of images that boot without UEFI. A project's own may do so.
func (s *Observed) SawImage(image string, x *computepb.Image) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bios[image] = !slices.ContainsFunc(x.GetGuestOsFeatures(), func(f *computepb.GuestOsFeature) bool { return f.GetType() == "UEFI_COMPATIBLE" })
}

// ByBIOS tells of an image that it boots without UEFI, once it was seen.
func (s *Observed) ByBIOS(image string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.bios[image]
}
