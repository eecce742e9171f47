package kube

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TestWhoKeepsVolumes: only what stays on a node while that is drained keeps its volumes
// attached. What was evicted and is Failed until its kubelet has seen to it does not: a
// machine would go with the volume attached, and the pod wait six minutes elsewhere.
func TestWhoKeepsVolumes(t *testing.T) {
	yes := true
	daemon := metav1.ObjectMeta{OwnerReferences: []metav1.OwnerReference{{Kind: "DaemonSet", Name: "d", Controller: &yes}}}
	claim := corev1.PodSpec{Volumes: []corev1.Volume{{VolumeSource: corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "c"}}}}}
	now := metav1.Now()
	for name, x := range map[string]struct {
		pod  corev1.Pod
		want bool
	}{
		"a DaemonSet's":                  {corev1.Pod{ObjectMeta: daemon, Spec: claim, Status: corev1.PodStatus{Phase: corev1.PodRunning}}, true},
		"a DaemonSet's without a claim":  {corev1.Pod{ObjectMeta: daemon}, false},
		"one that leaves":                {corev1.Pod{Spec: claim, Status: corev1.PodStatus{Phase: corev1.PodRunning}}, false},
		"evicted, and Failed until gone": {corev1.Pod{ObjectMeta: metav1.ObjectMeta{DeletionTimestamp: &now}, Spec: claim, Status: corev1.PodStatus{Phase: corev1.PodFailed}}, false},
		"one of a Job that is done":      {corev1.Pod{Spec: claim, Status: corev1.PodStatus{Phase: corev1.PodSucceeded}}, false},
	} {
		if got := keepsClaims(x.pod); got != x.want {
			t.Errorf("%s: keeps its volumes %t, want %t", name, got, x.want)
		}
	}
}
