package kube

import (
	"context"
	"errors"
	"fmt"
	"regexp"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// dnsPods selects the pods of CoreDNS.
const dnsPods = "k8s-app=kube-dns"

// CoreDNS counts the pods of CoreDNS, and of them those that are ready.
func (c *Client) CoreDNS(ctx context.Context) (ready, all int, err error) {
	pods, err := c.Pods("kube-system").List(ctx, metav1.ListOptions{LabelSelector: dnsPods})
	if err != nil {
		return 0, 0, fmt.Errorf("listing CoreDNS: %w", err)
	}
	for i := range pods.Items {
		if podReady(&pods.Items[i]) {
			ready++
		}
	}
	return ready, len(pods.Items), nil
}

func podReady(p *corev1.Pod) bool {
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}

// CrowdedDNS is a pod of CoreDNS to move, nil if there is none: one of several that are on one
// machine while another could take it.
func (c *Client) CrowdedDNS(ctx context.Context) (*corev1.Pod, error) {
	pods, err := c.Pods("kube-system").List(ctx, metav1.ListOptions{LabelSelector: dnsPods})
	if err != nil {
		return nil, fmt.Errorf("listing CoreDNS: %w", err)
	}
	var first *corev1.Pod // one that is not ready yet if there is such a one: it serves nobody
	for i := range pods.Items {
		p := &pods.Items[i]
		switch {
		case p.DeletionTimestamp != nil || p.Spec.NodeName == "":
			return nil, nil // on its way
		case first != nil && p.Spec.NodeName != first.Spec.NodeName:
			return nil, nil
		case first == nil || !podReady(p):
			first = p
		}
	}
	if first == nil || len(pods.Items) < 2 {
		return nil, nil
	}
	nodes, err := c.ListNodes(ctx)
	if err != nil {
		return nil, err
	}
	for i := range nodes {
		if n := &nodes[i]; n.Name != first.Spec.NodeName && NotReady(n) == "" && !n.Spec.Unschedulable {
			return first, nil
		}
	}
	return nil, nil
}

// MovePod deletes a pod; the scheduler prefers another machine for the one that
// replaces it, where the pod's anti-affinity says so.
func (c *Client) MovePod(ctx context.Context, p *corev1.Pod) error {
	return c.Pods(p.Namespace).Delete(ctx, p.Name, metav1.DeleteOptions{Preconditions: metav1.NewUIDPreconditions(string(p.UID))})
}

var configured = regexp.MustCompile(`(?m)^kubernetesVersion: (\S+)$`)

// SettledVersion is the version of Kubernetes in kubeadm's configuration of the cluster, which
// an upgrade writes last.
func (c *Client) SettledVersion(ctx context.Context) (string, error) {
	m, err := c.ConfigMaps(metav1.NamespaceSystem).Get(ctx, "kubeadm-config", metav1.GetOptions{})
	if err != nil {
		return "", fmt.Errorf("reading kubeadm's configuration: %w", err)
	}
	found := configured.FindStringSubmatch(m.Data["ClusterConfiguration"])
	if found == nil {
		return "", errors.New("kubeadm's configuration names no version of Kubernetes")
	}
	return found[1], nil
}

var endpoint = regexp.MustCompile(`(?m)^controlPlaneEndpoint: (\S+):443$`)

// Endpoint is the address of the API in kubeadm's configuration of the cluster, "" if it names
// none.
func (c *Client) Endpoint(ctx context.Context) (string, error) {
	m, err := c.ConfigMaps(metav1.NamespaceSystem).Get(ctx, "kubeadm-config", metav1.GetOptions{})
	if err != nil {
		return "", fmt.Errorf("reading kubeadm's configuration: %w", err)
	}
	if found := endpoint.FindStringSubmatch(m.Data["ClusterConfiguration"]); found != nil {
		return found[1], nil
	}
	return "", nil
}
