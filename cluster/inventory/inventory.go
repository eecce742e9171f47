package inventory

import (
	"cmp"
	"slices"
	"strings"

	"hakube/cluster/settings"
	"hakube/gce"
)

// An Inventory is what was there when a run began.
type Inventory struct {
	Objects []Object
	// SubnetRegion is where the network has the cluster's subnetwork, "" for
	// none: a region that has nothing else yet is found by it.
	SubnetRegion string
	Holder       Holder // the API's address
	Uses         []Use  // of all that was read, whoever's it is
	// AccessConfigs are, by external address, the flags that name the access config which has it.
	AccessConfigs map[string][]string
}

// Of lists what was found of a kind and has to be removed by itself: not the
// boot disks of machines, which go with them, nor the machines of groups.
func (v *Inventory) Of(k Kind) (list []Object) {
	grouped := map[settings.PoolID]bool{}
	for _, o := range v.Objects {
		if o.Kind == ManagedGroup {
			grouped[o.PoolID()] = true
		}
	}
	for _, o := range v.Objects {
		switch {
		case o.Kind != k, o.Role == RoleBootDisk && o.used, o.Role == RoleNode && grouped[o.PoolID()]:
		default:
			list = append(list, o)
		}
	}
	return list
}

// Has tells whether an object of the kind, name and zone was found.
func (v *Inventory) Has(o Object) bool {
	return slices.ContainsFunc(v.Objects, func(x Object) bool {
		return x.Kind == o.Kind && x.Name == o.Name && x.Zone == o.Zone
	})
}

// Homes are the zones of the first master, by its machine or its disk, or else
// of whichever masters there are.
func (v *Inventory) Homes(n settings.Names) []string {
	first := v.Zones(func(o Object) bool {
		return o.Kind == Instance && o.Name == n.Master() || o.Kind == Disk && o.Name == n.MasterDisk()
	})
	if len(first) > 0 {
		return first
	}
	return v.Zones(func(o Object) bool { return o.Role == RoleMaster || o.Role == RoleMasterDisk })
}

// FirstMaster is the one with which a cluster is begun in the zone.
func FirstMaster(n settings.Names, zone string) Object {
	return Object{Kind: Instance, Name: n.Master(), Zone: zone, Role: RoleMaster}
}

// Masters are the machines that are masters, the first-born first.
func (v *Inventory) Masters(n settings.Names) (list []Object) {
	for _, o := range v.Objects {
		if o.Kind == Instance && o.Role == RoleMaster {
			list = append(list, o)
		}
	}
	slices.SortFunc(list, func(a, b Object) int {
		if (a.Name == n.Master()) != (b.Name == n.Master()) {
			if a.Name == n.Master() {
				return -1
			}
			return 1
		}
		return cmp.Or(cmp.Compare(a.Zone, b.Zone), cmp.Compare(a.Name, b.Name))
	})
	return list
}

// Pool is what there is of a pool: groups, machines, and disks those left.
func (v *Inventory) Pool(n settings.Names, id settings.PoolID) *Inventory {
	p := &Inventory{}
	first := n.OfPool(id.Name).Group(0) + "-"
	for _, o := range v.Objects {
		orphan := o.Kind == Disk && o.Role == RoleBootDisk && !o.used && o.Zone == id.Zone && strings.HasPrefix(o.Name, first)
		if o.OfPool(id) || orphan {
			p.Objects = append(p.Objects, o)
		}
	}
	return p
}

// Pools are those of which there is a group or a machine, by zone and name.
func (v *Inventory) Pools() (list []settings.PoolID) {
	for _, o := range v.Objects {
		if id := o.PoolID(); o.OfPool(id) && !slices.Contains(list, id) {
			list = append(list, id)
		}
	}
	slices.SortFunc(list, func(a, b settings.PoolID) int {
		return cmp.Or(cmp.Compare(a.Zone, b.Zone), cmp.Compare(a.Name, b.Name))
	})
	return list
}

// Growing tells whether a run that was cut left a pool on its way to another
// size. One that is larger is on its way back only while old machines are in it: without
// them somebody wants it larger.
func (v *Inventory) Growing(id settings.PoolID, all map[settings.PoolID]Growth) (Growth, bool) {
	size, of, old := 0, "", false
	for _, o := range v.Objects {
		if o.Kind == ManagedGroup && o.OfPool(id) {
			size, of = size+o.Size, o.Template
		}
	}
	for _, o := range v.Objects {
		old = old || o.Kind == Instance && o.OfPool(id) && o.Template != "" && o.Template != of
	}
	g, is := all[id]
	return g, is && g.Holds(size) && (old || g.Over(size) == 0)
}

