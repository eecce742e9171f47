package cluster

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hakube/cluster/inventory"
	"hakube/scripts"
)

// TestProtectionIsTheClusters: what protects a cluster is of the whole cluster. A master
// that were to join with it where the others have none (or without it where they have) is
// refused before anything is made: an API server that believes only kubelets whose
// certificates nobody approves gets no logs. And a master made again around its disk has
// what the cluster was begun with, by a shell that says nothing.
func TestProtectionIsTheClusters(t *testing.T) {
	ctx := context.Background()
	keys := map[string]string{
		"HAKUBE_AUDIT": scripts.KeyAudit, "HAKUBE_ENCRYPT_SECRETS": scripts.KeyEncryptSecrets,
		"HAKUBE_POD_SECURITY": scripts.KeyPodSecurity, "HAKUBE_SIGN_KUBELETS": scripts.KeySignKubelets,
	}
	for begun, other := range map[string]string{"true": "false", "false": "true"} {
		t.Run("begun with "+begun, func(t *testing.T) {
			w, _ := newModelWorld(t)
			o := w.operator()
			made := map[string]string{}
			for variable := range keys {
				made[variable] = begun
			}
			w.mustUp(o.shell(t, made))
			before := w.objects()
			for variable := range keys {
				for mode, said := range map[string]map[string]string{
					"replica": {"KUBE_REPLICATE_EXISTING_MASTER": "true", "KUBE_GCE_ZONE": zoneC, variable: other},
					"again":   {variable: other},
				} {
					var refused *Unchanged
					if _, err := o.shell(t, said).Up(ctx, w.events()); !errors.As(err, &refused) || !strings.Contains(err.Error(), variable) {
						t.Errorf("%s with %s=%s: %v", mode, variable, other, err)
					}
				}
			}
			if diff := cmp.Diff(before, w.objects()); diff != "" {
				t.Errorf("refused, and objects are (-before +after):\n%s", diff)
			}
			if err := w.Client.Instances(zoneB).Delete(ctx, "kubernetes-master"); err != nil {
				t.Fatal(err)
			}
			w.mustUp(o.shell(t, nil))
			i, err := w.Client.Instances(zoneB).Get(ctx, "kubernetes-master")
			if err != nil {
				t.Fatal(err)
			}
			for variable, key := range keys {
				if got := inventory.Switched(i.GetMetadata(), key); got != begun {
					t.Errorf("made again, the master has %s=%s, begun with %s", variable, got, begun)
				}
			}
		})
	}
}
