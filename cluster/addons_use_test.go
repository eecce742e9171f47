package cluster

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hakube/cluster/kube"
	"hakube/cluster/settings"
)

// tended are what users make that addons tend, as the API has it.
var tended = map[string]struct{ path, text string }{
	"claim": {"/api/v1/persistentvolumes/pvc-1",
		`{"apiVersion":"v1","kind":"PersistentVolume","metadata":{"name":"pvc-1"},"spec":{"claimRef":{"namespace":"default","name":"data"},"csi":{"driver":"pd.csi.storage.gke.io"}}}`},
	"another driver's claim": {"/api/v1/persistentvolumes/pvc-2",
		`{"apiVersion":"v1","kind":"PersistentVolume","metadata":{"name":"pvc-2"},"spec":{"claimRef":{"namespace":"default","name":"theirs"},"csi":{"driver":"nfs.csi.k8s.io"}}}`},
	"snapshot": {"/apis/snapshot.storage.k8s.io/v1/volumesnapshotcontents/snapcontent-1",
		`{"apiVersion":"snapshot.storage.k8s.io/v1","kind":"VolumeSnapshotContent","metadata":{"name":"snapcontent-1"},"spec":{"driver":"pd.csi.storage.gke.io","volumeSnapshotRef":{"namespace":"default","name":"daily"}}}`},
	"balancer": {"/api/v1/namespaces/default/services/web",
		`{"apiVersion":"v1","kind":"Service","metadata":{"name":"web","namespace":"default"},"spec":{"type":"LoadBalancer"}}`},
	"another class' balancer": {"/api/v1/namespaces/default/services/theirs",
		`{"apiVersion":"v1","kind":"Service","metadata":{"name":"theirs","namespace":"default"},"spec":{"type":"LoadBalancer","loadBalancerClass":"x/y"}}`},
	"autoscaler": {"/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers/asked",
		`{"apiVersion":"autoscaling/v2","kind":"HorizontalPodAutoscaler","metadata":{"name":"asked","namespace":"default"}}`},
}

// TestAddonsInUse: volumes is not switched off while a claim or a snapshot has a disk of
// its driver, by whoever says so and with whatever else; of balancers and autoscalers
// that nobody tends any more it is warned.
func TestAddonsInUse(t *testing.T) {
	besideOthers(t)
	w := newWorld(t)
	o := w.operator().withAddons()
	w.mustUp(o)
	client := w.kube(o)
	put := func(client *kube.Client, name string) {
		t.Helper()
		if err := client.Apply(t.Context(), tended[name].path, []byte(tended[name].text)); err != nil {
			t.Fatal(err)
		}
	}
	for name := range tended {
		if !strings.HasPrefix(name, "another") && name != "claim" && name != "snapshot" {
			put(client, name)
		}
	}
	put(client, "another driver's claim")
	put(client, "another class' balancer")
	to := func(o *operator, names settings.Addons) *operator {
		return o.again(func(s *settings.Settings) { s.Addons = names })
	}
	refused := func(o *operator, names settings.Addons, says ...string) {
		t.Helper()
		before := w.objects()
		for _, preview := range []bool{true, false} {
			var err error
			_, changes := w.counts(func() {
				if preview {
					_, err = to(o, names).PreviewUp(t.Context(), nil)
				} else {
					_, err = to(o, names).Up(t.Context(), nil)
				}
			})
			wantError(t, err, says...)
			if unchanged := (*Unchanged)(nil); !preview && !errors.As(err, &unchanged) || changes > 0 {
				t.Errorf("%s: %d changes, %v", names, changes, err)
			}
		}
		if diff := cmp.Diff(before, w.objects()); diff != "" {
			t.Errorf("%s: objects (-before +after):\n%s", names, diff)
		}
		if s, err := o.Status(t.Context()); err != nil || len(s.Addons) != len(settings.AddonNames) || !healthy(s.Addons, settings.Volumes) {
			t.Errorf("%s: status %+v, %v", names, s, err)
		}
	}
	claim := []string{"addon volumes is not switched off, since there is volume claim default/data: ", "HAKUBE_ADDONS=",
		"kubectl delete persistentvolumeclaim data --namespace=default --context="}
	put(client, "claim")
	refused(o, settings.NoAddons, claim...)
	refused(o, settings.CloudController, claim...)
	if err := client.Delete(t.Context(), tended["claim"].path); err != nil {
		t.Fatal(err)
	}
	put(client, "snapshot")
	refused(o, settings.NoAddons, "volume snapshot default/daily", "kubectl delete volumesnapshot daily --namespace=default")

	// Who has no credentials yet learns it from the step itself, which removes nothing.
	stranger := w.operator()
	_, err := to(stranger.withAddons(), settings.NoAddons).Up(t.Context(), w.events())
	wantError(t, err, "volume snapshot default/daily")
	w.mustUp(o) // which the label had said since
	if s, err := o.Status(t.Context()); err != nil || len(s.Unfinished) > 0 {
		t.Errorf("unfinished %+v, %v", s.Unfinished, err)
	}
	if err := client.Delete(t.Context(), tended["snapshot"].path); err != nil {
		t.Fatal(err)
	}
	s := w.mustUp(to(o, settings.NoAddons))
	said := fmt.Sprint(s.Warnings)
	for _, want := range []string{"nobody tends Service default/web:", "autoscaler default/asked keep the pods they have"} {
		if !strings.Contains(said, want) {
			t.Errorf("it does not warn of %q: %q", want, s.Warnings)
		}
	}
	if strings.Contains(said, "theirs") {
		t.Errorf("it warns of what is another's: %q", s.Warnings)
	}
}
