package etcdtest

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"hakube/replicate/etcdtest/kubeapi"
)

// getNode reads a Node as it is stored.
func getNode(s *kubeapi.Contents, name string) (*corev1.Node, bool, error) {
	e, ok := s.Keys[kubeapi.Nodes.Key("", name)]
	if !ok {
		return nil, false, nil
	}
	o, err := kubeapi.Nodes.Object(e.Value, e.Mod)
	if err != nil {
		return nil, false, err
	}
	return o.(*corev1.Node), true, nil
}

// complete adds to an object what is not stored but seen: whether the kubelet of a Node, or
// of a pod's, runs. Kubernetes waits 40 s before it believes a silent kubelet to be gone;
// the model knows. The lock is held.
func (w *World) complete(o kubeapi.Object) {
	if p, ok := o.(*corev1.Pod); ok {
		w.completePod(p)
	}
	n, ok := o.(*corev1.Node)
	if !ok {
		return
	}
	ready := corev1.NodeCondition{Type: corev1.NodeReady}
	k, alive := w.kubelets[n.Status.NodeInfo.MachineID]
	alive = alive && k.guest.heard()
	switch {
	case !alive:
		ready.Status, ready.Reason, ready.Message = corev1.ConditionUnknown, "NodeStatusUnknown", "Kubelet stopped posting node status."
		since, seen := w.silent[n.Status.NodeInfo.MachineID]
		if !seen {
			since = w.began // it fell silent before this process began
		}
		ready.LastTransitionTime = metav1.NewTime(since)
	case !k.ready:
		ready.Status, ready.Reason, ready.Message = corev1.ConditionFalse, "KubeletNotReady", "the model machine still boots"
		ready.LastTransitionTime = metav1.NewTime(k.since)
	default:
		ready.Status, ready.Reason, ready.Message = corev1.ConditionTrue, "KubeletReady", "kubelet is posting ready status"
		ready.LastTransitionTime = metav1.NewTime(k.since)
	}
	ready.LastHeartbeatTime = metav1.NewTime(time.Now())
	if !alive {
		ready.LastHeartbeatTime = ready.LastTransitionTime
	}
	n.Status.Conditions = []corev1.NodeCondition{ready}
}

// readyNodes are the names of the Nodes that pods can run on. CoreDNS tolerates
// masters.
func (w *World) readyNodes(s *kubeapi.Contents) ([]string, error) {
	var names []string
	prefix := kubeapi.Nodes.Key("", "")
	for _, k := range slices.Sorted(maps.Keys(s.Keys)) {
		name, ok := strings.CutPrefix(k, prefix)
		if !ok {
			continue
		}
		n, _, err := getNode(s, name)
		if err != nil {
			return nil, err
		}
		if k := w.kubelets[n.Status.NodeInfo.MachineID]; k.ready && k.guest.heard() && !n.Spec.Unschedulable {
			names = append(names, name)
		}
	}
	return names, nil
}

// pods are those that were made, while there is their Node, and CoreDNS's two.
func (w *World) pods(s *kubeapi.Contents) ([]kubeapi.Object, error) {
	all, err := w.coreDNS(s)
	if err != nil {
		return nil, err
	}
	prefix := kubeapi.Pods.Key("", "")
	for _, k := range slices.Sorted(maps.Keys(s.Keys)) {
		if !strings.HasPrefix(k, prefix) {
			continue
		}
		o, err := kubeapi.Pods.Object(s.Keys[k].Value, s.Keys[k].Mod)
		if err != nil {
			return nil, err
		}
		if _, ok := s.Keys[kubeapi.Nodes.Key("", o.(*corev1.Pod).Spec.NodeName)]; ok { // its garbage is collected at once
			w.complete(o)
			all = append(all, o)
		}
	}
	slices.SortFunc(all, func(a, b kubeapi.Object) int {
		return cmp.Compare(kubeapi.Pods.Key(a.GetNamespace(), a.GetName()), kubeapi.Pods.Key(b.GetNamespace(), b.GetName()))
	})
	return all, nil
}

// completePod lets a pod run while the kubelet of its Node is heard. The lock is held.
func (w *World) completePod(p *corev1.Pod) {
	for _, k := range w.kubelets {
		if k.guest.m.Name == p.Spec.NodeName && k.ready && k.guest.heard() {
			p.Status.Phase = corev1.PodRunning
			p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
		}
	}
}

// coreDNS are two pods: as kubeadm's Deployment makes them, pending until there is a
// Node for them.
func (w *World) coreDNS(s *kubeapi.Contents) ([]kubeapi.Object, error) {
	ready, err := w.readyNodes(s)
	if err != nil {
		return nil, err
	}
	if w.crowded != "" {
		ready = slices.DeleteFunc(ready, func(name string) bool { return name != w.crowded })
	}
	born := metav1.Time{}
	if e, ok := s.Keys[kubeapi.Namespaces.Key("", "kube-system")]; ok {
		var ns corev1.Namespace
		if err := json.Unmarshal(e.Value, &ns); err != nil {
			return nil, fmt.Errorf("reading namespace kube-system: %w", err)
		}
		born = ns.CreationTimestamp
	}
	var all []kubeapi.Object
	for i := range 2 {
		p := &corev1.Pod{
			TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"},
			ObjectMeta: metav1.ObjectMeta{
				Name: fmt.Sprintf("coredns-model-%d", i), Namespace: "kube-system", UID: types.UID(fmt.Sprintf("coredns-model-%d", i)),
				Labels: map[string]string{"k8s-app": "kube-dns"}, CreationTimestamp: born, ResourceVersion: "1",
			},
			Spec:   corev1.PodSpec{Containers: []corev1.Container{{Name: "coredns", Image: "registry.k8s.io/coredns/coredns"}}},
			Status: corev1.PodStatus{Phase: corev1.PodPending},
		}
		condition := corev1.PodCondition{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: "Unschedulable", Message: "no node is ready"}
		if len(ready) > 0 {
			p.Spec.NodeName = ready[i%len(ready)]
			p.Status.Phase = corev1.PodRunning
			p.Status.ContainerStatuses = []corev1.ContainerStatus{{
				Name: "coredns", Image: "registry.k8s.io/coredns/coredns", Ready: true,
				State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: born}},
			}}
			condition = corev1.PodCondition{Type: corev1.PodReady, Status: corev1.ConditionTrue}
		}
		p.Status.Conditions = []corev1.PodCondition{condition}
		all = append(all, p)
	}
	return all, nil
}
