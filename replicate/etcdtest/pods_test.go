package etcdtest

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"hakube/scripts"
)

// TestPods: a pod that is bound to a Node runs there until it is evicted. Where nobody
// runs it, it only begins to end; with its Node it is gone.
func TestPods(t *testing.T) {
	s := newSite(t)
	m := s.master()
	s.reaches(m, scripts.PhaseRunning)
	c, ctx := s.client(m), t.Context()
	pods := c.Pods("default")
	make := func(name, node string) *corev1.Pod {
		t.Helper()
		p, err := pods.Create(ctx, &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: corev1.PodSpec{NodeName: node}}, metav1.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	evict := func(name string, uid types.UID) error {
		return pods.EvictV1(ctx, &policyv1.Eviction{
			ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "default"}, DeleteOptions: &metav1.DeleteOptions{Preconditions: metav1.NewUIDPreconditions(string(uid))},
		})
	}
	if _, err := pods.Create(ctx, &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "x"}}, metav1.CreateOptions{}); !apierrors.IsBadRequest(err) {
		t.Errorf("a pod for no node: %v", err)
	}
	if _, err := c.Nodes().Create(ctx, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "by-hand"}}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	web, lost := make("web", "kubernetes-master"), make("lost", "by-hand")
	if web.Status.Phase != corev1.PodRunning || lost.Status.Phase != corev1.PodPending {
		t.Errorf("web is %s, lost is %s", web.Status.Phase, lost.Status.Phase)
	}
	on, err := c.Pods("").List(ctx, metav1.ListOptions{FieldSelector: "spec.nodeName=by-hand"})
	if err != nil || len(on.Items) != 1 || on.Items[0].Name != "lost" {
		t.Errorf("on by-hand: %+v, %v", on, err)
	}
	if err := evict("web", lost.UID); !apierrors.IsConflict(err) {
		t.Errorf("another pod of that name: %v", err)
	}
	for _, p := range []*corev1.Pod{web, lost} {
		if err := evict(p.Name, p.UID); err != nil {
			t.Errorf("evicting %s: %v", p.Name, err)
		}
	}
	if err := evict("web", web.UID); !apierrors.IsNotFound(err) {
		t.Errorf("evicted again: %v", err)
	}
	if err := c.Pods("kube-system").EvictV1(ctx, &policyv1.Eviction{ObjectMeta: metav1.ObjectMeta{Name: "coredns-model-0", Namespace: "kube-system"}}); err != nil {
		t.Errorf("evicting CoreDNS: %v", err)
	}
	if p, err := pods.Get(ctx, "lost", metav1.GetOptions{}); err != nil || p.DeletionTimestamp == nil {
		t.Errorf("lost: %+v, %v", p, err)
	}
	if err := c.Nodes().Delete(ctx, "by-hand", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := pods.Get(ctx, "lost", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("lost, after its Node: %v", err)
	}
}
