package console

import (
	"cmp"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"hakube/gce/emulator"
)

// What one page shows at most: it is for a person. What is beyond is counted,
// and the filter finds it.
const (
	mostMachines   = 120 // of a cluster in a zone
	mostOperations = 20
	mostRows       = 200
)

// A filter keeps what has all its words, each anywhere and in any case.
type filter []string

func filterOf(text string) filter { return strings.Fields(strings.ToLower(text)) }

func (f filter) keeps(facts ...string) bool {
	all := strings.ToLower(strings.Join(facts, " "))
	return !slices.ContainsFunc(f, func(word string) bool { return !strings.Contains(all, word) })
}

func (m Machine) facts() []string {
	role := ""
	if m.Master {
		role = "master"
	}
	return append([]string{m.Project, m.Cluster, role, m.Zone, m.Name, m.Status, m.Type, m.Internal, m.External, m.Pods}, m.Tags...)
}

// look reads all of it once and keeps what the filter does.
func look(api *emulator.Server, about About, f filter) View {
	read, change := api.Counts()
	v := View{About: about, Calls: Calls{read, change}, Objects: api.Objects()}
	var machines []Machine
	networks := map[string]*Network{}
	network := func(project, name string) *Network {
		id := project + "/" + name
		if networks[id] == nil {
			networks[id] = &Network{Project: project, Name: name}
		}
		return networks[id]
	}
	for _, o := range api.Snapshot() {
		p := partsOf(o.Path)
		switch p.kind {
		case "instances":
			machines = append(machines, machine(p, o.Doc))
		case "networks":
			network(p.project, p.name)
		case "subnetworks":
			n := network(p.project, base(str(o.Doc, "network")))
			n.Subnets = append(n.Subnets, subnet(p, o.Doc))
		case "firewalls":
			n := network(p.project, base(str(o.Doc, "network")))
			n.Firewalls = append(n.Firewalls, Firewall{p.name, rule(o.Doc)})
		case "routes":
			network(p.project, base(str(o.Doc, "network"))).Routes++
		case "addresses":
			if a := (Address{p.project, p.name, p.place, str(o.Doc, "address"), str(o.Doc, "status"), user(o.Doc)}); f.keeps(a.Project, a.Name, a.Region, a.IP, a.Status, a.User) {
				v.Addresses = append(v.Addresses, a)
			}
		case "disks":
			if d := (Disk{p.project, p.place, p.name, str(o.Doc, "sizeGb"), base(str(o.Doc, "type")), user(o.Doc)}); len(v.Disks) < mostRows && f.keeps(d.Project, d.Zone, d.Name, d.Type, d.User) {
				v.Disks = append(v.Disks, d)
			}
		case "forwardingRules":
			v.Balancers = append(v.Balancers, balancer(api, p, o.Doc))
		case "instanceGroupManagers":
			if len(v.Groups) < mostRows && f.keeps(p.project, p.place, p.name) {
				v.Groups = append(v.Groups, group(api, p, o.Doc))
			}
		}
	}
	for _, id := range slices.Sorted(maps.Keys(networks)) {
		v.Networks = append(v.Networks, *networks[id])
	}
	v.Projects = projects(machines, zonesOf(api, about.Project), f)
	now := time.Now()
	for _, o := range api.Operations(mostOperations) {
		v.Operations = append(v.Operations, operation(partsOf(o.Path), o.Doc, now))
	}
	return v
}

// zonesOf are all zones there are.
func zonesOf(api *emulator.Server, project string) (names []string) {
	all, err := api.Ask(http.MethodGet, "projects/"+project+"/zones", nil)
	if err != nil {
		return nil // the zones in use are shown all the same
	}
	for _, z := range objects(all, "items") {
		names = append(names, str(z, "name"))
	}
	return names
}

// projects puts machines where they belong. What has no machine that the
// filter keeps is left out.
func projects(machines []Machine, zones []string, f filter) (list []Project) {
	slices.SortStableFunc(machines, func(a, b Machine) int {
		return cmp.Or(cmp.Compare(a.Project, b.Project), cmp.Compare(last(a.Cluster), last(b.Cluster)))
	})
	for len(machines) > 0 {
		first := machines[0]
		n := slices.IndexFunc(machines, func(m Machine) bool { return m.Project != first.Project || m.Cluster != first.Cluster })
		if n < 0 {
			n = len(machines)
		}
		c := cluster(machines[:n], zones, f)
		machines = machines[n:]
		if c.Count.Shown == 0 {
			continue
		}
		if k := len(list); k == 0 || list[k-1].Name != first.Project {
			list = append(list, Project{Name: first.Project})
		}
		p := &list[len(list)-1]
		p.Clusters = append(p.Clusters, c)
	}
	return list
}

// last sorts machines of no cluster behind all clusters: no label has a letter like that.
func last(cluster string) string { return cmp.Or(cluster, "~") }

// cluster counts machines of one cluster and lists them by zone.
func cluster(machines []Machine, all []string, f filter) Cluster {
	c := Cluster{Name: machines[0].Cluster}
	zones := map[string]*Zone{}
	for _, m := range machines {
		if m.Master {
			c.Count.Masters++
		} else {
			c.Count.Others++
		}
		if m.Status == "RUNNING" {
			c.Count.Running++
		}
		if !f.keeps(m.facts()...) {
			continue
		}
		c.Count.Shown++
		if zones[m.Zone] == nil {
			zones[m.Zone] = &Zone{Name: m.Zone}
		}
		zones[m.Zone].Machines = append(zones[m.Zone].Machines, m)
	}
	for _, z := range zones {
		slices.SortStableFunc(z.Machines, func(a, b Machine) int { return rank(a) - rank(b) })
		shown := min(len(z.Machines), mostMachines)
		z.More = len(z.Machines) - shown
		z.Machines = z.Machines[:shown]
	}
	c.Regions = regions(zones, all, len(f) == 0)
	return c
}

// rank is where a machine stands in its zone: masters first, then those that do not run.
func rank(m Machine) int {
	switch {
	case m.Master:
		return 0
	case m.Status != "RUNNING":
		return 1
	}
	return 2
}

// regions are those with machines; when nothing is filtered also with their
// empty zones: that is where a cluster can grow.
func regions(used map[string]*Zone, all []string, empty bool) (list []Region) {
	names := slices.Sorted(maps.Keys(used))
	for _, zone := range all {
		if empty && used[zone] == nil && slices.ContainsFunc(names, func(n string) bool { return regionOf(n) == regionOf(zone) }) {
			names = append(names, zone)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		z := Zone{Name: name}
		if used[name] != nil {
			z = *used[name]
		}
		if n := len(list); n == 0 || list[n-1].Name != regionOf(name) {
			list = append(list, Region{Name: regionOf(name)})
		}
		list[len(list)-1].Zones = append(list[len(list)-1].Zones, z)
	}
	return list
}

func regionOf(zone string) string { return zone[:max(0, strings.LastIndexByte(zone, '-'))] }
