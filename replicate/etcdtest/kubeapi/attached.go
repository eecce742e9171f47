package kubeapi

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// A volume is attached to a Node by an object, and the model's controller takes it off,
// and the object away, once no pod there uses it: whoever looks sees it once more before
// it is gone, as it takes its time. One that could not be detached (status.detachError)
// stays.

const attachments = "volumeattachments"

// detachingMark is on one that nobody uses any more.
const detachingMark = "model/detaching"

// detach is what that controller did since the last look.
func (c *call) detach(s *Contents) error {
	prefix := appliedPath{resource: attachments}.key() + "/"
	pods, err := c.m.Pods(s)
	if err != nil {
		return err
	}
	for _, k := range slices.Sorted(maps.Keys(s.Keys)) {
		if !strings.HasPrefix(k, prefix) {
			continue
		}
		var o unstructured.Unstructured
		if err := json.Unmarshal(s.Keys[k].Value, &o.Object); err != nil {
			return err
		}
		if _, stuck, _ := unstructured.NestedMap(o.Object, "status", "detachError"); stuck || used(s, pods, o.Object) {
			continue
		}
		if strings.Contains(string(s.Keys[k].Value), detachingMark) {
			if _, err := c.m.Write(nil, k); err != nil {
				return err
			}
			continue
		}
		o.SetAnnotations(map[string]string{detachingMark: "true"})
		value, err := json.Marshal(o.Object)
		if err == nil {
			_, err = c.m.Write(map[string]json.RawMessage{k: value})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// used tells whether a pod on its Node has a claim of the volume.
func used(s *Contents, pods []Object, attachment map[string]any) bool {
	node, _, _ := unstructured.NestedString(attachment, "spec", "nodeName")
	volume, _, _ := unstructured.NestedString(attachment, "spec", "source", "persistentVolumeName")
	var v corev1.PersistentVolume
	if err := json.Unmarshal(s.Keys[appliedPath{resource: "persistentvolumes", name: volume}.key()].Value, &v); err != nil || v.Spec.ClaimRef == nil {
		return false
	}
	return slices.ContainsFunc(pods, func(o Object) bool {
		p := o.(*corev1.Pod)
		return p.Spec.NodeName == node && p.Namespace == v.Spec.ClaimRef.Namespace && slices.ContainsFunc(p.Spec.Volumes, func(x corev1.Volume) bool {
			return x.PersistentVolumeClaim != nil && x.PersistentVolumeClaim.ClaimName == v.Spec.ClaimRef.Name
		})
	})
}
