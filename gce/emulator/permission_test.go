package emulator

import (
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"hakube/gce"
	"hakube/gce/emulator/internal/access"
	"hakube/gce/emulator/internal/doc"
)

// TestPermissions: roles of the account decide, each refusal is Google's sentence, and
// what is refused has changed nothing.
func TestPermissions(t *testing.T) {
	w := newWorld(t)
	w.subnet()
	w.made("POST", zoneB+"disks", doc.Obj{"name": "d", "sizeGb": "10"})
	g := w.guests()
	tokens := map[string]string{}
	for id, roles := range map[string]string{
		"nobody": "", "viewer": "compute.viewer", "instances": "compute.instanceAdmin.v1", "balancers": "compute.loadBalancerAdmin", "users": "compute.instanceAdmin.v1 iam.serviceAccountUser",
		"network": "compute.networkAdmin", "security": "compute.securityAdmin", "storage": "compute.storageAdmin", "editor": "editor",
	} {
		var names []string
		for _, r := range strings.Fields(roles) {
			names = append(names, "roles/"+r)
		}
		g.machine("m-"+id, w.account("account-"+id, names...), "cloud-platform")
		tokens[id] = g.token("m-" + id)
	}
	g.machine("m-default", "default", "cloud-platform")
	tokens["default"] = g.token("m-default")
	zone := computeP + "zones/europe-west1-b/"
	vm := func(name, more string) string {
		return `{"name":"` + name + `","machineType":"zones/europe-west1-b/machineTypes/n1-standard-1",` + more +
			`"disks":[{"boot":true,"autoDelete":true,"initializeParams":{"sourceImage":"projects/debian-cloud/global/images/family/debian-12"}}],` +
			`"networkInterfaces":[{"subnetwork":"regions/europe-west1/subnetworks/s"}]}`
	}
	required := func(permission, on string) string {
		return fmt.Sprintf("Required '%s' permission for 'projects/p%s'", permission, on)
	}
	before := len(w.s.Snapshot())
	for _, c := range []struct{ who, verb, url, body, want string }{
		{"nobody", "GET", zone + "instances", "", required("compute.instances.list", "")},
		{"nobody", "GET", computeP + "aggregated/instances", "", required("compute.instances.list", "")},
		{"nobody", "GET", computeP + "zones", "", required("compute.zones.list", "")},
		{"nobody", "GET", zone[:len(zone)-1], "", required("compute.zones.get", "/zones/europe-west1-b")},
		{"nobody", "GET", zone + "instances/m-nobody", "", required("compute.instances.get", "/zones/europe-west1-b/instances/m-nobody")},
		{"nobody", "GET", zone + "instances/is-not-there", "", required("compute.instances.get", "/zones/europe-west1-b/instances/is-not-there")},
		{"nobody", "GET", computeP[:len(computeP)-1], "", required("compute.projects.get", "")},
		{"nobody", "GET", "https://www.googleapis.com/compute/beta/projects/p/zones/europe-west1-b/disks/d", "", required("compute.disks.get", "/zones/europe-west1-b/disks/d")},
		{"viewer", "DELETE", zone + "instances/m-nobody", "", required("compute.instances.delete", "/zones/europe-west1-b/instances/m-nobody")},
		{"viewer", "POST", zone + "instances/m-nobody/stop", "", required("compute.instances.stop", "/zones/europe-west1-b/instances/m-nobody")},
		{"viewer", "POST", zone + "instances", vm("new", ""), required("compute.instances.create", "/zones/europe-west1-b/instances/new")},
		{"storage", "POST", zone + "instances/m-nobody/attachDisk", `{"source":"zones/europe-west1-b/disks/d"}`, required("compute.instances.attachDisk", "/zones/europe-west1-b/instances/m-nobody")},
		{"instances", "POST", computeP + "global/networks", `{"name":"n"}`, required("compute.networks.create", "/global/networks/n")},
		{"instances", "POST", computeP + "global/firewalls", `{"name":"f","network":"global/networks/default","allowed":[{"IPProtocol":"tcp"}]}`, required("compute.firewalls.create", "/global/firewalls/f")},
		{"network", "POST", computeP + "global/firewalls", `{"name":"f","network":"global/networks/default","allowed":[{"IPProtocol":"tcp"}]}`, required("compute.firewalls.create", "/global/firewalls/f")},
		{"balancers", "DELETE", zone + "instances/m-nobody", "", required("compute.instances.delete", "/zones/europe-west1-b/instances/m-nobody")},
		{"instances", "POST", zone + "instances", vm("new", `"serviceAccounts":[{"email":"account-viewer@p.iam.gserviceaccount.com","scopes":["`+scopePrefix+`compute"]}],`),
			"The user does not have access to service account 'account-viewer@p.iam.gserviceaccount.com'.  User: 'account-instances@p.iam.gserviceaccount.com'.  Ask a project owner to grant you the iam.serviceAccountUser role on the service account"},
		{"instances", "POST", zone + "instances/m-nobody/setServiceAccount", `{"email":"default","scopes":["` + scopePrefix + `compute"]}`,
			"The user does not have access to service account '" + g.emailOf("m-default") + "'.  User: 'account-instances@p.iam.gserviceaccount.com'.  Ask a project owner to grant you the iam.serviceAccountUser role on the service account"},
		{"instances", "POST", computeP + "setCommonInstanceMetadata", `{}`, required("iam.serviceAccounts.actAs", "")},
		{"editor", "GET", "https://compute.googleapis.com/compute/v1/projects/another/zones", "", "Required 'compute.zones.list' permission for 'projects/another'"},
		{"editor", "POST", "https://cloudresourcemanager.googleapis.com/v1/projects/p:setIamPolicy", `{"policy":{}}`, "The caller does not have permission"},
		{"viewer", "POST", "https://iam.googleapis.com/v1/projects/p/serviceAccounts", `{"accountId":"another"}`, "Permission 'iam.serviceAccounts.create' denied on resource (or it may not exist)."},
	} {
		o := g.says(tokens[c.who], 403, c.want, c.verb, c.url, c.body)
		if e := doc.Objects(doc.Sub(o, "error"), "errors"); len(e) != 1 || doc.Str(e[0], "reason") != "forbidden" {
			t.Errorf("%s %s: %v", c.verb, c.url, o)
		}
	}
	if after := len(w.s.Snapshot()); after != before {
		t.Errorf("%d objects became %d by requests that were refused", before, after)
	}
	for _, c := range []struct{ who, verb, url, body string }{
		{"viewer", "GET", zone + "instances", ""},
		{"viewer", "GET", "https://compute.googleapis.com/compute/v1/projects/debian-cloud/global/images/family/debian-12", ""},
		{"nobody", "GET", "https://compute.googleapis.com/compute/v1/projects/debian-cloud/global/images/family/debian-12", ""},
		{"instances", "POST", zone + "instances", vm("plain", "")},
		{"users", "POST", zone + "instances", vm("with", `"serviceAccounts":[{"email":"account-viewer@p.iam.gserviceaccount.com","scopes":["`+scopePrefix+`compute"]}],`)},
		{"instances", "POST", zone + "instances/m-nobody/attachDisk", `{"source":"zones/europe-west1-b/disks/d"}`},
		{"balancers", "POST", computeP + "regions/europe-west1/targetPools", `{"name":"tp","instances":["zones/europe-west1-b/instances/m-nobody"]}`},
		{"security", "POST", computeP + "global/firewalls", `{"name":"f","network":"global/networks/default","allowed":[{"IPProtocol":"tcp"}]}`},
		{"network", "POST", computeP + "global/networks", `{"name":"n","autoCreateSubnetworks":false}`},
		{"storage", "POST", zone + "disks", `{"name":"e","sizeGb":"10"}`},
		{"default", "POST", computeP + "regions/europe-west1/addresses", `{"name":"by-default"}`}, // an editor, as Google's is
	} {
		o := g.says(tokens[c.who], 200, "", c.verb, c.url, c.body)
		if user := doc.Str(o, "user"); c.verb == "POST" && !strings.HasPrefix(user, "account-"+c.who+"@") && user != g.emailOf("m-default") {
			t.Errorf("the operation's user is %q", user)
		}
	}
	w.grant("account-nobody@p.iam.gserviceaccount.com", "roles/compute.viewer") // at once
	g.says(tokens["nobody"], 200, "", "GET", zone+"instances", "")
	// An account's own policy lets another one act as it.
	w.operator("POST", "/v1/projects/p/serviceAccounts/account-viewer@p.iam.gserviceaccount.com:setIamPolicy",
		`{"policy":{"bindings":[{"role":"roles/iam.serviceAccountUser","members":["serviceAccount:account-instances@p.iam.gserviceaccount.com"]}]}}`)
	g.says(tokens["instances"], 200, "", "POST", zone+"instances", vm("granted", `"serviceAccounts":[{"email":"account-viewer@p.iam.gserviceaccount.com","scopes":["`+scopePrefix+`compute"]}],`))
	// What is not here says so, and is no door to what is.
	for _, url := range []string{"https://storage.googleapis.com/compute/v1/projects/p/zones", "https://storage.googleapis.com/storage/v1/b/b1x/notificationConfigs", "https://compute.googleapis.com/v1/projects/p:getIamPolicy", "https://iam.googleapis.com/v1/projects/p:getIamPolicy",
		"https://cloudresourcemanager.googleapis.com/v1/projects/p/serviceAccounts", "https://oauth2.googleapis.com/token", "https://127.0.0.1/compute/v1/projects/p/zones"} {
		if status, o := g.ask(tokens["editor"], "GET", url, ""); status != 400 || !strings.Contains(message(o), "is not written in hakube's embedded GCE") {
			t.Errorf("%s: %d %v", url, status, o)
		}
	}
}

