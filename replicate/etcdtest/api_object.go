package etcdtest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
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

// A resource is one kind of object.
type resource struct {
	name, kind string
	short      []string
	namespaced bool
	verbs      []string
	make       func() object
	// fields are what field selectors may name besides metadata.
	fields func(object) map[string]string
}

// An object is any of corev1's.
type object interface {
	runtime.Object
	metav1.Object
}

var (
	read      = []string{"get", "list"}
	readWrite = []string{"create", "delete", "get", "list", "patch", "update"}

	nodes = &resource{
		name: "nodes", kind: "Node", short: []string{"no"}, verbs: []string{"delete", "get", "list", "patch"},
		make: func() object { return new(corev1.Node) },
		fields: func(o object) map[string]string {
			return map[string]string{"spec.unschedulable": strconv.FormatBool(o.(*corev1.Node).Spec.Unschedulable)}
		},
	}
	secrets = &resource{
		name: "secrets", kind: "Secret", namespaced: true, verbs: readWrite,
		make:   func() object { return new(corev1.Secret) },
		fields: func(o object) map[string]string { return map[string]string{"type": string(o.(*corev1.Secret).Type)} },
	}
	configMaps = &resource{
		name: "configmaps", kind: "ConfigMap", short: []string{"cm"}, namespaced: true, verbs: readWrite,
		make: func() object { return new(corev1.ConfigMap) },
	}
	namespaces = &resource{
		name: "namespaces", kind: "Namespace", short: []string{"ns"}, verbs: read,
		make: func() object { return new(corev1.Namespace) },
	}
	pods = &resource{
		name: "pods", kind: "Pod", short: []string{"po"}, namespaced: true, verbs: read,
		make: func() object { return new(corev1.Pod) },
		fields: func(o object) map[string]string {
			p := o.(*corev1.Pod)
			return map[string]string{"spec.nodeName": p.Spec.NodeName, "status.phase": string(p.Status.Phase)}
		},
	}
	resources = []*resource{configMaps, namespaces, nodes, pods, secrets}
)

// key is where an object is in etcd. Without a name it is a prefix of all in
// the namespace, without either of all.
func (r *resource) key(namespace, name string) string {
	k := "/registry/" + r.name + "/"
	if namespace != "" {
		k += namespace + "/"
	}
	return k + name
}

// object reads what etcd holds.
func (r *resource) object(e entry) (object, error) {
	o := r.make()
	if err := json.Unmarshal(e.Value, o); err != nil {
		return nil, fmt.Errorf("reading a %s: %w", r.kind, err)
	}
	o.SetResourceVersion(strconv.FormatInt(e.Mod, 10))
	return o, nil
}

// value is what etcd holds of an object.
func (r *resource) value(o object) (json.RawMessage, error) {
	o.GetObjectKind().SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind(r.kind))
	o.SetResourceVersion("") // it is the entry's
	return json.Marshal(o)
}

// stampNew gives a new object what the API server gives one.
func stampNew(o metav1.Object) {
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

const maxBody = 3 << 20 // the API server's own limit, in bytes

func (c *apiCall) body() ([]byte, error) {
	b, err := io.ReadAll(http.MaxBytesReader(nil, c.Body, maxBody))
	if err != nil {
		return nil, apierrors.NewRequestEntityTooLargeError(fmt.Sprintf("limit is %d", maxBody))
	}
	return b, nil
}

// decode reads the object of a request's body.
func (c *apiCall) decode(r *resource, namespace string) (object, error) {
	text, err := c.body()
	if err != nil {
		return nil, err
	}
	factory, err := codecs()
	if err != nil {
		return nil, err
	}
	got, _, err := factory.UniversalDeserializer().Decode(text, nil, r.make())
	if err != nil {
		return nil, apierrors.NewBadRequest(err.Error())
	}
	o, ok := got.(object)
	if !ok || reflect.TypeOf(o) != reflect.TypeOf(r.make()) {
		return nil, apierrors.NewBadRequest(fmt.Sprintf("the object provided is unrecognized (must be of type %s)", r.kind))
	}
	if ns := o.GetNamespace(); ns != "" && ns != namespace {
		return nil, apierrors.NewBadRequest("the namespace of the provided object does not match the namespace sent on the request")
	}
	o.SetNamespace(namespace)
	return o, nil
}

// settle does to an object what the API server does before it stores one.
func (r *resource) settle(o object) error {
	if problems := validation.IsDNS1123Subdomain(o.GetName()); len(problems) > 0 {
		return apierrors.NewBadRequest(fmt.Sprintf("metadata.name: Invalid value: %q: %s", o.GetName(), strings.Join(problems, ", ")))
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
