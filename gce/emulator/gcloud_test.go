package emulator

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestGcloud lets an unmodified gcloud at the server.
func TestGcloud(t *testing.T) {
	if testing.Short() {
		t.Skip("gcloud takes seconds a command")
	}
	if _, err := exec.LookPath("gcloud"); err != nil {
		t.Skip("gcloud is not installed")
	}
	w := newWorld(t)
	w.subnet()
	w.made("POST", regionW+"addresses", obj{"name": "m-ip"})
	home := t.TempDir()
	gcloud := func(args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "gcloud", args...)
		cmd.Env = append(os.Environ(),
			"HOME="+home, "CLOUDSDK_CONFIG="+filepath.Join(home, "gcloud"), "CLOUDSDK_CORE_PROJECT=p",
			"CLOUDSDK_COMPUTE_ZONE=europe-west1-b", "CLOUDSDK_COMPUTE_REGION=europe-west1",
			"CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE="+w.web.URL+"/compute/v1/", "CLOUDSDK_AUTH_ACCESS_TOKEN=x",
			"CLOUDSDK_CORE_DISABLE_PROMPTS=1", "CLOUDSDK_CORE_CHECK_GCE_METADATA=false", "CLOUDSDK_CORE_DISABLE_FILE_LOGGING=1",
			"NO_PROXY=127.0.0.1", "no_proxy=127.0.0.1")
		var stderr strings.Builder
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("gcloud %s: %v\n%s", strings.Join(args, " "), err, stderr.String())
		}
		return string(out)
	}
	gcloud("compute", "instances", "create", "m1", "m2", "--subnet=s", "--image-family=debian-12", "--image-project=debian-cloud",
		"--machine-type=n1-standard-1", "--no-scopes", "--no-service-account")
	if out := gcloud("compute", "instances", "list", "--format=value(name,status)"); out != "m1\tRUNNING\nm2\tRUNNING\n" {
		t.Errorf("list:\n%s", out)
	}
	if out := gcloud("compute", "instances", "list"); !strings.Contains(out, "EXTERNAL_IP") || !strings.Contains(out, "m2") {
		t.Errorf("list:\n%s", out)
	}
	gcloud("compute", "instances", "add-metadata", "m1", "--metadata=a=b")
	gcloud("compute", "instance-templates", "create", "tmpl", "--machine-type=n1-standard-1", "--subnet=projects/p/regions/europe-west1/subnetworks/s",
		"--region=europe-west1", "--image-family=debian-12", "--image-project=debian-cloud")
	gcloud("compute", "instance-groups", "managed", "create", "g", "--size=2", "--template=tmpl")
	gcloud("compute", "instance-groups", "managed", "wait-until", "g", "--stable")
	if out := gcloud("compute", "instance-groups", "managed", "list"); !strings.Contains(out, "g ") {
		t.Errorf("groups:\n%s", out)
	}
	gcloud("compute", "instance-groups", "managed", "list-instances", "g")
	gcloud("compute", "instance-groups", "managed", "delete", "g")
	gcloud("compute", "instances", "delete", "m1", "m2")
	if out := gcloud("compute", "addresses", "list", "--format=value(name,status)"); out != "m-ip\tRESERVED\n" {
		t.Errorf("addresses:\n%s", out)
	}
}
