package cluster

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"hakube/cluster/kube"
	"hakube/cluster/settings"
)

// volume makes a volume of a claim, attached to a node. More is said of its attachment.
func volume(t *testing.T, client *kube.Client, name, node, more string) {
	t.Helper()
	for path, text := range map[string]string{
		"/api/v1/persistentvolumes/" + name: fmt.Sprintf(`{"apiVersion":"v1","kind":"PersistentVolume","metadata":{"name":%q},
			"spec":{"claimRef":{"namespace":"default","name":%q},"csi":{"driver":"pd.csi.storage.gke.io"}}}`, name, "claim-"+name),
		attachmentOf(name): fmt.Sprintf(`{"apiVersion":"storage.k8s.io/v1","kind":"VolumeAttachment","metadata":{"name":%q},
			"spec":{"attacher":"pd.csi.storage.gke.io","nodeName":%q,"source":{"persistentVolumeName":%q}}%s}`, "csi-"+name, node, name, more),
	} {
		if err := client.Apply(t.Context(), path, []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
}

func attachmentOf(volume string) string {
	return "/apis/storage.k8s.io/v1/volumeattachments/csi-" + volume
}

// claims gives a pod the claim of a volume.
func claims(volume string) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		p.Spec.Volumes = []corev1.Volume{{Name: "v", VolumeSource: corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "claim-" + volume}}}}
	}
}

// TestDrainWaitsForVolumes: a node goes when the volumes of its pods are detached, whether
// its pool gets smaller or goes, or a pool's nodes are replaced. Those of nodes that stay,
// of a pod that does not leave and of a node whose kubelet is silent hold up nothing.
func TestDrainWaitsForVolumes(t *testing.T) {
	besideOthers(t)
	w, _ := newDrainWorld(t)
	o := w.operator(func(s *settings.Settings) { s.NumNodes = 4 })
	w.mustUp(o)
	client, names := w.kube(o), w.byAge(o, zoneB)
	there := func(volume string) bool {
		t.Helper()
		ok, err := client.There(t.Context(), attachmentOf(volume))
		if err != nil {
			t.Fatal(err)
		}
		return ok
	}
	w.put(o, "db", names[3], claims("moves"))
	volume(t, client, "moves", names[3], "")
	w.put(o, "agent", names[2], daemon, claims("agents"))
	volume(t, client, "agents", names[2], "")
	w.put(o, "web", names[0], claims("stays"))
	volume(t, client, "stays", names[0], "")
	w.silence(names[1])
	volume(t, client, "silent", names[1], "")
	w.mustUp(o.again(func(s *settings.Settings) { s.NumNodes, s.DrainTimeout = 1, settings.Seconds(time.Minute) }))
	if got := w.byAge(o, zoneB); !slices.Equal(got, names[:1]) {
		t.Errorf("nodes %q", got)
	}
	if there("moves") || !there("stays") {
		t.Errorf("attached: moves %t, stays %t", there("moves"), there("stays"))
	}
	w.mustUp(o.pool(zoneC, 1))
	other := w.byAge(o, zoneC)[0]
	w.put(o, "late", other, claims("late"))
	volume(t, client, "late", other, "")
	w.mustDown(o.pool(zoneC, 1))
	if there("late") {
		t.Error("the pool went, and its volume is attached")
	}
}

// TestDrainGivesVolumesUp: a volume that nobody can detach holds a removal up for the
// drain's time only, and is named.
func TestDrainGivesVolumesUp(t *testing.T) {
	besideOthers(t)
	w, _ := newDrainWorld(t)
	o := w.operator(func(s *settings.Settings) { s.NumNodes = 2 })
	w.mustUp(o)
	client, names := w.kube(o), w.byAge(o, zoneB)
	volume(t, client, "stuck", names[1], `,"status":{"detachError":{"message":"no"}}`)
	s := w.mustUp(o.again(func(s *settings.Settings) { s.NumNodes, s.DrainTimeout = 1, settings.Seconds(2*time.Second) }))
	if len(s.Warnings) != 1 || !strings.Contains(s.Warnings[0], "volumes are attached: stuck on "+names[1]) {
		t.Errorf("warnings %q", s.Warnings)
	}
	if got := w.byAge(o, zoneB); !slices.Equal(got, names[:1]) {
		t.Errorf("nodes %q", got)
	}
}
