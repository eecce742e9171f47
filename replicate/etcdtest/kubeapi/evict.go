package kubeapi

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// subresource serves the one there is: a pod's eviction.
func (c *call) subresource(r *Resource, namespace, name, sub string) (answer any, status int, err error) {
	if err := c.allow(verbOf(c.Method, false), r.Name+"/"+sub, namespace, name, c.URL.Path); err != nil {
		return nil, 0, err
	}
	if r != Pods || sub != "eviction" || c.Method != http.MethodPost || namespace == "" {
		return nil, 0, c.unknown()
	}
	answer, err = c.evict(namespace, name)
	return answer, http.StatusCreated, err
}

// evict ends a pod, as its kubelet does at once. While that is silent the pod ends for
// ever. CoreDNS's, which are made up, have come back by the time anybody looks.
func (c *call) evict(namespace, name string) (any, error) {
	text, err := c.body()
	if err != nil {
		return nil, err
	}
	var e policyv1.Eviction
	if err := json.Unmarshal(text, &e); err != nil || e.APIVersion != "policy/v1" || e.Kind != "Eviction" || e.Name != name {
		return nil, apierrors.NewBadRequest(fmt.Sprintf("the object provided is no policy/v1 Eviction of %s: %v", name, err))
	}
	c.m.Lock()
	defer c.m.Unlock()
	s, err := c.m.Read()
	if err != nil {
		return nil, err
	}
	done := metav1.Status{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}, Status: metav1.StatusSuccess, Code: http.StatusCreated}
	o, err := c.stored(s, Pods, namespace, name)
	if apierrors.IsNotFound(err) {
		if _, err := c.pod(s, namespace, name); err != nil {
			return nil, err
		}
		return done, nil
	}
	if err != nil {
		return nil, err
	}
	if d := e.DeleteOptions; d != nil && d.Preconditions != nil && d.Preconditions.UID != nil && *d.Preconditions.UID != o.GetUID() {
		return nil, apierrors.NewConflict(coreResource(Pods.Name), name, fmt.Errorf("the precondition does not hold"))
	}
	c.m.Complete(o)
	if o.(*corev1.Pod).Status.Phase == corev1.PodRunning {
		_, err = c.m.Write(nil, Pods.Key(namespace, name))
		return done, err
	}
	now := metav1.NewTime(time.Now().UTC().Truncate(time.Second))
	o.SetDeletionTimestamp(&now)
	_, err = c.put(Pods, o)
	return done, err
}

// pod finds one, whether it is stored or made up.
func (c *call) pod(s *Contents, namespace, name string) (Object, error) {
	all, err := c.m.Pods(s)
	if err != nil {
		return nil, err
	}
	for _, p := range all {
		if p.GetNamespace() == namespace && p.GetName() == name {
			return p, nil
		}
	}
	return nil, apierrors.NewNotFound(coreResource(Pods.Name), name)
}
