package sweep

import (
	"slices"
	"testing"

	"hakube/cluster/settings"
	"hakube/gce/gcetest"
)

const uid = "a0123456789abcdef0123456789abcde" // of a Service, as Kubernetes names its parts
func TestKeyOf(t *testing.T) {
	for name, want := range map[string]string{
		uid:                              "Service " + uid,
		"k8s-fw-" + uid:                  "Service " + uid,
		"k8s-fw-" + uid + "-deny":        "Service " + uid,
		"k8s-" + uid + "-http-hc":        "Service " + uid,
		uid + "-hc":                      "Service " + uid,
		"k8s-c1d2-node":                  "cluster c1d2",
		"k8s-c1d2-node-http-hc":          "cluster c1d2",
		"k8s-c1d2-node-hc":               "cluster c1d2",
		"k8s-ig--c1d2":                   "cluster c1d2",
		"k8s-c1d2-internal-tcp-nmv1-00a": "cluster c1d2",
		"k8s-fw-l7--c1d2":                "", // of Ingress
		"apple":                          "",
		"kubernetes-master-https":        "",
		"k8s-fw-":                        "",
	} {
		if got := keyOf(name); got != want {
			t.Errorf("keyOf(%q) = %q, want %q", name, got, want)
		}
	}
}

// TestSweepNames: machines that are gone are this cluster's by their names only
// as long as something of it is there, and only by names it gives.
func TestSweepNames(t *testing.T) {
	s := settings.Settings{Prefix: "kubernetes", Network: "default"}
	l := &lineup{want: &settings.Spec{Settings: s, Names: settings.NamesOf(&s)}, machines: map[string]seen{}}
	link := func(name string) string { return "https://x/projects/p/zones/" + gcetest.Zone + "/instances/" + name }
	fits := []string{"kubernetes-master", "kubernetes-master-e71", "kubernetes-minion-group-ab1z", "kubernetes-minion-group-2-ab1z"}
	not := []string{"staging-kubernetes-minion-group-ab1z", "kubernetes-master-backup", "kubernetes-minion-group", "kubernetes-minion-ab1z",
		"kubernetes-minion-group-backup", "kubernetesXmaster", ""}
	for _, anchored := range []bool{true, false} {
		l.anchored = anchored
		for _, name := range slices.Concat(fits, not) {
			want := unknown
			if anchored && slices.Contains(fits, name) {
				want = ours
			}
			if got, why := l.machine(link(name)); got != want {
				t.Errorf("%q, with a mark left %t: %v, %s", name, anchored, got, why)
			}
		}
	}
	// One that is there says itself whose it is.
	l.anchored = true
	l.machines[gcetest.Zone+"/kubernetes-minion-group-ab1z"] = seen{}
	if got, _ := l.machine(link("kubernetes-minion-group-ab1z")); got != theirs {
		t.Errorf("a lookalike is %v", got)
	}
}
