package pool

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"hakube/cluster/label"
)

// Marks are the labels and taints that nodes are to have. What else a node has is somebody
// else's, and stays.
type Marks struct {
	Labels map[string]string
	Taints []label.Taint
}

// None tells that there are none.
func (m Marks) None() bool { return len(m.Labels) == 0 && len(m.Taints) == 0 }

// Lacking is what a Node has not of them, in words; nil when it has all.
func (m Marks) Lacking(n *corev1.Node) (words []string) {
	for _, k := range slices.Sorted(maps.Keys(m.Labels)) {
		switch is, there := n.Labels[k]; {
		case !there:
			words = append(words, fmt.Sprintf("lacks label %s=%s", k, m.Labels[k]))
		case is != m.Labels[k]:
			words = append(words, fmt.Sprintf("has label %s=%s and not %s", k, is, m.Labels[k]))
		}
	}
	for _, t := range m.Taints {
		if !slices.ContainsFunc(n.Spec.Taints, func(x corev1.Taint) bool { return as(x) == t }) {
			words = append(words, "lacks taint "+t.String())
		}
	}
	return words
}

// Onto are the taints of a Node with those of the marks among them. One of the same key and
// effect is exchanged, since Kubernetes takes one of those.
func (m Marks) Onto(n *corev1.Node) []corev1.Taint {
	list := slices.Clone(n.Spec.Taints)
	for _, t := range m.Taints {
		x := corev1.Taint{Key: t.Key, Value: t.Value, Effect: corev1.TaintEffect(t.Effect)}
		if i := slices.IndexFunc(list, func(o corev1.Taint) bool { return o.Key == x.Key && o.Effect == x.Effect }); i < 0 {
			list = append(list, x)
		} else if as(list[i]) != t {
			list[i] = x
		}
	}
	return list
}

func as(t corev1.Taint) label.Taint {
	return label.Taint{Key: t.Key, Value: t.Value, Effect: string(t.Effect)}
}

// Unmarked are the machines whose Nodes lack marks that they were made with: of is what
// those of a template are. Whoever has no Node yet is waited for elsewhere.
func (p Pool) Unmarked(of func(template string) Marks) (list []Machine, why string) {
	var words []string
	for _, m := range p.Machines {
		n := p.Node(m)
		if n == nil {
			continue
		}
		if lacks := of(m.Template).Lacking(n); len(lacks) > 0 {
			list = append(list, m)
			words = append(words, m.Name+" "+strings.Join(lacks, ", "))
		}
	}
	if more := len(words) - WhyMany; more > 0 {
		words = append(words[:WhyMany], fmt.Sprintf("and %d more", more))
	}
	return list, strings.Join(words, "; ")
}
