// Package label is what nodes of a pool are marked with from their first moment: labels and
// taints, in kube-up's words for them, as kubelets take them and as Kubernetes judges them.
// It asks nobody.
package label

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation" // Kubernetes' own rules for keys and values
)

// None is the text of no labels, and of no taints.
const None = "none"

// PoolKey is the label of nodes whose pool has a name; its value is that.
const PoolKey = ours + "/pool"

// ours is the domain of hakube's own labels and annotations.
const ours = "hakube"

// Labels are labels of nodes, as KUBE_NODE_LABELS has them: key=value,key=value, sorted by
// key. "" is none.
type Labels string

// Decode reads them. Its error says what Kubernetes, or a kubelet that sets them on its own
// node, would refuse.
func (l *Labels) Decode(s string) error {
	*l = ""
	if s == "" || s == None {
		return nil
	}
	all := map[string]string{}
	for part := range strings.SplitSeq(s, ",") {
		key, value, is := strings.Cut(part, "=")
		switch {
		case !is:
			return fmt.Errorf("%s is no label; one looks like tier=web", quoted(part))
		case hasKey(all, key):
			return fmt.Errorf("label %s is there twice", quoted(key))
		}
		if err := labelled(key, value); err != nil {
			return err
		}
		all[key] = value
	}
	*l = labelsOf(all)
	return nil
}

func hasKey(m map[string]string, key string) bool { _, is := m[key]; return is }

// labelled judges a label.
func labelled(key, value string) error {
	if err := keyed("label", key); err != nil {
		return err
	}
	if why := validation.IsValidLabelValue(value); len(why) > 0 {
		return fmt.Errorf("label %s=%s: the value %s", key, quoted(value), why[0])
	}
	domain, _, prefixed := strings.Cut(key, "/")
	switch {
	case !prefixed:
		return nil
	case within(domain, ours):
		return fmt.Errorf("label %s: what begins with %s/ is hakube's own", key, ours)
	case slices.Contains(byMachine, key):
		return fmt.Errorf("label %s: each node has it by what its machine is", key)
	case within(domain, "node-restriction.kubernetes.io"):
		return fmt.Errorf("label %s: the API lets no kubelet set labels of node-restriction.kubernetes.io on its own node; kubectl label node sets it", key)
	case (within(domain, "kubernetes.io") || within(domain, "k8s.io")) && !within(domain, "node.kubernetes.io") && !within(domain, "kubelet.kubernetes.io"):
		return fmt.Errorf("label %s: the API lets no kubelet set labels of kubernetes.io and k8s.io on its own node, but those of node.kubernetes.io and kubelet.kubernetes.io; kubectl label node sets it", key)
	}
	return nil
}

// byMachine are labels that a kubelet, or hakube for it, sets by what its machine is.
// (k8s.io/kubernetes/pkg/kubelet/apis/well_known_labels.go)
var byMachine = []string{
	"kubernetes.io/hostname", "kubernetes.io/os", "kubernetes.io/arch", "beta.kubernetes.io/os", "beta.kubernetes.io/arch",
	"node.kubernetes.io/instance-type", "beta.kubernetes.io/instance-type", "topology.kubernetes.io/zone", "topology.kubernetes.io/region",
	"failure-domain.beta.kubernetes.io/zone", "failure-domain.beta.kubernetes.io/region",
}

// within tells whether a domain is another one, or below it.
func within(domain, of string) bool { return domain == of || strings.HasSuffix(domain, "."+of) }

func labelsOf(all map[string]string) Labels {
	var parts []string
	for _, k := range slices.Sorted(maps.Keys(all)) {
		parts = append(parts, k+"="+all[k])
	}
	return Labels(strings.Join(parts, ","))
}

// Map are the labels by key.
func (l Labels) Map() map[string]string {
	all := map[string]string{}
	for part := range strings.SplitSeq(string(l), ",") {
		if key, value, is := strings.Cut(part, "="); is {
			all[key] = value
		}
	}
	return all
}

func (l Labels) String() string { return orNone(string(l)) }

// keyed judges the key of a label or taint.
func keyed(what, key string) error {
	if why := validation.IsQualifiedName(key); len(why) > 0 {
		return fmt.Errorf("the key %s of a %s: %s", quoted(key), what, why[0])
	}
	return nil
}

func orNone(s string) string {
	if s == "" {
		return None
	}
	return s
}

// quoted is a text that somebody set, for a message; of a long one the beginning is enough.
func quoted(s string) string {
	const most = 80
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "…"
	}
	return fmt.Sprintf("%q", s)
}
