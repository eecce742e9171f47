package cluster

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"hakube/cluster/refusal"
	"hakube/cluster/settings"
	"hakube/scripts/cure"
)

// A kind is a collection of Compute Engine, by the word people read.
type kind string

const (
	kindNetwork    kind = "network"
	kindSubnetwork kind = "subnetwork"
	kindFirewall   kind = "firewall"
	kindAddress    kind = "address"
	kindDisk       kind = "disk"
	kindInstance   kind = "instance"
	kindTemplate   kind = "instance template"
	kindGroup      kind = "managed group"

	kindMasterGroup kind = "instance group"
	kindHealthCheck kind = "health check"
	kindService     kind = "backend service"
	kindRule        kind = "forwarding rule"
)

// Roles in the mark, beside those of firewall rules.
const (
	roleNetwork    = "network"
	roleSubnetwork = "subnetwork"
	roleSSH        = "firewall-ssh"
	roleAddress    = "address"
	roleMasterDisk = "master-disk"
	roleMaster     = "master"
	roleTemplate   = "template"
	roleGroup      = "group"
	roleNode       = "node"
	roleBootDisk   = "boot-disk" // goes with its machine

	roleMasterGroup = "master-group"
	roleHealthCheck = "health-check"
	roleService     = "backend-service"
	roleRule        = "forwarding-rule"
)

// An object carries our mark.
type object struct {
	kind   kind
	name   string
	zone   string // "" unless it is zonal
	region string // "" unless it is regional
	role   string
	used   bool // a disk that a machine has

	// Of a machine: what it was made with, by which later names are judged.
	clusterName, network, subnetwork string
	status                           string // of a machine: RUNNING, TERMINATED …
	internal, external               string // of a machine: its addresses, "" if it has none
	machineType                      string
	protected                        bool // a machine that Compute Engine deletes for nobody
	sshKeys                          string
	metadata                         int    // bytes of all of it
	multizone                        string // what the mark records of MULTIZONE
	size                             int    // of a managed group: how many machines it is to have
	most                             string // of a managed group: MAX_INSTANCES_PER_MIG when it was made
}

func (o object) String() string {
	place := o.zone
	if place == "" {
		place = o.region
	}
	if place != "" {
		place = " in " + place
	}
	return string(o.kind) + " " + o.name + place
}

// An inventory is what was there when a run began.
type inventory struct {
	objects []object
	// subnetRegion is where the network has the cluster's subnetwork, "" for
	// none: a region that has nothing else yet is found by it.
	subnetRegion string
	held         held  // the API's address
	uses         []use // of all that was read, whoever's it is
	// accessConfigs are, by external address, the flags that name the access config which has it.
	accessConfigs map[string][]string
}

// of lists what was found of a kind and has to be removed by itself: not the
// boot disks of machines, which go with them, nor the machines of groups.
func (v *inventory) of(k kind) (list []object) {
	grouped := map[string]bool{}
	for _, o := range v.objects {
		if o.kind == kindGroup {
			grouped[o.zone] = true
		}
	}
	for _, o := range v.objects {
		switch {
		case o.kind != k, o.role == roleBootDisk && o.used, o.role == roleNode && grouped[o.zone]:
		default:
			list = append(list, o)
		}
	}
	return list
}

// has tells whether an object of the kind, name and zone was found.
func (v *inventory) has(o object) bool {
	return slices.ContainsFunc(v.objects, func(x object) bool {
		return x.kind == o.kind && x.name == o.name && x.zone == o.zone
	})
}

// or is what was found of a kind when that is to go, and otherwise the one
// object the settings want.
func (r *run) or(k kind, want object) []object {
	switch r.mode {
	case settings.RemoveCluster:
		return r.have.of(k)
	case settings.RemovePool:
		return r.have.pool(r.want.Names, r.want.Zone).of(k)
	}
	return []object{want}
}

