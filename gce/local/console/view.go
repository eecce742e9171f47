package console

import (
	"cmp"
	"maps"
	"net/http"
	"slices"
	"strings"

	"hakube/gce/emulator"
)

// About is what is not in the API: how the embedded GCE was started.
type About struct {
	Endpoint string `json:"endpoint"`
	Machines string `json:"machines"` // real or model
	Latency  string `json:"latency"`
	Project  string `json:"project"` // the one that is used without PROJECT
}

// A View is everything on the page.
type View struct {
	About
	Calls      Calls          `json:"calls"`
	Objects    map[string]int `json:"objects"` // how many, by kind
	Regions    []Region       `json:"regions"` // those in use
	Networks   []Network      `json:"networks"`
	Balancers  []Balancer     `json:"balancers"`
	Addresses  []Address      `json:"addresses"`
	Disks      []Disk         `json:"disks"`
	Groups     []Group        `json:"groups"` // managed
	Operations []Operation    `json:"operations"`
}

// Calls were made since the start.
type Calls struct {
	Read   int64 `json:"read"`
	Change int64 `json:"change"`
}

type Region struct {
	Name  string `json:"name"`
	Zones []Zone `json:"zones"`
}

type Zone struct {
	Name     string    `json:"name"`
	Machines []Machine `json:"machines"`
	More     int       `json:"more"` // machines that are not listed
}

type Machine struct {
	Project  string   `json:"project"`
	Zone     string   `json:"zone"`
	Name     string   `json:"name"`
	Status   string   `json:"status"`
	Type     string   `json:"type"`
	Internal string   `json:"internal"`
	External string   `json:"external"`
	Pods     string   `json:"pods"` // alias range
	Tags     []string `json:"tags"`
}

type Network struct {
	Project   string     `json:"project"`
	Name      string     `json:"name"`
	Subnets   []Subnet   `json:"subnets"`
	Firewalls []Firewall `json:"firewalls"`
	Routes    int        `json:"routes"`
}

type Subnet struct {
	Name   string   `json:"name"`
	Region string   `json:"region"`
	Ranges []string `json:"ranges"` // the primary one first
}

type Firewall struct {
	Name string `json:"name"`
	Rule string `json:"rule"` // "tcp:443 from 0.0.0.0/0 to kubernetes-master"
}

type Balancer struct {
	Project  string    `json:"project"`
	Name     string    `json:"name"`
	Region   string    `json:"region"`
	Address  string    `json:"address"`
	Ports    string    `json:"ports"`
	Service  string    `json:"service"`
	Backends []Backend `json:"backends"`
}

type Backend struct {
	Group  string `json:"group"`
	Zone   string `json:"zone"`
	Name   string `json:"name"` // "" of a group that is empty
	Health string `json:"health"`
}

type Address struct {
	Project string `json:"project"`
	Name    string `json:"name"`
	Region  string `json:"region"`
	IP      string `json:"ip"`
	Status  string `json:"status"`
	User    string `json:"user"`
}

type Disk struct {
	Project string `json:"project"`
	Zone    string `json:"zone"`
	Name    string `json:"name"`
	Size    string `json:"size"` // GB
	Type    string `json:"type"`
	User    string `json:"user"`
}

type Group struct {
	Project string `json:"project"`
	Zone    string `json:"zone"`
	Name    string `json:"name"`
	Target  int    `json:"target"`
	Stable  bool   `json:"stable"`
}

type Operation struct {
	Project string `json:"project"`
	Name    string `json:"name"`
	Type    string `json:"type"`
	Kind    string `json:"kind"` // of the target: "instances"
	Target  string `json:"target"`
	Status  string `json:"status"`
	Percent int    `json:"percent"`
	Began   string `json:"began"`
	Ended   string `json:"ended"`
	Error   string `json:"error"`
}

// What one page shows at most: it is for a person.
const (
	mostMachines   = 120 // of a zone
	mostOperations = 20
	mostRows       = 200
)

// look reads all of it once.
func look(api *emulator.Server, about About) View {
	read, change := api.Counts()
	v := View{About: about, Calls: Calls{read, change}, Objects: api.Objects()}
	zones := map[string]*Zone{}
	networks := map[string]*Network{}
	network := func(project, name string) *Network {
		id := project + "/" + name
		if networks[id] == nil {
			networks[id] = &Network{Project: project, Name: name}
		}
		return networks[id]
	}
	projects := map[string]bool{about.Project: true}
	for _, o := range api.Snapshot() {
		p := partsOf(o.Path)
		projects[p.project] = true
		switch p.kind {
		case "instances":
			if zones[p.place] == nil {
				zones[p.place] = &Zone{Name: p.place}
			}
			z := zones[p.place]
			if len(z.Machines) == mostMachines {
				z.More++
				continue
			}
			z.Machines = append(z.Machines, machine(p, o.Doc))
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
			v.Addresses = append(v.Addresses, Address{p.project, p.name, p.place, str(o.Doc, "address"), str(o.Doc, "status"), user(o.Doc)})
		case "disks":
			v.Disks = append(v.Disks, Disk{p.project, p.place, p.name, str(o.Doc, "sizeGb"), base(str(o.Doc, "type")), user(o.Doc)})
		case "forwardingRules":
			v.Balancers = append(v.Balancers, balancer(api, p, o.Doc))
		case "instanceGroupManagers":
			v.Groups = append(v.Groups, group(api, p, o.Doc))
		}
	}
	v.Disks, v.Groups = v.Disks[:min(len(v.Disks), mostRows)], v.Groups[:min(len(v.Groups), mostRows)]
	for _, id := range slices.Sorted(maps.Keys(networks)) {
		v.Networks = append(v.Networks, *networks[id])
	}
	v.Regions = regions(api, about.Project, zones)
	for _, o := range api.Operations(mostOperations) {
		v.Operations = append(v.Operations, operation(partsOf(o.Path), o.Doc))
	}
	return v
}

