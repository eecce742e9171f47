package kubeapi

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// What a cluster's addons consist of is applied, read and removed by name, whatever it is:
// the model keeps it as it was said and runs none of it. One manager owns all of its
// fields, so a second apply replaces what the first said.

const applyType = "application/apply-patch+yaml"

// appliedKinds are the collections that the model takes so, by group.
var appliedKinds = map[string][]string{
	"":                          {"configmaps", "namespaces", "persistentvolumes", "serviceaccounts", "services"},
	"apps":                      {"daemonsets", "deployments"},
	"apiextensions.k8s.io":      {"customresourcedefinitions"},
	"apiregistration.k8s.io":    {"apiservices"},
	"autoscaling":               {"horizontalpodautoscalers"},
	"coordination.k8s.io":       {"leases"},
	"networking.k8s.io":         {"networkpolicies"},
	"policy":                    {"poddisruptionbudgets"},
	"rbac.authorization.k8s.io": {"clusterrolebindings", "clusterroles", "rolebindings", "roles"},
	"scheduling.k8s.io":         {"priorityclasses"},
	"snapshot.storage.k8s.io":   {"volumesnapshotclasses", "volumesnapshotcontents"},
	"storage.k8s.io":            {"csidrivers", "storageclasses", attachments},
}

// An appliedPath is an object by the path of a request.
type appliedPath struct{ version, resource, namespace, name string }

func (p appliedPath) key() string {
	return "/registry/" + strings.Join(slices.DeleteFunc([]string{p.resource, p.namespace, p.name}, func(s string) bool { return s == "" }), "/")
}

// applied reads the path; false if it names none of theirs, and no object for a collection.
func applied(path string) (p appliedPath, ok bool) {
	parts := strings.Split(strings.TrimPrefix(path, "/"), "/")
	group := ""
	switch {
	case len(parts) > 3 && parts[0] == "apis":
		group, p.version, parts = parts[1], parts[1]+"/"+parts[2], parts[3:]
	case len(parts) > 2 && parts[0] == "api":
		p.version, parts = parts[1], parts[2:]
	default:
		return p, false
	}
	if parts[0] == "namespaces" && len(parts) > 2 {
		p.namespace, parts = parts[1], parts[2:]
	}
	if len(parts) > 2 || !slices.Contains(appliedKinds[group], parts[0]) {
		return p, false
	}
	p.resource = parts[0]
	if len(parts) == 2 {
		p.name = parts[1]
	}
	return p, true
}

// takes tells whether a request is for one of them: an apply of anything, and whatever is
// asked of what only they are.
func (c *call) takes() (appliedPath, bool) {
	p, ok := applied(c.URL.Path)
	known := slices.ContainsFunc(Resources, func(r *Resource) bool { return p.version == "v1" && r.Name == p.resource })
	if p.name == "" {
		return p, ok && !known && (c.Method == http.MethodGet || c.Method == http.MethodPost)
	}
	return p, ok && (!known || c.Method == http.MethodPatch && c.Header.Get("Content-Type") == applyType)
}

