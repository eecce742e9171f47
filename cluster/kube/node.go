package kube

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
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

// markTries is how often a Node is read anew that somebody changed meanwhile.
const markTries = 5

// Mark gives a Node labels, and taints as onto makes them of those it has. All others stay.
// A Node that is gone is left alone. Taints are one list, so the change holds for the Node
// as it was read: else those that Kubernetes sets in the same moment would be lost.
func (c *Client) Mark(ctx context.Context, n *corev1.Node, labels map[string]string, onto func(*corev1.Node) []corev1.Taint) error {
	var err error
	for range markTries {
		patch := map[string]any{
			"metadata": map[string]any{"labels": labels, "resourceVersion": n.ResourceVersion},
			"spec":     map[string]any{"taints": onto(n)},
		}
		text, bad := json.Marshal(patch)
		if bad != nil {
			return fmt.Errorf("marking node %s: %w", n.Name, bad)
		}
		if _, err = c.Nodes().Patch(ctx, n.Name, types.MergePatchType, text, metav1.PatchOptions{}); !apierrors.IsConflict(err) {
			break
		}
		again, get := c.Nodes().Get(ctx, n.Name, metav1.GetOptions{})
		if err = get; err != nil {
			break
		}
		n = again
	}
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("marking node %s: %w", n.Name, err)
	}
	return nil
}
