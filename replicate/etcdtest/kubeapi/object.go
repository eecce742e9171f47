package kubeapi

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/google/uuid" // uids
)

// A Resource is one kind of object.
type Resource struct {
	Name, Kind string
	short      []string
	Namespaced bool
	Verbs      []string
	Make       func() Object
	// Fields are what field selectors may name besides metadata.
	Fields func(Object) map[string]string
}

// An Object is any of corev1's.
type Object interface {
	runtime.Object
	metav1.Object
}

var (
	read      = []string{"get", "list"}
	readWrite = []string{"create", "delete", "get", "list", "patch", "update"}

	Nodes = &Resource{
		Name: "nodes", Kind: "Node", short: []string{"no"}, Verbs: []string{"create", "delete", "get", "list", "patch"},
		Make: func() Object { return new(corev1.Node) },
		Fields: func(o Object) map[string]string {
			return map[string]string{"spec.unschedulable": strconv.FormatBool(o.(*corev1.Node).Spec.Unschedulable)}
		},
	}
	Secrets = &Resource{
		Name: "secrets", Kind: "Secret", Namespaced: true, Verbs: readWrite,
		Make:   func() Object { return new(corev1.Secret) },
		Fields: func(o Object) map[string]string { return map[string]string{"type": string(o.(*corev1.Secret).Type)} },
	}
	ConfigMaps = &Resource{
		Name: "configmaps", Kind: "ConfigMap", short: []string{"cm"}, Namespaced: true, Verbs: readWrite,
		Make: func() Object { return new(corev1.ConfigMap) },
	}
	Namespaces = &Resource{
		Name: "namespaces", Kind: "Namespace", short: []string{"ns"}, Verbs: read,
		Make: func() Object { return new(corev1.Namespace) },
	}
	Pods = &Resource{
		Name: "pods", Kind: "Pod", short: []string{"po"}, Namespaced: true, Verbs: []string{"create", "get", "list"},
		Make: func() Object { return new(corev1.Pod) },
		Fields: func(o Object) map[string]string {
			p := o.(*corev1.Pod)
			return map[string]string{"spec.nodeName": p.Spec.NodeName, "status.phase": string(p.Status.Phase)}
		},
	}
	Resources = []*Resource{ConfigMaps, Namespaces, Nodes, Pods, Secrets}
)

// Key is where an object is in etcd. Without a name it is a prefix of all in
// the namespace, without either of all.
func (r *Resource) Key(namespace, name string) string {
	k := "/registry/" + r.Name + "/"
	if namespace != "" {
		k += namespace + "/"
	}
	return k + name
}

// Object reads what etcd holds since a revision.
func (r *Resource) Object(value []byte, revision int64) (Object, error) {
	o := r.Make()
	if err := json.Unmarshal(value, o); err != nil {
		return nil, fmt.Errorf("reading a %s: %w", r.Kind, err)
	}
	o.SetResourceVersion(strconv.FormatInt(revision, 10))
	return o, nil
}

// Value is what etcd holds of an object.
func (r *Resource) Value(o Object) (json.RawMessage, error) {
	o.GetObjectKind().SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind(r.Kind))
	o.SetResourceVersion("") // it is the entry's
	return json.Marshal(o)
}

// StampNew gives a new object what the API server gives one.
func StampNew(o metav1.Object) {
	o.SetUID(types.UID(uuid.NewString()))
	o.SetCreationTimestamp(metav1.NewTime(time.Now().UTC().Truncate(time.Second)))
	o.SetGeneration(0)
	o.SetSelfLink("")
	o.SetDeletionTimestamp(nil)
}

// codecs read request bodies in each of Kubernetes' encodings. Made when first
// needed: most processes that have this package linked in never are asked.
var codecs = sync.OnceValues(func() (serializer.CodecFactory, error) {
	scheme := runtime.NewScheme()
	err := corev1.AddToScheme(scheme)
	metav1.AddToGroupVersion(scheme, corev1.SchemeGroupVersion)
	return serializer.NewCodecFactory(scheme), err
})

// Decode reads the object of a request's body.
func (r *Resource) Decode(text []byte, namespace string) (Object, error) {
	factory, err := codecs()
	if err != nil {
		return nil, err
	}
	got, _, err := factory.UniversalDeserializer().Decode(text, nil, r.Make())
	if err != nil {
		return nil, apierrors.NewBadRequest(err.Error())
	}
	o, ok := got.(Object)
	if !ok || reflect.TypeOf(o) != reflect.TypeOf(r.Make()) {
		return nil, apierrors.NewBadRequest(fmt.Sprintf("the object provided is unrecognized (must be of type %s)", r.Kind))
	}
	if ns := o.GetNamespace(); ns != "" && ns != namespace {
		return nil, apierrors.NewBadRequest("the namespace of the provided object does not match the namespace sent on the request")
	}
	o.SetNamespace(namespace)
	return o, nil
}

// Settle does to an object what the API server does before it stores one.
func (r *Resource) Settle(o Object) error {
	if problems := validation.IsDNS1123Subdomain(o.GetName()); len(problems) > 0 {
		return apierrors.NewBadRequest(fmt.Sprintf("metadata.name: Invalid value: %q: %s", o.GetName(), strings.Join(problems, ", ")))
	}
	if p, ok := o.(*corev1.Pod); ok {
		if p.Spec.NodeName == "" {
			return apierrors.NewBadRequest("spec.nodeName: the model has no scheduler")
		}
		p.Status = corev1.PodStatus{Phase: corev1.PodPending} // who runs it is seen, see Master.Complete
	}
	if s, ok := o.(*corev1.Secret); ok {
		for k, v := range s.StringData {
			if s.Data == nil {
				s.Data = map[string][]byte{}
			}
			s.Data[k] = []byte(v)
		}
		s.StringData = nil
		if s.Type == "" {
			s.Type = corev1.SecretTypeOpaque
		}
	}
	return nil
}