// homes are the zones of the first master, by its machine or its disk, or else
// of whichever masters there are.
func (v *inventory) homes(n settings.Names) []string {
	first := v.zones(func(o object) bool {
		return o.kind == kindInstance && o.name == n.Master() || o.kind == kindDisk && o.name == n.MasterDisk()
	})
	if len(first) > 0 {
		return first
	}
	return v.zones(func(o object) bool { return o.role == roleMaster || o.role == roleMasterDisk })
}

// masters are the machines that are masters, the first-born first.
func (v *inventory) masters(n settings.Names) (list []object) {
	for _, o := range v.objects {
		if o.kind == kindInstance && o.role == roleMaster {
			list = append(list, o)
		}
	}
	slices.SortFunc(list, func(a, b object) int {
		if (a.name == n.Master()) != (b.name == n.Master()) {
			if a.name == n.Master() {
				return -1
			}
			return 1
		}
		return cmp.Or(cmp.Compare(a.zone, b.zone), cmp.Compare(a.name, b.name))
	})
	return list
}

// pool is what a zone has of nodes: groups, machines, and disks those left.
func (v *inventory) pool(n settings.Names, zone string) *inventory {
	p := &inventory{}
	for _, o := range v.objects {
		orphan := o.kind == kindDisk && o.role == roleBootDisk && !o.used && strings.HasPrefix(o.name, n.Group(0)+"-")
		if o.zone == zone && (o.kind == kindGroup || o.kind == kindInstance && o.role == roleNode || orphan) {
			p.objects = append(p.objects, o)
		}
	}
	return p
}

// master is what there is of one master: its machine, its data disk, and a boot
// disk that outlived it.
func (v *inventory) master(n settings.Names, m object) *inventory {
	p := &inventory{}
	for _, o := range v.objects {
		if o.zone == m.zone && (o.name == m.name && (o.kind == kindInstance || o.kind == kindDisk) || o.kind == kindDisk && o.name == n.DiskOf(m.name)) {
			p.objects = append(p.objects, o)
		}
	}
	return p
}

// statusOf is a machine's status as found, "" if there is none.
func (v *inventory) statusOf(m object) string {
	for _, o := range v.objects {
		if o.kind == kindInstance && o.name == m.name && o.zone == m.zone {
			return o.status
		}
	}
	return ""
}

func (v *inventory) zones(which func(object) bool) (zones []string) {
	for _, o := range v.objects {
		if o.zone != "" && which(o) && !slices.Contains(zones, o.zone) {
			zones = append(zones, o.zone)
		}
	}
	slices.Sort(zones)
	return zones
}

// livesHere refuses to make a second cluster of the same name beside one that
// lives elsewhere.
func (v *inventory) livesHere(want *settings.Spec) error {
	all := v.zones(func(object) bool { return true })
	homes := v.homes(want.Names)
	if len(homes) == 0 {
		homes = all
	}
	region := settings.Zone(want.Zone).Region()
	switch {
	case len(homes) == 0 && (v.subnetRegion == "" || v.subnetRegion == region), slices.Contains(homes, want.Zone):
		return nil
	case len(homes) == 0:
		return &refusal.Refused{
			Why: fmt.Sprintf("cluster %s was begun in region %s (its subnetwork is there), not in %s", want.Names.Prefix, v.subnetRegion, region),
			Cure: cure.Hints(cure.Hint("name a zone of "+v.subnetRegion+" with KUBE_GCE_ZONE, or remove what is there", cure.Down()),
				"another cluster needs another KUBE_GCE_INSTANCE_PREFIX"),
		}
	case settings.Zone(homes[0]).Region() != region:
		return &refusal.Refused{
			Why:  fmt.Sprintf("cluster %s lives in zone %s; all its zones are of region %s, and %s is not", want.Names.Prefix, homes[0], settings.Zone(homes[0]).Region(), want.Zone),
			Cure: "another cluster needs another KUBE_GCE_INSTANCE_PREFIX",
		}
	}
	return &refusal.Refused{
		Why: fmt.Sprintf("cluster %s lives in zone %s, not in %s", want.Names.Prefix, strings.Join(homes, " and "), want.Zone),
		Cure: cure.Hints(cure.Hint("bring that one up to date", cure.Up(homes[0])),
			cure.Hint("or add nodes in "+want.Zone, cure.UpPool(want.Zone)), cure.Hint("or a master", cure.AddMaster(want.Zone))),
	}
}

