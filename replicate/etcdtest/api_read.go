package etcdtest

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

	"hakube/replicate/etcdtest/kubeapi"
)

// state is what the ring agreed on. The world's lock is held by each verb.
func (c *apiCall) state() (*ringState, error) {
	if c.control.guest.control != c.control {
		return nil, apierrors.NewServiceUnavailable("the machine is stopped")
	}
	return c.control.main().read()
}

// stored finds an object in etcd.
func (c *apiCall) stored(s *ringState, r *kubeapi.Resource, namespace, name string) (kubeapi.Object, error) {
	e, ok := s.Keys[r.Key(namespace, name)]
	if !ok {
		return nil, apierrors.NewNotFound(coreResource(r.Name), name)
	}
	return r.Object(e.Value, e.Mod)
}

func (c *apiCall) get(r *kubeapi.Resource, namespace, name string) (kubeapi.Object, error) {
	c.w.mu.Lock()
	defer c.w.mu.Unlock()
	s, err := c.state()
	if err != nil {
		return nil, err
	}
	if r == kubeapi.Pods {
		all, err := c.w.pods(s)
		if err != nil {
			return nil, err
		}
		for _, p := range all {
			if p.GetNamespace() == namespace && p.GetName() == name {
				return p, nil
			}
		}
		return nil, apierrors.NewNotFound(coreResource(r.Name), name)
	}
	o, err := c.stored(s, r, namespace, name)
	if err == nil {
		c.w.complete(o)
	}
	return o, err
}

func (c *apiCall) list(r *kubeapi.Resource, namespace string) (*kubeapi.List, error) {
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

	c.w.mu.Lock()
	defer c.w.mu.Unlock()
	s, err := c.state()
	if err != nil {
		return nil, err
	}
	out := &kubeapi.List{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: r.Kind + "List"}, Items: []kubeapi.Object{}}
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
func (c *apiCall) all(s *ringState, r *kubeapi.Resource, namespace, after string) ([]kubeapi.Object, error) {
	var out []kubeapi.Object
	if r == kubeapi.Pods {
		all, err := c.w.pods(s)
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
		o, err := r.Object(s.Keys[k].Value, s.Keys[k].Mod)
		if err != nil {
			return nil, err
		}
		c.w.complete(o)
		out = append(out, o)
	}
	return out, nil
}

// fieldsOf is what field selectors see of an object; one that asks for more is
// refused.
func fieldsOf(r *kubeapi.Resource, o kubeapi.Object, asked fields.Selector) (fields.Set, error) {
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
