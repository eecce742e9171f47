package etcdtest

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	// Kubernetes' own types, so that what clients see cannot differ in spelling.
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"hakube/replicate/etcdtest/kubeapi"
)

// The model Kubernetes API:
//
//	/readyz /livez /healthz /version   anybody
//	/api /apis /api/v1                 discovery
//	nodes       get list patch delete  made by the machines themselves
//	secrets     get list create update patch delete
//	configmaps  get list create update patch delete
//	namespaces  get list
//	pods        get list               CoreDNS's two, made up of the Nodes there are
//
// with label selectors, field selectors on what each kind has, limit and
// continue, resourceVersion as a precondition. All else, watch included, is
// answered 501 with a Status that says so.

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

// An apiCall is one request to the API server of a master.
type apiCall struct {
	*http.Request
	w       *World
	control *controlPlane
	user    apiUser
}

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
		answerError(w, apierrors.NewServiceUnavailable("the machine is stopped"))
		return
	}
	c := &apiCall{Request: r, w: g.w, control: control}
	if c.health(w) {
		return
	}
	err = c.authenticate()
	var answer any
	status := http.StatusOK
	if err == nil {
		answer, status, err = c.route()
	}
	if err == nil && kubeapi.WantsTable(r) {
		answer = kubeapi.Table(answer)
	}
	if err != nil {
		answerError(w, err)
		return
	}
	answerJSON(w, status, answer)
}

// health answers what needs no user, and says whether it did.
func (c *apiCall) health(w http.ResponseWriter) bool {
	switch c.URL.Path {
	case "/livez", "/healthz", "/readyz":
	case "/version", "/version/":
		answerJSON(w, http.StatusOK, kubeapi.VersionOf(c.control.version))
		return true
	default:
		return false
	}
	c.w.mu.Lock()
	err := c.control.health()
	if c.control.guest.wedged == WedgeUnready {
		err = errors.New("a check of its own fails")
	}
	c.w.mu.Unlock()
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, verbose := c.URL.Query()["verbose"]
	check := c.URL.Path[1:]
	switch {
	case err != nil:
		w.WriteHeader(http.StatusInternalServerError)
		fmt.Fprintf(w, "[+]ping ok\n[-]etcd failed: reason withheld\n%s check failed\n", check)
	case verbose:
		fmt.Fprintf(w, "[+]ping ok\n[+]etcd ok\n%s check passed\n", check)
	default:
		fmt.Fprint(w, "ok")
	}
	return true
}

// route finds what the path means. Names of the parts are those of Kubernetes'
// own RequestInfo.
func (c *apiCall) route() (answer any, status int, err error) {
	if a, ok := kubeapi.Discover(strings.TrimSuffix(c.URL.Path, "/")); ok && c.Method == http.MethodGet {
		return a, http.StatusOK, c.allow("get", "", "", "", c.URL.Path)
	}
	rest, ok := strings.CutPrefix(c.URL.Path, "/api/v1/")
	if !ok {
		return nil, 0, c.unknown()
	}
	parts := strings.Split(rest, "/")
	namespace := ""
	if parts[0] == "namespaces" && len(parts) > 2 {
		namespace, parts = parts[1], parts[2:]
	}
	i := slices.IndexFunc(kubeapi.Resources, func(r *kubeapi.Resource) bool { return r.Name == parts[0] })
	if i < 0 || len(parts) > 2 {
		return nil, 0, c.unknown()
	}
	r := kubeapi.Resources[i]
	name := ""
	if len(parts) == 2 {
		name = parts[1]
	}
	verb := verbOf(c.Method, name != "")
	if q := c.URL.Query(); verb == "list" && (q.Get("watch") == "true" || q.Get("watch") == "1") {
		verb = "watch"
	}
	if err := c.allow(verb, r.Name, namespace, name, c.URL.Path); err != nil {
		return nil, 0, err
	}
	allNamespaces := r.Namespaced && namespace == "" && (verb != "list" || name != "")
	if !slices.Contains(r.Verbs, verb) || allNamespaces || namespace != "" && !r.Namespaced || c.URL.Query().Has("dryRun") {
		return nil, 0, c.unknown()
	}
	return c.do(r, verb, namespace, name)
}

// do calls the verb.
func (c *apiCall) do(r *kubeapi.Resource, verb, namespace, name string) (answer any, status int, err error) {
	status = http.StatusOK
	switch verb {
	case "get":
		answer, err = c.get(r, namespace, name)
	case "list":
		answer, err = c.list(r, namespace)
	case "create":
		status = http.StatusCreated
		answer, err = c.create(r, namespace)
	case "update":
		answer, err = c.update(r, namespace, name)
	case "patch":
		answer, err = c.patch(r, namespace, name)
	case "delete":
		answer, err = c.remove(r, namespace, name)
	}
	return answer, status, err
}

func verbOf(method string, named bool) string {
	switch {
	case method == http.MethodGet && named:
		return "get"
	case method == http.MethodGet:
		return "list"
	case method == http.MethodPost:
		return "create"
	case method == http.MethodPut:
		return "update"
	case method == http.MethodPatch:
		return "patch"
	case method == http.MethodDelete && named:
		return "delete"
	}
	return strings.ToLower(method)
}

// unknown refuses what the model does not have.
func (c *apiCall) unknown() error {
	return &apierrors.StatusError{ErrStatus: metav1.Status{
		Status: metav1.StatusFailure, Code: http.StatusNotImplemented, Reason: "NotImplemented",
		Message: fmt.Sprintf("the model Kubernetes API does not do %s %s: it has only what hakube asks for", c.Method, c.URL.RequestURI()),
	}}
}

// answerError sends a Status, as Kubernetes does for all that goes wrong.
func answerError(w http.ResponseWriter, err error) {
	var s apierrors.APIStatus
	if !errors.As(err, &s) {
		s = apierrors.NewInternalError(err)
	}
	status := s.Status()
	status.TypeMeta = metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}
	answerJSON(w, int(status.Code), status)
}

func answerJSON(w http.ResponseWriter, status int, answer any) {
	text, err := json.Marshal(answer)
	if err != nil {
		text, status = fmt.Appendf(nil, `{"kind":"Status","apiVersion":"v1","status":"Failure","code":500,"message":%q}`, err.Error()), http.StatusInternalServerError
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(text, '\n')) // the client may be gone
}

// coreResource names a resource in errors.
func coreResource(name string) schema.GroupResource { return schema.GroupResource{Resource: name} }
