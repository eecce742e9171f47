package kubeapi

import (
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
)

// put stores an object and returns it as it is then.
func (c *call) put(r *Resource, o Object) (Object, error) {
	value, err := r.Value(o)
	if err != nil {
		return nil, err
	}
	mod, err := c.m.Write(map[string]json.RawMessage{r.Key(o.GetNamespace(), o.GetName()): value})
	if err != nil {
		return nil, err
	}
	o, err = r.Object(value, mod)
	if err == nil {
		c.m.Complete(o)
	}
	return o, err
}

func (c *call) create(r *Resource, namespace string) (Object, error) {
	o, err := c.decode(r, namespace)
	if err != nil {
		return nil, err
	}
	if o.GetResourceVersion() != "" {
		return nil, apierrors.NewBadRequest("resourceVersion should not be set on objects to be created")
	}
	StampNew(o)
	if o.GetName() == "" && o.GetGenerateName() != "" {
		o.SetName(o.GetGenerateName() + string(o.GetUID()[:5]))
	}
	if err := r.Settle(o); err != nil {
		return nil, err
	}
	c.m.Lock()
	defer c.m.Unlock()
	s, err := c.m.Read()
	if err != nil {
		return nil, err
	}
	if _, ok := s.Keys[Namespaces.Key("", namespace)]; !ok && r.Namespaced {
		return nil, apierrors.NewNotFound(coreResource("namespaces"), namespace)
	}
	if _, ok := s.Keys[r.Key(namespace, o.GetName())]; ok {
		return nil, apierrors.NewAlreadyExists(coreResource(r.Name), o.GetName())
	}
	return c.put(r, o)
}

func (c *call) update(r *Resource, namespace, name string) (Object, error) {
	o, err := c.decode(r, namespace)
	if err != nil {
		return nil, err
	}
	if o.GetName() != name {
		return nil, apierrors.NewBadRequest("the name of the object does not match the name on the URL")
	}
	c.m.Lock()
	defer c.m.Unlock()
	s, err := c.m.Read()
	if err != nil {
		return nil, err
	}
	old, err := c.stored(s, r, namespace, name)
	if err != nil {
		return nil, err
	}
	return c.replace(r, old, o)
}

// replace stores o in place of old, if it was made from it.
func (c *call) replace(r *Resource, old, o Object) (Object, error) {
	if v := o.GetResourceVersion(); v != "" && v != old.GetResourceVersion() {
		return nil, apierrors.NewConflict(coreResource(r.Name), o.GetName(),
			fmt.Errorf("the object has been modified; please apply your changes to the latest version and try again"))
	}
	if u := o.GetUID(); u != "" && u != old.GetUID() {
		return nil, apierrors.NewConflict(coreResource(r.Name), o.GetName(), fmt.Errorf("the UID is %s and not %s", old.GetUID(), u))
	}
	o.SetUID(old.GetUID())
	o.SetCreationTimestamp(old.GetCreationTimestamp())
	if err := r.Settle(o); err != nil {
		return nil, err
	}
	return c.put(r, o)
}

func (c *call) patch(r *Resource, namespace, name string) (Object, error) {
	patch, err := c.body()
	if err != nil {
		return nil, err
	}
	kind, _, err := mime.ParseMediaType(c.Header.Get("Content-Type"))
	if err != nil {
		return nil, apierrors.NewBadRequest(err.Error())
	}
	c.m.Lock()
	defer c.m.Unlock()
	s, err := c.m.Read()
	if err != nil {
		return nil, err
	}
	old, err := c.stored(s, r, namespace, name)
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(old)
	if err != nil {
		return nil, err
	}
	switch kind {
	case "application/strategic-merge-patch+json":
		text, err = strategicpatch.StrategicMergePatch(text, patch, r.Make())
	case "application/merge-patch+json":
		text, err = MergePatch(text, patch)
	default:
		return nil, &apierrors.StatusError{ErrStatus: metav1.Status{
			Status: metav1.StatusFailure, Code: http.StatusUnsupportedMediaType, Reason: metav1.StatusReasonUnsupportedMediaType,
			Message: fmt.Sprintf("the model takes merge and strategic merge patches, not %s", kind),
		}}
	}
	o := r.Make()
	if err == nil {
		err = json.Unmarshal(text, o)
	}
	if err != nil {
		return nil, apierrors.NewBadRequest(err.Error())
	}
	if o.GetName() != name || o.GetNamespace() != namespace {
		return nil, apierrors.NewBadRequest("metadata.name and metadata.namespace cannot be changed")
	}
	return c.replace(r, old, o)
}

func (c *call) remove(r *Resource, namespace, name string) (any, error) {
	text, err := c.body()
	if err != nil {
		return nil, err
	}
	var options metav1.DeleteOptions
	if len(text) > 0 {
		if options, err = DeleteOptions(text); err != nil {
			return nil, err
		}
	}
	if len(options.DryRun) > 0 {
		return nil, c.unknown()
	}
	c.m.Lock()
	defer c.m.Unlock()
	s, err := c.m.Read()
	if err != nil {
		return nil, err
	}
	old, err := c.stored(s, r, namespace, name)
	if err != nil {
		return nil, err
	}
	if p := options.Preconditions; p != nil {
		if p.UID != nil && *p.UID != old.GetUID() || p.ResourceVersion != nil && *p.ResourceVersion != old.GetResourceVersion() {
			return nil, apierrors.NewConflict(coreResource(r.Name), name, fmt.Errorf("the precondition does not hold"))
		}
	}
	if _, err := c.m.Write(nil, r.Key(namespace, name)); err != nil {
		return nil, err
	}
	return metav1.Status{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}, Status: metav1.StatusSuccess,
		Details: &metav1.StatusDetails{Name: name, Kind: r.Name, UID: old.GetUID()},
	}, nil
}

const maxBody = 3 << 20 // the API server's own limit, in bytes

func (c *call) body() ([]byte, error) {
	b, err := io.ReadAll(http.MaxBytesReader(nil, c.Body, maxBody))
	if err != nil {
		return nil, apierrors.NewRequestEntityTooLargeError(fmt.Sprintf("limit is %d", maxBody))
	}
	return b, nil
}

// decode reads the object of a request's body.
func (c *call) decode(r *Resource, namespace string) (Object, error) {
	text, err := c.body()
	if err != nil {
		return nil, err
	}
	return r.Decode(text, namespace)
}
