// Package sweep finds what a cluster leaves behind that hakube did not make, and judges
// whose it is. It reads and judges; whether anything is removed is decided above.
package sweep

import (
	"cmp"
	"encoding/json"
	"regexp"
	"strings"

	"hakube/cluster/inventory"
	"hakube/cluster/settings"
	"hakube/gce"
)

// What a cluster leaves behind that hakube did not make: Kubernetes' cloud
// provider made it for a Service or a node, or the driver of persistent disks
// for a volume claim, and whoever takes the machines away takes away who would
// have removed it (kube-up's D32). This file says what such things look like
// and whose they are; it makes no call.
//
// Names and descriptions are those of kubernetes/cloud-provider-gcp
// (providers/gce/gce_loadbalancer_naming.go, gce_routes.go) and of
// kubernetes-sigs/gcp-compute-persistent-disk-csi-driver
// (pkg/parameters/constants.go):
//
//   - All of a Service's parts are named by its uid, "a" and 31 hexadecimal
//     digits: forwarding rule, target pool or backend service, address and
//     health check by that alone, firewall rules k8s-fw-UID, k8s-fw-UID-deny,
//     k8s-UID-http-hc and UID-hc. The description is JSON with the Service's
//     namespace and name. What a cluster's Services share is named by the
//     cluster's id: k8s-ID-node, k8s-ID-node-http-hc, k8s-ID-internal-…, k8s-ig--ID.
//   - A route to a node has the description k8s-node-route.
//   - A volume's disk has JSON with the claim's namespace and name, and no word
//     of the cluster.
//
// What belongs to this cluster is shown by a machine it points to, by the
// network tags of the cluster's machines in the cluster's network, or by the
// label that a down puts on a disk before its machine goes; the other parts of
// the same Service follow by their name. A machine that is gone is known by its
// name, but only while something else still carries the mark. One sign of
// somebody else outweighs all signs for this cluster. What is not shown is told
// as "perhaps" and never removed.
//
// A snapshot is the cluster's by the label that the addon of volumes gives it, beside the
// driver's description: a schedule's snapshot has its disk's labels and is a backup. Those of
// masters' data disks are package snapshots' to find.
//
// Left alone altogether: other snapshots, regional disks, and what Ingress makes
// (global rules and services): none holds a network, and their owners are other
// programs.

// An Orphan is something a cluster leaves behind that hakube did not make.
type Orphan struct {
	Kind  string `json:"kind"` // "firewall", "disk" …
	Name  string `json:"name"`
	Place string `json:"place"` // zone or region
	// Owner is whom it was made for, as it says itself: "Service default/web",
	// "volume claim default/data"; "" when it says nothing.
	Owner   string `json:"owner"`
	Size    string `json:"size"`    // of a disk or a snapshot: "10GB"
	Class   string `json:"class"`   // of a disk: "pd-balanced"
	Address string `json:"address"` // of what has one
	// Billed is what Google asks money for, "" if it is free: "its size" or "each
	// hour". Figures are Google's own to say: they differ by region and change.
	Billed string `json:"billed"`
	Why    string `json:"why"` // what shows whose it is, or why nothing does
	// Network is the cluster's own network when this is in it: it cannot be
	// deleted as long as this is there.
	Network string `json:"network"`
}

func (l Orphan) String() string {
	s := l.Kind + " " + l.Name
	if l.Place != "" {
		s += " in " + l.Place
	}
	if what := strings.TrimSpace(l.Size + " " + l.Class); what != "" {
		s += ", " + what
	}
	if l.Address != "" {
		s += ", " + l.Address
	}
	if l.Owner != "" {
		s += ", of " + l.Owner
	}
	return s
}

// A verdict is whose something is.
type verdict int

const (
	unknown verdict = iota
	ours
	theirs
)

// A Judged is a thing that nobody's mark is on, with what it shows by itself.
type Judged struct {
	Orphan
	Of           inventory.Kind
	Zone, Region string
	network      string // "" if it is in none
	Id           uint64
	key          string // what all parts of one Service share
	says         verdict
	known        bool // it looks like something of Kubernetes
	Unlabelled   bool // a disk that only its machine tells of
	fingerprint  string
	labels       map[string]string
}

// judge gives the parts of one Service one verdict. Theirs beside ours is
// unknown: somebody has to look.
func judge(list []*Judged) {
	signs := map[string]map[verdict]*Judged{}
	for _, s := range list {
		if s.key == "" || s.says == unknown {
			continue
		}
		if signs[s.key] == nil {
			signs[s.key] = map[verdict]*Judged{}
		}
		signs[s.key][s.says] = s
	}
	for _, s := range list {
		switch of := signs[s.key]; {
		case s.key == "" || of == nil:
		case of[ours] != nil && of[theirs] != nil:
			s.says, s.Why = unknown, "parts of it are for this cluster's machines and parts for others"
		case of[theirs] != nil:
			s.says = theirs
		case s.says == unknown:
			s.says, s.Why = ours, "it goes with "+of[ours].Kind+" "+of[ours].Name
		}
	}
}

