package local

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"hakube/gce/emulator"
	"hakube/gce/local/console"
)

// served is a daemon with no machines, whose CONNECT is dial.
func served(t *testing.T, dial func(context.Context, string) (net.Conn, error)) (dir, at string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "gce")
	return dir, serveIn(t, dir, dial)
}

func serveIn(t *testing.T, dir string, dial func(context.Context, string) (net.Conn, error)) (at string) {
	t.Helper()
	at, stop := start(t, dir, dial)
	t.Cleanup(stop)
	return at
}

// start serves until stop.
func start(t *testing.T, dir string, dial func(context.Context, string) (net.Conn, error)) (at string, stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		o := Options{Machines: Model, Latency: "none", Listen: "127.0.0.1:0"}
		ended <- Serve(ctx, dir, o, func() (*Host, error) {
			return &Host{Attach: func(*emulator.Server) {}, Halt: func(context.Context) error { return nil }, Dial: dial}, nil
		}, slog.New(slog.DiscardHandler))
	}()
	stop = func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	var s Status
	for begin := time.Now(); !s.Running; time.Sleep(10 * time.Millisecond) {
		var err error
		if s, err = Ask(t.Context(), dir); time.Since(begin) > 2*time.Minute {
			stop()
			t.Fatalf("it does not start: %+v %v", s, err)
		}
	}
	return s.Endpoint[len("http://"):], stop
}

// A door is a way into the daemon, and what opens to its owner.
type door struct{ name, method, target, body, owner string }

const batchPart = "--x\r\nContent-Type: application/http\r\n\r\nGET /compute/v1/projects/p/zones/europe-west1-b/instances HTTP/1.1\r\n\r\n--x--\r\n"

// doors are all there are: a handler of the daemon that no door leads to fails
// TestEveryDoorIsKnown.
var doors = []door{
	{"API, reading", "GET", "/compute/v1/projects/p/zones/europe-west1-b/instances", "", "200"},
	{"API, changing", "POST", "/compute/v1/projects/p/global/networks", `{"name":"n","autoCreateSubnetworks":false}`, "200"},
	{"API, permissions", "POST", "/v1/projects/p:testIamPermissions", `{"permissions":["compute.networks.create"]}`, "200"},
	{"batch", "POST", "/batch/compute/v1", batchPart, "200"},
	{"what is not there", "GET", "/metrics", "", "400"},
	{"media upload", "POST", "/upload/compute/v1/projects/p/global/images", "{}", "400"},
	{"metadata from outside", "GET", "/computeMetadata/v1/instance/attributes/", "", "400"},
	{"status", "GET", statusPath, "", "200"},
	{"link to the page", "POST", consolePath, "", "200"},
	{"page", "GET", console.Path, "", "200"},
	{"page, its script", "GET", console.Path + "console.js", "", "200"},
	{"page, its data", "GET", console.Path + "data", "", "200"},
	{"page, a serial port", "GET", console.Path + "serial?project=p&zone=europe-west1-b&name=m", "", "404"},
	{"page, another's code", "GET", console.Path + "?code=ABCDEFGHIJKLMNOPQRSTUVWXYZ", "", "200"},
	{"CONNECT", "CONNECT", "198.51.100.1:22", "", "502"},
}

// knock is a request to a door, with more headers, and its answer's head and body.
func (d door) knock(at, headers string) (head, body string, err error) {
	conn, err := net.Dial("tcp", at)
	if err != nil {
		return "", "", err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(2 * time.Minute))
	host, kind := at, "application/json"
	if d.method == "CONNECT" {
		host = d.target
	}
	if d.body == batchPart {
		kind = "multipart/mixed; boundary=x"
	}
	fmt.Fprintf(conn, "%s %s HTTP/1.1\r\nHost: %s\r\nContent-Type: %s\r\nContent-Length: %d\r\nConnection: close\r\n%s\r\n%s", d.method, d.target, host, kind, len(d.body), headers, d.body)
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return "", "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	var lines strings.Builder
	fmt.Fprintf(&lines, "%s %s\r\n", resp.Proto, resp.Status)
	err = errors.Join(err, resp.Header.Write(&lines))
	return lines.String(), string(text), err
}

func code(head string) string {
	_, rest, _ := strings.Cut(head, " ")
	return rest[:min(3, len(rest))]
}

func nobodyThere(context.Context, string) (net.Conn, error) {
	return nil, errors.New("nobody is there")
}

