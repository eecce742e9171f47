package settings

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Names builds every name hakube gives to anything: kube-up's, so that habits,
// filters and scripts keep working. A name is a function of the settings and
// nothing else; running again finds the same objects.
type Names struct {
	Prefix, Cluster, Node, NetworkName, Subnet string
	Pool                                       string // "" is the one without a name
}

// NamesOf are the names that follow from the settings.
func NamesOf(s *Settings) Names {
	p := string(s.Prefix)
	return Names{
		Prefix:      p,
		Cluster:     cmp.Or(string(s.ClusterName), p),
		Node:        cmp.Or(string(s.NodePrefix), p+"-minion"),
		NetworkName: string(s.Network),
		Pool:        string(s.Pool),
		Subnet:      cmp.Or(string(s.Subnetwork), string(s.SubnetAlias), p+"-subnet-default"),
	}
}

func (n Names) Network() string        { return n.NetworkName }
func (n Names) Subnetwork() string     { return n.Subnet }
func (n Names) Master() string         { return n.Prefix + "-master" }
func (n Names) MasterTag() string      { return n.Prefix + "-master" }
func (n Names) NodeTag() string        { return n.Node }
func (n Names) Address() string        { return n.Master() + "-ip" }
func (n Names) MasterDisk() string     { return n.DiskOf(n.Master()) }
func (n Names) MasterGroup() string    { return n.Master() + "-group" } // one in each zone with masters
func (n Names) HealthCheck() string    { return n.Master() + "-hc" }
func (n Names) BackendService() string { return n.Master() }
func (n Names) ForwardingRule() string { return n.Master() }
func (n Names) Snapshots() string      { return n.Master() + "-snapshots" } // their schedule
func (n Names) Template() string       { return n.nodes() + "-template" }

// nodes begins the names of what a pool is made of. Names of pools have no word of those
// that follow (PoolName), so no pool's are the beginning of another one's.
func (n Names) nodes() string {
	if n.Pool == "" {
		return n.Node
	}
	return n.Node + "-" + n.Pool
}

// OfPool are the names of another pool of the cluster.
func (n Names) OfPool(pool string) Names {
	n.Pool = pool
	return n
}

// PoolOf is the pool of which a machine would have the name; ok is false if it is none's.
func (n Names) PoolOf(machine string) (pool string, ok bool) {
	rest, ok := strings.CutPrefix(machine, n.Node+"-")
	if !ok || strings.HasPrefix(rest, "group-") {
		return "", ok
	}
	pool, _, ok = strings.Cut(rest, "-group-")
	var name PoolName
	return pool, ok && name.Decode(pool) == nil
}

// A PoolName tells pools of a zone apart.
type PoolName string

// longestPool leaves room for what names and labels have beside it: the label of a pool
// that grows has its zone as well.
const longestPool = 16

var poolGrammar = regexp.MustCompile(`^[a-z]([-a-z0-9]*[a-z0-9])?$`)

// Decode refuses names that would make names of one pool look like those of another.
func (p *PoolName) Decode(s string) error {
	words := strings.Split(s, "-")
	switch {
	case s == "":
	case len(s) > longestPool || !poolGrammar.MatchString(s):
		return fmt.Errorf("not a name for a pool: a lower-case letter, then at most %d lower-case letters, digits or hyphens, no hyphen at the end", longestPool-1)
	case slices.Contains(words, "group") || slices.Contains(words, "template"):
		return fmt.Errorf("names of groups and templates would not tell this pool's from another one's: take a name without the words group and template")
	}
	*p = PoolName(s)
	return nil
}

// A PoolID is a pool of a zone.
type PoolID struct{ Zone, Name string }

// Key is what labels call it.
func (p PoolID) Key() string {
	if p.Name == "" {
		return p.Zone
	}
	return p.Zone + "_" + p.Name
}

// PoolByKey reads that back.
func PoolByKey(key string) PoolID {
	zone, name, _ := strings.Cut(key, "_")
	return PoolID{zone, name}
}

// Short is where it is: the zone, and the pool's name behind it.
func (p PoolID) Short() string {
	if p.Name == "" {
		return p.Zone
	}
	return p.Zone + ", pool " + p.Name
}

func (p PoolID) String() string {
	if p.Name == "" {
		return "pool of " + p.Zone
	}
	return "pool " + p.Name + " of " + p.Zone
}

// TemplateLike is the name of a template that is made when a pool is changed: what it is
// made with names it, so that a run which was cut finds its own again.
func (n Names) TemplateLike(made string) string {
	sum := sha256.Sum256([]byte(made))
	const hash = 5
	base := n.Template()
	return base[:min(len(base), maxName-1-hash)] + "-" + hex.EncodeToString(sum[:])[:hash]
}

