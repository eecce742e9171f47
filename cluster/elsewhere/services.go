package elsewhere

import (
	"context"
	"encoding/json"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"hakube/cluster/env"
	"hakube/cluster/kube"
	"hakube/cluster/plan"
	"hakube/cluster/task"
)

// Google's balancers are called by the UID of the Service that they are of. A Service of a
// backup has that of the other cluster's, whose balancer the controller of this one would take
// for its own: change it, and delete it with the Service. So it is made anew, as it is.

// restoredFrom is the annotation of a Service that was made anew, with the backup's key.
const restoredFrom = "hakube/restored-from"

// keptServices is the label of ConfigMaps that keep a Service between its end and its beginning.
const keptServices = "hakube/restored-service"

// Services is the fact that those of type LoadBalancer have identities of this cluster's.
func Services(r *task.Task, backup string) plan.Step { return &services{r.Env, backup} }

type services struct {
	env    *env.Env
	backup string
}

func (*services) String() string { return "Services of type LoadBalancer are this cluster's" }

// A service is what is asked of one; text is all of it.
type service struct {
	Metadata metav1.ObjectMeta
	Spec     struct{ Type string }
	text     json.RawMessage
}

func (s *service) path() string { return s.collection() + "/" + s.Metadata.Name }

func (s *service) collection() string {
	return "/api/v1/namespaces/" + s.Metadata.Namespace + "/services"
}

func (s *services) Observe(ctx context.Context) (plan.State, error) {
	client, err := s.env.Kube(ctx)
	if err != nil {
		return plan.State{Is: plan.Absent, Why: kube.Plainly(err)}, nil
	}
	old, err := s.old(ctx, client)
	if err != nil {
		return plan.State{Is: plan.Absent, Why: kube.Plainly(err)}, nil
	}
	kept, err := s.kept(ctx, client)
	if err != nil {
		return plan.State{Is: plan.Absent, Why: kube.Plainly(err)}, nil
	}
	if len(old)+len(kept) > 0 {
		return plan.State{Is: plan.Absent, Why: fmt.Sprintf("%d are of the backup, %d are half made", len(old), len(kept))}, nil
	}
	return plan.Exists("")
}

// old are those that the backup brought.
func (s *services) old(ctx context.Context, client *kube.Client) (list []*service, err error) {
	var all struct{ Items []json.RawMessage }
	if err := client.List(ctx, "/api/v1/services", &all); err != nil {
		return nil, err
	}
	for _, text := range all.Items {
		x := &service{text: text}
		if err := json.Unmarshal(text, x); err != nil {
			return nil, fmt.Errorf("reading a Service: %w", err)
		}
		if x.Spec.Type == string(corev1.ServiceTypeLoadBalancer) && x.Metadata.Annotations[restoredFrom] != s.backup {
			list = append(list, x)
		}
	}
	return list, nil
}

func (s *services) kept(ctx context.Context, client *kube.Client) ([]corev1.ConfigMap, error) {
	all, err := client.ConfigMaps(metav1.NamespaceSystem).List(ctx, metav1.ListOptions{LabelSelector: keptServices})
	if err != nil {
		return nil, fmt.Errorf("listing Services that are half made: %w", err)
	}
	return all.Items, nil
}

// Do keeps each before it goes, so that a cut loses none.
func (s *services) Do(ctx context.Context) error {
	client, err := s.env.Kube(ctx)
	if err != nil {
		return err
	}
	old, err := s.old(ctx, client)
	if err != nil {
		return err
	}
	for _, x := range old {
		if err := s.keep(ctx, client, x); err != nil {
			return fmt.Errorf("keeping Service %s/%s: %w", x.Metadata.Namespace, x.Metadata.Name, err)
		}
	}
	kept, err := s.kept(ctx, client)
	if err != nil {
		return err
	}
	for i := range kept {
		x := &service{text: json.RawMessage(kept[i].Data["service"])}
		if err := json.Unmarshal(x.text, x); err != nil {
			return fmt.Errorf("reading what ConfigMap %s keeps: %w", kept[i].Name, err)
		}
		if err := s.anew(ctx, client, x, kept[i].Data["uid"]); err != nil {
			return fmt.Errorf("making Service %s/%s anew: %w", x.Metadata.Namespace, x.Metadata.Name, err)
		}
		if err := client.ConfigMaps(metav1.NamespaceSystem).Delete(ctx, kept[i].Name, metav1.DeleteOptions{}); err != nil && !apierrors.IsNotFound(err) {
			return err
		}
	}
	return nil
}

// Undo is never asked for.
func (*services) Undo(context.Context) error { return nil }

// keep writes down how a Service is to be made.
func (s *services) keep(ctx context.Context, client *kube.Client, x *service) error {
	text, err := without(x.text, s.backup)
	if err != nil {
		return err
	}
	_, err = client.ConfigMaps(metav1.NamespaceSystem).Create(ctx, &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Name: "hakube-service-" + string(x.Metadata.UID), Labels: map[string]string{keptServices: ""}},
		Data:       map[string]string{"service": string(text), "uid": string(x.Metadata.UID)},
	}, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		return nil // of a run that was cut
	}
	return err
}

// without is a Service as somebody would make it who wants the same: with its addresses and
// ports, without what the API server and others have written into it.
func without(text json.RawMessage, backup string) (json.RawMessage, error) {
	var o struct {
		APIVersion string          `json:"apiVersion"`
		Kind       string          `json:"kind"`
		Metadata   map[string]any  `json:"metadata"`
		Spec       json.RawMessage `json:"spec"`
	}
	if err := json.Unmarshal(text, &o); err != nil {
		return nil, err
	}
	o.APIVersion, o.Kind = "v1", "Service" // a list leaves them out
	for _, field := range []string{"uid", "resourceVersion", "creationTimestamp", "generation", "selfLink", "finalizers", "deletionTimestamp", "deletionGracePeriodSeconds"} {
		delete(o.Metadata, field)
	}
	notes, _ := o.Metadata["annotations"].(map[string]any)
	if notes == nil {
		notes = map[string]any{}
	}
	notes[restoredFrom] = backup
	o.Metadata["annotations"] = notes
	return json.Marshal(o)
}

// anew takes away the one of the backup, which nobody here has to clean up after, and makes it
// again.
func (s *services) anew(ctx context.Context, client *kube.Client, x *service, was string) error {
	var all struct{ Items []service }
	if err := client.List(ctx, x.collection(), &all); err != nil {
		return err
	}
	for _, is := range all.Items {
		if is.Metadata.Name != x.Metadata.Name {
			continue
		}
		if string(is.Metadata.UID) != was {
			return nil // a run that was cut has made it
		}
		if len(is.Metadata.Finalizers) > 0 {
			if err := client.Merge(ctx, x.path(), []byte(`{"metadata":{"finalizers":null}}`)); err != nil {
				return err
			}
		}
		if err := client.Delete(ctx, x.path()); err != nil {
			return err
		}
	}
	return client.Create(ctx, x.collection(), x.text)
}
