package label

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"
)

// Taints are taints of nodes, as KUBE_NODE_TAINTS has them: key=value:Effect,key:Effect,
// sorted. "" is none.
type Taints string

// A Taint keeps pods from a node that do not tolerate it.
type Taint struct{ Key, Value, Effect string }

func (t Taint) String() string {
	if t.Value == "" {
		return t.Key + ":" + t.Effect
	}
	return t.Key + "=" + t.Value + ":" + t.Effect
}

// Effects are what a taint does to pods that do not tolerate it.
func Effects() []string { return []string{"NoSchedule", "PreferNoSchedule", "NoExecute"} }

// Decode reads them. Its error says what Kubernetes, or a kubelet that registers its node
// with them, would refuse.
func (t *Taints) Decode(s string) error {
	*t = ""
	if s == "" || s == None {
		return nil
	}
	var all []Taint
	for part := range strings.SplitSeq(s, ",") {
		x, err := tainted(part)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(all, func(o Taint) bool { return o.Key == x.Key && o.Effect == x.Effect }) {
			return fmt.Errorf("taint %s with %s is there twice", x.Key, x.Effect)
		}
		all = append(all, x)
	}
	*t = taintsOf(all)
	return nil
}

// tainted reads one taint.
func tainted(text string) (Taint, error) {
	named, effect, is := strings.Cut(text, ":")
	key, value, _ := strings.Cut(named, "=")
	x := Taint{key, value, effect}
	if !is {
		return x, fmt.Errorf("%s is no taint; one looks like dedicated=gpu:NoSchedule", quoted(text))
	}
	if err := keyed("taint", key); err != nil {
		return x, err
	}
	if why := validation.IsValidLabelValue(value); len(why) > 0 {
		return x, fmt.Errorf("taint %s=%s: the value %s", key, quoted(value), why[0])
	}
	if !slices.Contains(Effects(), effect) {
		return x, fmt.Errorf("taint %s: there is no effect %s; there are %s", key, quoted(effect), strings.Join(Effects(), ", "))
	}
	if domain, _, prefixed := strings.Cut(key, "/"); prefixed && (within(domain, "node.kubernetes.io") || within(domain, "node.cloudprovider.kubernetes.io")) {
		return x, fmt.Errorf("taint %s: Kubernetes sets and takes away taints of %s by itself, by how a node is", key, domain)
	}
	return x, nil
}

func taintsOf(all []Taint) Taints {
	var parts []string
	for _, x := range all {
		parts = append(parts, x.String())
	}
	slices.Sort(parts)
	return Taints(strings.Join(parts, ","))
}

// List are the taints one by one.
func (t Taints) List() (all []Taint) {
	for part := range strings.SplitSeq(string(t), ",") {
		if x, err := tainted(part); err == nil {
			all = append(all, x)
		}
	}
	return all
}

func (t Taints) String() string { return orNone(string(t)) }
