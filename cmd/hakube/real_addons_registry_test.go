//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// registryCredentials: kubelet of a node asks for credentials when a pod wants an image of
// Google's registries, and the answer is the token of the node's account.
func (w *withAddons) registryCredentials(t *testing.T) {
	node := w.nodes[0]
	said := w.on(t, node, "sh", "-c", "echo '{}' | sudo /etc/hakube/credential-provider/bin/auth-provider-gcp")
	var answer struct {
		Auth map[string]struct{ Username, Password string }
	}
	if err := json.Unmarshal([]byte(said), &answer); err != nil || answer.Auth["*.pkg.dev"].Username != "_token" {
		t.Fatalf("the program answers %q, %v", said, err)
	}
	if got := w.on(t, node, "curl", "-sS", "-m", "60", "https://oauth2.googleapis.com/tokeninfo?access_token="+answer.Auth["*.pkg.dev"].Password); !strings.Contains(got, "https://www.googleapis.com/auth/devstorage.read_only") {
		t.Errorf("the token is not the node's: %s", got)
	}
	w.apply(t, fmt.Sprintf(`{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "private"}, "spec": {"nodeName": %q, "terminationGracePeriodSeconds": 0,
		"containers": [{"name": "it", "image": "europe-west1-docker.pkg.dev/project/images/private:1"}]}}`, node))
	eventually(t, settled, "kubelet asks for credentials", func() error {
		for line := range strings.Lines(w.kubectl(t, "get", "--raw", "/api/v1/nodes/"+node+"/proxy/metrics")) {
			if strings.HasPrefix(line, "kubelet_credential_provider_plugin_duration_count") && strings.Contains(line, `plugin_name="auth-provider-gcp"`) {
				return nil
			}
		}
		return fmt.Errorf("it has not yet")
	})
	if metrics := w.kubectl(t, "get", "--raw", "/api/v1/nodes/"+node+"/proxy/metrics"); strings.Contains(metrics, "\nkubelet_credential_provider_plugin_errors_total{") {
		t.Error("the provider fails")
	}
	w.kubectl(t, "delete", "--now", "pod/private")
}
