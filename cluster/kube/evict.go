package kube

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1" // the eviction, which honours PodDisruptionBudgets
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// LeavingKey marks a Node that was chosen to go, so that a run which was cut
// goes on with the same, and one with another NUM_NODES opens it again. Its
// value tells who had cordoned it, and at its end whether all of the pool goes.
const (
	LeavingKey   = "hakube/leaving"
	LeavingOurs  = "cordoned"
	leavingTheir = "was-cordoned"
	WithItsPool  = "-with-its-pool"
)

// What Kubernetes' cluster autoscaler says of a Node, and is told of it.
// (https://github.com/kubernetes/autoscaler/blob/master/cluster-autoscaler/FAQ.md)
const (
	autoscalerKeeps   = "cluster-autoscaler.kubernetes.io/scale-down-disabled" // an annotation: it does not remove the Node
	AutoscalerRemoves = "ToBeDeletedByClusterAutoscaler"                       // a taint: it is removing it
	AutoscalerMay     = "DeletionCandidateOfClusterAutoscaler"                 // a taint: it will, if nobody needs it soon
	markedTheir       = "-kept"                                                // at the end of LeavingKey's value: somebody else had set the annotation
)

// BeingAutoscaled tells that the cluster autoscaler is removing a Node.
func BeingAutoscaled(n *corev1.Node) bool {
	return slices.ContainsFunc(n.Spec.Taints, func(t corev1.Taint) bool { return t.Key == AutoscalerRemoves })
}

// ForgetAutoscaler takes from a Node what a cluster autoscaler that runs no more has said
// of it: nobody else would, and no pod would come to it again.
func (c *Client) ForgetAutoscaler(ctx context.Context, n *corev1.Node) error {
	keep := slices.DeleteFunc(slices.Clone(n.Spec.Taints), func(t corev1.Taint) bool { return t.Key == AutoscalerRemoves || t.Key == AutoscalerMay })
	if len(keep) == len(n.Spec.Taints) {
		return nil
	}
	text, err := json.Marshal(map[string]any{"metadata": map[string]any{"resourceVersion": n.ResourceVersion}, "spec": map[string]any{"taints": keep}})
	if err != nil {
		return err
	}
	return c.patch(ctx, n.Name, "taking the cluster autoscaler's taints from", string(text))
}

// IsLeaving tells whether a Node was chosen to go.
func IsLeaving(n *corev1.Node) bool { return n.Annotations[LeavingKey] != "" }

// LeavesWithPool tells whether it was chosen to go with all of its pool.
func LeavesWithPool(n *corev1.Node) bool {
	return strings.HasSuffix(strings.TrimSuffix(n.Annotations[LeavingKey], markedTheir), WithItsPool)
}

// Cordon lets a Node take no more pods, and notes that it was chosen to go. A cluster
// autoscaler keeps off it: whose size it is to be in the end is decided.
func (c *Client) Cordon(ctx context.Context, n *corev1.Node, wholePool bool) error {
	if n == nil || IsLeaving(n) && n.Spec.Unschedulable {
		return nil
	}
	who := LeavingOurs
	if n.Spec.Unschedulable {
		who = leavingTheir
	}
	if wholePool {
		who += WithItsPool
	}
	if before := n.Annotations[LeavingKey]; n.Annotations[autoscalerKeeps] != "" && (before == "" || strings.HasSuffix(before, markedTheir)) {
		who += markedTheir
	}
	return c.patch(ctx, n.Name, "cordoning", fmt.Sprintf(`{"metadata":{"annotations":{%q:%q,%q:"true"}},"spec":{"unschedulable":true}}`, LeavingKey, who, autoscalerKeeps))
}

// Uncordon lets a Node stay after all; one that somebody else had cordoned stays so.
func (c *Client) Uncordon(ctx context.Context, n *corev1.Node) error {
	spec := `,"spec":{"unschedulable":null}`
	if strings.HasPrefix(n.Annotations[LeavingKey], leavingTheir) {
		spec = ""
	}
	mark := fmt.Sprintf(`,%q:null`, autoscalerKeeps)
	if strings.HasSuffix(n.Annotations[LeavingKey], markedTheir) {
		mark = ""
	}
	return c.patch(ctx, n.Name, "uncordoning", fmt.Sprintf(`{"metadata":{"annotations":{%q:null%s}}%s}`, LeavingKey, mark, spec))
}

func (c *Client) patch(ctx context.Context, name, verb, text string) error {
	_, err := c.Nodes().Patch(ctx, name, types.MergePatchType, []byte(text), metav1.PatchOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("%s node %s: %w", verb, name, err)
	}
	return nil
}

// atOnce is how many calls to the API are made at the same time.
const atOnce = 8

// PodsOn are the pods that have to leave the nodes.
func (c *Client) PodsOn(ctx context.Context, nodes []*corev1.Node) (left []corev1.Pod, err error) {
	found := make([][]corev1.Pod, len(nodes))
	err = Each(len(nodes), func(i int) error {
		all, err := c.Pods("").List(ctx, metav1.ListOptions{FieldSelector: "spec.nodeName=" + nodes[i].Name})
		if err != nil {
			return fmt.Errorf("listing pods on %s: %w", nodes[i].Name, err)
		}
		for _, pod := range all.Items {
			if hasToLeave(&pod, NotReady(nodes[i]) == "") {
				found[i] = append(found[i], pod)
			}
		}
		return nil
	})
	for _, pods := range found {
		left = append(left, pods...)
	}
	return left, err
}

