package cluster

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1" // the eviction, which honours PodDisruptionBudgets
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
)

// leavingKey marks a Node that was chosen to go, so that a run which was cut
// goes on with the same, and one with another NUM_NODES opens it again. Its
// value tells who had cordoned it, and at its end whether all of the pool goes.
const (
	leavingKey   = "hakube/leaving"
	leavingOurs  = "cordoned"
	leavingTheir = "was-cordoned"
	withItsPool  = "-with-its-pool"
)

func isLeaving(n *corev1.Node) bool { return n.Annotations[leavingKey] != "" }

func leavesWithPool(n *corev1.Node) bool {
	return strings.HasSuffix(n.Annotations[leavingKey], withItsPool)
}

// regretted are the machines that were chosen to go and do not go now.
func (p pool) regretted(goes []member) (stay []member) {
	for _, m := range p.machines {
		if n := p.node(m); n != nil && isLeaving(n) && !slices.Contains(goes, m) {
			stay = append(stay, m)
		}
	}
	return stay
}

func cordon(ctx context.Context, client corev1client.CoreV1Interface, n *corev1.Node, wholePool bool) error {
	if n == nil || isLeaving(n) && n.Spec.Unschedulable {
		return nil
	}
	who := leavingOurs
	if n.Spec.Unschedulable {
		who = leavingTheir
	}
	if wholePool {
		who += withItsPool
	}
	return patch(ctx, client, n.Name, "cordoning", fmt.Sprintf(`{"metadata":{"annotations":{%q:%q}},"spec":{"unschedulable":true}}`, leavingKey, who))
}

func uncordon(ctx context.Context, client corev1client.CoreV1Interface, n *corev1.Node) error {
	spec := `,"spec":{"unschedulable":null}`
	if strings.HasPrefix(n.Annotations[leavingKey], leavingTheir) {
		spec = ""
	}
	return patch(ctx, client, n.Name, "uncordoning", fmt.Sprintf(`{"metadata":{"annotations":{%q:null}}%s}`, leavingKey, spec))
}

func patch(ctx context.Context, client corev1client.CoreV1Interface, name, verb, text string) error {
	_, err := client.Nodes().Patch(ctx, name, types.MergePatchType, []byte(text), metav1.PatchOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("%s node %s: %w", verb, name, err)
	}
	return nil
}

// atOnce is how many calls to the API are made at the same time.
const atOnce = 8

// podsOn are the pods that have to leave the nodes.
func (r *run) podsOn(ctx context.Context, p pool, goes []member) (left []corev1.Pod, err error) {
	client, err := r.kube(ctx)
	if err != nil {
		return nil, err
	}
	found := make([][]corev1.Pod, len(goes))
	err = each(len(goes), func(i int) error {
		node := p.node(goes[i])
		if node == nil {
			return nil
		}
		all, err := client.Pods("").List(ctx, metav1.ListOptions{FieldSelector: "spec.nodeName=" + goes[i].name})
		if err != nil {
			return fmt.Errorf("listing pods on %s: %w", goes[i].name, err)
		}
		for _, pod := range all.Items {
			if hasToLeave(&pod, notReady(node) == "") {
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

// hasToLeave tells whether a pod is one that an eviction can move: not one that
// is over, nor a DaemonSet's, which would come back, nor a static one's mirror.
// From a node whose kubelet is silent nobody takes away what was evicted, so
// there the eviction is all.
func hasToLeave(pod *corev1.Pod, ready bool) bool {
	switch {
	case pod.Status.Phase == corev1.PodSucceeded, pod.Status.Phase == corev1.PodFailed:
		return false
	case pod.Annotations[corev1.MirrorPodAnnotationKey] != "":
		return false
	case pod.DeletionTimestamp != nil && !ready:
		return false
	}
	owner := metav1.GetControllerOf(pod)
	return owner == nil || owner.Kind != "DaemonSet"
}

// evict asks once for each pod that is not leaving already, and returns in
// words what is still there. Of a pod that nothing makes again it warns: with
// its node it would be gone as well.
func (r *run) evict(ctx context.Context, client corev1client.CoreV1Interface, pods []corev1.Pod) string {
	words := make([]string, len(pods))
	_ = each(len(pods), func(i int) error {
		p := &pods[i]
		words[i] = fmt.Sprintf("pod %s/%s on %s", p.Namespace, p.Name, p.Spec.NodeName)
		if p.DeletionTimestamp != nil {
			words[i] += " ends"
			return nil
		}
		err := client.Pods(p.Namespace).EvictV1(ctx, &policyv1.Eviction{
			ObjectMeta: metav1.ObjectMeta{Name: p.Name, Namespace: p.Namespace},
			// One of the same name may have come in its place, on another node.
			DeleteOptions: &metav1.DeleteOptions{Preconditions: metav1.NewUIDPreconditions(string(p.UID))},
		})
		switch {
		case err == nil && metav1.GetControllerOf(p) == nil:
			r.mu.Lock()
			r.warn(fmt.Sprintf("pod %s/%s had no controller: nothing makes it again on another node", p.Namespace, p.Name))
			r.mu.Unlock()
		case err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err):
			words[i] += ": " + plainly443(err) // a disruption budget, mostly: it is asked again
		}
		return nil
	})
	if n := len(words); n > whyMany {
		words = append(words[:whyMany], fmt.Sprintf("and %d more", n-whyMany))
	}
	return strings.Join(words, ", ")
}

// each calls f for 0 … n-1, a few at the same time, and returns the first error.
func each(n int, f func(i int) error) error {
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