// groupName parts a group's name after the prefix of nodes.
var groupName = regexp.MustCompile(`^(.*)-group(-[0-9]+)?$`)

// sameNames refuses settings under which what is there would have other names:
// it would not be found, and made a second time beside itself.
func (v *inventory) sameNames(want *settings.Spec) error {
	for _, o := range v.objects {
		switch {
		case o.kind == kindInstance && o.name == want.Names.Master():
			if err := want.Drift("machine "+o.name,
				settings.Difference{Variable: "CLUSTER_NAME", Was: o.clusterName, Want: want.Names.Cluster},
				settings.Difference{Variable: "KUBE_GCE_NETWORK", Was: o.network, Want: want.Names.Network()},
				settings.Difference{Variable: "KUBE_GCE_IP_ALIAS_SUBNETWORK", Was: o.subnetwork, Want: want.Names.Subnetwork()},
			); err != nil {
				return err
			}
		case o.kind == kindGroup:
			was := o.name
			if m := groupName.FindStringSubmatch(o.name); m != nil {
				was = m[1]
			}
			if err := want.Drift("group "+o.name, settings.Difference{Variable: "NODE_INSTANCE_PREFIX", Was: was, Want: want.Names.Node}); err != nil {
				return err
			}
		}
	}
	return nil
}

// allHere refuses to remove the cluster by one zone when others hold parts of
// it, and says what to run.
func (v *inventory) allHere(want *settings.Spec) error {
	if want.Zone == "" {
		return nil
	}
	elsewhere := v.zones(func(o object) bool { return o.zone != want.Zone })
	if len(elsewhere) == 0 {
		if region := settings.Zone(want.Zone).Region(); v.subnetRegion != "" && v.subnetRegion != region {
			return &refusal.Refused{
				Why:  fmt.Sprintf("what is left of cluster %s is in region %s, not in %s", want.Names.Prefix, v.subnetRegion, region),
				Cure: cure.Hint("find and remove it", cure.Down()),
			}
		}
		return nil
	}
	why := fmt.Sprintf("cluster %s is in %s, not in %s", want.Names.Prefix, strings.Join(elsewhere, " and "), want.Zone)
	if len(v.zones(func(o object) bool { return o.zone == want.Zone })) > 0 {
		why = fmt.Sprintf("cluster %s is also in %s: %s is not all that is left of it", want.Names.Prefix, strings.Join(elsewhere, " and "), want.Zone)
	}
	return &refusal.Refused{
		Why:  why,
		Cure: cure.Hints(cure.Hint("run, in this order", v.commands(want)...), cure.Hint("or remove all of it at once", cure.Down())),
	}
}

// commands are the removals still to run, in order: replicas, pools, and the
// zone of the first master last.
func (v *inventory) commands(want *settings.Spec) (list []cure.Command) {
	homes := v.homes(want.Names)
	last := want.Zone
	if len(homes) > 0 {
		last = homes[0]
	}
	for i, o := range v.masters(want.Names) {
		if i > 0 || o.zone != last {
			list = append(list, cure.RemoveMaster(o.zone, o.name))
		}
	}
	for _, zone := range v.zones(func(o object) bool { return o.zone != last && len(v.pool(want.Names, o.zone).objects) > 0 }) {
		list = append(list, cure.RemovePool(zone))
	}
	return append(list, cure.DownIn(last))
}
