package cluster

import (
	"strings"

	"hakube/cluster/inventory"
	"hakube/cluster/settings"
)

// A rule is a firewall rule as kube-up has it.
type rule struct {
	name, role string
	from       []string // ranges
	fromTag    string   // or machines with this tag
	to         string   // tag; "" is every machine of the network
	allowed    []string // "tcp:1-2379,2382-65535", "icmp"
	shared     bool     // with other clusters on the network
}

// internal is where a VPC's own addresses are from, in kube-up's rules.
const internal = "10.0.0.0/8"

// probers are where Google's health checks come from, for passthrough network
// balancers too. (https://cloud.google.com/load-balancing/docs/health-check-concepts#ip-ranges)
var probers = []string{"35.191.0.0/16", "130.211.0.0/22", "209.85.152.0/22", "209.85.204.0/22"}

func firewallRules(s *settings.Spec) []rule {
	n := s.Names
	pods := s.Settings.ClusterRange.String()
	return []rule{
		// The ports of etcd's peers are cut out: M-etcd opens them for masters only.
		{name: n.InternalMaster(), role: "firewall-internal-master", from: []string{internal}, to: n.MasterTag(),
			allowed: []string{"tcp:1-2379,2382-65535", "udp:1-65535", "icmp"}},
		{name: n.InternalNode(), role: "firewall-internal-node", from: []string{internal}, to: n.NodeTag(),
			allowed: []string{"tcp:1-65535", "udp:1-65535", "icmp"}},
		{name: n.SSH(), role: inventory.RoleSSH, from: []string{"0.0.0.0/0"}, allowed: []string{"tcp:22"}, shared: true},
		{name: n.MasterHTTPS(), role: "firewall-https", from: []string{"0.0.0.0/0"}, to: n.MasterTag(), allowed: []string{"tcp:443"}},
		{name: n.MasterEtcd(), role: "firewall-etcd", fromTag: n.MasterTag(), to: n.MasterTag(), allowed: []string{"tcp:2380,2381"}},
		{name: n.NodeAll(), role: "firewall-pods", from: []string{pods}, to: n.NodeTag(),
			allowed: []string{"tcp", "udp", "icmp", "esp", "ah", "sctp"}},
		{name: n.MasterHealth(), role: "firewall-health-check", from: probers, to: n.MasterTag(), allowed: []string{"tcp:443"}},
	}
}

// summary is the rule in a few words.
func (w rule) summary() string {
	from := strings.Join(w.from, " ")
	if w.fromTag != "" {
		from = "machines " + w.fromTag
	}
	return strings.Join(w.allowed, " ") + " from " + from
}