// TestTestPermissionsInside: an account is told what its roles hold.
func TestTestPermissionsInside(t *testing.T) {
	w := newWorld(t)
	w.subnet()
	g := w.guests()
	g.machine("m", w.account("account-m", "roles/compute.instanceAdmin.v1"), "cloud-platform")
	o := g.says(g.token("m"), 200, "", "POST", "https://cloudresourcemanager.googleapis.com/v1/projects/p:testIamPermissions",
		`{"permissions":["compute.instances.create","compute.networks.create","compute.disks.create","compute.firewalls.create"]}`)
	if got := doc.Strings(o, "permissions"); !slices.Equal(got, []string{"compute.instances.create", "compute.disks.create"}) {
		t.Errorf("granted: %v", got)
	}
}

// TestActsAs: an account made by the manual's lines may not act as others in the project,
// and as those that the lines name: hakube asks both, as that account.
func TestActsAs(t *testing.T) {
	w := newWorld(t)
	w.subnet()
	g := w.guests()
	operator, nodes, others := w.account("hakube-operator", "roles/compute.instanceAdmin.v1"), w.account("hakube-nodes"), w.account("others")
	w.operator("POST", "/v1/projects/p/serviceAccounts/"+nodes+":setIamPolicy",
		`{"policy":{"bindings":[{"role":"roles/iam.serviceAccountUser","members":["serviceAccount:`+operator+`"]}]}}`)
	g.machine("m", operator, "cloud-platform")
	token := g.token("m")
	client, err := gce.New(t.Context(), gce.Options{Project: "p", Endpoint: g.inside.URL, HTTPClient: &http.Client{Transport: transport(func(r *http.Request) (*http.Response, error) {
		r = r.Clone(r.Context())
		r.Header.Set("Authorization", "Bearer "+token)
		r.Host = "cloudresourcemanager.googleapis.com"
		if strings.Contains(r.URL.Path, "/serviceAccounts/") || strings.HasPrefix(r.URL.Path, "/v1/roles") {
			r.Host = "iam.googleapis.com"
		}
		return http.DefaultTransport.RoundTrip(r)
	})}})
	if err != nil {
		t.Fatal(err)
	}
	const actAs = "iam.serviceAccounts.actAs"
	if no, err := client.WithheldPermissions(t.Context(), actAs, "compute.disks.create"); err != nil || !slices.Equal(no, []string{actAs}) {
		t.Errorf("withheld on the project: %v, %v", no, err)
	}
	for account, want := range map[string][]string{nodes: {}, others: {actAs}} {
		if no, err := client.WithheldOnAccount(t.Context(), "-", account, actAs); err != nil || !slices.Equal(no, want) {
			t.Errorf("withheld on %s: %v, %v", account, no, err)
		}
	}
	if _, err := client.WithheldOnAccount(t.Context(), "p", "nobody@p.iam.gserviceaccount.com", actAs); !gce.IsNotFound(err) {
		t.Errorf("an account that is none: %v", err)
	}
	if _, err := client.Bindings(t.Context()); gce.ClassOf(err) != gce.No {
		t.Errorf("the policy is no business of an instance admin: %v", err)
	}
	w.grant(operator, "roles/browser")
	all, err := client.Bindings(t.Context())
	if err != nil || !slices.ContainsFunc(all, func(b gce.Binding) bool {
		return b.Role == "roles/compute.instanceAdmin.v1" && slices.Contains(b.Members, "serviceAccount:"+operator) && !b.Conditional
	}) {
		t.Errorf("a browser reads %v, %v", all, err)
	}
	if above, err := client.Above(t.Context()); above || err != nil {
		t.Errorf("the project is in something: %t, %v", above, err)
	}
	if has, err := client.RolePermissions(t.Context(), "roles/iam.serviceAccountUser"); err != nil || !slices.Contains(has, actAs) {
		t.Errorf("the role has %v, %v", has, err)
	}
}

