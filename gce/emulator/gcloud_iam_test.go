package emulator

import (
	"strings"
	"testing"
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
