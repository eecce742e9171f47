package catalog

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"hakube/gce/emulator/internal/api"
	"hakube/gce/emulator/internal/doc"
	"hakube/gce/emulator/internal/problem"
)

// A machineType says how large a machine is. A shared one has parts of CPUs.
type machineType struct {
	Name   string
	Cpus   int
	Memory int64 // MB
	shared bool
}

var machineSizes = sync.OnceValue(func() []machineType {
	out := []machineType{
		{"e2-micro", 2, 1024, true}, {"e2-small", 2, 2048, true}, {"e2-medium", 2, 4096, true},
		{"f1-micro", 1, 614, true}, {"g1-small", 1, 1740, true},
	}
	family := func(name string, perCPU int64, cpus ...int) {
		for _, n := range cpus {
			out = append(out, machineType{fmt.Sprintf("%s-%d", name, n), n, int64(n) * perCPU, false})
		}
	}
	family("n1-standard", 3840, 1, 2, 4, 8, 16, 32, 64, 96)
	family("n1-highmem", 6656, 2, 4, 8, 16, 32, 64, 96)
	family("e2-standard", 4096, 2, 4, 8, 16, 32)
	family("e2-highmem", 8192, 2, 4, 8, 16)
	family("e2-highcpu", 1024, 2, 4, 8, 16, 32)
	family("n2-standard", 4096, 2, 4, 8, 16, 32, 48, 64, 80)
	family("n2-highmem", 8192, 2, 4, 8, 16, 32, 48, 64, 80)
	family("n2d-standard", 4096, 2, 4, 8, 16, 32, 48, 64, 80)
	family("c2-standard", 4096, 4, 8, 16, 30, 60)
	return out
})

// MachineSize finds a machine type by its name: one of Google's list, or a custom one,
// which says its own size.
func MachineSize(name string) (machineType, bool) {
	for _, m := range machineSizes() {
		if m.Name == name {
			return m, true
		}
	}
	return customSize(name)
}

// MachineIn is MachineSize of what a zone has.
func MachineIn(zone, name string) (machineType, bool) {
	m, ok := MachineSize(name)
	return m, ok && m.in(zone)
}

// withoutN1 are regions that have no machines of the first series
// (GoogleCloudPlatform/bank-of-anthos#1234); it has f1-micro and g1-small too.
var withoutN1 = []string{"europe-west8"}

func (m machineType) in(zone string) bool {
	series, _, _ := strings.Cut(m.Name, "-")
	first := slices.Contains([]string{"n1", "f1", "g1", "custom"}, series)
	return !first || !slices.Contains(withoutN1, doc.RegionOf(zone))
}

// customName is a custom type's: series, CPUs and MB, and whether that is more memory
// than the series has by itself.
var customName = regexp.MustCompile(`^(?:(n1|n2|n2d|e2)-)?custom-([0-9]{1,3})-([0-9]{3,7})(-ext)?$`)

// customSize reads the name of a custom type. Its rules are those of all series: an even
// number of CPUs, or one, and memory in steps of 256 MB.
func customSize(name string) (machineType, bool) {
	found := customName.FindStringSubmatch(name)
	if found == nil {
		return machineType{}, false
	}
	cpus, _ := strconv.Atoi(found[2])
	memory, _ := strconv.ParseInt(found[3], 10, 64)
	first := found[1] == "" || found[1] == "n1"
	odd := cpus%2 != 0 && (cpus != 1 || !first)
	most := int64(8192)
	if first {
		most = 6656
	}
	if cpus < 1 || odd || memory%256 != 0 || memory > most*int64(cpus) && found[4] == "" {
		return machineType{}, false
	}
	return machineType{name, cpus, memory, false}, true
}

// OtherSeries are Google's machine types that are not here, as patterns.
const OtherSeries = "a2-*|a3-*|a4-*|a4x-*|c2d-*|c3-*|c3d-*|c4-*|c4a-*|c4d-*|g2-*|g4-*|h3-*|h4d-*|m1-*|m2-*|m3-*|m4-*|n4-*|n4a-*|n4d-*|t2a-*|t2d-*|x4-*|z3-*"

// matches tells whether a name fits one of some patterns.
func matches(patterns, name string) bool {
	return slices.ContainsFunc(strings.Split(patterns, "|"), func(p string) bool { ok, _ := path.Match(p, name); return ok })
}

// MostDisks is how many a machine may have, its boot disk among them.
// (https://cloud.google.com/compute/docs/disks#pdnumberlimits)
func (m machineType) MostDisks() int {
	if m.shared {
		return 16
	}
	return 128
}

func (m machineType) doc(project, zone string) doc.Obj {
	r := doc.RefIn(project, "zones/"+zone, "machineTypes", m.Name)
	return doc.Obj{
		"kind": "compute#machineType", "id": doc.NumberOf(m.Name), "name": m.Name, "creationTimestamp": Epoch,
		"description": fmt.Sprintf("%d vCPU, %.2f GB RAM", m.Cpus, float64(m.Memory)/1024),
		"guestCpus":   m.Cpus, "memoryMb": m.Memory, "isSharedCpu": m.shared, "imageSpaceGb": 0,
		"maximumPersistentDisks": m.MostDisks(), "maximumPersistentDisksSizeGb": "263168",
		"zone": zone, "selfLink": r.Link(), "architecture": "X86_64",
	}
}

