package cluster

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hakube/cluster/addons"
	"hakube/cluster/refusal"
	"hakube/cluster/settings"
	"hakube/gce/emulator"
	"hakube/gce/gcetest"
)

const mastersAccount = "hakube-masters@" + gcetest.Project + ".iam.gserviceaccount.com"

// iam is a call to one of the services beside Compute Engine, as the operator.
func (w *world) iam(path string, body any) {
	w.t.Helper()
	b, err := json.Marshal(body)
	if err != nil {
		w.t.Fatal(err)
	}
	resp, err := http.Post(w.URL+"/v1/projects/"+gcetest.Project+path, "application/json", bytes.NewReader(b))
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		w.t.Fatalf("POST %s: %s", path, resp.Status)
	}
}

// grants is all of the project's policy: who has which role.
func (w *world) grants(roles map[string]string) {
	w.t.Helper()
	var bindings []any
	for role, member := range roles {
		bindings = append(bindings, doc{"role": role, "members": []string{member}})
	}
	w.iam(":setIamPolicy", doc{"policy": doc{"bindings": bindings}})
}

// TestRights: what addons need is in the roles that the manual's lines give the masters'
// account, and no role of those is for nothing.
func TestRights(t *testing.T) {
	w := newWorld(t)
	used := map[string]bool{}
	for _, a := range addons.All() {
		for _, x := range a.Rights {
			used[x.Role] = true
			has, err := w.Client.RolePermissions(t.Context(), x.Role)
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range x.Permissions {
				if !slices.Contains(has, p) {
					t.Errorf("addon %s: %s has not got %s", a.Name, x.Role, p)
				}
			}
		}
	}
	text, err := os.ReadFile("../cmd/hakube/README.md")
	if err != nil {
		t.Fatal(err)
	}
	given := map[string]bool{}
	for _, m := range regexp.MustCompile(`gcloud projects add-iam-policy-binding \$PROJECT --member=serviceAccount:hakube-masters@\S+ --role=(\S+)`).FindAllStringSubmatch(string(text), -1) {
		given[m[1]] = true
	}
	if diff := cmp.Diff(given, used); diff != "" {
		t.Errorf("roles (-manual +addons):\n%s", diff)
	}
}