// serveApplied answers for one of them.
func (c *call) serveApplied(p appliedPath) (answer any, status int, err error) {
	if err := c.allow(verbOf(c.Method, p.name != ""), p.resource, p.namespace, p.name, c.URL.Path); err != nil {
		return nil, 0, err
	}
	text, err := c.body()
	if err != nil {
		return nil, 0, err
	}
	c.m.Lock()
	defer c.m.Unlock()
	s, err := c.m.Read()
	if err != nil {
		return nil, 0, err
	}
	if p.name == "" && c.Method == http.MethodPost {
		return c.createApplied(s, p, text)
	}
	if p.name == "" {
		return c.appliedList(s, p)
	}
	e, there := s.Keys[p.key()]
	switch {
	case c.Method == http.MethodPatch && c.Header.Get("Content-Type") == applyType:
		return c.apply(s, p, text, e, there)
	case !there:
		return nil, 0, apierrors.NewNotFound(coreResource(p.resource), p.name)
	case c.Method == http.MethodGet:
		if strings.Contains(string(e.Value), endingMark) {
			if _, err := c.m.Write(nil, p.key()); err != nil {
				return nil, 0, err
			}
		}
		answer, err = c.seen(e.Value)
		return answer, http.StatusOK, err
	case c.Method == http.MethodPatch && c.Header.Get("Content-Type") == "application/merge-patch+json":
		value, err := MergePatch(e.Value, text)
		if err == nil {
			_, err = c.m.Write(map[string]json.RawMessage{p.key(): value})
		}
		if err != nil {
			return nil, 0, err
		}
		answer, err = c.seen(value)
		return answer, http.StatusOK, err
	case c.Method == http.MethodDelete && hasFinalizers(e.Value):
		return nil, 0, apierrors.NewBadRequest("the model has nobody who would see to its finalizers")
	case c.Method == http.MethodDelete:
		err = c.removeApplied(p, text, e.Value)
		return metav1.Status{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}, Status: metav1.StatusSuccess}, http.StatusOK, err
	}
	return nil, 0, c.unknown()
}

// appliedList is a collection, of all namespaces if none is named.
func (c *call) appliedList(s *Contents, p appliedPath) (any, int, error) {
	if err := c.served(s, p); err != nil {
		return nil, 0, err
	}
	if p.resource == attachments {
		defer func() { _ = c.detach(s) }()
	}
	items := []json.RawMessage{}
	for _, k := range slices.Sorted(maps.Keys(s.Keys)) {
		if strings.HasPrefix(k, p.key()+"/") {
			items = append(items, s.Keys[k].Value)
		}
	}
	return map[string]any{"apiVersion": p.version, "kind": "List", "metadata": map[string]string{"resourceVersion": fmt.Sprint(s.Revision)}, "items": items}, http.StatusOK, nil
}

// apply stores what is said.
func (c *call) apply(s *Contents, p appliedPath, text []byte, old Entry, there bool) (any, int, error) {
	if c.URL.Query().Get("fieldManager") == "" {
		return nil, 0, apierrors.NewBadRequest("PatchOptions.meta.k8s.io \"\" is invalid: fieldManager: Required value: is required for apply patch")
	}
	o := &unstructured.Unstructured{}
	if err := yaml.Unmarshal(text, &o.Object); err != nil {
		return nil, 0, apierrors.NewBadRequest(err.Error())
	}
	if o.GetAPIVersion() != p.version || o.GetName() != p.name || o.GetNamespace() != p.namespace {
		return nil, 0, apierrors.NewBadRequest(fmt.Sprintf("%s %s/%s is not what the URL names", o.GetAPIVersion(), o.GetNamespace(), o.GetName()))
	}
	if err := c.served(s, p); err != nil {
		return nil, 0, err
	}
	if _, ok := s.Keys[Namespaces.Key("", p.namespace)]; !ok && p.namespace != "" {
		return nil, 0, apierrors.NewNotFound(coreResource("namespaces"), p.namespace)
	}
	status := http.StatusCreated
	StampNew(o)
	if there {
		var was unstructured.Unstructured
		if err := json.Unmarshal(old.Value, &was.Object); err != nil {
			return nil, 0, err
		}
		status = http.StatusOK
		o.SetUID(was.GetUID())
		o.SetCreationTimestamp(was.GetCreationTimestamp())
	}
	value, err := json.Marshal(o.Object)
	if err == nil {
		_, err = c.m.Write(map[string]json.RawMessage{p.key(): value})
	}
	if err != nil {
		return nil, 0, err
	}
	answer, err := c.seen(value)
	return answer, status, err
}