type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestEveryMethodTakesAPermission: whatever method is written, some role of Google's can
// do it, by its own name for the permission.
func TestEveryMethodTakesAPermission(t *testing.T) {
	w := newWorld(t)
	for id := range w.s.core.Methods {
		if permission, known := access.Takes(id); !known {
			t.Errorf("%s takes %s, which roles/compute.admin has not got", id, permission)
		}
	}
}

// TestBatchInside: the parts of a batch are its caller's, but those that name another
// one, who may do what he may and no more.
func TestBatchInside(t *testing.T) {
	w := newWorld(t)
	w.subnet()
	g := w.guests()
	g.machine("viewer", w.account("account-viewer", "roles/compute.viewer"), "cloud-platform")
	g.machine("nobody", w.account("account-nobody"), "cloud-platform")
	part := func(authorization string) string {
		return "--b\r\nContent-Type: application/http\r\n\r\nGET /compute/v1/projects/p/zones/europe-west1-b HTTP/1.1\r\n" + authorization + "\r\n"
	}
	body := part("") + part("Authorization: Bearer "+g.token("nobody")+"\r\n") + part("Authorization: Bearer x\r\n") + "--b--\r\n"
	r, err := http.NewRequestWithContext(t.Context(), "POST", g.inside.URL+"/batch/compute/v1", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Host = "compute.googleapis.com"
	r.Header.Set("Authorization", "Bearer "+g.token("viewer"))
	r.Header.Set("Content-Type", "multipart/mixed; boundary=b")
	resp, err := g.inside.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, m := range regexp.MustCompile(`HTTP/1.1 (\d+)`).FindAllStringSubmatch(string(text), -1) {
		got = append(got, m[1])
	}
	if !slices.Equal(got, []string{"200", "403", "401"}) {
		t.Errorf("the parts are answered %v:\n%s", got, text)
	}
}
