package upgrade

import (
	"errors"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"hakube/cluster/label"
	"hakube/cluster/refusal"
	"hakube/replicate"
)

func runs(kubernetes, etcd string) replicate.Versions {
	return replicate.Versions{Kubernetes: kubernetes, Etcd: etcd, Brings: "3.6.8"}
}

func node(name, version, zone, pool string) corev1.Node {
	return corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{corev1.LabelTopologyZone: zone, label.PoolKey: pool}},
		Status:     corev1.NodeStatus{NodeInfo: corev1.NodeSystemInfo{KubeletVersion: version}},
	}
}

// TestRules: what Kubernetes' and etcd's rules allow masters and nodes to come to, and what they
// do not, with the words and the command that help.
func TestRules(t *testing.T) {
	for _, x := range []struct {
		name    string
		seen    Seen
		to      string
		masters bool     // they come to it
		pools   bool     // and so do nodes
		says    []string // nothing: it may be
	}{
		{"a patch", Seen{Masters: map[string]replicate.Versions{"a": runs("v1.36.3", "3.6.8")}}, "v1.36.10", true, true, nil},
		{"several patches at once", Seen{Masters: map[string]replicate.Versions{"a": runs("v1.36.0", "3.6.8")}}, "v1.36.10", true, true, nil},
		{"nothing", Seen{Masters: map[string]replicate.Versions{"a": runs("v1.36.3", "3.6.8")}}, "v1.36.3", true, true, nil},
		{"a minor", Seen{Masters: map[string]replicate.Versions{"a": runs("v1.36.3", "3.6.8")}}, "v1.37.0", true, true, nil},
		{"the other half", Seen{Masters: map[string]replicate.Versions{"a": runs("v1.36.3", "3.6.8"), "b": runs("v1.37.0", "3.6.8")}}, "v1.37.0", true, true, nil},
		{"back by half", Seen{Masters: map[string]replicate.Versions{"a": runs("v1.36.3", "3.6.8"), "b": runs("v1.36.4", "3.6.8")}}, "v1.36.3", true, false,
			[]string{"b runs v1.36.4, and a control plane does not go back", "\tKUBE_VERSION=v1.36.4 hakube upgrade"}},
		{"back by a patch, of ten", Seen{Masters: map[string]replicate.Versions{"a": runs("v1.36.10", "3.6.8")}}, "v1.36.9", true, false, []string{"does not go back"}},
		{"two minors", Seen{Masters: map[string]replicate.Versions{"a": runs("v1.36.3", "3.6.8")}}, "v1.38.1", true, false, []string{"one minor at a time: name a version of v1.37 first"}},
		{"two minors from the half that is old", Seen{Masters: map[string]replicate.Versions{"a": runs("v1.37.0", "3.6.8"), "b": runs("v1.36.3", "3.6.8")}}, "v1.38.0", true, false, []string{"b runs v1.36.3", "of v1.37 first"}},
		{"one that does not say", Seen{Masters: map[string]replicate.Versions{"a": runs("v1.36.3", "3.6.8")}, Silent: map[string]error{"b": errors.New("no route")}}, "v1.36.4", true, false,
			[]string{"b does not say which version it runs: no route", "\thakube repair b"}},
		{"an etcd that is newer than ours", Seen{Masters: map[string]replicate.Versions{"a": runs("v1.36.3", "3.6.9")}}, "v1.36.4", true, false, []string{"a runs etcd 3.6.9, and a machine that this hakube makes would have 3.6.8"}},
		{"an etcd that is two minors older", Seen{Masters: map[string]replicate.Versions{"a": runs("v1.36.3", "3.4.1")}}, "v1.36.4", true, false, []string{"etcd goes up one minor at a time"}},
		{"an etcd that is a minor older", Seen{Masters: map[string]replicate.Versions{"a": runs("v1.36.3", "3.5.21")}}, "v1.36.4", true, false, nil},
		{"nodes three minors older", Seen{Masters: map[string]replicate.Versions{"a": runs("v1.36.3", "3.6.8")}, Nodes: []corev1.Node{node("n", "v1.34.1", "z-b", "")}}, "v1.37.0", true, false, nil},
		{"nodes four minors older", Seen{Masters: map[string]replicate.Versions{"a": runs("v1.36.3", "3.6.8")}, Nodes: []corev1.Node{node("n", "v1.33.1", "europe-west1-b", "gpu")}}, "v1.37.0", true, true,
			[]string{"node n runs v1.33.1, and kubelets are at most 3 minors older than the API", "\tKUBE_VERSION=v1.36.3 HAKUBE_POOL=gpu hakube upgrade pool europe-west1-b"}},
		{"nodes before masters", Seen{Masters: map[string]replicate.Versions{"a": runs("v1.36.3", "3.6.8"), "b": runs("v1.36.4", "3.6.8")}}, "v1.36.4", false, true,
			[]string{"masters run v1.36.3, and nodes are never newer than those", "\tKUBE_VERSION=v1.36.4 hakube upgrade masters"}},
		{"nodes with masters", Seen{Masters: map[string]replicate.Versions{"a": runs("v1.36.3", "3.6.8")}}, "v1.36.4", true, true, nil},
		{"nodes after masters", Seen{Masters: map[string]replicate.Versions{"a": runs("v1.36.4", "3.6.8")}}, "v1.36.4", false, true, nil},
		{"nodes back to what they were", Seen{Masters: map[string]replicate.Versions{"a": runs("v1.36.4", "3.6.8")}}, "v1.36.3", false, true, nil},
		{"nodes too old for masters", Seen{Masters: map[string]replicate.Versions{"a": runs("v1.36.4", "3.6.8")}}, "v1.32.0", false, true, []string{"masters run v1.36.4, and kubelets are at most 3 minors older"}},
		{"nodes, and no master says", Seen{}, "v1.36.4", false, true, []string{"no master says which version it runs"}},
	} {
		t.Run(strings.ReplaceAll(x.name, " ", "_"), func(t *testing.T) {
			var no refusal.Blockers
			if x.masters {
				no = append(no, x.seen.OfMasters(x.to, nil)...)
			}
			if x.pools {
				no = append(no, x.seen.OfPools(x.to, x.masters)...)
			}
			text := ""
			for _, err := range no {
				var r *refusal.Refused
				if errors.As(err, &r) {
					text += r.Why + "\n" + r.Cure + "\n"
				}
			}
			if (len(x.says) == 0) != (len(no) == 0) {
				t.Errorf("refused: %q, want %q", text, x.says)
			}
			for _, want := range x.says {
				if !strings.Contains(text, want) {
					t.Errorf("it says %q, not %q", text, want)
				}
			}
		})
	}
}

