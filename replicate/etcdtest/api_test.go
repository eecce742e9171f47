package etcdtest

import (
	"context"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/discovery"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"

	"hakube/replicate/etcdtest/kubeapi"
	"hakube/scripts"
)

func joinSecret() *corev1.Secret {
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: "bootstrap-token-abcdef"},
		Type:       corev1.SecretTypeBootstrapToken,
		StringData: map[string]string{
			"token-id": "abcdef", "token-secret": "0123456789abcdef", "usage-bootstrap-authentication": "true",
			"usage-bootstrap-signing": "true", "auth-extra-groups": kubeapi.JoinGroup,
		},
	}
}

func isReady(n corev1.Node) bool {
	return slices.ContainsFunc(n.Status.Conditions, func(c corev1.NodeCondition) bool {
		return c.Type == corev1.NodeReady && c.Status == corev1.ConditionTrue
	})
}

// TestCluster is a cluster's life as client-go sees it.
func TestCluster(t *testing.T) {
	ctx := context.Background()
	s := newSite(t)
	m := s.master()
	s.reaches(m, scripts.PhaseRunning)
	c := s.client(m)

	got, err := c.Nodes().Get(ctx, "kubernetes-master", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if !isReady(*got) || got.Spec.ProviderID != "gce://local/europe-west1-b/kubernetes-master" || got.Labels["topology.kubernetes.io/region"] != "europe-west1" ||
		len(got.Spec.Taints) != 1 || got.Status.NodeInfo.KubeletVersion != "v1.36.3" || got.Status.Addresses[0].Address != "10.40.0.2" {
		t.Errorf("the master's node is %+v", got)
	}
	dns, err := c.Pods("kube-system").List(ctx, metav1.ListOptions{LabelSelector: "k8s-app=kube-dns"})
	if err != nil || len(dns.Items) != 2 || dns.Items[0].Status.Phase != corev1.PodRunning || dns.Items[0].Spec.NodeName != "kubernetes-master" {
		t.Errorf("CoreDNS: %v, %+v", err, dns)
	}
	if other, err := c.Pods("").List(ctx, metav1.ListOptions{LabelSelector: "k8s-app!=kube-dns"}); err != nil || len(other.Items) != 0 {
		t.Errorf("other pods: %v, %+v", err, other)
	}

	// A node waits for its token to exist, then joins.
	n := s.node(m, "n1")
	s.reaches(n, "joining")
	if _, err := c.Secrets("kube-system").Create(ctx, joinSecret(), metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	s.reaches(n, scripts.PhaseRunning)
	all, err := c.Nodes().List(ctx, metav1.ListOptions{})
	if err != nil || len(all.Items) != 2 || !isReady(all.Items[1]) {
		t.Fatalf("nodes: %v, %+v", err, all)
	}
	page, err := c.Nodes().List(ctx, metav1.ListOptions{Limit: 1})
	if err != nil || len(page.Items) != 1 || page.Items[0].Name != "kubernetes-master" || page.Continue == "" {
		t.Fatalf("first page: %v, %+v", err, page)
	}
	page, err = c.Nodes().List(ctx, metav1.ListOptions{Limit: 1, Continue: page.Continue})
	if err != nil || len(page.Items) != 1 || page.Items[0].Name != "n1" || page.Continue != "" {
		t.Fatalf("second page: %v, %+v", err, page)
	}

	// Kubelets that stop and start again.
	n.Stop()
	if got, err = c.Nodes().Get(ctx, "n1", metav1.GetOptions{}); err != nil || isReady(*got) || got.Status.Conditions[0].Status != corev1.ConditionUnknown {
		t.Errorf("the stopped node: %v, %+v", err, got)
	}
	uid := got.UID
	n = s.node(m, "n1")
	s.reaches(n, scripts.PhaseRunning)
	waitReady(t, c, "n1")
	if got, err = c.Nodes().Get(ctx, "n1", metav1.GetOptions{}); err != nil || got.UID != uid {
		t.Errorf("the node that came back: %v, %+v", err, got)
	}

	for kind, patch := range map[types.PatchType]string{
		types.MergePatchType:          `{"metadata":{"labels":{"a":"1"}}}`,
		types.StrategicMergePatchType: `{"spec":{"unschedulable":true}}`,
	} {
		if _, err := c.Nodes().Patch(ctx, "n1", kind, []byte(patch), metav1.PatchOptions{}); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
	}
	if got, err = c.Nodes().Get(ctx, "n1", metav1.GetOptions{}); err != nil || got.Labels["a"] != "1" || !got.Spec.Unschedulable || got.UID != uid {
		t.Errorf("patched node: %v, %+v", err, got)
	}
	if _, err := c.Nodes().Patch(ctx, "n1", types.JSONPatchType, []byte(`[]`), metav1.PatchOptions{}); !apierrors.IsUnsupportedMediaType(err) {
		t.Errorf("a JSON patch: %v", err)
	}
	if err := c.Nodes().Delete(ctx, "n1", metav1.DeleteOptions{}); err != nil {
		t.Error(err)
	}
	if err := c.Nodes().Delete(ctx, "n1", metav1.DeleteOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("deleting a node again: %v", err)
	}
}

func waitReady(t *testing.T, c corev1client.NodesGetter, name string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), testLimit)
	defer cancel()
	for {
		n, err := c.Nodes().Get(ctx, name, metav1.GetOptions{})
		if err != nil && !apierrors.IsNotFound(err) {
			t.Fatalf("node %s: %v", name, err)
		}
		if err == nil && isReady(*n) {
			return
		}
	}
}

