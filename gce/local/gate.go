package local

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"hakube/gce/emulator"
	"hakube/gce/local/console"
	"hakube/scripts/cure"
)

// A gate is in front of all that the daemon serves, so that no door can be
// forgotten: it lets in whoever has the token, and to the page in a browser
// whoever came by a link of [ConsoleLink].
type gate struct {
	token    [sha256.Size]byte // its sum: sums are compared in the same time, whatever was sent
	visitors *visitors
	guard    func(http.ResponseWriter, *http.Request) bool // keeps web pages out
	next     http.Handler
}

func sum(token string) [sha256.Size]byte { return sha256.Sum256([]byte(token)) }

func (g *gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !g.guard(w, r) {
		linger(w, r)
		return
	}
	onPage := r.Method == http.MethodGet && strings.HasPrefix(r.URL.Path, console.Path)
	switch {
	case g.holds(credentials(r)), onPage && g.visitors.known(r):
		g.next.ServeHTTP(w, r)
	case onPage && g.visitors.enter(w, r, r.URL.Query().Get(codeParameter)):
	default:
		refuse(w, r)
	}
}

func (g *gate) holds(token string) bool {
	sent := sum(token)
	return subtle.ConstantTimeCompare(sent[:], g.token[:]) == 1
}

// credentials are what the request says it may come in by, "" for none. Clients
// send a proxy another header than a server, and what an URL has before its @ as
// user and password.
func credentials(r *http.Request) string {
	header := "Authorization"
	if r.Method == http.MethodConnect {
		header = "Proxy-Authorization"
	}
	sent := r.Header.Get(header)
	if scheme, token, ok := strings.Cut(sent, " "); ok && strings.EqualFold(scheme, "Bearer") {
		return strings.TrimSpace(token)
	}
	if r.Method != http.MethodConnect {
		return ""
	}
	_, password, _ := (&http.Request{Header: http.Header{"Authorization": {sent}}}).BasicAuth()
	return password
}

// lingering is how long the rest of a refused request is thrown away after the
// answer, and lingerMost how much of it: a connection that is closed while its
// client still sends may take the answer with it.
var lingering = time.Second

const lingerMost = 256 << 10

// refuse answers whoever is not let in. The answer waits for nothing of the body,
// and the connection does not stay.
func refuse(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodConnect {
		refuseConnect(w)
		return
	}
	w.Header().Set("Connection", "close")
	way := "the token in the embedded GCE's state directory, which is handed to gcloud by: " + cure.LocalEnv().String()
	if strings.HasPrefix(r.URL.Path, console.Path) {
		way = fmt.Sprintf("a link: each is good once, for %.0f minutes, and is printed by: %s", codeLife.Minutes(), cure.LocalConsole())
	}
	emulator.Unauthenticated(w, r.Header.Get("Authorization") != "", way)
	linger(w, r)
}

func linger(w http.ResponseWriter, r *http.Request) {
	c := http.NewResponseController(w)
	_ = c.Flush() // or what follows would be waited for first
	_ = c.SetReadDeadline(time.Now().Add(lingering))
	_, _ = io.CopyN(io.Discard, r.Body, lingerMost)
}

// refuseConnect has the reason in the line of the status: it is all that kubectl
// shows of a proxy's answer. A proxy would say 407, but the token is the API's.
func refuseConnect(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, "taking over the connection: "+err.Error(), http.StatusInternalServerError)
		return
	}
	defer func() { _ = conn.Close() }() // all was said
	_ = conn.SetWriteDeadline(time.Now().Add(lingering))
	const why = `Unauthorized: the proxy-url has not the embedded GCE's token; another up of the cluster writes it into the kubeconfig`
	fmt.Fprintf(conn, "HTTP/1.1 401 %s\r\nWWW-Authenticate: Basic realm=\"hakube\"\r\nProxy-Authenticate: Basic realm=\"hakube\"\r\n"+
		"Connection: close\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n", why, len(why)+1)
	_, _ = io.WriteString(conn, why+"\n")
}
