package task

import (
	"strings"

	"hakube/cluster/inventory"
	"hakube/cluster/settings"
)

// A Rule is a firewall rule as kube-up has it.
type Rule struct {
	Name, Role string
	From       []string // ranges
	FromTag    string   // or machines with this tag
	To         string   // tag; "" is every machine of the network
	Allowed    []string // "tcp:1-2379,2382-65535", "icmp"
	Shared     bool     // with other clusters on the network
}

// Internal is where a VPC's own addresses are from, in kube-up's rules.
const Internal = "10.0.0.0/8"

// probers are where Google's health checks come from, for passthrough network
// balancers too. (https://cloud.google.com/load-balancing/docs/health-check-concepts#ip-ranges)
var probers = []string{"35.191.0.0/16", "130.211.0.0/22", "209.85.152.0/22", "209.85.204.0/22"}

// FirewallRules are the rules of a cluster, the one it shares with others on its network included.
func FirewallRules(s *settings.Spec) []Rule {
	n := s.Names
	pods := s.Settings.ClusterRange.String()
	return []Rule{
		// The ports of etcd's peers are cut out: M-etcd opens them for masters only.
		{Name: n.InternalMaster(), Role: "firewall-internal-master", From: []string{Internal}, To: n.MasterTag(),
			Allowed: []string{"tcp:1-2379,2382-65535", "udp:1-65535", "icmp"}},
		{Name: n.InternalNode(), Role: "firewall-internal-node", From: []string{Internal}, To: n.NodeTag(),
			Allowed: []string{"tcp:1-65535", "udp:1-65535", "icmp"}},
		{Name: n.SSH(), Role: inventory.RoleSSH, From: []string{"0.0.0.0/0"}, Allowed: []string{"tcp:22"}, Shared: true},
		{Name: n.MasterHTTPS(), Role: "firewall-https", From: []string{"0.0.0.0/0"}, To: n.MasterTag(), Allowed: []string{"tcp:443"}},
		{Name: n.MasterEtcd(), Role: "firewall-etcd", FromTag: n.MasterTag(), To: n.MasterTag(), Allowed: []string{"tcp:2380,2381"}},
		{Name: n.NodeAll(), Role: "firewall-pods", From: []string{pods}, To: n.NodeTag(),
			Allowed: []string{"tcp", "udp", "icmp", "esp", "ah", "sctp"}},
		{Name: n.MasterHealth(), Role: "firewall-health-check", From: probers, To: n.MasterTag(), Allowed: []string{"tcp:443"}},
	}
}

// Summary is the rule in a few words.
func (w Rule) Summary() string {
	from := strings.Join(w.From, " ")
	if w.FromTag != "" {
		from = "machines " + w.FromTag
	}
	return strings.Join(w.Allowed, " ") + " from " + from
}
