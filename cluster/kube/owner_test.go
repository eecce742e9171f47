package kube

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// TestJudge: whose an entry is, is told by its mark as long as its certificate is the
// one it was written with, and without a mark by where it leads.
func TestJudge(t *testing.T) {
	ours := Mark{Cluster: "kubernetes", Project: "p"}
	gone := Mark{Cluster: "kubernetes", Project: "p", Cloud: filepath.Join(t.TempDir(), "gone")}
	other := Mark{Cluster: "other", Project: "p", Cloud: t.TempDir()}
	entry := Entry{Server: "https://192.0.2.1", CA: []byte("ca"), Cert: []byte("cert"), Key: []byte("key")}
	for name, c := range map[string]struct {
		mark   Mark
		change func(*clientcmdapi.Config)
		ip     string // the API's
		opens  bool
		want   string
	}{
		"ours":                       {ours, func(*clientcmdapi.Config) {}, "", false, ""},
		"another's":                  {other, func(*clientcmdapi.Config) {}, "", false, "its context n leads to https://192.0.2.1, " + other.String() + ", and its user n has the credentials of " + other.String()},
		"of a cloud that is no more": {gone, func(*clientcmdapi.Config) {}, "", false, ""},
		"turned to another cluster": {ours, func(c *clientcmdapi.Config) { c.Clusters["n"].CertificateAuthorityData = []byte("other") }, "", false,
			"its context n leads to https://192.0.2.1"},
		"without a mark, of this address": {ours, func(c *clientcmdapi.Config) { c.Clusters["n"].Extensions = nil }, "192.0.2.1", false, ""},
		"without a mark, of this CA":      {ours, func(c *clientcmdapi.Config) { c.Clusters["n"].Extensions = nil }, "192.0.2.2", true, ""},
		"without a mark, of neither": {ours, func(c *clientcmdapi.Config) { c.Clusters["n"].Extensions = nil }, "192.0.2.2", false,
			"its context n leads to https://192.0.2.1"},
		"with a token": {ours, func(c *clientcmdapi.Config) { c.AuthInfos["n"].Token = "t" }, "", false,
			"its user n has credentials that hakube did not write"},
		"somebody's certificate": {ours, func(c *clientcmdapi.Config) { c.AuthInfos["n"].Extensions = nil }, "", false,
			"its user n has another cluster's credentials"},
		"a context with somebody's credentials": {ours, func(c *clientcmdapi.Config) {
			c.AuthInfos["me"] = &clientcmdapi.AuthInfo{Token: "t"}
			c.Contexts["n"].AuthInfo = "me"
		}, "", false, "its context n uses the credentials of me"},
		"nothing of the name": {ours, func(c *clientcmdapi.Config) { *c = *clientcmdapi.NewConfig() }, "", false, ""},
	} {
		t.Run(name, func(t *testing.T) {
			config := clientcmdapi.NewConfig()
			entry.Put(config, "n", c.mark)
			c.change(config)
			o := Owner{
				Mark: ours,
				IP:   func(context.Context) (string, error) { return c.ip, nil },
				Opens: func(_ context.Context, ip string, ca []byte) bool {
					return c.opens && ip == c.ip && string(ca) == "ca"
				},
			}
			v, err := o.Judge(t.Context(), config, "n")
			if err != nil {
				t.Fatal(err)
			}
			want := c.want
			if want != "" {
				want = "kubeconfig f: " + want
			}
			if got := v.Foreign("n", "f"); got != want {
				t.Errorf("got  %q\nwant %q", got, want)
			}
			if no := v.Refusal("n", "f"); (no != nil) != (want != "") {
				t.Errorf("refused: %v", no)
			}
			had := HasEntry(config, "n")
			if v.Remove(config, "n"); want == "" && HasEntry(config, "n") || want != "" && !HasEntry(config, "n") {
				t.Errorf("it had an entry: %t; after the removal: %t", had, HasEntry(config, "n"))
			}
		})
	}
}

// TestForgetCloud takes what leads to one cloud and leaves all else.
func TestForgetCloud(t *testing.T) {
	path, cloud := filepath.Join(t.TempDir(), "config"), t.TempDir()
	if err := os.WriteFile(path, []byte(others), 0o600); err != nil {
		t.Fatal(err)
	}
	entry := Entry{Server: "https://192.0.2.1", CA: []byte("ca"), Cert: []byte("cert"), Key: []byte("key")}
	err := Files{path}.Edit(t.Context(), nil, 1, func(c *clientcmdapi.Config) error {
		entry.Put(c, "one", Mark{Cluster: "a", Project: "p", Cloud: cloud})
		entry.Put(c, "two", Mark{Cluster: "a", Project: "p"})
		c.CurrentContext = "one"
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := MoveCloud(t.Context(), path, cloud, "http://127.0.0.1:1"); err != nil {
		t.Fatal(err)
	}
	if c := readConfig(t, path); c.Clusters["one"].ProxyURL != "http://127.0.0.1:1" || c.Clusters["two"].ProxyURL != "" || c.Clusters["work"].ProxyURL != "" {
		t.Errorf("moved: %+v", c.Clusters)
	}
	if gone, err := ForgetCloud(t.Context(), path, cloud); err != nil || len(gone) != 1 || gone[0] != "one" {
		t.Errorf("forgot %q, %v", gone, err)
	}
	if c := readConfig(t, path); HasEntry(c, "one") || !HasEntry(c, "two") || !HasEntry(c, "work") || c.CurrentContext != "" {
		t.Errorf("after that: %+v", c)
	}
}

// TestHasToLeave: only pods that an eviction can move are waited for.
func TestHasToLeave(t *testing.T) {
	owned := func(kind string) func(*corev1.Pod) {
		return func(p *corev1.Pod) {
			p.OwnerReferences = []metav1.OwnerReference{{Kind: kind, Name: "x", Controller: new(true)}}
		}
	}
	ends := func(p *corev1.Pod) { p.DeletionTimestamp = &metav1.Time{} }
	for name, c := range map[string]struct {
		change        func(*corev1.Pod)
		ready, silent bool // whether it has to leave a node that is Ready, and one that is not
	}{
		"bare":           {func(*corev1.Pod) {}, true, true},
		"a ReplicaSet's": {owned("ReplicaSet"), true, true},
		"a DaemonSet's":  {owned("DaemonSet"), false, false},
		"static":         {func(p *corev1.Pod) { p.Annotations = map[string]string{corev1.MirrorPodAnnotationKey: "x"} }, false, false},
		"succeeded":      {func(p *corev1.Pod) { p.Status.Phase = corev1.PodSucceeded }, false, false},
		"failed":         {func(p *corev1.Pod) { p.Status.Phase = corev1.PodFailed }, false, false},
		"ends":           {ends, true, false},
	} {
		p := &corev1.Pod{}
		c.change(p)
		if got := hasToLeave(p, true); got != c.ready {
			t.Errorf("%s, node Ready: %t", name, got)
		}
		if got := hasToLeave(p, false); got != c.silent {
			t.Errorf("%s, node silent: %t", name, got)
		}
	}
}