// TestDoors: with the token each door opens. Without it, or with another one, or
// with it in the wrong place, the answer is Google's 401 and nothing happens.
func TestDoors(t *testing.T) {
	dir, at := served(t, nobodyThere)
	token, err := Token(dir)
	if err != nil {
		t.Fatal(err)
	}
	basic := func(token string) string { return base64.StdEncoding.EncodeToString([]byte("hakube:" + token)) }
	other := strings.Repeat("A", len(token))
	for _, d := range doors {
		right, wrong := "Authorization", "Proxy-Authorization"
		if d.method == "CONNECT" {
			right, wrong = wrong, right
		}
		for what, headers := range map[string]string{
			"nothing":               "",
			"another token":         right + ": Bearer " + other + "\r\n",
			"the constant of old":   right + ": Bearer local\r\n",
			"half of it":            right + ": Bearer " + token[:len(token)/2] + "\r\n",
			"more than it":          right + ": Bearer " + token + "A\r\n",
			"no scheme":             right + ": " + token + "\r\n",
			"no token":              right + ": Bearer \r\n",
			"the wrong header":      wrong + ": Bearer " + token + "\r\n",
			"a cookie":              "Cookie: " + cookieName + "=" + other + "\r\n",
			"the token as a cookie": "Cookie: " + cookieName + "=" + token + "\r\n",
			"an empty cookie":       "Cookie: " + cookieName + "=\r\n",
			"another password":      right + ": Basic " + basic(other) + "\r\n",
			"no password":           right + ": Basic " + basic("") + "\r\n",
		} {
			head, body, err := d.knock(at, headers)
			if err != nil || code(head) != "401" || !strings.Contains(head, "\r\nWww-Authenticate: ") {
				t.Errorf("%s with %s: %v %s", d.name, what, err, head)
			}
			if d.method != "CONNECT" {
				checkGoogles401(t, d.name+" with "+what, body, strings.HasPrefix(headers, right))
			}
		}
	}
	if s, err := Ask(t.Context(), dir); err != nil || s.Calls.Change+s.Calls.Read != 0 || len(s.Objects) > 0 {
		t.Errorf("refused requests did something: %+v %v", s, err)
	}
	for _, d := range doors {
		header := "Authorization: Bearer "
		if d.method == "CONNECT" {
			header = "Proxy-Authorization: Bearer "
			if head, _, err := d.knock(at, "Proxy-Authorization: basic "+basic(token)+"\r\n"); err != nil || code(head) != d.owner {
				t.Errorf("%s as a proxy with a password: %v %s", d.name, err, head)
			}
		}
		if head, body, err := d.knock(at, header+token+"\r\n"); err != nil || code(head) != d.owner {
			t.Errorf("%s for the owner: %v %s\n%s", d.name, err, head, body)
		}
	}
}

func checkGoogles401(t *testing.T, what, body string, tried bool) {
	t.Helper()
	var a struct {
		Error struct {
			Code            int
			Message, Status string
			Errors          []struct{ Message, Domain, Reason, Location, LocationType string }
		}
	}
	err := json.Unmarshal([]byte(body), &a)
	reason, begin := "required", "Request is missing required authentication credential."
	if tried {
		reason, begin = "authError", "Request had invalid authentication credentials."
	}
	e := a.Error
	if err != nil || e.Code != 401 || e.Status != "UNAUTHENTICATED" || len(e.Errors) != 1 || e.Errors[0].Reason != reason ||
		e.Errors[0].Domain != "global" || e.Errors[0].Location != "Authorization" || !strings.HasPrefix(e.Message, begin) || !strings.Contains(e.Message, "hakube local ") {
		t.Errorf("%s: %v %s", what, err, body)
	}
}

// TestProxyURL: programs that are given the URL as a proxy get through by it, and
// show whose token is wrong when it is another's.
func TestProxyURL(t *testing.T) {
	dir, at := served(t, nobodyThere)
	token, err := Token(dir)
	if err != nil {
		t.Fatal(err)
	}
	for password, want := range map[string]string{token: "Bad Gateway", strings.Repeat("A", len(token)): `Unauthorized: the proxy-url has not the embedded GCE's token; another up of the cluster writes it`} {
		proxy, err := ProxyURL("http://"+at, password)
		if err != nil {
			t.Fatal(err)
		}
		client := http.Client{Transport: &http.Transport{Proxy: http.ProxyURL(must(url.Parse(proxy)))}}
		if resp, err := client.Get("https://198.51.100.1/"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v %v, want %q", resp, err, want)
		}
	}
}