func TestObjects(t *testing.T) {
	ctx := context.Background()
	s := newSite(t)
	m := s.master()
	s.reaches(m, scripts.PhaseRunning)
	for _, encoding := range []string{"application/json", "application/vnd.kubernetes.protobuf"} {
		config := s.config(m)
		config.ContentType, config.AcceptContentTypes = encoding, encoding+",application/json"
		c, err := corev1client.NewForConfig(config)
		if err != nil {
			t.Fatal(err)
		}
		maps := c.ConfigMaps("kube-public")
		made, err := maps.Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "a"}, Data: map[string]string{"k": "1"}}, metav1.CreateOptions{})
		if err != nil {
			t.Fatalf("%s: %v", encoding, err)
		}
		if _, err := maps.Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "a"}}, metav1.CreateOptions{}); !apierrors.IsAlreadyExists(err) {
			t.Errorf("creating it again: %v", err)
		}
		changed := made.DeepCopy()
		changed.Data["k"] = "2"
		if changed, err = maps.Update(ctx, changed, metav1.UpdateOptions{}); err != nil || changed.ResourceVersion == made.ResourceVersion || changed.UID != made.UID {
			t.Fatalf("updating: %v, %+v", err, changed)
		}
		if _, err := maps.Update(ctx, made, metav1.UpdateOptions{}); !apierrors.IsConflict(err) {
			t.Errorf("updating from an old one: %v", err)
		}
		got, err := maps.List(ctx, metav1.ListOptions{FieldSelector: "metadata.name=a"})
		if err != nil || len(got.Items) != 1 || got.Items[0].Data["k"] != "2" || got.Items[0].ResourceVersion != changed.ResourceVersion {
			t.Errorf("listing: %v, %+v", err, got)
		}
		if err := maps.Delete(ctx, "a", metav1.DeleteOptions{Preconditions: &metav1.Preconditions{ResourceVersion: &made.ResourceVersion}}); !apierrors.IsConflict(err) {
			t.Errorf("deleting an old one: %v", err)
		}
		if err := maps.Delete(ctx, "a", *metav1.NewDeleteOptions(0)); err != nil {
			t.Errorf("deleting: %v", err)
		}
		if _, err := c.ConfigMaps("nowhere").Create(ctx, made, metav1.CreateOptions{}); err == nil {
			t.Error("created in a namespace that is not there")
		}
		if _, err := c.Secrets("kube-system").Create(ctx, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "A_"}}, metav1.CreateOptions{}); !apierrors.IsBadRequest(err) {
			t.Errorf("a name that is none: %v", err)
		}
	}
	c := s.client(m)
	if ns, err := c.Namespaces().List(ctx, metav1.ListOptions{}); err != nil || len(ns.Items) != 4 {
		t.Errorf("namespaces: %v, %+v", err, ns)
	}
	d, err := discovery.NewDiscoveryClientForConfig(s.config(m))
	if err != nil {
		t.Fatal(err)
	}
	if _, lists, err := d.ServerGroupsAndResources(); err != nil || len(lists) != 1 || len(lists[0].APIResources) != len(kubeapi.Resources) {
		t.Errorf("discovery: %v, %+v", err, lists)
	}
	if v, err := d.ServerVersion(); err != nil || v.String() != "v1.36.3" || v.Minor != "36" {
		t.Errorf("version: %v, %+v", err, v)
	}
	// What is not there says so.
	for _, refused := range []error{
		c.Endpoints("default").Delete(ctx, "x", metav1.DeleteOptions{}),
		second(c.Nodes().Watch(ctx, metav1.ListOptions{})),
		second(c.Nodes().Update(ctx, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "x"}}, metav1.UpdateOptions{})),
		second(c.Secrets("kube-system").Create(ctx, joinSecret(), metav1.CreateOptions{DryRun: []string{"All"}})),
	} {
		if s, ok := refused.(apierrors.APIStatus); !ok || s.Status().Code != http.StatusNotImplemented {
			t.Errorf("refused with %v", refused)
		}
	}
}

