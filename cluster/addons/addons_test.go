package addons

import (
	"regexp"
	"strings"
	"testing"
)

// TestManifests: each row renders, says its images by digest where no mirror is, ends with
// the workload that tells of its health, and has another digest when something differs.
func TestManifests(t *testing.T) {
	v := Values{Project: "p", Network: "n", Subnetwork: "s", NodeTag: "tag", Cluster: "c", Prefix: "pre"}
	digest := regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)
	for _, a := range All() {
		s, err := a.For(v)
		if err != nil {
			t.Fatal(err)
		}
		seen := map[string]bool{}
		for _, o := range s.Objects {
			if seen[o.Path] {
				t.Errorf("%s has %s twice", a.Name, o.Path)
			}
			seen[o.Path] = true
		}
		before := len(s.Objects) - len(a.Workloads)
		for i, w := range a.Workloads {
			if got := s.Objects[before+i].Path; got != w.Path() {
				t.Errorf("%s ends with %s, not %s: its programs would start without what they need", a.Name, got, w.Path())
			}
		}
		whole := ""
		for _, o := range s.Objects {
			whole += string(o.JSON)
		}
		for name, i := range a.Images {
			if (i.Digest == "") != (i.Undigested != "") || i.Digest != "" && !digest.MatchString(i.Digest) {
				t.Errorf("%s: image %s has neither a digest nor a word why it has none", a.Name, name)
			}
			if !strings.Contains(whole, `"`+i.asked(false)+`"`) {
				t.Errorf("%s: image %s is not asked for as the row says", a.Name, name)
			}
		}
		if n := strings.Count(whole, "registry.k8s.io/"); n < len(a.Images) {
			t.Errorf("%s: %d images in the row, and %d in its manifests", a.Name, len(a.Images), n)
		}
		m := v
		m.Mirror = true
		other, err := a.For(m)
		if err != nil || other.Digest == s.Digest {
			t.Errorf("%s is the same with a mirror: %v", a.Name, err)
		}
		for _, o := range other.Objects {
			if strings.Contains(string(o.JSON), "@sha256:") {
				t.Errorf("%s asks a mirror by the official digest", a.Name)
			}
		}
	}
}

// TestMetricsTrustKubelets: metrics are asked of kubelets whose certificates the cluster
// signed, and of others only where it signs none.
func TestMetricsTrustKubelets(t *testing.T) {
	row, _ := Named("metrics")
	for sign, want := range map[bool]string{true: "--kubelet-certificate-authority=/var/run/secrets/kubernetes.io/serviceaccount/ca.crt", false: "--kubelet-insecure-tls"} {
		s, err := row.For(Values{SignKubelets: sign})
		if err != nil {
			t.Fatal(err)
		}
		text := string(s.Objects[len(s.Objects)-1].JSON)
		for _, option := range []string{"--kubelet-certificate-authority", "--kubelet-insecure-tls"} {
			if strings.Contains(text, option) != strings.HasPrefix(want, option) || !strings.Contains(text, want) {
				t.Errorf("signed %t: %s", sign, text)
			}
		}
	}
}
