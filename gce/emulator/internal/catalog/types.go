package catalog

import (
	"fmt"
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

// MachineSize finds a machine type by its name.
func MachineSize(name string) (machineType, bool) {
	for _, m := range machineSizes() {
		if m.Name == name {
			return m, true
		}
	}
	return machineType{}, false
}

func (m machineType) doc(project, zone string) doc.Obj {
	r := doc.RefIn(project, "zones/"+zone, "machineTypes", m.Name)
	disks := 128
	if m.shared {
		disks = 16
	}
	return doc.Obj{
		"kind": "compute#machineType", "id": doc.NumberOf(m.Name), "name": m.Name, "creationTimestamp": Epoch,
		"description": fmt.Sprintf("%d vCPU, %.2f GB RAM", m.Cpus, float64(m.Memory)/1024),
		"guestCpus":   m.Cpus, "memoryMb": m.Memory, "isSharedCpu": m.shared, "imageSpaceGb": 0,
		"maximumPersistentDisks": disks, "maximumPersistentDisksSizeGb": "263168",
		"zone": zone, "selfLink": r.Link(), "architecture": "X86_64",
	}
}

func machineTypes() api.Collection {
	docs := func(project, zone string) (out []doc.Obj) {
		for _, m := range machineSizes() {
			out = append(out, m.doc(project, zone))
		}
		return out
	}
	return fixed("machineTypes", "compute#machineType", docs)
}

func diskTypes() api.Collection {
	docs := func(project, zone string) (out []doc.Obj) {
		for _, d := range DiskKinds {
			r := doc.RefIn(project, "zones/"+zone, "diskTypes", d.Name)
			out = append(out, doc.Obj{
				"kind": "compute#diskType", "id": doc.NumberOf(d.Name), "name": d.Name, "description": d.text,
				"creationTimestamp": Epoch, "validDiskSize": d.sizes, "defaultDiskSizeGb": doc.Decimal(d.Size),
				"zone": doc.ZoneLink(project, zone), "selfLink": r.Link(),
			})
		}
		return out
	}
	return fixed("diskTypes", "compute#diskType", docs)
}

// OtherDisks are Google's disk types that are not here, as patterns.
const OtherDisks = "local-ssd|pd-extreme|hyperdisk-*"

// DiskKinds with the size a disk has when none is asked for, in GB.
var DiskKinds = []struct {
	Name, text, sizes string
	Size              int64
}{
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
