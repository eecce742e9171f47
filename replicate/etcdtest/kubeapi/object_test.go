package kubeapi

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
)

// TestDecode: what a request holds is read as the API server reads it, or refused.
func TestDecode(t *testing.T) {
	for _, c := range []struct {
		name, text, namespace string
		want                  bool
	}{
		{"a ConfigMap", `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"},"data":{"k":"v"}}`, "x", true},
		{"in its namespace", `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a","namespace":"x"}}`, "x", true},
		{"in another", `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a","namespace":"y"}}`, "x", false},
		{"another kind", `{"apiVersion":"v1","kind":"Secret","metadata":{"name":"a"}}`, "x", false},
		{"an unknown kind", `{"apiVersion":"v1","kind":"Thing","metadata":{"name":"a"}}`, "x", false},
		{"no JSON", `{`, "x", false},
	} {
		o, err := ConfigMaps.Decode([]byte(c.text), c.namespace)
		if (err == nil) != c.want {
			t.Errorf("%s: %v, %v", c.name, o, err)
		} else if err == nil && (o.GetNamespace() != "x" || o.GetName() != "a") {
			t.Errorf("%s: read as %s/%s", c.name, o.GetNamespace(), o.GetName())
		}
	}
}

// TestStored: what etcd holds has no resource version of its own; it is the entry's.
func TestStored(t *testing.T) {
	o := &corev1.Namespace{}
	o.Name, o.ResourceVersion = "a", "3"
	value, err := Namespaces.Value(o)
	if err != nil {
		t.Fatal(err)
	}
	got, err := Namespaces.Object(value, 7)
	if err != nil || got.GetName() != "a" || got.GetResourceVersion() != "7" {
		t.Errorf("read back as %+v, %v", got, err)
	}
	if err := Namespaces.Settle(&corev1.Namespace{}); err == nil {
		t.Error("an object without a name is settled")
	}
}
