package upgrade

import (
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"
)

// TestGone: what an API server's metrics say was asked for, in the words of a real one, is gone
// in the version that it says or in a later one; what has no end, or a later one, is not.
func TestGone(t *testing.T) {
	const metrics = `# HELP apiserver_requested_deprecated_apis [STABLE] Gauge of deprecated APIs that have been requested, broken out by API group, version, resource, subresource, and removed_release.
# TYPE apiserver_requested_deprecated_apis gauge
apiserver_requested_deprecated_apis{group="",removed_release="",resource="endpoints",subresource="",version="v1"} 1
apiserver_requested_deprecated_apis{group="networking.k8s.io",removed_release="1.37",resource="ipaddresses",subresource="",version="v1beta1"} 1
apiserver_requested_deprecated_apis{group="networking.k8s.io",removed_release="1.37",resource="ipaddresses",subresource="status",version="v1beta1"} 1
apiserver_requested_deprecated_apis{group="resource.k8s.io",removed_release="1.38",resource="resourceslices",subresource="",version="v1beta1"} 1
apiserver_request_total{code="200",resource="pods",version="v1"} 12
`
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/metrics" {
			t.Errorf("asked for %s", r.URL.Path)
		}
		_, _ = io.WriteString(w, metrics)
	}))
	defer s.Close()
	client, err := corev1client.NewForConfig(&rest.Config{Host: s.URL})
	if err != nil {
		t.Fatal(err)
	}
	for to, want := range map[string][]string{
		"v1.36.9":        nil,
		"v1.37.0-beta.0": nil, // of which no one says what it has
		"v1.37.0":        {"networking.k8s.io/v1beta1 ipaddresses"},
		"v1.38.2":        {"networking.k8s.io/v1beta1 ipaddresses", "resource.k8s.io/v1beta1 resourceslices"},
	} {
		if got, err := gone(t.Context(), client.RESTClient(), to); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %q, %v, want %q", to, got, err, want)
		}
	}
}