// regions are those that have machines, with all their zones, also the empty ones:
// that is where a cluster can grow.
func regions(api *emulator.Server, project string, used map[string]*Zone) (list []Region) {
	all, err := api.Ask(http.MethodGet, "projects/"+project+"/zones", nil)
	if err != nil {
		all = nil // the zones in use are shown all the same
	}
	names := map[string]bool{}
	for name := range used {
		names[name] = true
	}
	for _, z := range objects(all, "items") {
		for name := range used {
			if regionOf(name) == regionOf(str(z, "name")) {
				names[str(z, "name")] = true
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
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

func machine(p parts, o map[string]any) Machine {
	m := Machine{
		Project: p.project, Zone: p.place, Name: p.name, Status: str(o, "status"), Type: base(str(o, "machineType")),
		Tags: texts(sub(o, "tags"), "items"),
	}
	for _, n := range objects(o, "networkInterfaces") {
		m.Internal = cmp.Or(m.Internal, str(n, "networkIP"))
		for _, c := range objects(n, "accessConfigs") {
			m.External = cmp.Or(m.External, str(c, "natIP"))
		}
		for _, a := range objects(n, "aliasIpRanges") {
			m.Pods = cmp.Or(m.Pods, str(a, "ipCidrRange"))
		}
	}
	return m
}

func subnet(p parts, o map[string]any) Subnet {
	s := Subnet{Name: p.name, Region: p.place, Ranges: []string{str(o, "ipCidrRange")}}
	for _, r := range objects(o, "secondaryIpRanges") {
		s.Ranges = append(s.Ranges, str(r, "rangeName")+" "+str(r, "ipCidrRange"))
	}
	return s
}

// rule is a firewall rule in a line.
func rule(o map[string]any) string {
	var what []string
	for _, verb := range []string{"allowed", "denied"} {
		for _, x := range objects(o, verb) {
			text := str(x, "IPProtocol")
			if ports := texts(x, "ports"); len(ports) > 0 {
				text += ":" + strings.Join(ports, ",")
			}
			if verb == "denied" {
				text = "no " + text
			}
			what = append(what, text)
		}
	}
	text := strings.Join(what, " ")
	if from := append(texts(o, "sourceRanges"), texts(o, "sourceTags")...); len(from) > 0 {
		text += " from " + strings.Join(from, " ")
	}
	if to := append(texts(o, "destinationRanges"), texts(o, "targetTags")...); len(to) > 0 {
		text += " to " + strings.Join(to, " ")
	}
	return text
}

// balancer is a forwarding rule with those behind it, as its probes see them.
func balancer(api *emulator.Server, p parts, o map[string]any) Balancer {
	b := Balancer{
		Project: p.project, Name: p.name, Region: p.place, Address: str(o, "IPAddress"),
		Ports: strings.Join(append(texts(o, "ports"), str(o, "portRange")), " "), Service: base(str(o, "backendService")),
	}
	if b.Service == "" {
		return b
	}
	at := "projects/" + p.project + "/regions/" + p.place + "/backendServices/" + b.Service
	service, err := api.Ask(http.MethodGet, at, nil)
	if err != nil {
		return b // it is being removed
	}
	for _, x := range objects(service, "backends") {
		g := partsOf(str(x, "group"))
		health, err := api.Ask(http.MethodPost, at+"/getHealth", map[string]any{"group": str(x, "group")})
		states := objects(health, "healthStatus")
		if err != nil || len(states) == 0 {
			b.Backends = append(b.Backends, Backend{Group: g.name, Zone: g.place})
		}
		for _, h := range states {
			b.Backends = append(b.Backends, Backend{g.name, g.place, base(str(h, "instance")), str(h, "healthState")})
		}
	}
	return b
}

func group(api *emulator.Server, p parts, o map[string]any) Group {
	g := Group{Project: p.project, Zone: p.place, Name: p.name}
	g.Target = num(o, "targetSize")
	now, err := api.Ask(http.MethodGet, "projects/"+p.project+"/zones/"+p.place+"/instanceGroupManagers/"+p.name, nil)
	if err == nil {
		g.Stable, _ = sub(now, "status")["isStable"].(bool)
	}
	return g
}

func operation(p parts, o map[string]any) Operation {
	x := Operation{
		Project: p.project, Name: p.name, Type: str(o, "operationType"), Kind: partsOf(str(o, "targetLink")).kind, Target: base(str(o, "targetLink")), Status: str(o, "status"),
		Began: str(o, "insertTime"), Ended: str(o, "endTime"),
	}
	x.Percent = num(o, "progress")
	for _, e := range objects(sub(o, "error"), "errors") {
		x.Error = str(e, "code") + ": " + str(e, "message")
	}
	return x
}
