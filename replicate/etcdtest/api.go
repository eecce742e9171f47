package etcdtest

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"log"
	"net"
	"net/http"
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

func (a apiServer) Version() string { return a.version }

func (a apiServer) CA() (*x509.Certificate, error) { return a.disk.content.PKI.ca() }
