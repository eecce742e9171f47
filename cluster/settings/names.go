package settings

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
)

// Names builds every name hakube gives to anything: kube-up's, so that habits,
// filters and scripts keep working. A name is a function of the settings and
// nothing else; running again finds the same objects.
type Names struct {
	Prefix, Cluster, Node, NetworkName, Subnet string
}

// NamesOf are the names that follow from the settings.
func NamesOf(s *Settings) Names {
	p := string(s.Prefix)
	return Names{
		Prefix:      p,
		Cluster:     cmp.Or(string(s.ClusterName), p),
		Node:        cmp.Or(string(s.NodePrefix), p+"-minion"),
		NetworkName: string(s.Network),
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
func (n Names) Template() string       { return n.Node + "-template" }

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
		return n.Node + "-group"
	}
	return fmt.Sprintf("%s-group-%d", n.Node, i)
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
		n.DiskOf(n.Replica("", 0)), n.MasterGroup(), n.HealthCheck(),
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
