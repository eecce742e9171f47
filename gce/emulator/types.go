package emulator

import (
	"fmt"
	"strings"
	"sync"
)

// A machineType says how large a machine is. A shared one has parts of CPUs.
type machineType struct {
	name   string
	cpus   int
	memory int64 // MB
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

func machineSize(name string) (machineType, bool) {
	for _, m := range machineSizes() {
		if m.name == name {
			return m, true
		}
	}
	return machineType{}, false
}

func (m machineType) doc(project, zone string) obj {
	r := in(project, "zones/"+zone, "machineTypes", m.name)
	disks := 128
	if m.shared {
		disks = 16
	}
	return obj{
		"kind": "compute#machineType", "id": numberOf(m.name), "name": m.name, "creationTimestamp": epoch,
		"description": fmt.Sprintf("%d vCPU, %.2f GB RAM", m.cpus, float64(m.memory)/1024),
		"guestCpus":   m.cpus, "memoryMb": m.memory, "isSharedCpu": m.shared, "imageSpaceGb": 0,
		"maximumPersistentDisks": disks, "maximumPersistentDisksSizeGb": "263168",
		"zone": zone, "selfLink": r.link(), "architecture": "X86_64",
	}
}

func machineTypes() collection {
	docs := func(project, zone string) (out []obj) {
		for _, m := range machineSizes() {
			out = append(out, m.doc(project, zone))
		}
		return out
	}
	return fixed("machineTypes", "compute#machineType", docs)
}

func diskTypes() collection {
	docs := func(project, zone string) (out []obj) {
		for _, d := range diskKinds {
			r := in(project, "zones/"+zone, "diskTypes", d.name)
			out = append(out, obj{
				"kind": "compute#diskType", "id": numberOf(d.name), "name": d.name, "description": d.text,
				"creationTimestamp": epoch, "validDiskSize": d.sizes, "defaultDiskSizeGb": decimal(d.size),
				"zone": zoneLink(project, zone), "selfLink": r.link(),
			})
		}
		return out
	}
	return fixed("diskTypes", "compute#diskType", docs)
}

// diskKinds with the size a disk has when none is asked for, in GB.
var diskKinds = []struct {
	name, text, sizes string
	size              int64
}{
	{"pd-balanced", "Balanced Persistent Disk", "10GB-65536GB", 100},
	{"pd-ssd", "SSD Persistent Disk", "10GB-65536GB", 100},
	{"pd-standard", "Standard Persistent Disk", "10GB-65536GB", 500},
}

// fixed is a collection of the catalog: the same in every zone.
func fixed(kind, item string, docs func(project, zone string) []obj) collection {
	return collection{resource: kind, kind: kind, item: item, methods: map[string]handler{
		"get": func(c *call) (obj, error) {
			r := c.target(kind)
			for _, o := range docs(c.project(), c.params["zone"]) {
				if str(o, "name") == r.name() {
					return clone(o), nil
				}
			}
			return nil, notFound(r)
		},
		"list": func(c *call) (obj, error) {
			self := base + "projects/" + c.project() + "/zones/" + c.params["zone"] + "/" + kind
			items := docs(c.project(), c.params["zone"])
			for i := range items {
				items[i] = clone(items[i])
			}
			return c.page(item+"List", self, items)
		},
		"aggregatedList": func(c *call) (obj, error) {
			items := obj{}
			keep, err := parseFilter(c.query.Get("filter"))
			if err != nil {
				return nil, err
			}
			for _, s := range scopes() {
				zone, ok := strings.CutPrefix(s, "zones/")
				if !ok {
					continue
				}
				l := []any{}
				for _, o := range docs(c.project(), zone) {
					if o = clone(o); keep(o) {
						l = append(l, o)
					}
				}
				if len(l) > 0 {
					items[s] = obj{kind: l}
				}
			}
			self := "projects/" + c.project() + "/aggregated/" + kind
			return obj{"kind": item + "AggregatedList", "id": self, "selfLink": base + self, "items": items}, nil
		},
	}}
}
