package emulator

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"hakube/gce/emulator/internal/access"
	"hakube/gce/emulator/internal/api"
	"hakube/gce/emulator/internal/doc"
	"hakube/gce/metadata"
)

const scopePrefix = access.ScopePrefix

// guests is what machines have of the server: its door inside, and tokens.
type guests struct {
	*world
	inside *httptest.Server
}

func (w *world) guests() *guests {
	w.t.Helper()
	g := &guests{w, httptest.NewServer(w.s.Inside())}
	w.t.Cleanup(g.inside.Close)
	return g
}

// machine makes an instance with a service account, "" for none.
func (g *guests) machine(name, email string, scopes ...string) {
	g.t.Helper()
	o := instance(name, nil)
	if email != "" {
		o["serviceAccounts"] = []any{doc.Obj{"email": email, "scopes": links(scopes)}}
	}
	g.made("POST", zoneB+"instances", o)
}

func links(scopes []string) (all []any) {
	for _, s := range scopes {
		all = append(all, scopePrefix+s)
	}
	return all
}

// token is what the metadata server of a machine gives.
func (g *guests) token(name string) string {
	g.t.Helper()
	t, err := g.guest(name).Token(g.emailOf(name), nil)
	if err != nil {
		g.t.Fatalf("token of %s: %v", name, err)
	}
	return t.Access
}

func (g *guests) emailOf(name string) string {
	return doc.Str(doc.Objects(g.get(zoneB+"instances/"+name), "serviceAccounts")[0], "email")
}

// ask makes a request of one of Google's services from inside.
func (g *guests) ask(token, verb, url, body string) (int, doc.Obj) {
	g.t.Helper()
	host, path, _ := strings.Cut(strings.TrimPrefix(url, "https://"), "/")
	r, err := http.NewRequestWithContext(g.t.Context(), verb, g.inside.URL+"/"+path, strings.NewReader(body))
	if err != nil {
		g.t.Fatal(err)
	}
	if r.Host = host; token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := g.inside.Client().Do(r)
	if err != nil {
		g.t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		g.t.Fatal(err)
	}
	var o doc.Obj
	if err := json.Unmarshal(raw, &o); err != nil {
		g.t.Fatalf("%s %s: %v in %s", verb, url, err, raw)
	}
	return resp.StatusCode, o
}

// says wants a status, and a message.
func (g *guests) says(token string, status int, want, verb, url, body string) doc.Obj {
	g.t.Helper()
	got, o := g.ask(token, verb, url, body)
	if got != status || want != "" && message(o) != want {
		g.t.Errorf("%s %s: %d %q, want %d %q", verb, url, got, message(o), status, want)
	}
	return o
}

// operator asks the services beside Compute Engine as the operator.
func (w *world) operator(verb, path, body string) doc.Obj {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), verb, w.web.URL+path, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	resp, err := w.web.Client().Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	var o doc.Obj
	if err := json.NewDecoder(resp.Body).Decode(&o); err != nil || resp.StatusCode != 200 {
		w.t.Fatalf("%s %s: %s, %v %v", verb, path, resp.Status, o, err)
	}
	return o
}

// account makes a service account that has roles on the project.
func (w *world) account(id string, roles ...string) (email string) {
	w.t.Helper()
	email = doc.Str(w.operator("POST", "/v1/projects/p/serviceAccounts", fmt.Sprintf(`{"accountId":%q}`, id)), "email")
	w.grant(email, roles...)
	return email
}

// grant adds roles of an account to the project's policy.
func (w *world) grant(email string, roles ...string) {
	w.t.Helper()
	policy := w.operator("POST", "/v1/projects/p:getIamPolicy", "{}")
	for _, r := range roles {
		policy["bindings"] = append(doc.List(policy, "bindings"), doc.Obj{"role": r, "members": []any{"serviceAccount:" + email}})
	}
	raw, err := json.Marshal(doc.Obj{"policy": policy})
	if err != nil {
		w.t.Fatal(err)
	}
	w.operator("POST", "/v1/projects/p:setIamPolicy", string(raw))
}