// Rolling is a roll that was begun and is not done, nil if there is none: one of a pool is
// forgotten with that.
func (v *Inventory) Rolling(n settings.Names) *Roll {
	x := v.Holder.Roll
	if x == nil {
		return nil
	}
	if id, ofPool := x.Pool(); ofPool && len(v.Pool(n, id).Objects) == 0 {
		return nil
	}
	return x
}

// Master is what there is of one master: its machine, its data disk, and a boot
// disk that outlived it.
func (v *Inventory) Master(n settings.Names, m Object) *Inventory {
	p := &Inventory{}
	for _, o := range v.Objects {
		if o.Zone == m.Zone && (o.Name == m.Name && (o.Kind == Instance || o.Kind == Disk) || o.Kind == Disk && o.Name == n.DiskOf(m.Name)) {
			p.Objects = append(p.Objects, o)
		}
	}
	return p
}

// Taken are the names that no new master may have. What makes a master's machine is no master: of
// one whose disk could not be made it is left, and used for the same.
func (v *Inventory) Taken() map[string]bool {
	taken := map[string]bool{}
	for _, o := range v.Objects {
		if o.Kind != OwnGroup && o.Kind != OwnTemplate {
			taken[o.Name] = true
		}
	}
	return taken
}

// DiskOf is a master's data disk, the zero value if there is none.
func (v *Inventory) DiskOf(n settings.Names, m Object) Object {
	i := slices.IndexFunc(v.Objects, func(o Object) bool { return o.Kind == Disk && o.Name == n.DiskOf(m.Name) && o.Zone == m.Zone })
	if i < 0 {
		return Object{}
	}
	return v.Objects[i]
}

// OwnGroupOf is a master's own group, the zero value if it has none.
func (v *Inventory) OwnGroupOf(m Object) Object {
	i := slices.IndexFunc(v.Objects, func(o Object) bool { return o.Kind == OwnGroup && o.Name == m.Name && o.Zone == m.Zone })
	if i < 0 {
		return Object{}
	}
	return v.Objects[i]
}

// Made tells whether a group has made a master's machine, if it has one.
func (v *Inventory) Made(m Object) (made, is bool) {
	for _, o := range v.Objects {
		if o.Kind == Instance && o.Name == m.Name && o.Zone == m.Zone {
			return o.Template != "", true
		}
	}
	return false, false
}

// StatusOf is a machine's status as found, "" if there is none.
func (v *Inventory) StatusOf(m Object) string {
	for _, o := range v.Objects {
		if o.Kind == Instance && o.Name == m.Name && o.Zone == m.Zone {
			return o.Status
		}
	}
	return ""
}

// Zones are those of the objects that are asked for, sorted, each once.
func (v *Inventory) Zones(which func(Object) bool) (zones []string) {
	for _, o := range v.Objects {
		if o.Zone != "" && which(o) && !slices.Contains(zones, o.Zone) {
			zones = append(zones, o.Zone)
		}
	}
	slices.Sort(zones)
	return zones
}

// RegionOfSubnetwork finds the region in the URLs of a network's subnetworks:
// …/regions/europe-west1/subnetworks/kubernetes-subnet-default.
func RegionOfSubnetwork(urls []string, name string) string {
	for _, u := range urls {
		rest, ok := strings.CutSuffix(u, "/subnetworks/"+name)
		if ok {
			return gce.Base(rest)
		}
	}
	return ""
}

// Sorted puts objects in an order that does not depend on which read was quicker.
func Sorted(list []Object) []Object {
	slices.SortFunc(list, func(a, b Object) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Zone, b.Zone), cmp.Compare(a.Region, b.Region), cmp.Compare(a.Name, b.Name))
	})
	return list
}

// Regions are where anything was found, sorted.
func (v *Inventory) Regions() (list []string) {
	for _, o := range v.Objects {
		region := o.Region
		if o.Zone != "" {
			region = settings.Zone(o.Zone).Region()
		}
		if region != "" && !slices.Contains(list, region) {
			list = append(list, region)
		}
	}
	if len(list) == 0 && v.SubnetRegion != "" {
		list = append(list, v.SubnetRegion)
	}
	slices.Sort(list)
	return list
}

// Runs tells whether a machine was found running.
func (v *Inventory) Runs(m Object) bool { return v.StatusOf(m) == "RUNNING" }
