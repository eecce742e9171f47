package metadata

import (
	"strings"
	"testing"
)

func TestGuestAttributes(t *testing.T) {
	m := newTwin()
	srv := serve(t, m)
	const at = "/computeMetadata/v1/instance/guest-attributes/"
	for _, c := range []struct {
		method, path, body string
		status             int
		want               string // "~" is anything
	}{
		{"PUT", "hakube/phase", "installing containerd", 200, ""},
		{"PUT", "hostkeys/ssh-ed25519", "AAAA", 200, ""},
		{"PUT", "hakube/phase", "running", 200, ""},
		{"GET", "hakube/phase", "", 200, "running"},
		{"GET", "hakube/phase/", "", 404, "~"},
		{"GET", "", "", 200, "hakube/\nhostkeys/\n"},
		{"GET", "hakube/", "", 200, "phase\n"},
		{"GET", "?recursive=true", "", 200, `{"hakube":{"phase":"running"},"hostkeys":{"ssh-ed25519":"AAAA"}}`},
		{"GET", "hakube/other", "", 404, "~"},
		{"PUT", "hakube", "x", 400, "~"},
		{"PUT", "hakube/", "x", 400, "~"},
		{"PUT", "hakube/a/b", "x", 400, "~"},
		{"PUT", "hakube/" + strings.Repeat("k", MaxGuestName+1), "x", 400, "~"},
		{"PUT", "hakube/largest", strings.Repeat("v", MaxGuestValue), 200, ""},
		{"PUT", "hakube/large", strings.Repeat("v", MaxGuestValue+1), 413, "~"},
		{"POST", "hakube/phase", "x", 405, "~"},
		{"DELETE", "hakube/nothing", "", 404, "~"},
		{"DELETE", "hakube/largest", "", 200, ""},
		{"DELETE", "hostkeys/ssh-ed25519", "", 200, ""},
		{"GET", "", "", 200, "hakube/\n"},
	} {
		resp, body := ask(t, srv, c.method, at+c.path, c.body)
		if resp.StatusCode != c.status || c.want != "~" && body != c.want {
			t.Errorf("%s %.40s: %d %q, want %d %q", c.method, c.path, resp.StatusCode, body, c.status, c.want)
		}
	}
	if resp, _ := ask(t, srv, "PUT", "/computeMetadata/v1/instance/attributes/x", "1"); resp.StatusCode != 405 {
		t.Errorf("writing an attribute: %d, want 405", resp.StatusCode)
	}
}

// The instance's word counts, the project's only where the instance has none.
func TestGuestAttributesSwitch(t *testing.T) {
	const key = "enable-guest-attributes"
	for _, c := range []struct {
		instance, project string // "" is not set
		status            int
	}{
		{"", "", 403}, {"TRUE", "", 200}, {"", "true", 200}, {"FALSE", "TRUE", 403}, {"1", "FALSE", 200},
	} {
		m := newTwin()
		m.view.Instance.Attributes, m.view.Project.Attributes = map[string]string{}, map[string]string{}
		if c.instance != "" {
			m.view.Instance.Attributes[key] = c.instance
		}
		if c.project != "" {
			m.view.Project.Attributes[key] = c.project
		}
		resp, body := ask(t, serve(t, m), "PUT", "/computeMetadata/v1/instance/guest-attributes/a/b", "c")
		if resp.StatusCode != c.status || c.status == 403 && body != "Guest attributes endpoint access is disabled." {
			t.Errorf("instance %q, project %q: %d %s", c.instance, c.project, resp.StatusCode, body)
		}
	}
}
