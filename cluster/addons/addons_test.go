package addons

import (
	"regexp"
	"strings"
	"testing"
)

// TestManifests: each row renders, says its images by digest where no mirror is, ends with
// the workload that tells of its health, and has another digest when something differs.
func TestManifests(t *testing.T) {
	v := Values{Project: "p", Network: "n", Subnetwork: "s", NodeTag: "tag", Cluster: "c"}
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
		if !seen[a.Workload.Path()] {
			t.Errorf("%s has no %s", a.Name, a.Workload.Path())
		}
		if i := len(s.Objects) - 1; s.Objects[i].Path != a.Workload.Path() {
			t.Errorf("%s ends with %s: its programs would start without what they need", a.Name, s.Objects[i].Path)
		}
		whole := ""
		for _, o := range s.Objects {
			whole += string(o.JSON)
		}
		for name, i := range a.Images {
			if !regexp.MustCompile(`^sha256:[0-9a-f]{64}$`).MatchString(i.Digest) || !strings.Contains(whole, i.Ref+"@"+i.Digest) {
				t.Errorf("%s: image %s is not asked for by its digest", a.Name, name)
			}
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
