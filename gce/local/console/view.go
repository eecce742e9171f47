package console

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
	Objects    map[string]int `json:"objects"`  // how many, by kind
	Projects   []Project      `json:"projects"` // those that have machines
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

// A Project is one that has machines.
type Project struct {
	Name     string    `json:"name"`
	Clusters []Cluster `json:"clusters"`
}

// A Cluster is the machines of a project that carry the same label hakube-cluster;
// those without that label are under "", the last.
type Cluster struct {
	Name    string   `json:"name"`
	Count   Count    `json:"count"`
	Regions []Region `json:"regions"` // those in use, with all their zones
}

// Count is how many machines a cluster has, whatever of them the page shows.
type Count struct {
	Masters int `json:"masters"`
	Others  int `json:"others"`
	Running int `json:"running"` // of both
	Shown   int `json:"shown"`   // those that the filter keeps
}

// A Region of Compute Engine.
type Region struct {
	Name  string `json:"name"`
	Zones []Zone `json:"zones"`
}

// A Zone with the machines that a cluster has there, its masters first.
type Zone struct {
	Name     string    `json:"name"`
	Machines []Machine `json:"machines"`
	More     int       `json:"more"` // machines that the filter keeps and that are not listed
}

// A Machine is an instance with what a person looks for.
type Machine struct {
	Project  string   `json:"project"`
	Cluster  string   `json:"cluster"`
	Master   bool     `json:"master"`
	Zone     string   `json:"zone"`
	Name     string   `json:"name"`
	Status   string   `json:"status"`
	Type     string   `json:"type"`
	Internal string   `json:"internal"`
	External string   `json:"external"`
	Pods     string   `json:"pods"` // alias range
	Tags     []string `json:"tags"`
}

// A Network with what is in it.
type Network struct {
	Project   string     `json:"project"`
	Name      string     `json:"name"`
	Subnets   []Subnet   `json:"subnets"`
	Firewalls []Firewall `json:"firewalls"`
	Routes    int        `json:"routes"`
}

// A Subnet is a subnetwork.
type Subnet struct {
	Name   string   `json:"name"`
	Region string   `json:"region"`
	Ranges []string `json:"ranges"` // the primary one first
}

// A Firewall is a firewall rule in a line.
type Firewall struct {
	Name string `json:"name"`
	Rule string `json:"rule"` // "tcp:443 from 0.0.0.0/0 to kubernetes-master"
}

// A Balancer is a forwarding rule with those behind it.
type Balancer struct {
	Project  string    `json:"project"`
	Name     string    `json:"name"`
	Region   string    `json:"region"`
	Address  string    `json:"address"`
	Ports    string    `json:"ports"`
	Service  string    `json:"service"`
	Backends []Backend `json:"backends"`
}

// A Backend is a machine behind a balancer, as its probes see it, or a group without machines.
type Backend struct {
	Group  string `json:"group"`
	Zone   string `json:"zone"`
	Name   string `json:"name"` // "" of a group that is empty
	Health string `json:"health"`
}

// An Address is reserved.
type Address struct {
	Project string `json:"project"`
	Name    string `json:"name"`
	Region  string `json:"region"`
	IP      string `json:"ip"`
	Status  string `json:"status"`
	User    string `json:"user"`
}

// A Disk and who uses it.
type Disk struct {
	Project string `json:"project"`
	Zone    string `json:"zone"`
	Name    string `json:"name"`
	Size    string `json:"size"` // GB
	Type    string `json:"type"`
	User    string `json:"user"`
}

// A Group is a managed one.
type Group struct {
	Project string `json:"project"`
	Zone    string `json:"zone"`
	Name    string `json:"name"`
	Target  int    `json:"target"`
	Stable  bool   `json:"stable"`
}

// An Operation is a change, under way or over.
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
	User    string `json:"user"` // who asked for it
	Took    int64  `json:"took"` // ms until it was done, or until now
	Error   string `json:"error"`
}
