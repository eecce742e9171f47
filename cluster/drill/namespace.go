package drill

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"hakube/cluster/inventory"
	"hakube/cluster/plan"
	"hakube/cluster/refusal"
	"hakube/scripts/cure"
)

// What drills make in the cluster, by the names of it: in namespace default, and a namespace.
const (
	drillName  = "hakube-drill"
	drillLabel = "hakube-drill" // without it a namespace of the name is somebody's
	inIt       = 3              // ConfigMaps in the namespace
)

// namespace is the one that a drill would make and delete: what is somebody's must not go.
func (f *Field) namespace(ctx context.Context, x Scenario) (on inventory.Object, err error) {
	on = inventory.Object{Kind: "namespace", Name: drillName}
	if f.On != "" {
		return on, &refusal.Refused{Why: fmt.Sprintf("drill %s is of no machine, and --on names %s", x.Name, f.On), Cure: cure.Hint("make it without", cure.Drill(append(slices.Clone(f.Said), x.Name)...))}
	}
	client, err := f.client(ctx)
	if err != nil {
		return on, err
	}
	can, err := canDo(ctx, client, "namespaces", "create")
	if err == nil && !can {
		return on, &refusal.Refused{Why: fmt.Sprintf("drill %s needs an API that makes namespaces", x.Name), Cure: "choose another drill"}
	}
	if err != nil {
		return on, err
	}
	is, err := client.Namespaces().Get(ctx, drillName, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return on, nil
	case err == nil && is.Labels[drillLabel] == "":
		return on, &refusal.Refused{Why: "namespace " + drillName + " is there and no drill made it", Cure: "choose another drill, or call that namespace otherwise"}
	}
	return on, err
}

// makeNamespace makes what is to be deleted.
func (f *Field) makeNamespace(ctx context.Context) error {
	client, err := f.client(ctx)
	if err != nil {
		return err
	}
	if err := f.goneNamespace(ctx, client); err != nil { // of a drill that was killed
		return err
	}
	_, err = client.Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: drillName, Labels: map[string]string{drillLabel: "made"}}}, metav1.CreateOptions{})
	for n := 0; err == nil && n < inIt; n++ {
		_, err = client.ConfigMaps(drillName).Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprint("of-somebody-", n)}}, metav1.CreateOptions{})
	}
	if err != nil {
		return fmt.Errorf("making namespace %s: %w", drillName, err)
	}
	return nil
}

func (f *Field) deleteNamespace(ctx context.Context) error {
	client, err := f.client(ctx)
	if err != nil {
		return err
	}
	return f.goneNamespace(ctx, client)
}

// goneNamespace deletes the drill's, and waits until it is gone.
func (f *Field) goneNamespace(ctx context.Context, client api) error {
	return f.Until(ctx, plan.Condition{
		For: "namespace " + drillName + " to be gone", Every: f.Poll, Limit: askLimit,
		Check: func(ctx context.Context) (bool, string, error) {
			is, err := client.Namespaces().Get(ctx, drillName, metav1.GetOptions{})
			if apierrors.IsNotFound(err) || err == nil && is.Labels[drillLabel] == "" {
				return true, "", nil
			}
			if err == nil && is.DeletionTimestamp == nil {
				err = client.Namespaces().Delete(ctx, drillName, metav1.DeleteOptions{})
			}
			return false, "it is deleted", err
		},
	})
}