// AttachedTo are the volumes, each with its node, that Kubernetes detaches from the nodes
// once no pod there uses them. A machine that goes before that was not seen to unmount: its
// volumes' pods wait six minutes for it. Where a kubelet is silent nobody unmounts, and what
// a pod uses that stays (a DaemonSet's) is detached by nobody: neither is waited for.
func (c *Client) AttachedTo(ctx context.Context, nodes []*corev1.Node) (list []string, err error) {
	var all struct {
		Items []struct {
			Spec struct {
				NodeName string
				Source   struct{ PersistentVolumeName string }
			}
		}
	}
	if err := c.List(ctx, "/apis/storage.k8s.io/v1/volumeattachments", &all); err != nil {
		return nil, err
	}
	for _, n := range nodes {
		var here []string
		for _, a := range all.Items {
			if a.Spec.NodeName == n.Name {
				here = append(here, a.Spec.Source.PersistentVolumeName+" on "+n.Name)
			}
		}
		if len(here) == 0 || NotReady(n) != "" {
			continue
		}
		kept, err := c.keepsVolumes(ctx, n.Name)
		if err != nil {
			return nil, err
		}
		if !kept {
			list = append(list, here...)
		}
	}
	return list, nil
}

// keepsVolumes tells whether a pod that does not leave a node has volumes of claims.
func (c *Client) keepsVolumes(ctx context.Context, node string) (bool, error) {
	all, err := c.Pods("").List(ctx, metav1.ListOptions{FieldSelector: "spec.nodeName=" + node})
	if err != nil {
		return false, fmt.Errorf("listing pods on %s: %w", node, err)
	}
	return slices.ContainsFunc(all.Items, keepsClaims), nil
}

// keepsClaims tells whether what a pod mounts stays mounted while its node is drained. Of
// one that is over it does not: what was evicted is Failed for a moment before it is gone,
// and its disk is detached after that.
func keepsClaims(p corev1.Pod) bool {
	return !isOver(&p) && !hasToLeave(&p, true) && slices.ContainsFunc(p.Spec.Volumes, func(v corev1.Volume) bool {
		return v.PersistentVolumeClaim != nil || v.Ephemeral != nil
	})
}

func isOver(p *corev1.Pod) bool {
	return p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed
}

// podsNamed is how many of the pods that are still there are named.
const podsNamed = 4

// hasToLeave tells whether a pod is one that an eviction can move: not one that
// is over, nor a DaemonSet's, which would come back, nor a static one's mirror.
// From a node whose kubelet is silent nobody takes away what was evicted, so
// there the eviction is all.
func hasToLeave(pod *corev1.Pod, ready bool) bool {
	switch {
	case isOver(pod):
		return false
	case pod.Annotations[corev1.MirrorPodAnnotationKey] != "":
		return false
	case pod.DeletionTimestamp != nil && !ready:
		return false
	}
	owner := metav1.GetControllerOf(pod)
	return owner == nil || owner.Kind != "DaemonSet"
}

// Evict asks once for each pod that is not leaving already, and returns in
// words what is still there. Of a pod that nothing makes again it warns: with
// its node it would be gone as well.
func (c *Client) Evict(ctx context.Context, pods []corev1.Pod, warn func(string)) string {
	words := make([]string, len(pods))
	_ = Each(len(pods), func(i int) error {
		p := &pods[i]
		words[i] = fmt.Sprintf("pod %s/%s on %s", p.Namespace, p.Name, p.Spec.NodeName)
		if p.DeletionTimestamp != nil {
			words[i] += " ends"
			return nil
		}
		err := c.Pods(p.Namespace).EvictV1(ctx, &policyv1.Eviction{
			ObjectMeta: metav1.ObjectMeta{Name: p.Name, Namespace: p.Namespace},
			// One of the same name may have come in its place, on another node.
			DeleteOptions: &metav1.DeleteOptions{Preconditions: metav1.NewUIDPreconditions(string(p.UID))},
		})
		switch {
		case err == nil && metav1.GetControllerOf(p) == nil:
			warn(fmt.Sprintf("pod %s/%s had no controller: nothing makes it again on another node", p.Namespace, p.Name))
		case err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err):
			words[i] += ": " + Plainly(err) // a disruption budget, mostly: it is asked again
		}
		return nil
	})
	return Some(words)
}

// Some names the first of what may be many.
func Some(words []string) string {
	if n := len(words); n > podsNamed {
		words = append(words[:podsNamed:podsNamed], fmt.Sprintf("and %d more", n-podsNamed))
	}
	return strings.Join(words, ", ")
}

// Each calls f for 0 … n-1, a few at the same time, and returns the first error.
func Each(n int, f func(i int) error) error {
	var wg sync.WaitGroup
	errs := make([]error, n)
	turn := make(chan struct{}, atOnce)
	for i := range n {
		turn <- struct{}{}
		wg.Go(func() {
			defer func() { <-turn }()
			errs[i] = f(i)
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