// TestAwayIsNotAsked: a master that a run which was cut has taken and not brought back need not
// say what it runs.
func TestAwayIsNotAsked(t *testing.T) {
	x := Seen{Masters: map[string]replicate.Versions{"a": runs("v1.36.3", "3.6.8")}, Silent: map[string]error{"b": errors.New("no route")}}
	if no := x.OfMasters("v1.36.4", map[string]bool{"b": true}); len(no) > 0 {
		t.Errorf("refused: %v", no)
	}
}

// TestToBeHad: a version that one master could not fetch is refused with what it was told; one
// that it runs already is not asked for.
func TestToBeHad(t *testing.T) {
	a, b := runs("v1.36.3", "3.6.8"), runs("v1.36.4", "3.6.8")
	a.Missing, b.Missing = "https://mirror/kubelet.sha256: 404", "https://mirror/kubelet.sha256: 404"
	x := Seen{Masters: map[string]replicate.Versions{"a": a}}
	if no := x.ToBeHad("v1.36.4"); len(no) != 1 || !strings.Contains(no.Error(), "a asked for it: https://mirror/kubelet.sha256: 404") {
		t.Errorf("refused: %v", no)
	}
	x.Masters = map[string]replicate.Versions{"b": b}
	if no := x.ToBeHad("v1.36.4"); len(no) > 0 {
		t.Errorf("refused: %v", no)
	}
}
