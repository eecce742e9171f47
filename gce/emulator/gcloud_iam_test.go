package emulator

import (
	"os"
	"strings"
	"testing"

	"hakube/gce/emulator/internal/doc"
)

// TestGcloudIAM grants and takes roles, and makes and removes service accounts, with an
// unmodified gcloud, as the README says it.
func TestGcloudIAM(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g := w.long()
	g.bare = true
	g.do("iam service-accounts create masters --display-name='Masters of clusters'")
	const email = "masters@p.iam.gserviceaccount.com"
	g.shows("iam service-accounts list --format='value(email,displayName)'",
		"masters@p.iam.gserviceaccount.com Masters of clusters", w.get("projects/p")["defaultServiceAccount"].(string)+" Compute Engine default service account")
	g.prints("iam service-accounts describe "+email+" --format='value(email,projectId,disabled)'", email+" p")
	g.do("projects add-iam-policy-binding p --member=serviceAccount:" + email + " --role=roles/compute.loadBalancerAdmin --condition=None")
	g.do("projects add-iam-policy-binding p --member=serviceAccount:" + email + " --role=roles/compute.viewer")
	g.shows("projects get-iam-policy p --flatten=bindings --filter=bindings.members:"+email+" --format='value(bindings.role)'", "roles/compute.loadBalancerAdmin", "roles/compute.viewer")
	g.do("projects remove-iam-policy-binding p --member=serviceAccount:" + email + " --role=roles/compute.viewer")
	if got := g.do("projects get-iam-policy p --flatten=bindings --filter=bindings.members:" + email + " --format='value(bindings.role)'"); strings.Contains(got, "viewer") {
		t.Errorf("a role that was taken away: %s", got)
	}
	g.do("iam service-accounts add-iam-policy-binding " + email + " --member=user:me@example.com --role=roles/iam.serviceAccountUser")
	g.shows("iam service-accounts get-iam-policy "+email+" --format='value(bindings.role)'", "roles/iam.serviceAccountUser")
	g.shows("iam roles describe roles/iam.serviceAccountUser --format='value(includedPermissions.list())'", "iam.serviceAccounts.actAs,iam.serviceAccounts.get,iam.serviceAccounts.list,resourcemanager.projects.get,resourcemanager.projects.list")
	g.prints("projects describe p --format='value(projectId,lifecycleState)'", "p ACTIVE")
	g.refuses("projects add-iam-policy-binding p --member=serviceAccount:nobody@p.iam.gserviceaccount.com --role=roles/viewer", "Service account nobody@p.iam.gserviceaccount.com does not exist.")
	g.refuses("iam service-accounts create masters", "Service account masters already exists within project projects/p.")
	g.do("iam service-accounts disable " + email)
	g.prints("iam service-accounts describe "+email+" --format='value(disabled)'", "True")
	g.do("iam service-accounts enable " + email)
	g.do("iam service-accounts delete " + email)
	g.refuses("iam service-accounts describe "+email, "Unknown service account")
}

// TestLeastPrivilegeLines runs the lines of cmd/hakube/README.md that make accounts with what they
// need, and does as the masters' account what controllers of balancers, volumes and pools do.
func TestLeastPrivilegeLines(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../cmd/hakube/README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "\n## Least privilege\n")
	section, _, _ = strings.Cut(section, "\n## ")
	w := newWorld(t)
	g := w.long()
	g.bare = true
	lines := 0
	for line := range strings.Lines(section) {
		if command, ok := strings.CutPrefix(line, "    gcloud "); ok {
			command, _, _ = strings.Cut(command, " #")
			g.do(strings.ReplaceAll(strings.TrimSpace(command), "$PROJECT", "p"))
			lines++
		}
	}
	if lines < 10 {
		t.Fatalf("the README has %d lines", lines)
	}
	w.subnet()
	in := w.guests()
	in.machine("master", "hakube-masters@p.iam.gserviceaccount.com", "compute")
	in.machine("node", "hakube-nodes@p.iam.gserviceaccount.com", "cloud-platform")
	w.template("tmpl")
	w.made("POST", zoneB+"instanceGroupManagers", doc.Obj{"name": "pool", "targetSize": 1, "instanceTemplate": "global/instanceTemplates/tmpl"})
	token := in.token("master")
	region, zone := computeP+"regions/europe-west1/", computeP+"zones/europe-west1-b/"
	for _, c := range []struct{ verb, url, body string }{
		{"GET", computeP + "zones", ""}, {"GET", zone + "instances", ""}, {"GET", zone + "instances/node", ""},
		{"POST", region + "addresses", `{"name":"a"}`},
		{"POST", computeP + "global/httpHealthChecks", `{"name":"c"}`},
		{"POST", computeP + "global/firewalls", `{"name":"k8s-fw-a","network":"global/networks/default","allowed":[{"IPProtocol":"tcp","ports":["80"]}]}`},
		{"POST", region + "targetPools", `{"name":"a","instances":["zones/europe-west1-b/instances/node"],"healthChecks":["global/httpHealthChecks/c"]}`},
		{"POST", region + "forwardingRules", `{"name":"a","target":"regions/europe-west1/targetPools/a","IPProtocol":"TCP","portRange":"80-80"}`},
		{"POST", zone + "disks", `{"name":"pvc","sizeGb":"10"}`},
		{"POST", zone + "instances/node/attachDisk", `{"source":"zones/europe-west1-b/disks/pvc"}`},
		{"POST", zone + "disks/pvc/createSnapshot", `{"name":"s"}`},
		{"POST", zone + "instances/node/detachDisk?deviceName=persistent-disk-1", ""},
		{"GET", zone + "instanceGroupManagers", ""}, {"GET", zone + "instanceGroupManagers/pool", ""}, {"POST", zone + "instanceGroupManagers/pool/listManagedInstances", ""},
		{"GET", computeP + "global/instanceTemplates/tmpl", ""}, {"GET", zone + "machineTypes/e2-small", ""},
		{"POST", zone + "instanceGroupManagers/pool/createInstances", `{"instances":[{"name":"pool-aaaa"}]}`},
		{"POST", zone + "instanceGroupManagers/pool/deleteInstances", `{"instances":["zones/europe-west1-b/instances/pool-aaaa"],"skipInstancesOnValidationError":true}`},
		{"POST", zone + "instanceGroupManagers/pool/resize?size=1", ""},
	} {
		o := in.says(token, 200, "", c.verb, c.url, c.body)
		if doc.Str(o, "kind") == "compute#operation" { // the next one refers to it
			_, at, _ := strings.Cut(doc.Str(o, "selfLink"), "/compute/v1/projects/p/")
			in.says(token, 200, "", "POST", computeP+at+"/wait", "")
		}
	}
	in.says(token, 403, "", "POST", computeP+"global/networks", `{"name":"n"}`)
	in.says(in.token("node"), 403, "Required 'compute.instances.list' permission for 'projects/p'", "GET", zone+"instances", "")
}
