package kubeapi

import (
	"cmp"
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
)

// stored finds an object in etcd.
func (c *call) stored(s *Contents, r *Resource, namespace, name string) (Object, error) {
	e, ok := s.Keys[r.Key(namespace, name)]
	if !ok {
		return nil, apierrors.NewNotFound(coreResource(r.Name), name)
	}
	if err := c.m.Opens(e.By); err != nil {
		return nil, err
	}
	return r.Object(e.Value, e.Mod)
}

func (c *call) get(r *Resource, namespace, name string) (Object, error) {
	c.m.Lock()
	defer c.m.Unlock()
	s, err := c.m.Read()
	if err != nil {
		return nil, err
	}
	if r == Pods {
		return c.pod(s, namespace, name)
	}
	o, err := c.stored(s, r, namespace, name)
	if err == nil {
		c.m.Complete(o)
	}
	return o, err
}

func (c *call) list(r *Resource, namespace string) (*List, error) {
	q := c.URL.Query()
	byLabel, err := labels.Parse(q.Get("labelSelector"))
	if err != nil {
		return nil, apierrors.NewBadRequest(err.Error())
	}
	byField, err := fields.ParseSelector(q.Get("fieldSelector"))
	if err != nil {
		return nil, apierrors.NewBadRequest(err.Error())
	}
	if _, err := fieldsOf(r, r.Make(), byField); err != nil {
		return nil, err
	}
	limit, err := strconv.Atoi(cmp.Or(q.Get("limit"), "0"))
	if err != nil {
		return nil, apierrors.NewBadRequest("limit: " + err.Error())
	}
	after, err := base64.RawURLEncoding.DecodeString(q.Get("continue"))
	if err != nil {
		return nil, apierrors.NewBadRequest("continue key is not valid: " + err.Error())
	}

	c.m.Lock()
	defer c.m.Unlock()
	s, err := c.m.Read()
	if err != nil {
		return nil, err
	}
	out := &List{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: r.Kind + "List"}, Items: []Object{}}
	out.ResourceVersion = strconv.FormatInt(s.Revision, 10)
	all, err := c.all(s, r, namespace, string(after))
	if err != nil {
		return nil, err
	}
	for _, o := range all {
		set, _ := fieldsOf(r, o, byField) // looked at above
		if !byLabel.Matches(labels.Set(o.GetLabels())) || !byField.Matches(set) {
			continue
		}
		if limit > 0 && len(out.Items) == limit {
			last := out.Items[limit-1]
			out.Continue = base64.RawURLEncoding.EncodeToString([]byte(r.Key(last.GetNamespace(), last.GetName())))
			break
		}
		out.Items = append(out.Items, o)
	}
	return out, nil
}

// all objects of a kind whose key comes after a key, by key.
func (c *call) all(s *Contents, r *Resource, namespace, after string) ([]Object, error) {
	var out []Object
	if r == Pods {
		all, err := c.m.Pods(s)
		for _, p := range all {
			if (namespace == "" || p.GetNamespace() == namespace) && r.Key(p.GetNamespace(), p.GetName()) > after {
				out = append(out, p)
			}
		}
		return out, err
	}
	prefix := r.Key(namespace, "")
	for _, k := range slices.Sorted(maps.Keys(s.Keys)) {
		if !strings.HasPrefix(k, prefix) || k <= after {
			continue
		}
		if err := c.m.Opens(s.Keys[k].By); err != nil {
			return nil, err
		}
		o, err := r.Object(s.Keys[k].Value, s.Keys[k].Mod)
		if err != nil {
			return nil, err
		}
		c.m.Complete(o)
		out = append(out, o)
	}
	return out, nil
}

// fieldsOf is what field selectors see of an object; one that asks for more is
// refused.
func fieldsOf(r *Resource, o Object, asked fields.Selector) (fields.Set, error) {
	set := fields.Set{"metadata.name": o.GetName(), "metadata.namespace": o.GetNamespace()}
	if r.Fields != nil {
		maps.Copy(set, r.Fields(o))
	}
	for _, q := range asked.Requirements() {
		if !set.Has(q.Field) {
			return nil, apierrors.NewBadRequest(fmt.Sprintf("field label %q not supported by the model", q.Field))
		}
	}
	return set, nil
}