// TestRefusedCostsNothing: a stranger's body is not waited for, nor are many of them.
func TestRefusedCostsNothing(t *testing.T) {
	defer func(d time.Duration) { lingering = d }(lingering)
	lingering = 300 * time.Millisecond
	_, at := served(t, nobodyThere)
	for _, length := range []string{"Content-Length: 100", "Content-Length: 8000000", "Transfer-Encoding: chunked"} {
		conn, err := net.Dial("tcp", at)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		begin := time.Now()
		_ = conn.SetDeadline(begin.Add(2 * time.Minute))
		fmt.Fprintf(conn, "POST /compute/v1/projects/p/global/networks HTTP/1.1\r\nHost: %s\r\n%s\r\n\r\n", at, length)
		text, err := io.ReadAll(conn) // to its end: the connection does not stay
		if !strings.HasPrefix(string(text), "HTTP/1.1 401 ") || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s: %v %q", length, err, text)
		}
		t.Logf("%s: gone after %v", length, time.Since(begin).Round(time.Millisecond))
	}
	// One that sends all of it reads why it was refused.
	d := door{method: "POST", target: "/compute/v1/projects/p/global/networks", body: strings.Repeat("x", 200<<10)}
	if head, _, err := d.knock(at, ""); err != nil || code(head) != "401" {
		t.Errorf("with a body: %v %s", err, head)
	}
}

// TestConsoleLink: a link opens the page to one browser, once and for a while, and
// the cookie it becomes opens nothing else.
func TestConsoleLink(t *testing.T) {
	dir, at := served(t, nobodyThere)
	link := func() string {
		t.Helper()
		l, err := ConsoleLink(t.Context(), dir, Status{Endpoint: "http://" + at})
		if err != nil || !strings.HasPrefix(l, "http://"+at+console.Path+"?code=") {
			t.Fatalf("link %s: %v", l, err)
		}
		return l
	}
	browser := func() *http.Client {
		jar, err := cookiejar.New(nil)
		if err != nil {
			t.Fatal(err)
		}
		return &http.Client{Jar: jar}
	}
	get := func(b *http.Client, url string) *http.Response {
		t.Helper()
		r, err := b.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		r.Body.Close()
		return r
	}
	once, mine := link(), browser()
	if r := get(mine, once); r.StatusCode != 200 || r.Request.URL.String() != "http://"+at+console.Path {
		t.Errorf("the link leads to %s: %s", r.Request.URL, r.Status)
	}
	for _, path := range []string{"", "console.js", "data"} {
		if r := get(mine, "http://"+at+console.Path+path); r.StatusCode != 200 {
			t.Errorf("%q with the cookie: %s", path, r.Status)
		}
	}
	cookies := mine.Jar.Cookies(must(http.NewRequest("GET", "http://"+at+console.Path, nil)).URL)
	if len(cookies) != 1 {
		t.Fatalf("cookies %v", cookies)
	}
	for _, d := range doors {
		head, _, err := d.knock(at, "Cookie: "+cookies[0].String()+"\r\n")
		if want := d.owner; err != nil || strings.HasPrefix(d.name, "page") && code(head) != want || !strings.HasPrefix(d.name, "page") && code(head) != "401" {
			t.Errorf("%s with the cookie: %v %s", d.name, err, head)
		}
	}
	for what, r := range map[string]*http.Response{
		"the link again": get(browser(), once), "no code": get(browser(), "http://"+at+console.Path+"?code="), "no link": get(browser(), "http://"+at+console.Path+"data"),
	} {
		if r.StatusCode != 401 {
			t.Errorf("%s: %s", what, r.Status)
		}
	}
	head, _, err := door{method: "GET", target: link()[len("http://"+at):]}.knock(at, "")
	if err != nil || code(head) != "303" || !strings.Contains(head, "; HttpOnly; SameSite=Strict") || !strings.Contains(head, "; Path="+console.Path+";") {
		t.Errorf("the cookie: %v\n%s", err, head)
	}
	defer func(d time.Duration) { codeLife = d }(codeLife)
	codeLife = -time.Second
	if r := get(browser(), link()); r.StatusCode != 401 {
		t.Errorf("an old link: %s", r.Status)
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
