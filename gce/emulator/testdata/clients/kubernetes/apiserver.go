package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/GoogleCloudPlatform/k8s-cloud-provider/pkg/cloud"
	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	cloudprovider "k8s.io/cloud-provider"
	"k8s.io/cloud-provider-gcp/providers/gce"
)

// start is the cloud provider as a controller manager begins it.
func start(dir string) (*gce.Cloud, error) {
	path := filepath.Join(dir, "gce.conf")
	config := strings.Join([]string{"[global]", "token-url = nil", "project-id = " + project, "local-zone = " + zone, "multizone = true",
		"network-name = default", "node-tags = node"}, "\n") + "\n"
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		return nil, err
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	provider, err := cloudprovider.GetCloudProvider(gce.ProviderName, f)
	if err != nil {
		return nil, err
	}
	provider.Initialize(builder{rest.Config{
		Host:          httptest.NewServer(http.HandlerFunc(kubernetesAPI)).URL,
		ContentConfig: rest.ContentConfig{ContentType: "application/json", AcceptContentTypes: "application/json"},
	}}, nil)
	g := provider.(*gce.Cloud)
	// Operations are asked for five times a second, all Services together: for Google's.
	g.SetRateLimiter(&cloud.MinimumRateLimiter{RateLimiter: &cloud.NopRateLimiter{}, Minimum: 50 * time.Millisecond})
	for begin := time.Now(); time.Since(begin) < 10*time.Second; time.Sleep(10 * time.Millisecond) {
		if _, err = g.ClusterID.GetID(); err == nil {
			return g, nil // it knows which cluster it is of, as after its first seconds
		}
	}
	return nil, err
}

// builder gives the provider its client of the API server.
type builder struct{ config rest.Config }

func (b builder) Config(string) (*rest.Config, error) { return &b.config, nil }
func (b builder) ConfigOrDie(string) *rest.Config     { return &b.config }
func (b builder) Client(string) (kubernetes.Interface, error) {
	return kubernetes.NewForConfig(&b.config)
}
func (b builder) ClientOrDie(name string) kubernetes.Interface { return must(b.Client(name)) }

// kubernetesAPI is of an API server as much as the provider asks it: the id of the
// cluster, and changes of Services and events, which it takes as they are.
func kubernetesAPI(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	id := v1.ConfigMap{
		TypeMeta:   metav1.TypeMeta{Kind: "ConfigMap", APIVersion: "v1"},
		ObjectMeta: metav1.ObjectMeta{Name: gce.UIDConfigMapName, Namespace: gce.UIDNamespace, ResourceVersion: "1"},
		Data:       map[string]string{gce.UIDCluster: "0123456789abcdef", gce.UIDProvider: "0123456789abcdef"},
	}
	switch {
	case r.Method != http.MethodGet:
		w.WriteHeader(http.StatusOK)
		body, _ := io.ReadAll(r.Body)
		_, _ = w.Write(body)
	case r.URL.Query().Get("watch") != "":
		w.WriteHeader(http.StatusOK)
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	case strings.HasSuffix(r.URL.Path, "/configmaps"):
		_ = json.NewEncoder(w).Encode(v1.ConfigMapList{TypeMeta: metav1.TypeMeta{Kind: "ConfigMapList", APIVersion: "v1"},
			ListMeta: metav1.ListMeta{ResourceVersion: "1"}, Items: []v1.ConfigMap{id}})
	default:
		_ = json.NewEncoder(w).Encode(id)
	}
}
