package kube

import (
	"context"
	"encoding/json"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// manager is who owns the fields that hakube applies.
const manager = "hakube"

// Apply makes the object at a path what the text says (server-side apply). Fields that
// somebody else took over by hand are taken back: a manifest is all there is to an addon.
// Of a kind that the API does not serve, or not yet, it is IsNotFound.
func (c *Client) Apply(ctx context.Context, path string, text []byte) error {
	return c.RESTClient().Patch(types.ApplyPatchType).AbsPath(path).Param("fieldManager", manager).Param("force", "true").Body(text).Do(ctx).Error()
}

// Create makes an object in the collection at a path, as the text says.
func (c *Client) Create(ctx context.Context, path string, text []byte) error {
	return c.RESTClient().Post().AbsPath(path).SetHeader("Content-Type", "application/json").Body(text).Do(ctx).Error()
}

// Merge changes of the object at a path what the text says, and nothing else.
func (c *Client) Merge(ctx context.Context, path string, text []byte) error {
	return c.RESTClient().Patch(types.MergePatchType).AbsPath(path).Body(text).Do(ctx).Error()
}

// Delete removes the object at a path, and what it owns after it; one that is gone is fine.
func (c *Client) Delete(ctx context.Context, path string) error {
	return c.delete(ctx, path, metav1.DeletePropagationBackground)
}

// DeleteLast removes what the object at a path owns, and itself when that is gone: while
// it is there, a pod of it may still run.
func (c *Client) DeleteLast(ctx context.Context, path string) error {
	return c.delete(ctx, path, metav1.DeletePropagationForeground)
}

func (c *Client) delete(ctx context.Context, path string, how metav1.DeletionPropagation) error {
	text, err := json.Marshal(metav1.DeleteOptions{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "DeleteOptions"}, PropagationPolicy: &how})
	if err != nil {
		return err
	}
	err = c.RESTClient().Delete().AbsPath(path).SetHeader("Content-Type", "application/json").Body(text).Do(ctx).Error()
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

// There tells whether there is an object at a path.
func (c *Client) There(ctx context.Context, path string) (bool, error) {
	err := c.RESTClient().Get().AbsPath(path).Do(ctx).Error()
	if apierrors.IsNotFound(err) {
		return false, nil
	}
	return err == nil, err
}

// List reads a collection into a list of what of its objects is asked for. A kind that the
// API does not serve has none.
func (c *Client) List(ctx context.Context, path string, into any) error {
	text, err := c.RESTClient().Get().AbsPath(path).Do(ctx).Raw()
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err == nil {
		err = json.Unmarshal(text, into)
	}
	if err != nil {
		return fmt.Errorf("listing %s: %w", path, err)
	}
	return nil
}

// NotThere is what [Client.Rollout] says of a workload that nobody made, or somebody deleted.
const NotThere = "it is not there"

// Rollout says what is missing of the DaemonSet or Deployment at a path, "" if nothing is.
// Where there may be no machine for it, none of its pods is enough.
func (c *Client) Rollout(ctx context.Context, path string, mayBeNone bool) (missing string, err error) {
	text, err := c.RESTClient().Get().AbsPath(path).Do(ctx).Raw()
	if apierrors.IsNotFound(err) {
		return NotThere, nil
	}
	if err != nil {
		return "", err
	}
	var w struct {
		Metadata struct{ Generation int64 }
		Spec     struct{ Replicas *int }
		Status   struct {
			ObservedGeneration                                              int64
			DesiredNumberScheduled, UpdatedNumberScheduled, NumberAvailable int // of a DaemonSet
			Replicas, UpdatedReplicas, AvailableReplicas                    int // of a Deployment
		}
	}
	if err := json.Unmarshal(text, &w); err != nil {
		return "", fmt.Errorf("reading %s: %w", path, err)
	}
	s := w.Status
	want, updated, ready := s.DesiredNumberScheduled, s.UpdatedNumberScheduled, s.NumberAvailable
	if w.Spec.Replicas != nil {
		want, updated, ready = *w.Spec.Replicas, s.UpdatedReplicas, s.AvailableReplicas
	}
	switch {
	case s.ObservedGeneration < w.Metadata.Generation:
		return "nobody has looked at it yet", nil
	case updated < want:
		return fmt.Sprintf("%d of %d pods are of its version", updated, want), nil
	case ready < want || want == 0 && !mayBeNone:
		return fmt.Sprintf("%d of %d pods are ready", ready, want), nil
	}
	return "", nil
}

// An Applied is what the cluster itself says of an addon: it is begun with the first and
// written down whole after the last of its objects, so that one that was cut is known.
type Applied struct {
	Name, Version, Digest string // Digest is "" while it is being applied or removed
	Paths                 []string
}

const (
	recordNamespace = "kube-system"
	recordPrefix    = "hakube-addon-"
	recordLabel     = "hakube-addon"
)

// Applied lists what the cluster says it has.
func (c *Client) Applied(ctx context.Context) (all []Applied, err error) {
	list, err := c.ConfigMaps(recordNamespace).List(ctx, metav1.ListOptions{LabelSelector: recordLabel})
	if err != nil {
		return nil, fmt.Errorf("listing addons: %w", err)
	}
	for _, m := range list.Items {
		a := Applied{Name: m.Labels[recordLabel], Version: m.Data["version"], Digest: m.Data["digest"]}
		if err := json.Unmarshal([]byte(m.Data["paths"]), &a.Paths); err != nil {
			return nil, fmt.Errorf("reading ConfigMap %s: %w", m.Name, err)
		}
		all = append(all, a)
	}
	return all, nil
}

// Record writes down what the cluster has of an addon.
func (c *Client) Record(ctx context.Context, a Applied) error {
	paths, err := json.Marshal(a.Paths)
	if err != nil {
		return err
	}
	text, err := json.Marshal(map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap",
		"metadata": map[string]any{"name": recordPrefix + a.Name, "namespace": recordNamespace, "labels": map[string]string{recordLabel: a.Name}},
		"data":     map[string]string{"version": a.Version, "digest": a.Digest, "paths": string(paths)},
	})
	if err != nil {
		return err
	}
	return c.Apply(ctx, recordPath(a.Name), text)
}

// Forget removes the record, when nothing of the addon is left.
func (c *Client) Forget(ctx context.Context, name string) error {
	return c.Delete(ctx, recordPath(name))
}

func recordPath(name string) string {
	return "/api/v1/namespaces/" + recordNamespace + "/configmaps/" + recordPrefix + name
}
