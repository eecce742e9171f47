package etcdtest

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"maps"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"hakube/replicate/etcdtest/kubeapi"
)

type guestKey struct{}

// newWebServer serves the API of all masters: whose, is known by the connection.
func newWebServer() *http.Server {
	return &http.Server{
		Handler:           http.HandlerFunc(serveAPI),
		ReadHeaderTimeout: 30 * time.Second,
		ErrorLog:          log.New(discard{}, "", 0), // clients that hang up during the handshake
		ConnState:         func(c net.Conn, s http.ConnState) { c.(*tls.Conn).NetConn().(*conn).follow(s) },
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, guestKey{}, c.(*tls.Conn).NetConn().(*conn).guest)
		},
	}
}

type discard struct{}

func (discard) Write(b []byte) (int, error) { return len(b), nil }

func serveAPI(w http.ResponseWriter, r *http.Request) {
	g := r.Context().Value(guestKey{}).(*Guest)
	f := g.w.fault(Asked{Machine: g.m.Name, Request: r})
	if f.befallRequest(w, r) {
		return
	}
	if f.CutAfter {
		g.serve(unheard{http.Header{}}, r)
		panic(http.ErrAbortHandler)
	}
	g.serve(w, r)
}

func (g *Guest) serve(w http.ResponseWriter, r *http.Request) {
	var control *controlPlane
	err := g.w.until(r.Context(), func() (bool, error) {
		control = g.control
		return g.wedged != WedgeMute, nil
	})
	if err != nil {
		return // who asked is gone
	}
	if control == nil {
		kubeapi.AnswerError(w, apierrors.NewServiceUnavailable("the machine is stopped"))
		return
	}
	kubeapi.Serve(w, r, apiServer{g.w, control})
}

// An apiServer is what the API of a master is served from: its own etcd, and what the
// world knows of its kubelets.
type apiServer struct {
	w *World
	*controlPlane
}

func (a apiServer) Lock()   { a.w.mu.Lock() }
func (a apiServer) Unlock() { a.w.mu.Unlock() }

func (a apiServer) Read() (*kubeapi.Contents, error) {
	if a.guest.control != a.controlPlane {
		return nil, apierrors.NewServiceUnavailable("the machine is stopped")
	}
	s, err := a.main().read()
	if err != nil {
		return nil, err
	}
	return s.contents(), nil
}

func (a apiServer) Write(put map[string]json.RawMessage, remove ...string) (int64, error) {
	if err := a.disk.content.Tokens.fill(put); err != nil {
		return 0, err
	}
	revision, err := a.main().write(put, remove...)
	for key := range put {
		if err == nil && strings.HasPrefix(key, kubeapi.Secrets.Key("", "")) {
			a.w.happened() // nodes may wait for their token
		}
	}
	return revision, err
}

func (a apiServer) Complete(o kubeapi.Object) { a.w.complete(o) }

func (a apiServer) Pods(s *kubeapi.Contents) ([]kubeapi.Object, error) { return a.w.pods(s) }

func (a apiServer) Health() error {
	a.Lock()
	defer a.Unlock()
	if a.guest.wedged == WedgeUnready {
		return errors.New("a check of its own fails")
	}
	return a.health()
}

func (a apiServer) Opens(by string) error {
	if keys := a.disk.content.Encryption; by != "" && !slices.Contains(keys, by) {
		return apierrors.NewInternalError(fmt.Errorf("unable to transform key: no matching prefix found: it is encrypted with %s, and this server has %q", by, keys))
	}
	return nil
}

func (a apiServer) Version() string { return a.version }

func (a apiServer) CAs() ([]*x509.Certificate, error) { return a.disk.content.trustedCAs() }

// An exchange is which exchange of the key that Secrets are encrypted with was brought how
// far.
type exchange struct {
	Rotation string `json:"rotation"`
	Stage    string `json:"stage"`
}

// exchangeOf is one of its own, "1767225600000 signs"; "" where it is no master.
func (g *Guest) exchangeOf(of func(*content) exchange) string {
	g.w.mu.Lock()
	defer g.w.mu.Unlock()
	if g.control == nil {
		return ""
	}
	at := of(&g.control.disk.content)
	return at.Rotation + " " + at.Stage
}

// keysOf are the key that a machine signs with, and those that it trusts, of one kind.
func (g *Guest) keysOf(of func(*content) tokenKeys) (signs string, trusts []string) {
	g.w.mu.Lock()
	defer g.w.mu.Unlock()
	if g.control == nil {
		return "", nil
	}
	k := of(&g.control.disk.content)
	return k.Signs, slices.Clone(k.Trusts)
}

func isSecret(key string) bool { return strings.HasPrefix(key, kubeapi.Secrets.Key("", "")) }

// writesBy is the key that is used for what is written, "" where nothing is encrypted.
func (x *content) writesBy() string {
	if len(x.Encryption) == 0 {
		return ""
	}
	return x.Encryption[0]
}