// IsTemplate tells whether a template has such a name, or the first pool's.
func (n Names) IsTemplate(name string) bool {
	like := n.TemplateLike("")
	return name == n.Template() || len(name) == len(like) && strings.HasPrefix(name, like[:strings.LastIndexByte(like, '-')+1])
}

func (n Names) InternalMaster() string { return n.Cluster + "-default-internal-master" }
func (n Names) InternalNode() string   { return n.Cluster + "-default-internal-node" }
func (n Names) SSH() string            { return n.NetworkName + "-default-ssh" }
func (n Names) MasterHTTPS() string    { return n.Master() + "-https" }
func (n Names) MasterEtcd() string     { return n.Master() + "-etcd" }
func (n Names) MasterHealth() string   { return n.Master() + "-health-check" }
func (n Names) NodeAll() string        { return n.Node + "-all" }

// IsMaster tells whether a machine of that name would be a master.
func (n Names) IsMaster(name string) bool {
	return name == n.Master() || strings.HasPrefix(name, n.Master()+"-")
}

// DiskOf is the data disk of a master.
func (n Names) DiskOf(master string) string { return master + DiskSuffix }

const DiskSuffix = "-pd"

// Replica is the i-th name for a master replica in a zone, from 0: kube-up's
// look, but the same again for the same zone, where kube-up took the time of day
// (D15). Names of two zones may be equal; whoever gives one looks for that.
func (n Names) Replica(zone string, i int) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s/%s/%d", n.Prefix, zone, i))
	return n.Master() + "-" + hex.EncodeToString(sum[:])[:3]
}

// Group is the i-th managed group of a zone's pool, from 0.
func (n Names) Group(i int) string {
	if i == 0 {
		return n.nodes() + "-group"
	}
	return fmt.Sprintf("%s-group-%d", n.nodes(), i)
}

// GroupIndex is the inverse of Group; false if the name is none of ours.
func (n Names) GroupIndex(name string) (int, bool) {
	rest, ok := strings.CutPrefix(name, n.Group(0))
	if !ok || rest == "" {
		return 0, ok
	}
	i, err := strconv.Atoi(strings.TrimPrefix(rest, "-"))
	return i, err == nil && name == n.Group(i)
}

// Names of the subnetwork's secondary ranges.
const (
	PodsRange     = "pods-default"
	ServicesRange = "services-default"
)

// groupSuffix stands for what a managed group adds to its base name.
const groupSuffix = "-xxxx"

// all lists every name, for the check of their lengths, with as many groups.
func (n Names) all(groups int) []string {
	return []string{
		n.Network(), n.Subnetwork(), n.Master(), n.Address(), n.MasterDisk(), n.Template(),
		n.DiskOf(n.Replica("", 0)), n.MasterGroup(), n.HealthCheck(), n.Snapshots(),
		n.Group(max(0, groups-1)) + groupSuffix, n.InternalMaster(), n.InternalNode(), n.SSH(), n.MasterHTTPS(),
		n.MasterEtcd(), n.MasterHealth(), n.NodeAll(),
	}
}

// A Mark is what every object of ours carries in its description, set by the
// call that makes it: labels exist on four kinds of objects only, and are set
// by a second call on some (style of kops; a crash between leaves an orphan).
type Mark struct {
	Project, Cluster string
	// Multizone records at create whether other zones may be used later.
	Multizone bool
}

const MarkStart = "hakube: "

// For is the description of an object with the role, such as "master".
func (m Mark) For(role string) string {
	return fmt.Sprintf("%scluster=%s project=%s multizone=%t role=%s", MarkStart, m.Cluster, m.Project, m.Multizone, role)
}

// Owns tells whether a description carries this cluster's mark.
func (m Mark) Owns(description string) bool {
	f := MarkFields(description)
	return m.Cluster != "" && f["cluster"] == m.Cluster && f["project"] == m.Project
}

// ForPool is that of what a pool is made of: its name is in it, which names alone do not
// tell where nodes have another prefix.
func (m Mark) ForPool(role, pool string) string {
	if pool == "" {
		return m.For(role)
	}
	return m.For(role) + " " + PoolField + "=" + pool
}

// PoolField is the field of a mark that has the name of the pool.
const PoolField = "pool"

// MarkFields are the fields of a mark, none if it is not one.
func MarkFields(description string) map[string]string {
	rest, ok := strings.CutPrefix(description, MarkStart)
	if !ok {
		return nil
	}
	fields := map[string]string{}
	for _, f := range strings.Fields(rest) {
		k, v, _ := strings.Cut(f, "=")
		fields[k] = v
	}
	return fields
}

// Label is the courtesy label on objects that have labels.
const Label = "hakube-cluster"
