package etcdtest

import (
	"maps"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

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