func machineTypes() api.Collection {
	docs := func(project, zone string) (out []doc.Obj) {
		for _, m := range machineSizes() {
			if m.in(zone) {
				out = append(out, m.doc(project, zone))
			}
		}
		return out
	}
	all := fixed("machineTypes", "compute#machineType", docs)
	all.Methods["get"] = func(c *api.Call) (doc.Obj, error) {
		r := c.Target("machineTypes")
		if matches(OtherSeries, r.Name()) {
			return nil, problem.NotWritten("machine type " + r.Name())
		}
		m, ok := MachineIn(r.Place(), r.Name())
		if !ok {
			return nil, problem.NotFound(r)
		}
		return doc.Clone(m.doc(r.Project(), r.Place())), nil
	}
	return all
}

// diskKind is a disk type in a zone or a region.
func diskKind(r doc.Ref, d DiskKind) doc.Obj {
	o := doc.Obj{
		"kind": "compute#diskType", "id": doc.NumberOf(d.Name), "name": d.Name, "description": d.text,
		"creationTimestamp": Epoch, "validDiskSize": d.sizes, "defaultDiskSizeGb": doc.Decimal(d.Size), "selfLink": r.Link(),
	}
	if strings.HasPrefix(r.Scope(), "zones/") {
		o["zone"] = doc.ZoneLink(r.Project(), r.Place())
	}
	api.Placed(r, o)
	return o
}

func diskTypes() api.Collection {
	docs := func(project, zone string) (out []doc.Obj) {
		for _, d := range DiskKinds {
			out = append(out, diskKind(doc.RefIn(project, "zones/"+zone, "diskTypes", d.Name), d))
		}
		return out
	}
	all := fixed("diskTypes", "compute#diskType", docs)
	all.Methods["get"] = getDiskType
	return all
}

// regionDiskTypes are those that a disk of two zones can have: the same. There are no
// such disks.
func regionDiskTypes() api.Collection {
	return api.Collection{Resource: "regionDiskTypes", Kind: "diskTypes", Item: "compute#diskType", Methods: map[string]api.Handler{
		"get": getDiskType,
		"list": func(c *api.Call) (doc.Obj, error) {
			r := c.Ref("diskTypes", "x")
			var items []doc.Obj
			for _, d := range DiskKinds {
				items = append(items, diskKind(r.Within("diskTypes", d.Name), d))
			}
			return c.Page("compute#regionDiskTypeList", doc.Base+r.Collection(), items)
		},
	}}
}

func getDiskType(c *api.Call) (doc.Obj, error) {
	r := c.Target("diskTypes")
	for _, d := range DiskKinds {
		if d.Name == r.Name() {
			return diskKind(r, d), nil
		}
	}
	if matches(OtherDisks, r.Name()) {
		return nil, problem.NotWritten("disk type " + r.Name())
	}
	return nil, problem.NotFound(r)
}

// OtherDisks are Google's disk types that are not here, as patterns.
const OtherDisks = "local-ssd|pd-extreme|hyperdisk-*"

// A DiskKind has the size a disk has when none is asked for, in GB.
type DiskKind struct {
	Name, text, sizes string
	Size              int64
}

// DiskKinds are all there are.
var DiskKinds = []DiskKind{
	{"pd-balanced", "Balanced Persistent Disk", "10GB-65536GB", 100},
	{"pd-ssd", "SSD Persistent Disk", "10GB-65536GB", 100},
	{"pd-standard", "Standard Persistent Disk", "10GB-65536GB", 500},
}

// fixed is a collection of the catalog: the same in every zone.
func fixed(kind, item string, docs func(project, zone string) []doc.Obj) api.Collection {
	col := api.Collection{Resource: kind, Kind: kind, Item: item}
	col.Methods = map[string]api.Handler{
		"get": func(c *api.Call) (doc.Obj, error) {
			r := c.Target(kind)
			for _, o := range docs(c.Project(), c.Params["zone"]) {
				if doc.Str(o, "name") == r.Name() {
					return doc.Clone(o), nil
				}
			}
			return nil, problem.NotFound(r)
		},
		"list": func(c *api.Call) (doc.Obj, error) {
			self := doc.Base + "projects/" + c.Project() + "/zones/" + c.Params["zone"] + "/" + kind
			items := docs(c.Project(), c.Params["zone"])
			for i := range items {
				items[i] = doc.Clone(items[i])
			}
			return c.Page(item+"List", self, items)
		},
		"aggregatedList": func(c *api.Call) (doc.Obj, error) {
			return c.Aggregated(col, func(scope string) (all []doc.Obj) {
				if zone, ok := strings.CutPrefix(scope, "zones/"); ok {
					for _, o := range docs(c.Project(), zone) {
						all = append(all, doc.Clone(o))
					}
				}
				return all
			})
		},
	}
	return col
}
