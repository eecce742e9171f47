//go:build linux

package main

import (
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// tokenURL is by address: a pod's DNS is Kubernetes'.
const tokenURL = "http://169.254.169.254/computeMetadata/v1/instance/service-accounts/default/token"

// identityOfNodes: a pod gets no token, one on the host's network gets the node's, and
// with it Google's refusal of all that nodes may not do.
func (w *walk) identityOfNodes(t *testing.T, node, pod, onHost string) {
	t.Helper()
	ask := func(within string) []string {
		return []string{"--", "timeout", within, "wget", "-q", "-O-", "--header=Metadata-Flavor: Google", tokenURL}
	}
	if out, err := w.answered(t, append([]string{"exec", pod}, ask("4")...)...); err == nil {
		t.Fatalf("a pod gets a token: %q", out)
	}
	var token struct {
		Access string `json:"access_token"`
	}
	said := w.kubectl(t, append([]string{"exec", onHost}, ask("60")...)...)
	if err := json.Unmarshal([]byte(said), &token); err != nil || token.Access == "" {
		t.Fatalf("a pod on the host's network gets %q, %v", said, err)
	}
	for url, want := range map[string]string{
		"https://compute.googleapis.com/compute/v1/projects/" + w.project + "/zones/" + zoneB + "/instances": "Request had insufficient authentication scopes.",
		"https://iam.googleapis.com/v1/projects/" + w.project + "/serviceAccounts":                           "Request had insufficient authentication scopes.",
		"https://oauth2.googleapis.com/tokeninfo?access_token=" + token.Access:                               "https://www.googleapis.com/auth/logging.write",
	} {
		if got := w.on(t, node, "curl", "-sS", "-m", "60", "-H", "Authorization: Bearer "+token.Access, url); !strings.Contains(got, want) {
			t.Errorf("a node's token at %s: %s", strings.ReplaceAll(url, token.Access, "TOKEN"), got)
		}
	}
}

// identityInside: a program of anybody's on a machine finds Google's services by their
// names, trusts them and is who the machine is, without anything set; a machine without
// an account is nobody.
func (w *walk) identityInside(t *testing.T, machine string) {
	t.Helper()
	at := filepath.Join(t.TempDir(), "inside")
	c := exec.CommandContext(t.Context(), "go", "build", "-o", at, "./testdata/inside")
	c.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("building a client: %v\n%s", err, out)
	}
	program, err := os.ReadFile(at)
	if err != nil {
		t.Fatal(err)
	}
	id, err := strconv.ParseUint(w.call(t, http.MethodGet, "zones/"+zoneB+"/instances/"+machine)["id"].(string), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	root := filepath.Join(w.dir, "run", "machines", strconv.FormatUint(id, 36), "rootfs")
	if err := os.WriteFile(filepath.Join(root, "usr/local/bin/inside"), program, 0o755); err != nil {
		t.Fatal(err)
	}
	if got := w.on(t, machine, "inside", w.project, zoneB); got != machine+" RUNNING\n" {
		t.Errorf("a client inside lists %q", got)
	}
	if got := w.on(t, machine, "curl", "-sS", "-m", "60", "https://compute.googleapis.com/compute/v1/projects/"+w.project+"/zones"); !strings.Contains(got, `"UNAUTHENTICATED"`) {
		t.Errorf("without a token: %s", got)
	}
	// OpenSSL and Python look for who is trusted elsewhere than Go and curl.
	if got := w.on(t, machine, "sh", "-c", "echo | openssl s_client -connect compute.googleapis.com:443 -CApath /etc/ssl/certs -no-CAfile 2>&1"); !strings.Contains(got, "Verify return code: 0 (ok)") {
		t.Errorf("openssl says %s", got)
	}
	if key := w.on(t, machine, "sh", "-c", "grep -rl 'PRIVATE KEY' /usr/local/share/ca-certificates /etc/ssl/certs || true"); key != "" {
		t.Errorf("the machine has the authority's key in %s", key)
	}
}