const computeP = "https://compute.googleapis.com/compute/v1/projects/p/"

// TestTokenOfAMachine: a token is good for an hour, the same until five minutes before,
// outlives the server, and ends with the machine, its account, or what it was given for.
func TestTokenOfAMachine(t *testing.T) {
	now := time.Now()
	w := newWorld(t, func(o *api.Options) { o.Now = func() time.Time { return now } })
	w.subnet()
	g := w.guests()
	const list = computeP + "zones/europe-west1-b/instances"
	for _, c := range []struct {
		name string
		end  func(email string)
	}{
		{"time", func(string) { now = now.Add(time.Hour) }},
		{"machine", func(string) { w.made("DELETE", zoneB+"instances/machine", nil) }},
		{"again", func(email string) {
			w.made("DELETE", zoneB+"instances/again", nil)
			g.machine("again", email, "cloud-platform")
		}},
		{"another", func(string) {
			w.made("POST", zoneB+"instances/another/stop", nil)
			w.made("POST", zoneB+"instances/another/setServiceAccount", doc.Obj{"email": "default", "scopes": links([]string{"cloud-platform"})})
		}},
		{"none", func(string) {
			w.made("POST", zoneB+"instances/none/stop", nil)
			w.made("POST", zoneB+"instances/none/setServiceAccount", doc.Obj{})
		}},
		{"fewer", func(email string) {
			w.made("POST", zoneB+"instances/fewer/stop", nil)
			w.made("POST", zoneB+"instances/fewer/setServiceAccount", doc.Obj{"email": email, "scopes": links([]string{"compute.readonly"})})
		}},
		{"deleted", func(email string) { w.operator("DELETE", "/v1/projects/-/serviceAccounts/"+email, "") }},
		{"disabled", func(email string) { w.operator("POST", "/v1/projects/p/serviceAccounts/"+email+":disable", "{}") }},
	} {
		email := w.account("account-"+c.name, "roles/compute.viewer")
		g.machine(c.name, email, "cloud-platform")
		token := g.token(c.name)
		g.says(token, 200, "", "GET", list, "")
		c.end(email)
		o := g.says(token, 401, "", "GET", list, "")
		if e := doc.Sub(o, "error"); doc.Str(e, "status") != "UNAUTHENTICATED" || !strings.HasPrefix(doc.Str(e, "message"), "Request had invalid authentication credentials. Expected OAuth 2 access token") {
			t.Errorf("after the end of %s: %v", c.name, o)
		}
	}
	g.says("", 401, "", "GET", list, "")
	if _, err := w.guest("deleted").Token("account-deleted@p.iam.gserviceaccount.com", nil); err != metadata.ErrNoAccount {
		t.Errorf("the token of an account that was deleted: %v", err)
	}

	g.machine("m", "default", "compute.readonly", "logging.write")
	email := g.emailOf("m")
	take := func(scopes ...string) metadata.Token {
		t.Helper()
		got, err := w.guest("m").Token(email, scopes)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	first := take()
	if first.Left > time.Hour || first.Left < time.Hour-time.Second {
		t.Errorf("good for %s", first.Left)
	}
	now = now.Add(54 * time.Minute)
	if again := take(); again.Access != first.Access || again.Left != first.Left-54*time.Minute {
		t.Errorf("after 54 minutes another one, or %s left of %s", again.Left, first.Left)
	}
	now = now.Add(time.Minute)
	next := take()
	if next.Access == first.Access || next.Left < 59*time.Minute {
		t.Errorf("five minutes before its end it is not made anew: %s left", next.Left)
	}
	g.says(first.Access, 200, "", "GET", list, "") // both are good
	w.reopen()
	g = w.guests()
	g.says(next.Access, 200, "", "GET", list, "")
	g.says(next.Access[:len(next.Access)-2]+"AA", 401, "", "GET", list, "")
	g.says(strings.Replace(next.Access, "ya29.c.ey", "ya29.c.eY", 1), 401, "", "GET", list, "")

	// What is asked for is had of what the machine has, or else all that is.
	for asked, want := range map[string]string{
		"logging.write": "logging.write", "logging.write cloud-platform": "logging.write",
		"cloud-platform": "compute.readonly logging.write", "": "compute.readonly logging.write",
	} {
		var scopes []string
		for _, s := range strings.Fields(asked) {
			scopes = append(scopes, scopePrefix+s)
		}
		_, info := g.ask("", "GET", "https://oauth2.googleapis.com/tokeninfo?access_token="+take(scopes...).Access, "")
		if got := strings.ReplaceAll(doc.Str(info, "scope"), scopePrefix, ""); got != want || doc.Str(info, "azp") == "" {
			t.Errorf("asked for %q the token is for %q, want %q", asked, got, want)
		}
	}
	if status, o := g.ask("", "GET", "https://oauth2.googleapis.com/tokeninfo?access_token=x", ""); status != 400 || o["error"] != "invalid_token" {
		t.Errorf("what another token is: %d %v", status, o)
	}
}

// TestScopes: a token does what it was given for and no more, whatever its account may.
func TestScopes(t *testing.T) {
	w := newWorld(t)
	w.subnet()
	g := w.guests()
	const insufficient = "Request had insufficient authentication scopes."
	list, insert := computeP+"zones/europe-west1-b/instances", computeP+"regions/europe-west1/addresses"
	for i, c := range []struct {
		scopes         []string
		list, insert   int
		policy, getIAM int
	}{
		{[]string{"monitoring.write", "logging.write", "devstorage.read_only"}, 403, 403, 403, 403}, // nodes', as kube-up has them
		{[]string{"compute.readonly"}, 200, 403, 403, 403},
		{[]string{"compute"}, 200, 200, 403, 403},
		{[]string{"cloud-platform"}, 200, 200, 200, 200},
		{[]string{"cloud-platform.read-only"}, 403, 403, 200, 200},
		{[]string{"iam"}, 403, 403, 403, 200},
	} {
		name := fmt.Sprintf("m%d", i)
		g.machine(name, w.account("account-"+name, "roles/owner"), c.scopes...)
		token := g.token(name)
		for _, ask := range []struct {
			status                           int
			verb, url, body, service, method string
		}{
			{c.list, "GET", list, "", "compute.googleapis.com", "compute.v1.InstancesService.List"},
			{c.insert, "POST", insert, fmt.Sprintf(`{"name":"a%d"}`, i), "compute.googleapis.com", "compute.v1.AddressesService.Insert"},
			{c.policy, "POST", "https://cloudresourcemanager.googleapis.com/v1/projects/p:getIamPolicy", "{}", "cloudresourcemanager.googleapis.com", "google.cloudresourcemanager.v1.Projects.GetIamPolicy"},
			{c.getIAM, "GET", "https://iam.googleapis.com/v1/projects/p/serviceAccounts", "", "iam.googleapis.com", "google.iam.admin.v1.IAM.ListServiceAccounts"},
		} {
			if ask.status == 200 {
				g.says(token, 200, "", ask.verb, ask.url, ask.body)
				continue
			}
			o := g.says(token, 403, insufficient, ask.verb, ask.url, ask.body)
			e := doc.Sub(o, "error")
			detail := doc.Objects(e, "details")
			if len(detail) != 1 || doc.Str(detail[0], "reason") != "ACCESS_TOKEN_SCOPE_INSUFFICIENT" || doc.Str(e, "status") != "PERMISSION_DENIED" ||
				doc.Str(doc.Objects(e, "errors")[0], "reason") != "insufficientPermissions" || doc.Str(doc.Objects(e, "errors")[0], "message") != "Insufficient Permission" ||
				doc.Str(doc.Sub(detail[0], "metadata"), "method") != ask.method || doc.Str(doc.Sub(detail[0], "metadata"), "service") != ask.service {
				t.Errorf("%v: %v", c.scopes, o)
			}
		}
	}
	g.machine("reader", w.account("account-reader", "roles/owner"), "compute.readonly")
	name := doc.Str(w.made("POST", regionW+"addresses", doc.Obj{"name": "waited"}), "name")
	g.says(g.token("reader"), 200, "", "POST", computeP+"regions/europe-west1/operations/"+name+"/wait", "")
}

// TestPolicy: a policy is set as a whole, by who has read the last one, and says nothing
// of who and what there is not.
func TestPolicy(t *testing.T) {
	w := newWorld(t)
	w.subnet()
	g := w.guests()
	g.machine("m", w.account("account-m", "roles/owner"), "cloud-platform")
	token, at := g.token("m"), "https://cloudresourcemanager.googleapis.com/v1/projects/p:"
	_, was := g.ask(token, "POST", at+"getIamPolicy", "{}")
	for _, c := range []struct {
		status       int
		policy, want string
	}{
		{400, `{"bindings":[{"role":"roles/compute.magician","members":["user:a@example.com"]}]}`, "Role roles/compute.magician is not supported for this resource."},
		{400, `{"bindings":[{"role":"roles/viewer","members":["serviceAccount:nobody@p.iam.gserviceaccount.com"]}]}`, "Service account nobody@p.iam.gserviceaccount.com does not exist."},
		{400, `{"bindings":[{"role":"roles/viewer","members":["a@example.com"]}]}`, "The member a@example.com is of an unknown type. Please set a valid type prefix for the member."},
		{400, `{"bindings":[{"role":"projects/p/roles/mine","members":["user:a@example.com"]}]}`, "a role of one's own, projects/p/roles/mine, is not written in hakube's embedded GCE"},
		{400, `{"bindings":[{"role":"roles/viewer","members":["user:a@example.com"],"condition":{"expression":"true"}}]}`, "a policy with conditions is not written in hakube's embedded GCE"},
		{409, `{"etag":"BwXYZ="}`, "There were concurrent policy changes. Please retry the whole read-modify-write with exponential backoff. " +
			"The request's ETag 'BwXYZ=' did not match the current policy's ETag '" + doc.Str(was, "etag") + "'."},
	} {
		g.says(token, c.status, c.want, "POST", at+"setIamPolicy", `{"policy":`+c.policy+`}`)
	}
	if _, now := g.ask(token, "POST", at+"getIamPolicy", "{}"); fmt.Sprint(now) != fmt.Sprint(was) {
		t.Errorf("refused, and yet changed:\n%v\n%v", was, now)
	}
	// Who takes his own role away has it no more, over a restart too.
	g.says(token, 200, "", "POST", at+"setIamPolicy", `{"policy":{"etag":"`+doc.Str(was, "etag")+`","bindings":[{"role":"roles/viewer","members":["serviceAccount:account-m@p.iam.gserviceaccount.com"]}]}}`)
	g.says(token, 403, "The caller does not have permission", "POST", at+"setIamPolicy", `{"policy":{}}`)
	w.reopen()
	g = w.guests()
	g.says(token, 200, "", "GET", computeP+"zones", "")
	g.says(token, 403, "", "POST", at+"setIamPolicy", `{"policy":{}}`)
	// The default account can go as others can.
	email := doc.Str(w.get("projects/p"), "defaultServiceAccount")
	w.operator("DELETE", "/v1/projects/p/serviceAccounts/"+email, "")
	g.says(token, 404, "Unknown service account", "GET", "https://iam.googleapis.com/v1/projects/p/serviceAccounts/"+email, "")
}
