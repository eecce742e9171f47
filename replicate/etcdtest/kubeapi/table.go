package kubeapi

import (
	"net/http"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/duration"
)

// wantsTable: `kubectl get` lets the server make the table it prints.
func WantsTable(r *http.Request) bool {
	for media := range strings.SplitSeq(r.Header.Get("Accept"), ",") {
		parts := strings.Split(strings.ReplaceAll(media, " ", ""), ";")
		if parts[0] == "application/json" && slices.Contains(parts, "as=Table") && slices.Contains(parts, "v=v1") {
			return true
		}
	}
	return false
}

// A List is any kind's: the objects' own types know how they are written.
type List struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata"`
	Items           []Object `json:"items"`
}

// Table is a list or one object as kubectl prints it, with the columns it has
// for real clusters, as far as the model has something to put there.
func Table(answer any) any {
	t := &metav1.Table{TypeMeta: metav1.TypeMeta{APIVersion: "meta.k8s.io/v1", Kind: "Table"}, Rows: []metav1.TableRow{}}
	var items []Object
	switch x := answer.(type) {
	case *List:
		t.ListMeta, items = x.ListMeta, x.Items
		if x.Kind == "NodeList" {
			t.ColumnDefinitions = nodeColumns
		} else if x.Kind == "PodList" {
			t.ColumnDefinitions = podColumns
		}
	case Object:
		t.ResourceVersion, items = x.GetResourceVersion(), []Object{x}
	default:
		return answer
	}
	for _, o := range items {
		meta := &metav1.PartialObjectMetadata{
			TypeMeta: metav1.TypeMeta{APIVersion: "meta.k8s.io/v1", Kind: "PartialObjectMetadata"},
			ObjectMeta: metav1.ObjectMeta{
				Name: o.GetName(), Namespace: o.GetNamespace(), UID: o.GetUID(), ResourceVersion: o.GetResourceVersion(),
				Labels: o.GetLabels(), Annotations: o.GetAnnotations(), CreationTimestamp: o.GetCreationTimestamp(),
			},
		}
		row := metav1.TableRow{Object: runtime.RawExtension{Object: meta}}
		switch x := o.(type) {
		case *corev1.Node:
			t.ColumnDefinitions = nodeColumns
			row.Cells = []any{x.Name, nodeStatus(x), nodeRoles(x), age(x), x.Status.NodeInfo.KubeletVersion}
		case *corev1.Pod:
			t.ColumnDefinitions = podColumns
			ready := "0/1"
			if x.Status.Phase == corev1.PodRunning {
				ready = "1/1"
			}
			row.Cells = []any{x.Name, ready, string(x.Status.Phase), 0, age(x)}
		default:
			row.Cells = []any{o.GetName(), age(o)}
		}
		t.Rows = append(t.Rows, row)
	}
	if t.ColumnDefinitions == nil {
		t.ColumnDefinitions = columns("Name", "Age")
	}
	return t
}

var (
	nodeColumns = columns("Name", "Status", "Roles", "Age", "Version")
	podColumns  = columns("Name", "Ready", "Status", "Restarts", "Age")
)

func columns(names ...string) []metav1.TableColumnDefinition {
	var all []metav1.TableColumnDefinition
	for _, n := range names {
		c := metav1.TableColumnDefinition{Name: n, Type: "string"}
		if n == "Name" {
			c.Format = "name"
		}
		if n == "Restarts" {
			c.Type = "integer"
		}
		all = append(all, c)
	}
	return all
}

func age(o Object) string { return duration.HumanDuration(time.Since(o.GetCreationTimestamp().Time)) }

func nodeStatus(n *corev1.Node) string {
	status := "NotReady"
	for _, c := range n.Status.Conditions {
		if c.Type == corev1.NodeReady && c.Status == corev1.ConditionTrue {
			status = "Ready"
		}
	}
	if n.Spec.Unschedulable {
		status += ",SchedulingDisabled"
	}
	return status
}

func nodeRoles(n *corev1.Node) string {
	var roles []string
	for label := range n.Labels {
		if role, ok := strings.CutPrefix(label, "node-role.kubernetes.io/"); ok {
			roles = append(roles, role)
		}
	}
	if len(roles) == 0 {
		return "<none>"
	}
	slices.Sort(roles)
	return strings.Join(roles, ",")
}