// TestMastersLackRoles: a masters' account without the roles that addons need is refused
// before the first change, by the roles that give what it has not got, each with the command
// that grants it, and by permissions where they are few. Each command does its part.
func TestMastersLackRoles(t *testing.T) {
	w := newWorld(t)
	w.iam("/serviceAccounts", doc{"accountId": "hakube-masters"})
	w.grants(map[string]string{"roles/owner": "user:somebody@example.com"})
	o := w.operator(func(s *settings.Settings) { s.MasterAccount = mastersAccount })
	with := o.again(func(s *settings.Settings) { s.Addons = "cloud-controller,volumes" })
	_, err := with.again(func(s *settings.Settings) { s.MasterAccount = "nobody@" + gcetest.Project + ".iam.gserviceaccount.com" }).PreviewUp(context.Background(), nil)
	wantError(t, err, "HAKUBE_MASTER_SERVICE_ACCOUNT=nobody@local.iam.gserviceaccount.com: there is no such service account", "gcloud iam service-accounts list --project=local")
	roles := map[string]string{}
	lacks := map[int]string{ // by how many roles are still to be granted
		3: `^the service account \S+ of masters has not got on project local \d+ permissions: \d+ of roles/compute\.loadBalancerAdmin, \d+ of roles/compute\.securityAdmin, \d+ of roles/compute\.instanceAdmin\.v1; addons cloud-controller, volumes need them$`,
		2: `has not got on project local \d+ permissions: \d+ of roles/compute\.securityAdmin, \d+ of roles/compute\.instanceAdmin\.v1; addons`,
		1: `has not got on project local \d+ permissions of roles/compute\.instanceAdmin\.v1; addons`,
	}
	for n := 3; n > 0; n-- {
		before := w.objects()
		_, err := with.Up(context.Background(), nil)
		var unchanged *Unchanged
		if !errors.As(err, &unchanged) {
			t.Errorf("it does not say that nothing was changed: %v", err)
		}
		if diff := cmp.Diff(before, w.objects()); diff != "" {
			t.Errorf("objects (-before +after):\n%s", diff)
		}
		var all refusal.Blockers
		if !errors.As(err, &all) {
			t.Fatal(err)
		}
		if !regexp.MustCompile(lacks[n]).MatchString(all[0].Why) || strings.Contains(all[0].Why, " compute.") {
			t.Errorf("with %d roles to grant it says %q", n, all[0].Why)
		}
		commands := regexp.MustCompile(`(?m)^\tgcloud projects add-iam-policy-binding local --member=(\S+) --role=(\S+)$`).FindAllStringSubmatch(all[0].Cure, -1)
		if len(commands) != n {
			t.Fatalf("%d commands, want %d:\n%s", len(commands), n, all[0].Cure)
		}
		roles[commands[0][2]] = commands[0][1] // done as it is told, one at a time
		w.grants(roles)
	}
	if s := w.mustUp(with); strings.Contains(strings.Join(s.Warnings, "\n"), "service account") {
		t.Errorf("warnings: %q", s.Warnings)
	}
	w.mustDown(with)

	// One that lives is asked about when it is to get addons, and not before.
	w.grants(map[string]string{"roles/compute.admin": "user:somebody@example.com"})
	asked := 0
	w.setFault(func(r *http.Request) emulator.Fault {
		if strings.HasSuffix(r.URL.Path, ":getIamPolicy") {
			asked++
		}
		return emulator.Fault{}
	})
	w.mustUp(o)
	w.mustUp(o)
	if asked != 0 {
		t.Errorf("without addons the policy was read %d times", asked)
	}
	_, err = with.Up(context.Background(), nil)
	wantError(t, err, "of roles/compute.loadBalancerAdmin", "--role=roles/compute.loadBalancerAdmin")
	w.grants(map[string]string{"roles/compute.admin": "serviceAccount:" + mastersAccount}) // which has all three roles' permissions
	w.mustUp(with)
	w.mustDown(with)
}

// TestLacksOneRole: what two addons need of one role is granted by one command, and the few
// permissions that somebody's own role has not got are named.
func TestLacksOneRole(t *testing.T) {
	besideOthers(t)
	w := newWorld(t)
	w.iam("/serviceAccounts", doc{"accountId": "hakube-masters"})
	w.grants(map[string]string{"roles/compute.loadBalancerAdmin": "serviceAccount:" + mastersAccount, "roles/compute.securityAdmin": "user:somebody@example.com"})
	o := w.operator(func(s *settings.Settings) {
		s.MasterAccount, s.Addons, s.Autoscaler, s.ScalesToLeast, s.ScalesToMost = mastersAccount, "cloud-controller,volumes", true, 1, 3
		*s = s.Said("NUM_NODES", false)
	})
	var all refusal.Blockers
	if _, err := o.PreviewUp(t.Context(), nil); !errors.As(err, &all) {
		t.Fatal(err)
	}
	if n := strings.Count(all[0].Cure, "--role=roles/compute.instanceAdmin.v1"); n != 1 {
		t.Errorf("%d commands grant one role:\n%s", n, all[0].Cure)
	}
	o = o.again(func(s *settings.Settings) { s.Addons, s.Autoscaler, s.ScalesToMost = "cloud-controller", false, 0 })
	for role, want := range map[string]string{
		"roles/compute.loadBalancerAdmin": "has not got on project local 6 permissions of roles/compute.securityAdmin; addons cloud-controller need them",
		"roles/compute.networkAdmin":      "has not got on project local: compute.firewalls.create, compute.firewalls.delete, compute.firewalls.update; addons cloud-controller need them",
	} {
		w.grants(map[string]string{"roles/compute.loadBalancerAdmin": "serviceAccount:" + mastersAccount, role: "serviceAccount:" + mastersAccount})
		if _, err := o.PreviewUp(t.Context(), nil); !errors.As(err, &all) {
			t.Fatal(err)
		}
		if !strings.HasSuffix(all[0].Why, want) || strings.Count(all[0].Cure, "--role=") != 1 {
			t.Errorf("with %s it says %q\n%s", role, all[0].Why, all[0].Cure)
		}
	}
}