// owner reads the description that Kubernetes gives things.
func owner(description string) string {
	var d struct {
		Service   string `json:"kubernetes.io/service-name"`
		Claim     string `json:"kubernetes.io/created-for/pvc/name"`
		Namespace string `json:"kubernetes.io/created-for/pvc/namespace"`
		Snapshot  string `json:"kubernetes.io/created-for/volumesnapshot/name"`
		Of        string `json:"kubernetes.io/created-for/volumesnapshot/namespace"`
	}
	if json.Unmarshal([]byte(description), &d) != nil {
		return ""
	}
	switch {
	case strings.Contains(d.Service, "/"): // a shared health check says its own name
		return "Service " + d.Service
	case d.Claim != "":
		return "volume claim " + d.Namespace + "/" + d.Claim
	case d.Snapshot != "":
		return "volume snapshot " + d.Of + "/" + d.Snapshot
	}
	return ""
}

// says tells whether the description is one that Kubernetes gives.
func kubernetesSays(description string) bool {
	var d map[string]any
	if json.Unmarshal([]byte(description), &d) != nil {
		return false
	}
	for k := range d {
		if strings.HasPrefix(k, "kubernetes.io/") {
			return true
		}
	}
	return false
}

var (
	serviceName = regexp.MustCompile(`^a[0-9a-f]{31}$`)
	sharedName  = regexp.MustCompile(`^k8s-(?:ig--([a-z0-9]+)|([a-z0-9]+)-(?:node|internal-.+))$`)
)

// keyOf is what the parts of one Service, or what all Services of one cluster
// share, have in common in their names; "" if the name is none of those.
func keyOf(name string) string {
	if s, ok := strings.CutPrefix(name, "k8s-fw-"); ok {
		name = strings.TrimSuffix(s, "-deny")
	} else if s, ok := strings.CutSuffix(name, "-http-hc"); ok {
		if name = s; !sharedName.MatchString(name) {
			name = strings.TrimPrefix(name, "k8s-")
		}
	} else {
		name = strings.TrimSuffix(name, "-hc")
	}
	if m := sharedName.FindStringSubmatch(name); m != nil {
		return "cluster " + m[1] + m[2]
	}
	if serviceName.MatchString(name) {
		return "Service " + name
	}
	return ""
}

const NodeRoute = "k8s-node-route"

// A lineup is all machines there are, by which orphans are judged.
type lineup struct {
	want     *settings.Spec
	anchored bool // something carries the mark, so names of this cluster mean this cluster
	machines map[string]seen
}

type seen struct {
	ours    bool
	network string
	tags    []string
}

// machine judges a link to a machine.
func (l *lineup) machine(link string) (verdict, string) {
	zone, name := zoneOfLink(link), gce.Base(link)
	switch m, ok := l.machines[zone+"/"+name]; {
	case ok && m.ours:
		return ours, "it is for " + name
	case ok:
		return theirs, "it is for " + name + ", which is not this cluster's"
	case l.anchored && l.named(name):
		return ours, "it is for " + name + ", a machine this cluster had"
	}
	return unknown, "it is for " + cmp.Or(name, "no machine") + ", which is gone"
}

// named tells whether the cluster could have had a machine of the name.
func (l *lineup) named(name string) bool {
	n := l.want.Names
	return name == n.Master() ||
		regexp.MustCompile(`^`+regexp.QuoteMeta(n.Master())+`-[0-9a-f]{3}$`).MatchString(name) ||
		l.node(name)
}

// node tells that of a pool's machine.
func (l *lineup) node(name string) bool {
	pool, is := l.want.Names.PoolOf(name)
	if !is {
		return false
	}
	return regexp.MustCompile(`^` + regexp.QuoteMeta(l.want.Names.OfPool(pool).Group(0)) + `(-[0-9]+)?-[a-z0-9]{4}$`).MatchString(name)
}

// all judges several links: one that is theirs, or not known, decides.
func (l *lineup) all(links []string) (verdict, string) {
	v, why := unknown, "it is for no machine"
	for i, link := range links {
		one, text := l.machine(link)
		switch {
		case one == theirs:
			return theirs, text
		case i == 0 || one == unknown:
			v, why = one, text
		}
	}
	return v, why
}

// tagged judges a firewall rule by the tags of the machines it is for.
func (l *lineup) tagged(network string, tags []string) (verdict, string) {
	n := l.want.Names
	if network != n.Network() {
		return theirs, "it is in another network"
	}
	if len(tags) == 0 {
		return unknown, "it is for every machine of the network"
	}
	for _, t := range tags {
		if t != n.MasterTag() && t != n.NodeTag() {
			return theirs, "it is for machines with the tag " + t
		}
	}
	any := false
	for _, m := range l.machines {
		if m.network != network || !overlaps(m.tags, tags) {
			continue
		}
		if !m.ours {
			return theirs, "machines that are not this cluster's have its tag " + tags[0]
		}
		any = true
	}
	if any || l.anchored {
		return ours, "it is for machines with the tag " + tags[0]
	}
	return unknown, "no machine has its tag " + tags[0]
}

func overlaps(a, b []string) bool {
	for _, x := range a {
		for _, y := range b {
			if x == y {
				return true
			}
		}
	}
	return false
}

// zoneOfLink is the zone in …/zones/europe-west1-b/instances/m.
func zoneOfLink(link string) string {
	_, rest, ok := strings.Cut(link, "/zones/")
	if !ok {
		return ""
	}
	zone, _, _ := strings.Cut(rest, "/")
	return zone
}

// A Found is what a cluster leaves behind, as it was before the first change.
type Found struct {
	// Ours are shown to be this cluster's, Perhaps are not and stay.
	Ours, Perhaps []Orphan
	// Network is the cluster's network if what stays keeps it from being
	// deleted when nothing is swept.
	Network string
	// Sweep tells that the settings say to remove Ours, Preview that nothing
	// will be changed either way.
	Sweep, Preview bool
}
