package kubeapi

import (
	"encoding/json"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// MergePatch is RFC 7386's.
func MergePatch(text, patch []byte) ([]byte, error) {
	var target, p any
	if err := json.Unmarshal(text, &target); err != nil {
		return nil, err
	}
	if err := json.Unmarshal(patch, &p); err != nil {
		return nil, err
	}
	return json.Marshal(merged(target, p))
}

func merged(target, patch any) any {
	p, ok := patch.(map[string]any)
	if !ok {
		return patch
	}
	t, ok := target.(map[string]any)
	if !ok {
		t = map[string]any{}
	}
	for k, v := range p {
		if v == nil {
			delete(t, k)
		} else {
			t[k] = merged(t[k], v)
		}
	}
	return t
}

// DeleteOptions reads a DELETE's body, in any of Kubernetes' encodings.
func DeleteOptions(text []byte) (metav1.DeleteOptions, error) {
	var o metav1.DeleteOptions
	factory, err := codecs()
	if err != nil {
		return o, err
	}
	err = runtime.DecodeInto(factory.UniversalDeserializer(), text, &o)
	if err != nil && json.Unmarshal(text, &o) != nil { // JSON without a kind is taken too
		return o, apierrors.NewBadRequest(err.Error())
	}
	return o, nil
}
