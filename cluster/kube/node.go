package kube

import (
	"cmp"
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// ListNodes reads all Nodes.
func (c *Client) ListNodes(ctx context.Context) ([]corev1.Node, error) {
	list, err := c.Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("listing nodes: %w", err)
	}
	return list.Items, nil
}

// DeleteNode takes a Node away; one that is not there is no failure.
func (c *Client) DeleteNode(ctx context.Context, name string) error {
	if err := c.Nodes().Delete(ctx, name, metav1.DeleteOptions{}); err != nil && !apierrors.IsNotFound(err) {
		return err
	}
	return nil
}

// NotReady is why a Node is not Ready, "" if it is.
func NotReady(n *corev1.Node) string {
	for _, c := range n.Status.Conditions {
		if c.Type == corev1.NodeReady {
			if c.Status == corev1.ConditionTrue {
				return ""
			}
			return cmp.Or(c.Message, cmp.Or(c.Reason, "not Ready"))
		}
	}
	return "its kubelet has not reported"
}
