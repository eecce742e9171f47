package kubeapi

import (
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"

	// Kubernetes' own types, so that what clients see cannot differ in spelling.
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// The model Kubernetes API:
//
//	/readyz /livez /healthz /version   anybody
//	/api /apis /api/v1                 discovery
//	nodes       get list create patch delete, made by the machines themselves, or by hand
//	secrets     get list create update patch delete
//	configmaps  get list create update patch delete
//	namespaces  get list
//	pods        get list create, and eviction: CoreDNS's two, made up of the Nodes there
//	            are, and those that are bound to a Node when they are made
//
//	what addons are made of, and tend  apply (server-side), get and delete by name, list
//
// with label selectors, field selectors on what each kind has, limit and
// continue, resourceVersion as a precondition. All else, watch included, is
// answered 501 with a Status that says so.

// A Master is the machine that an API server runs on, and all it needs of it. What a verb
// reads and writes is of one moment: it holds the lock from its first look to its last.
type Master interface {
	sync.Locker
	// Read is what its etcd holds; an error if there is none that could tell.
	Read() (*Contents, error)
	// Write puts and removes keys at one revision, which it returns.
	Write(put map[string]json.RawMessage, remove ...string) (revision int64, err error)
	// Complete adds to an object what is not stored but seen: whether a Node's kubelet
	// runs, and so a pod.
	Complete(Object)
	// Pods are those there are, stored or made up.
	Pods(*Contents) ([]Object, error)
	// Health is why it is not ready, nil if it is. It takes the lock itself.
	Health() error
	// Opens is why a value that was encrypted by a key cannot be read, nil if it can.
	Opens(by string) error
	Version() string
	CAs() ([]*x509.Certificate, error) // of clients' certificates
}

// Contents are the keys of an etcd at a revision.
type Contents struct {
	Revision int64
	Keys     map[string]Entry
}

// An Entry is a key's value and the revision that made it so.
type Entry struct {
	Value json.RawMessage `json:"value"`
	Mod   int64           `json:"mod"`
	// By is the name of the key that a Secret was encrypted with, "" of none.
	By string `json:"by,omitempty"`
}

// A call is one request to the API server of a master.
type call struct {
	*http.Request
	m    Master
	user caller
}

// Serve answers a request.
func Serve(w http.ResponseWriter, r *http.Request, m Master) {
	c := &call{Request: r, m: m}
	if c.health(w) {
		return
	}
	err := c.authenticate()
	var answer any
	status := http.StatusOK
	if err == nil {
		answer, status, err = c.route()
	}
	if err == nil && WantsTable(r) {
		answer = Table(answer)
	}
	if err != nil {
		AnswerError(w, err)
		return
	}
	answerJSON(w, status, answer)
}

// health answers what needs no user, and says whether it did.
func (c *call) health(w http.ResponseWriter) bool {
	switch c.URL.Path {
	case "/livez", "/healthz", "/readyz":
	case "/version", "/version/":
		answerJSON(w, http.StatusOK, VersionOf(c.m.Version()))
		return true
	default:
		return false
	}
	err := c.m.Health()
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
func (c *call) route() (answer any, status int, err error) {
	if a, ok := Discover(strings.TrimSuffix(c.URL.Path, "/")); ok && c.Method == http.MethodGet {
		return a, http.StatusOK, c.allow("get", "", "", "", c.URL.Path)
	}
	if p, ok := c.takes(); ok {
		return c.serveApplied(p)
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
	i := slices.IndexFunc(Resources, func(r *Resource) bool { return r.Name == parts[0] })
	if i < 0 || len(parts) > 3 {
		return nil, 0, c.unknown()
	}
	r := Resources[i]
	if len(parts) == 3 {
		return c.subresource(r, namespace, parts[1], parts[2])
	}
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
func (c *call) do(r *Resource, verb, namespace, name string) (answer any, status int, err error) {
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
func (c *call) unknown() error {
	return &apierrors.StatusError{ErrStatus: metav1.Status{
		Status: metav1.StatusFailure, Code: http.StatusNotImplemented, Reason: "NotImplemented",
		Message: fmt.Sprintf("the model Kubernetes API does not do %s %s: it has only what hakube asks for", c.Method, c.URL.RequestURI()),
	}}
}

// AnswerError sends a Status, as Kubernetes does for all that goes wrong.
func AnswerError(w http.ResponseWriter, err error) {
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
