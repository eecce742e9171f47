package metadata

import (
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// twin is a machine in memory.
type twin struct {
	mu      sync.Mutex
	view    View
	guest   GuestAttributes
	changed chan struct{}
	looks   chan struct{} // told of each View when not nil
	left    time.Duration // of each token
	err     error
}

func newTwin() *twin {
	return &twin{changed: make(chan struct{}), guest: GuestAttributes{}, view: View{
		Instance: Instance{
			ID: 4711, Name: "m", Hostname: "m.europe-west1-b.c.p.internal",
			Zone: "projects/42/zones/europe-west1-b", MachineType: "projects/42/machineTypes/n1-standard-1",
			Image:      "projects/debian-cloud/global/images/debian-12",
			Tags:       []string{"a", "b"},
			Attributes: map[string]string{"enable-guest-attributes": "TRUE", "ssh-keys": "me:ssh-rsa AAAA <me>", "two-lines": "x\ny"},
			NetworkInterfaces: []NetworkInterface{{
				IP: "10.40.0.2", MAC: "42:01:0a:28:00:02", MTU: 1460, Network: "projects/42/networks/default",
				Gateway: "10.40.0.1", SubnetMask: "255.255.252.0", DNSServers: []string{"169.254.169.254"},
				AccessConfigs: []AccessConfig{{ExternalIP: "198.51.100.7"}},
				ForwardedIPs:  []string{"198.51.100.9"}, IPAliases: []string{"10.64.1.0/24"},
			}},
			Disks:      []Disk{{DeviceName: "persistent-disk-0"}, {DeviceName: "master-pd"}},
			Scheduling: Scheduling{AutomaticRestart: true},
		},
		Project: Project{ID: "p", Number: 42, Attributes: map[string]string{"common": "1"}},
	}}
}

func (t *twin) View() (View, <-chan struct{}, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.looks != nil {
		t.looks <- struct{}{}
	}
	return t.view, t.changed, t.err
}

// change applies f to copies and wakes whoever waits.
func (t *twin) change(f func(v *View, g GuestAttributes)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.view.Instance.Attributes = maps.Clone(t.view.Instance.Attributes)
	guest := GuestAttributes{}
	for ns, kv := range t.guest {
		guest[ns] = maps.Clone(kv)
	}
	t.guest = guest
	f(&t.view, t.guest)
	close(t.changed)
	t.changed = make(chan struct{})
}

func (t *twin) GuestAttributes() (GuestAttributes, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.guest, t.err
}

func (t *twin) PutGuestAttribute(namespace, key, value string) error {
	t.change(func(_ *View, g GuestAttributes) {
		if g[namespace] == nil {
			g[namespace] = map[string]string{}
		}
		g[namespace][key] = value
	})
	return nil
}

func (t *twin) DeleteGuestAttribute(namespace, key string) error {
	t.change(func(_ *View, g GuestAttributes) {
		if delete(g[namespace], key); len(g[namespace]) == 0 {
			delete(g, namespace)
		}
	})
	return nil
}

// Token is one that names what it is for.
func (t *twin) Token(email string, scopes []string) (Token, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if email == "gone@p.iam.gserviceaccount.com" {
		return Token{}, ErrNoAccount
	}
	return Token{Access: email + strings.Join(scopes, "+"), Left: t.left}, t.err
}

func serve(t *testing.T, s Source) *httptest.Server {
	srv := httptest.NewServer(Handler(s))
	t.Cleanup(srv.Close)
	return srv
}

// ask sends one request with the header and follows no redirect.
func ask(t *testing.T, srv *httptest.Server, method, path, body string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequest(method, srv.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Metadata-Flavor", "Google")
	return send(t, req)
}

func send(t *testing.T, req *http.Request) (*http.Response, string) {
	t.Helper()
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(got)
}

func TestRead(t *testing.T) {
	srv := serve(t, newTwin())
	for _, c := range []struct {
		path   string
		status int
		kind   string // of the content
		body   string // exact, unless it starts with ~
	}{
		{"/", 200, "application/text", "computeMetadata/\n"},
		{"/computeMetadata/", 200, "application/text", "v1/\n"},
		{"/computeMetadata/v1/", 200, "application/text", "instance/\noslogin/\nproject/\nuniverse/\n"},
		{"/computeMetadata/v1beta1/", 404, "text/html; charset=UTF-8", "~was not found"},
		{"/computeMetadata/v1/instance/id", 200, "application/text", "4711"},
		{"/computeMetadata/v1/instance/id/", 404, "text/html; charset=UTF-8", "~was not found"},
		{"/computeMetadata/v1/instance/nothing", 404, "text/html; charset=UTF-8", "~<code>/computeMetadata/v1/instance/nothing</code>"},
		{"/computeMetadata/v1/instance/tags", 200, "application/json", `["a","b"]`},
		{"/computeMetadata/v1/instance/tags?alt=text", 200, "application/text", "a\nb\n"},
		{"/computeMetadata/v1/instance/name?alt=json", 200, "application/json", `"m"`},
		{"/computeMetadata/v1/instance/name?alt=xml", 400, "text/html; charset=UTF-8", "~neither json nor text"},
		{"/computeMetadata/v1/instance/name?timeout_sec=soon", 400, "text/html; charset=UTF-8", "~"},
		{"/computeMetadata/v1/instance/attributes/", 200, "application/text", "enable-guest-attributes\nssh-keys\ntwo-lines\n"},
		{"/computeMetadata/v1/instance/attributes/?recursive=true", 200, "application/json",
			`{"enable-guest-attributes":"TRUE","ssh-keys":"me:ssh-rsa AAAA <me>","two-lines":"x\ny"}`},
		{"/computeMetadata/v1/instance/attributes/?recursive=true&alt=text", 200, "application/text",
			"enable-guest-attributes TRUE\nssh-keys me:ssh-rsa AAAA <me>\ntwo-lines x\ntwo-lines y\n"},
		{"/computeMetadata/v1/instance/network-interfaces/0/access-configs/0/external-ip", 200, "application/text", "198.51.100.7"},
		{"/computeMetadata/v1/instance/network-interfaces/0/ip-aliases/0", 200, "application/text", "10.64.1.0/24"},
		{"/computeMetadata/v1/instance/network-interfaces/0/dns-servers", 200, "application/text", "169.254.169.254\n"},
		{"/computeMetadata/v1/instance/network-interfaces/1/ip", 404, "text/html; charset=UTF-8", "~"},
		{"/computeMetadata/v1/instance/disks/1/device-name", 200, "application/text", "master-pd"},
		{"/computeMetadata/v1/instance/guest-attributes/", 200, "application/text", ""},
		{"/computeMetadata/v1/instance/service-accounts/", 200, "application/text", ""},
		{"/computeMetadata/v1/instance/service-accounts/default/token", 404, "text/html; charset=UTF-8", "~was not found"},
		{"/computeMetadata/v1/instance/service-accounts/default/email", 404, "text/html; charset=UTF-8", "~"},
		{"/computeMetadata/v1/project/project-id", 200, "application/text", "p"},
		{"/computeMetadata/v1/project/?recursive=true", 200, "application/json",
			`{"attributes":{"common":"1"},"numericProjectId":42,"projectId":"p"}`},
		{"/computeMetadata/v1/universe/universe-domain", 200, "application/text", "googleapis.com"},
	} {
		resp, body := ask(t, srv, "GET", c.path, "")
		if resp.StatusCode != c.status || resp.Header.Get("Content-Type") != c.kind {
			t.Errorf("%s: %d %s, want %d %s", c.path, resp.StatusCode, resp.Header.Get("Content-Type"), c.status, c.kind)
		}
		if part, some := strings.CutPrefix(c.body, "~"); some && !strings.Contains(body, part) || !some && body != c.body {
			t.Errorf("%s: %q, want %q", c.path, body, c.body)
		}
		if got := resp.Header.Get("Metadata-Flavor") + "," + resp.Header.Get("Server"); got != "Google,Metadata Server for VM" {
			t.Errorf("%s: flavor and server %q", c.path, got)
		}
	}
}

// The whole tree, as the guest agent gets it.
func TestInstanceTree(t *testing.T) {
	_, body := ask(t, serve(t, newTwin()), "GET", "/computeMetadata/v1/instance/?recursive=true", "")
	const want = `{"attributes":{"enable-guest-attributes":"TRUE","ssh-keys":"me:ssh-rsa AAAA <me>","two-lines":"x\ny"},` +
		`"cpuPlatform":"Unknown CPU Platform","description":"",` +
		`"disks":[{"deviceName":"persistent-disk-0","index":0,"interface":"SCSI","mode":"READ_WRITE","type":"PERSISTENT"},` +
		`{"deviceName":"master-pd","index":1,"interface":"SCSI","mode":"READ_WRITE","type":"PERSISTENT"}],` +
		`"guestAttributes":{},"hostname":"m.europe-west1-b.c.p.internal","id":4711,"image":"projects/debian-cloud/global/images/debian-12",` +
		`"licenses":[],"machineType":"projects/42/machineTypes/n1-standard-1","maintenanceEvent":"NONE","name":"m",` +
		`"networkInterfaces":[{"accessConfigs":[{"externalIp":"198.51.100.7","type":"ONE_TO_ONE_NAT"}],"dnsServers":["169.254.169.254"],` +
		`"forwardedIps":["198.51.100.9"],"gateway":"10.40.0.1","ip":"10.40.0.2","ipAliases":["10.64.1.0/24"],"mac":"42:01:0a:28:00:02",` +
		`"mtu":1460,"network":"projects/42/networks/default","subnetmask":"255.255.252.0","targetInstanceIps":[]}],` +
		`"preempted":"FALSE","remainingCpuTime":-1,` +
		`"scheduling":{"automaticRestart":"TRUE","onHostMaintenance":"MIGRATE","preemptible":"FALSE"},` +
		`"serviceAccounts":{},"tags":["a","b"],"virtualClock":{"driftToken":"0"},"zone":"projects/42/zones/europe-west1-b"}`
	if body != want {
		t.Errorf("got\n%s\nwant\n%s", body, want)
	}
}

// TestToken: a machine's accounts give tokens, by their address or as the default one;
// who is not on the machine, or is no more, gives none, and no listing shows one.
func TestToken(t *testing.T) {
	m := newTwin()
	const a, gone = "a@p.iam.gserviceaccount.com", "gone@p.iam.gserviceaccount.com"
	m.view.Instance.ServiceAccounts = []ServiceAccount{{Email: a, Scopes: []string{"s1", "s2"}}, {Email: gone, Scopes: []string{"s1"}}}
	m.left = 3599*time.Second + time.Millisecond
	srv := serve(t, m)
	const at = "/computeMetadata/v1/instance/service-accounts/"
	for _, c := range []struct {
		path   string
		status int
		want   string // "~" is a part
	}{
		{"", 200, "default/\n" + a + "/\n" + gone + "/\n"},
		{"default/", 200, "aliases\nemail\nscopes\n"},
		{"default/email", 200, a},
		{"default/aliases", 200, "default\n"},
		{a + "/aliases", 200, "default\n"},
		{gone + "/aliases", 200, ""},
		{"default/scopes", 200, "s1\ns2\n"},
		{"default/token", 200, `{"access_token":"` + a + `","expires_in":3599,"token_type":"Bearer"}`},
		{a + "/token", 200, `{"access_token":"` + a + `","expires_in":3599,"token_type":"Bearer"}`},
		{"default/token?scopes=s1,s2&alt=json", 200, `{"access_token":"` + a + `s1+s2","expires_in":3599,"token_type":"Bearer"}`},
		{gone + "/token", 404, "~deleted or disabled"},
		{"other@p.iam.gserviceaccount.com/token", 404, "~was not found"},
		{"default/token/", 404, "~was not found"},
		{"default/identity?audience=x", 404, "~no identity tokens"},
		{"default/?recursive=true", 200, `{"aliases":["default"],"email":"` + a + `","scopes":["s1","s2"]}`},
		{"?recursive=true", 200, `{"` + a + `":{"aliases":["default"],"email":"` + a + `","scopes":["s1","s2"]},` +
			`"default":{"aliases":["default"],"email":"` + a + `","scopes":["s1","s2"]},"` + gone + `":{"aliases":[],"email":"` + gone + `","scopes":["s1"]}}`},
	} {
		resp, body := ask(t, srv, "GET", at+c.path, "")
		if part, some := strings.CutPrefix(c.want, "~"); resp.StatusCode != c.status || some && !strings.Contains(body, part) || !some && body != c.want {
			t.Errorf("%s: %d %q, want %d %q", c.path, resp.StatusCode, body, c.status, c.want)
		}
		if resp.Header.Get("Metadata-Flavor") != "Google" {
			t.Errorf("%s: no flavor", c.path)
		}
	}
	if _, body := ask(t, srv, "GET", "/computeMetadata/v1/?recursive=true", ""); strings.Contains(body, "token\"") || strings.Contains(body, "access_token") {
		t.Errorf("the whole tree shows a token: %s", body)
	}
	if resp, _ := ask(t, srv, "POST", at+"default/token", ""); resp.StatusCode != 405 {
		t.Errorf("POST: %d", resp.StatusCode)
	}
}

func TestGuards(t *testing.T) {
	srv := serve(t, newTwin())
	for name, c := range map[string]struct {
		header http.Header
		status int
		body   string
	}{
		"no flavor":     {http.Header{}, 403, "Missing Metadata-Flavor:Google header."},
		"wrong flavor":  {http.Header{"Metadata-Flavor": {"google"}}, 403, "Missing Metadata-Flavor:Google header."},
		"through proxy": {http.Header{"Metadata-Flavor": {"Google"}, "X-Forwarded-For": {"10.0.0.1"}}, 403, "X-Forwarded-For"},
		"as it should":  {http.Header{"Metadata-Flavor": {"Google"}}, 200, "4711"},
	} {
		req, _ := http.NewRequest("GET", srv.URL+"/computeMetadata/v1/instance/id", nil)
		req.Header = c.header
		if resp, body := send(t, req); resp.StatusCode != c.status || !strings.Contains(body, c.body) {
			t.Errorf("%s: %d %s", name, resp.StatusCode, body)
		}
	}
	// The root tells anybody where he is.
	req, _ := http.NewRequest("GET", srv.URL+"/", nil)
	if resp, _ := send(t, req); resp.StatusCode != 200 || resp.Header.Get("Metadata-Flavor") != "Google" {
		t.Errorf("root without header: %d", resp.StatusCode)
	}
}

func TestRedirectsToDirectory(t *testing.T) {
	srv := serve(t, newTwin())
	for path, want := range map[string]string{
		"/computeMetadata":                                   "/computeMetadata/",
		"/computeMetadata/v1":                                "/computeMetadata/v1/",
		"/computeMetadata/v1/instance/disks":                 "/computeMetadata/v1/instance/disks/",
		"/computeMetadata/v1/instance/disks?recursive=true":  "/computeMetadata/v1/instance/disks/?recursive=true",
		"/computeMetadata/v1/instance/guest-attributes":      "/computeMetadata/v1/instance/guest-attributes/",
		"/computeMetadata/v1/instance/network-interfaces/0":  "/computeMetadata/v1/instance/network-interfaces/0/",
		"/computeMetadata/v1/instance/network-interfaces/0/": "",
	} {
		resp, _ := ask(t, srv, "GET", path, "")
		if got := resp.Header.Get("Location"); got != want || (want != "") != (resp.StatusCode == 301) {
			t.Errorf("%s: %d to %q, want %q", path, resp.StatusCode, got, want)
		}
	}
}

func TestMachineThatGoes(t *testing.T) {
	m := newTwin()
	m.err = io.ErrUnexpectedEOF
	if resp, _ := ask(t, serve(t, m), "GET", "/computeMetadata/v1/instance/id", ""); resp.StatusCode != 503 {
		t.Errorf("status %d, want 503", resp.StatusCode)
	}
}
