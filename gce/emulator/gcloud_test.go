package emulator

import (
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// gcloud returns an unmodified gcloud for the server under test.
func (w *world) gcloud() func(args ...string) string {
	w.t.Helper()
	t := w.t
	if testing.Short() {
		t.Skip("gcloud takes seconds a command")
	}
	if _, err := exec.LookPath("gcloud"); err != nil {
		t.Skip("gcloud is not installed")
	}
	home := t.TempDir()
	return func(args ...string) string {
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
}

// TestGcloud does with gcloud what operators do.
func TestGcloud(t *testing.T) {
	w := newWorld(t)
	gcloud := w.gcloud()
	w.subnet()
	w.made("POST", regionW+"addresses", obj{"name": "m-ip"})
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

// TestGcloudBalancer makes a balancer with gcloud and takes it apart.
func TestGcloudBalancer(t *testing.T) {
	w := newWorld(t)
	gcloud := w.gcloud()
	ip := w.masters()
	w.made("DELETE", serviceW, nil)
	gcloud("compute", "instances", "delete-access-config", "m1", "--access-config-name=external-nat")
	gcloud("compute", "instances", "add-access-config", "m1")
	gcloud("compute", "instance-groups", "unmanaged", "create", "second")
	gcloud("compute", "instance-groups", "unmanaged", "delete", "second")
	gcloud("compute", "instance-groups", "unmanaged", "remove-instances", "g", "--instances=m1")
	gcloud("compute", "instance-groups", "unmanaged", "add-instances", "g", "--instances=m1")
	if out := gcloud("compute", "instance-groups", "unmanaged", "list-instances", "g"); !strings.Contains(out, "m1") {
		t.Errorf("members:\n%s", out)
	}
	gcloud("compute", "health-checks", "create", "https", "ready", "--region=europe-west1", "--port=443", "--request-path=/readyz", "--check-interval=2s", "--timeout=1s")
	gcloud("compute", "health-checks", "update", "https", "ready", "--region=europe-west1", "--unhealthy-threshold=3")
	gcloud("compute", "backend-services", "create", "api", "--load-balancing-scheme=EXTERNAL", "--protocol=TCP", "--region=europe-west1",
		"--health-checks=ready", "--health-checks-region=europe-west1")
	gcloud("compute", "backend-services", "add-backend", "api", "--region=europe-west1", "--instance-group=g", "--instance-group-zone=europe-west1-b")
	gcloud("compute", "backend-services", "add-backend", "api", "--region=europe-west1", "--instance-group=g", "--instance-group-zone=europe-west1-c")
	gcloud("compute", "forwarding-rules", "create", "api", "--load-balancing-scheme=EXTERNAL", "--region=europe-west1", "--address=m-ip", "--ports=443",
		"--backend-service=api")
	w.backend.mu.Lock()
	for _, m := range w.backend.network.Machines {
		w.backend.health = map[netip.Addr]bool{m.NIC.Address: true}
	}
	w.backend.mu.Unlock()
	if out := gcloud("compute", "backend-services", "get-health", "api", "--region=europe-west1"); strings.Count(out, ": HEALTHY") != 1 || strings.Count(out, "UNHEALTHY") != 1 {
		t.Errorf("health:\n%s", out)
	}
	if out := gcloud("compute", "forwarding-rules", "list", "--format=value(name,IPAddress)"); out != "api\t"+ip+"\n" {
		t.Errorf("rules:\n%s", out)
	}
	if out := gcloud("compute", "backend-services", "list", "--format=value(name,protocol)"); out != "api\tTCP\n" {
		t.Errorf("services:\n%s", out)
	}
	if b := w.backend.net().Balancers; len(b) != 1 || len(b[0].Backends) != 2 || len(b[0].Ports) != 1 || b[0].Ports[0] != "443" || b[0].Check.Unhealthy != 3 {
		t.Errorf("balancers: %+v", b)
	}
	gcloud("compute", "health-checks", "list")
	gcloud("compute", "forwarding-rules", "delete", "api", "--region=europe-west1")
	gcloud("compute", "backend-services", "remove-backend", "api", "--region=europe-west1", "--instance-group=g", "--instance-group-zone=europe-west1-b")
	gcloud("compute", "backend-services", "delete", "api", "--region=europe-west1")
	gcloud("compute", "health-checks", "delete", "ready", "--region=europe-west1")
}