// foretold are the warnings of a plan.
func (o *operator) foretold(t *testing.T) string {
	t.Helper()
	var said []string
	o.OnWarning(func(text string) { said = append(said, text) })
	if _, err := o.PreviewUp(context.Background(), nil); err != nil {
		t.Fatal(err)
	}
	return strings.Join(said, "\n")
}

// TestMastersMayHaveRoles: what cannot be known is a warning, and the run goes on.
func TestMastersMayHaveRoles(t *testing.T) {
	for name, x := range map[string]struct {
		policy map[string]string
		fault  string
		says   []string
	}{
		"by a group":         {map[string]string{"roles/editor": "group:all@example.com"}, "", []string{"has not got on project local ", " of roles/compute.loadBalancerAdmin, ", "unless a folder, an organisation, a group or a condition grants that", "--role=roles/compute.loadBalancerAdmin"}},
		"the policy is shut": {nil, ":getIamPolicy", []string{"whether the service account " + mastersAccount + " of masters has the roles it needs is not known beforehand"}},
		"roles are shut":     {map[string]string{"roles/viewer": "serviceAccount:" + mastersAccount}, "/v1/roles/viewer", []string{"is not known beforehand"}},
		"its place is shut":  {map[string]string{"roles/viewer": "serviceAccount:" + mastersAccount}, "/v1/projects/" + gcetest.Project, []string{"has not got on project local", "unless a folder"}},
	} {
		t.Run(strings.ReplaceAll(name, " ", "_"), func(t *testing.T) {
			besideOthers(t)
			w := newWorld(t)
			w.iam("/serviceAccounts", doc{"accountId": "hakube-masters"})
			w.grants(x.policy)
			w.setFault(func(r *http.Request) emulator.Fault {
				if x.fault != "" && (r.URL.Path == x.fault || r.URL.Path == "/v1/projects/"+gcetest.Project+x.fault) {
					return emulator.Fault{Status: http.StatusForbidden, Reason: "forbidden", Message: "The caller does not have permission"}
				}
				return emulator.Fault{}
			})
			o := w.operator(func(s *settings.Settings) { s.MasterAccount, s.Addons = mastersAccount, "cloud-controller" })
			said := o.foretold(t)
			for _, want := range x.says {
				if !strings.Contains(said, want) {
					t.Errorf("%q does not say %q", said, want)
				}
			}
		})
	}
}

// TestNodesPull: whoever says that nodes pull private images is warned where their account
// may not, which a repository may grant too; who says nothing is not.
func TestNodesPull(t *testing.T) {
	w := newWorld(t)
	w.iam("/serviceAccounts", doc{"accountId": "hakube-nodes"})
	account := settings.Account("hakube-nodes@" + gcetest.Project + ".iam.gserviceaccount.com")
	warned := func(o *operator) bool {
		t.Helper()
		return strings.Contains(o.foretold(t), "artifactregistry.repositories.downloadArtifacts")
	}
	silent := w.operator(func(s *settings.Settings) { s.NodeAccount = account })
	said := silent.again(func(s *settings.Settings) { *s = s.Said("ENABLE_AUTH_PROVIDER_GCP", true) })
	if warned(silent) || !warned(said) {
		t.Errorf("warned: %t without a word, %t when it is said", warned(silent), warned(said))
	}
	w.grants(map[string]string{"roles/artifactregistry.reader": "serviceAccount:" + string(account)})
	if warned(said) {
		t.Error("it is warned of a role that is there")
	}
}