// createApplied stores one that is not there.
func (c *call) createApplied(s *Contents, p appliedPath, text []byte) (any, int, error) {
	o := &unstructured.Unstructured{}
	if err := json.Unmarshal(text, &o.Object); err != nil {
		return nil, 0, apierrors.NewBadRequest(err.Error())
	}
	if o.GetUID() != "" || o.GetResourceVersion() != "" {
		return nil, 0, apierrors.NewBadRequest("resourceVersion should not be set on objects to be created")
	}
	p.name = o.GetName()
	if _, there := s.Keys[p.key()]; there {
		return nil, 0, apierrors.NewAlreadyExists(coreResource(p.resource), p.name)
	}
	StampNew(o)
	value, err := json.Marshal(o.Object)
	if err == nil {
		_, err = c.m.Write(map[string]json.RawMessage{p.key(): value})
	}
	if err != nil {
		return nil, 0, err
	}
	answer, err := c.seen(value)
	return answer, http.StatusCreated, err
}

// hasFinalizers tells whether somebody has to see to it before it is gone.
func hasFinalizers(value json.RawMessage) bool {
	var o unstructured.Unstructured
	return json.Unmarshal(value, &o.Object) == nil && slices.ContainsFunc(o.GetFinalizers(), func(f string) bool { return f != endingMark })
}

// removeApplied takes it away. What is to go after its pods is there for one more look.
func (c *call) removeApplied(p appliedPath, text []byte, old json.RawMessage) error {
	var options metav1.DeleteOptions
	if len(text) > 0 {
		var err error
		if options, err = DeleteOptions(text); err != nil {
			return err
		}
	}
	if how := options.PropagationPolicy; how == nil || *how != metav1.DeletePropagationForeground {
		_, err := c.m.Write(nil, p.key())
		return err
	}
	var o unstructured.Unstructured
	if err := json.Unmarshal(old, &o.Object); err != nil {
		return err
	}
	o.SetFinalizers([]string{endingMark})
	value, err := json.Marshal(o.Object)
	if err == nil {
		_, err = c.m.Write(map[string]json.RawMessage{p.key(): value})
	}
	return err
}

// endingMark is on what goes when its pods have: the finalizer that Kubernetes sets.
const endingMark = "foregroundDeletion"

// served refuses what is of a kind that nobody defined, and the first that asks for one
// that was: masters take a moment to serve it.
func (c *call) served(s *Contents, p appliedPath) error {
	group, _, _ := strings.Cut(p.version, "/")
	if group != "snapshot.storage.k8s.io" { // the one group that Kubernetes itself has not
		return nil
	}
	key := appliedPath{resource: "customresourcedefinitions", name: p.resource + "." + group}.key()
	definition, ok := s.Keys[key]
	if ok && strings.Contains(string(definition.Value), establishedMark) {
		return nil
	}
	if ok {
		var o unstructured.Unstructured
		if err := json.Unmarshal(definition.Value, &o.Object); err != nil {
			return err
		}
		o.SetAnnotations(map[string]string{establishedMark: "true"})
		value, err := json.Marshal(o.Object)
		if err == nil {
			_, err = c.m.Write(map[string]json.RawMessage{key: value})
		}
		if err != nil {
			return err
		}
	}
	return apierrors.NewGenericServerResponse(http.StatusNotFound, "patch", coreResource(p.resource), p.name, "404 page not found", 0, true)
}

// establishedMark is on a definition whose kind is served.
const establishedMark = "model/established"

// seen is an object with what its controller would say of it: its pods run where there is
// a Node for them.
func (c *call) seen(value json.RawMessage) (map[string]any, error) {
	var o map[string]any
	if err := json.Unmarshal(value, &o); err != nil {
		return nil, err
	}
	if o["kind"] == "DaemonSet" || o["kind"] == "Deployment" {
		n := float64(1)
		if spec, _ := o["spec"].(map[string]any); spec["replicas"] != nil {
			n, _ = spec["replicas"].(float64)
		}
		status := map[string]any{}
		for _, field := range []string{"desiredNumberScheduled", "updatedNumberScheduled", "numberAvailable", "replicas", "updatedReplicas", "availableReplicas"} {
			status[field] = n
		}
		o = maps.Clone(o)
		o["status"] = status
	}
	return o, nil
}