func second[T any](_ T, err error) error { return err }

// TestTable is what `kubectl get nodes` gets.
func TestTable(t *testing.T) {
	s := newSite(t)
	m := s.master()
	s.reaches(m, scripts.PhaseRunning)
	client, err := rest.HTTPClientFor(s.config(m))
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"nodes":                       `"cells":["kubernetes-master","Ready","control-plane","`,
		"nodes/kubernetes-master":     `"cells":["kubernetes-master","Ready","control-plane","`,
		"pods":                        `"cells":["coredns-model-0","1/1","Running",0,"`,
		"namespaces":                  `"cells":["default","`,
		"secrets":                     `"rows":[]`,
		"secrets?fieldSelector=x%3Dy": `field label \"x\" not supported`,
	} {
		r, err := http.NewRequest(http.MethodGet, "https://"+address+":443/api/v1/"+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Accept", "application/json;as=Table;v=v1;g=meta.k8s.io,application/json")
		resp, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil || !strings.Contains(string(body), want) || resp.StatusCode == 200 && !strings.Contains(string(body), `"kind":"Table"`) {
			t.Errorf("%s: %v, %s", path, err, body)
		}
	}
}

// TestUsers is who may do what.
func TestUsers(t *testing.T) {
	s := newSite(t)
	m := s.master()
	s.reaches(m, scripts.PhaseRunning)
	if _, err := s.client(m).Secrets("kube-system").Create(context.Background(), joinSecret(), metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	other := newSite(t)
	stranger := other.master()
	other.reaches(stranger, scripts.PhaseRunning)

	admin := s.config(m)
	anonymous := rest.AnonymousClientConfig(admin)
	anonymous.Dial = admin.Dial
	joining := rest.CopyConfig(anonymous)
	joining.BearerToken = token
	wrong := rest.CopyConfig(anonymous)
	wrong.BearerToken = "abcdef.0123456789abcdee"
	foreign := rest.CopyConfig(admin)
	foreign.CertData, foreign.KeyData = other.config(stranger).CertData, other.config(stranger).KeyData

	for _, test := range []struct {
		who         string
		config      *rest.Config
		path        string
		status      int
		bodyContain string
	}{
		{"anybody", anonymous, "/readyz", 200, "ok"},
		{"anybody", anonymous, "/livez?verbose", 200, "[+]etcd ok"},
		{"anybody", anonymous, "/version", 200, "v1.36.3"},
		{"anybody", anonymous, "/api/v1/nodes", 403, `nodes is forbidden: User \"system:anonymous\" cannot list resource`},
		{"anybody", anonymous, "/api/v1/namespaces/kube-system/secrets", 403, "forbidden"},
		{"anybody", anonymous, "/api", 403, "forbidden"},
		{"token", joining, "/api", 200, "v1"},
		{"token", joining, "/api/v1/nodes/kubernetes-master", 200, "kubernetes-master"},
		{"token", joining, "/api/v1/nodes", 403, "forbidden"},
		{"token", joining, "/api/v1/namespaces/kube-system/secrets", 403, "forbidden"},
		{"token", joining, "/api/v1/namespaces/kube-system/configmaps/kubeadm-config", 200, "kubernetesVersion: v1.36.3"},
		{"wrong token", wrong, "/api", 401, "Unauthorized"},
		{"wrong token", wrong, "/readyz", 200, "ok"},
		{"another CA", foreign, "/api/v1/nodes", 401, "Unauthorized"},
		{"admin", admin, "/api/v1/nodes", 200, "NodeList"},
		{"admin", admin, "/api/v1/pods?fieldSelector=spec.host%3Dx", 400, "not supported"},
		{"admin", admin, "/apis/apps/v1/statefulsets", 501, "does not do GET /apis/apps/v1/statefulsets"},
		{"admin", admin, "/api/v1/nodes/kubernetes-master/proxy", 501, "only what hakube asks"},
	} {
		client, err := rest.HTTPClientFor(test.config)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := client.Get("https://" + address + ":443" + test.path)
		if err != nil {
			t.Fatalf("%s %s: %v", test.who, test.path, err)
		}
		body, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil || resp.StatusCode != test.status || !strings.Contains(string(body), test.bodyContain) {
			t.Errorf("%s %s: %v, %d %s; want %d and %q", test.who, test.path, err, resp.StatusCode, body, test.status, test.bodyContain)
		}
	}
}
