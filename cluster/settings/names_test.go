package settings

import (
	"slices"
	"testing"
)

func TestMark(t *testing.T) {
	m := Mark{Project: "p", Cluster: "kubernetes", Multizone: true}
	if got, want := m.For("master"), "hakube: cluster=kubernetes project=p multizone=true role=master"; got != want {
		t.Errorf("mark %q, want %q", got, want)
	}
	for description, want := range map[string]bool{
		m.For("master"): true,
		Mark{Project: "p", Cluster: "kubernetes"}.For("x"):   true, // what it records is not whose it is
		Mark{Project: "p", Cluster: "kubernetes-b"}.For("x"): false,
		Mark{Project: "p2", Cluster: "kubernetes"}.For("x"):  false,
		"":                             false,
		"cluster=kubernetes project=p": false,
		"not hakube: cluster=kubernetes project=p": false,
	} {
		if got := m.Owns(description); got != want {
			t.Errorf("%q: owned %t, want %t", description, got, want)
		}
	}
}

// TestNames are kube-up's, and no two of a kind are the same.
func TestNames(t *testing.T) {
	n := NamesOf(&Settings{Prefix: "kubernetes", Network: "default"})
	want := []string{
		"default", "kubernetes-subnet-default", "kubernetes-master", "kubernetes-master-ip", "kubernetes-master-pd",
		"kubernetes-minion-template", "kubernetes-master-4a6-pd", "kubernetes-master-group", "kubernetes-master-hc", "kubernetes-master-snapshots", "kubernetes-minion-group-xxxx", "kubernetes-default-internal-master",
		"kubernetes-default-internal-node", "default-default-ssh", "kubernetes-master-https", "kubernetes-master-etcd",
		"kubernetes-master-health-check", "kubernetes-minion-all",
	}
	if got := n.all(1); !slices.Equal(got, want) {
		t.Errorf("names %q\nwant  %q", got, want)
	}
	n = NamesOf(&Settings{Prefix: "a", Network: "net", ClusterName: "b", NodePrefix: "c", SubnetAlias: "d"})
	for got, want := range map[string]string{
		n.InternalNode(): "b-default-internal-node", n.Group(0): "c-group", n.NodeTag(): "c", n.Subnetwork(): "d", n.SSH(): "net-default-ssh",
	} {
		if got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

func TestMasterType(t *testing.T) {
	for nodes, want := range map[int]string{
		0: "e2-standard-2", 10: "e2-standard-2", 11: "e2-standard-4", 100: "e2-standard-4", 101: "e2-standard-8",
		250: "e2-standard-8", 251: "e2-standard-16", 500: "e2-standard-16", 501: "e2-standard-32",
	} {
		if got := masterTypeFor(nodes); got != want {
			t.Errorf("%d nodes: %s, want %s", nodes, got, want)
		}
	}
}

// TestNotOurs: what only looks like a name or a mark of the cluster's is none: a group by
// another spelling of its number, and a mark that names no cluster.
func TestNotOurs(t *testing.T) {
	n := NamesOf(&Settings{Prefix: "kubernetes"})
	for i := range 3 {
		if got, ok := n.GroupIndex(n.Group(i)); !ok || got != i {
			t.Errorf("%s is group %d, %v", n.Group(i), got, ok)
		}
	}
	for _, name := range []string{n.Group(0) + "-01", n.Group(0) + "-+1", n.Group(0) + "-0", n.Group(0) + "-"} {
		if i, ok := n.GroupIndex(name); ok {
			t.Errorf("%s is taken for group %d", name, i)
		}
	}
	if (Mark{}).Owns(MarkStart+"project= ") || (Mark{}).Owns((Mark{}).For("network")) {
		t.Error("a mark without a cluster owns what names none")
	}
}
