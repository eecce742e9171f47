package label

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// TestLabels: kube-up's form is taken, in any order, and what Kubernetes or its API would
// refuse of a kubelet is refused with the reason.
func TestLabels(t *testing.T) {
	for _, x := range []struct{ text, want, err string }{
		{"", "none", ""},
		{"none", "none", ""},
		{"b=2,a=1", "a=1,b=2", ""},
		{"tier=", "tier=", ""},
		{"example.com/tier=web", "example.com/tier=web", ""},
		{"node.kubernetes.io/role=web", "node.kubernetes.io/role=web", ""},
		{"x.kubelet.kubernetes.io/role=web", "x.kubelet.kubernetes.io/role=web", ""},
		{"mykubernetes.io/role=web", "mykubernetes.io/role=web", ""},
		{"tier", "", `"tier" is no label`},
		{"a=1,", "", `"" is no label`},
		{"a=1,a=2", "", `label "a" is there twice`},
		{"=x", "", "the key"},
		{"a b=x", "", "the key"},
		{"a/b/c=x", "", "the key"},
		{"UP/b=x", "", "the key"},
		{"a=x y", "", "the value"},
		{"a=b=c", "", "the value"},
		{"a=-", "", "the value"},
		{"a=" + strings.Repeat("x", 64), "", "the value must be no more than 63"},
		{strings.Repeat("k", 64) + "=x", "", "the key"},
		{"node-role.kubernetes.io/web=", "", "lets no kubelet set"},
		{"node-restriction.kubernetes.io/web=1", "", "lets no kubelet set"},
		{"a.node-restriction.kubernetes.io/web=1", "", "lets no kubelet set"},
		{"kubernetes.io/x=1", "", "lets no kubelet set"},
		{"a.k8s.io/x=1", "", "lets no kubelet set"},
		{"kubernetes.io/hostname=x", "", "by what its machine is"},
		{"topology.kubernetes.io/zone=x", "", "by what its machine is"},
		{"node.kubernetes.io/instance-type=x", "", "by what its machine is"},
		{"hakube/pool=x", "", "hakube's own"},
	} {
		var l Labels
		err := l.Decode(x.text)
		if (err == nil) != (x.err == "") || err != nil && !strings.Contains(err.Error(), x.err) {
			t.Errorf("%q: %v", x.text, err)
		} else if err == nil && l.String() != x.want {
			t.Errorf("%q is %q", x.text, l)
		}
	}
	var l Labels
	if err := l.Decode("b=2,a=,c.d/e=f"); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"a": "", "b": "2", "c.d/e": "f"}, l.Map()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if len(Labels("").Map()) > 0 {
		t.Error("none are some")
	}
}

// TestTaints: the same of taints.
func TestTaints(t *testing.T) {
	for _, x := range []struct{ text, want, err string }{
		{"", "none", ""},
		{"none", "none", ""},
		{"dedicated=gpu:NoSchedule", "dedicated=gpu:NoSchedule", ""},
		{"z:NoExecute,a=1:PreferNoSchedule", "a=1:PreferNoSchedule,z:NoExecute", ""},
		{"a=1:NoSchedule,a=2:NoExecute", "a=1:NoSchedule,a=2:NoExecute", ""},
		{"a=:NoSchedule", "a:NoSchedule", ""},
		{"node-role.kubernetes.io/web:NoSchedule", "node-role.kubernetes.io/web:NoSchedule", ""},
		{"dedicated=gpu", "", "is no taint"},
		{"a=1:NoSchedule,a=2:NoSchedule", "", "is there twice"},
		{"dedicated=gpu:Never", "", "there is no effect"},
		{"dedicated=gpu:noschedule", "", "there is no effect"},
		{"dedicated=gpu:", "", "there is no effect"},
		{"a=1:NoSchedule:NoExecute", "", "there is no effect"},
		{":NoSchedule", "", "the key"},
		{"a=x y:NoSchedule", "", "the value"},
		{"node.kubernetes.io/unreachable:NoExecute", "", "by itself"},
		{"node.cloudprovider.kubernetes.io/uninitialized:NoSchedule", "", "by itself"},
	} {
		var l Taints
		err := l.Decode(x.text)
		if (err == nil) != (x.err == "") || err != nil && !strings.Contains(err.Error(), x.err) {
			t.Errorf("%q: %v", x.text, err)
		} else if err == nil && l.String() != x.want {
			t.Errorf("%q is %q", x.text, l)
		}
	}
	var l Taints
	if err := l.Decode("b:NoExecute,a=1:NoSchedule"); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]Taint{{"a", "1", "NoSchedule"}, {"b", "", "NoExecute"}}, l.List()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if len(Taints("").List()) > 0 {
		t.Error("none are some")
	}
}

// TestReadBack: what is taken is read back as it was written down.
func TestReadBack(t *testing.T) {
	text := rapid.StringMatching(`[a-z./=:A-Z, 0-9-]{0,40}`)
	rapid.Check(t, func(t *rapid.T) {
		s := text.Draw(t, "text")
		var l, again Labels
		if l.Decode(s) == nil && (again.Decode(l.String()) != nil || again != l) {
			t.Fatalf("labels %q are %q and then %q", s, l, again)
		}
		var x, then Taints
		if x.Decode(s) == nil && (then.Decode(x.String()) != nil || then != x) {
			t.Fatalf("taints %q are %q and then %q", s, x, then)
		}
	})
}