// alsoBy puts the keys behind its own that it does not have, and returns how many.
func (x *content) alsoBy(keys []string) (n int) {
	for _, k := range keys {
		if !slices.Contains(x.Encryption, k) {
			x.Encryption, n = append(x.Encryption, k), n+1
		}
	}
	return n
}

// encryptsBy reads what a master's scripts.EncryptionFile is in the model: names alone.
func encryptsBy(file []byte) []string { return strings.Fields(string(file)) }

// Encryption are the names of the keys that the machine's API server encrypts Secrets with.
func (g *Guest) Encryption() []string {
	g.w.mu.Lock()
	defer g.w.mu.Unlock()
	if g.control == nil {
		return nil
	}
	return slices.Clone(g.control.disk.content.Encryption)
}

// Exchanged is which exchange of that was brought how far, "1767225600000 first".
func (g *Guest) Exchanged() string {
	g.w.mu.Lock()
	defer g.w.mu.Unlock()
	if g.control == nil {
		return ""
	}
	x := g.control.disk.content.Exchange
	return x.Rotation + " " + x.Stage
}

// encryption is what scripts/etcd-status.sh says of it.
func (g *Guest) encryption() map[string]any {
	g.w.mu.Lock()
	defer g.w.mu.Unlock()
	if g.control == nil {
		return map[string]any{"keys": []string{}}
	}
	x := &g.control.disk.content
	return map[string]any{"keys": append([]string{}, x.Encryption...), "rotation": x.Exchange.Rotation, "stage": x.Exchange.Stage}
}

var (
	stageArgument    = regexp.MustCompile(`^(behind|first|alone)$`)
	rotationArgument = regexp.MustCompile(`^[0-9]{1,18}$`)
	haveLine         = regexp.MustCompile(`(?m)^HAVE=(\S*)$`)
)

// encryptionKey is scripts/encryption-key.sh.
func encryptionKey(ctx context.Context, c Call) int {
	if len(c.Args) != 2 || !stageArgument.MatchString(c.Args[0]) || !rotationArgument.MatchString(c.Args[1]) {
		return c.fail("usage: encryption-key behind|first|alone ROTATION")
	}
	g, key := c.Guest, "key-"+c.Args[1]
	g.booted(ctx)
	if !g.founded() {
		return c.fail("this machine is no master yet")
	}
	g.w.mu.Lock()
	defer g.w.mu.Unlock()
	x := &g.control.disk.content
	if len(x.Encryption) == 0 {
		return c.fail("this master encrypts no Secrets: it has no /etc/kubernetes/pki/encryption.yaml")
	}
	if m := haveLine.FindStringSubmatch(c.Script); m != nil && m[1] != "" {
		if file, err := base64.StdEncoding.DecodeString(m[1]); err != nil || !slices.Contains(encryptsBy(file), key) {
			return c.fail("another master's keys are %q (%v)", file, err)
		}
	}
	others := slices.DeleteFunc(slices.Clone(x.Encryption), func(k string) bool { return k == key })
	has := len(others) < len(x.Encryption)
	switch {
	case c.Args[0] == "behind":
		x.alsoBy([]string{key})
	case !has:
		return c.fail("this master does not have the key %s yet", key)
	case c.Args[0] == "first":
		x.Encryption = append([]string{key}, others...)
	default:
		s, err := g.control.main().read()
		if err != nil {
			return c.fail("%v", err)
		}
		if left := notBy(s, key); len(left) > 0 {
			return c.fail("etcd has Secrets by another key than %s: %s", key, strings.Join(left, " "))
		}
		x.Encryption = []string{key}
	}
	x.Exchange = exchange{c.Args[1], c.Args[0]}
	if err := g.control.disk.save(); err != nil {
		return c.fail("%v", err)
	}
	if !g.ready() {
		return c.fail("the API server has read /etc/kubernetes/pki/encryption.yaml: not after 240 s")
	}
	return c.answer(map[string]string{"encryption": c.Args[1] + " " + c.Args[0]})
}

// notBy are the Secrets that were encrypted with another key, or none.
func notBy(s *ringState, key string) (names []string) {
	for _, k := range slices.Sorted(maps.Keys(s.Keys)) {
		if name, is := strings.CutPrefix(k, kubeapi.Secrets.Key("", "")); is && s.Keys[k].By != key {
			names = append(names, name)
		}
	}
	return names
}

// oldSecrets is scripts/old-secrets.sh.
func oldSecrets(_ context.Context, c Call) int {
	if len(c.Args) != 1 || !rotationArgument.MatchString(c.Args[0]) {
		return c.fail("usage: old-secrets ROTATION")
	}
	g := c.Guest
	g.w.mu.Lock()
	defer g.w.mu.Unlock()
	if g.control == nil || g.control.main() == nil {
		return c.fail("etcd does not tell which Secrets it has")
	}
	s, err := g.control.main().read()
	if err != nil {
		return c.fail("etcd does not tell which Secrets it has: %v", err)
	}
	left := notBy(s, "key-"+c.Args[0])
	return c.answer(map[string]any{"secrets": append([]string{}, left[:min(len(left), 1000)]...), "left": len(left)})
}
