package cluster

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"maps"
	"math/big"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"hakube/cluster/kube"
	"hakube/cluster/live"
	"hakube/gce/emulator"
	"hakube/scripts"
)

// A plane is the control plane on a master's disk: its CA, and the few objects
// this package asks its API server for.
type plane struct {
	t         testing.TB
	ca        *x509.Certificate
	key       *ecdsa.PrivateKey
	adminConf []byte

	mu      sync.Mutex
	nodes   map[string]*corev1.Node
	secrets map[string]*corev1.Secret
	pods    map[string]*corev1.Pod // "namespace/name"; on which node is theirs to say
	kept    map[string]bool        // pods a disruption budget keeps
	evicted []string
	born    int // how many nodes ever joined
}

func newPlane(t testing.TB, m emulator.Machine) *plane {
	p := &plane{t: t, nodes: map[string]*corev1.Node{}, secrets: map[string]*corev1.Secret{},
		pods: map[string]*corev1.Pod{}, kept: map[string]bool{}}
	p.ca, p.key = p.certificate(&x509.Certificate{
		Subject: pkix.Name{CommonName: "kubernetes"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	})
	cert, key := p.certificate(&x509.Certificate{
		Subject:     pkix.Name{CommonName: "kubernetes-admin", Organization: []string{"system:masters"}},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	p.adminConf = fmt.Appendf(nil, `apiVersion: v1
kind: Config
clusters: [{name: kubernetes, cluster: {server: "https://%s:443", certificate-authority-data: %s}}]
users: [{name: kubernetes-admin, user: {client-certificate-data: %s, client-key-data: %s}}]
contexts: [{name: kubernetes-admin@kubernetes, context: {cluster: kubernetes, user: kubernetes-admin}}]
current-context: kubernetes-admin@kubernetes
`, m.NIC.External, base64PEM("CERTIFICATE", p.ca.Raw), base64PEM("CERTIFICATE", cert.Raw), base64PEM("EC PRIVATE KEY", ecKey(t, key)))
	return p
}

func base64PEM(kind string, der []byte) string {
	b, err := json.Marshal(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})) // base64 in quotes
	if err != nil {
		panic(err)
	}
	return string(b)
}

func ecKey(t testing.TB, key *ecdsa.PrivateKey) []byte {
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Error(err)
	}
	return der
}

// certificate signs a template with the CA, or by itself while there is none.
func (p *plane) certificate(template *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		p.t.Error(err)
	}
	template.SerialNumber = big.NewInt(time.Now().UnixNano())
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	parent, signer := p.ca, p.key
	if parent == nil {
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		p.t.Error(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		p.t.Error(err)
	}
	return cert, key
}

func (p *plane) serverTLS(ip netip.Addr) *tls.Config {
	cert, key := p.certificate(&x509.Certificate{
		Subject: pkix.Name{CommonName: "kube-apiserver"}, IPAddresses: []net.IP{ip.AsSlice()},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	})
	pool := x509.NewCertPool()
	pool.AddCert(p.ca)
	return &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{cert.Raw}, PrivateKey: key}},
		ClientAuth:   tls.VerifyClientCertIfGiven, ClientCAs: pool,
	}
}

// mastered makes a Ready Node of the master.
func (p *plane) mastered(m emulator.Machine) { p.add(m, map[string]string{live.MasterRoleLabel: ""}) }

func (p *plane) add(m emulator.Machine, labels map[string]string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	labels["topology.kubernetes.io/zone"] = m.Zone
	n := &corev1.Node{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Node"},
		ObjectMeta: metav1.ObjectMeta{Name: m.Name, Labels: labels},
	}
	p.born++
	n.CreationTimestamp = metav1.NewTime(time.Unix(1700000000, 0).Add(time.Duration(p.born) * time.Minute))
	n.Status.NodeInfo.KubeletVersion = m.Metadata[scripts.KeyKubeVersion]
	n.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}
	p.nodes[m.Name] = n
}

// join is what kubeadm join comes down to.
func (p *plane) join(m emulator.Machine) (reason string) {
	id, secret, _ := strings.Cut(m.Metadata[scripts.KeyJoinToken], ".")
	p.mu.Lock()
	s := p.secrets["bootstrap-token-"+id]
	p.mu.Unlock()
	if s == nil || string(s.Data["token-secret"]) != secret || secret == "" {
		return "the token is not accepted"
	}
	e := kube.Entry{CA: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.ca.Raw})}
	if hash, err := e.CAHash(); err != nil || hash != m.Metadata[scripts.KeyCAHash] {
		return "another CA than expected"
	}
	p.add(m, map[string]string{})
	return ""
}

func (p *plane) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	const secrets = "/api/v1/namespaces/kube-system/secrets"
	path := r.URL.Path
	if path == "/readyz" {
		fmt.Fprint(w, "ok")
		return
	}
	if len(r.TLS.PeerCertificates) == 0 {
		answer(w, http.StatusUnauthorized, kubeStatus(http.StatusUnauthorized, metav1.StatusReasonUnauthorized))
		return
	}
	name := path[strings.LastIndexByte(path, '/')+1:]
	switch {
	case r.Method == http.MethodGet && path == "/api/v1/nodes":
		list := corev1.NodeList{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "NodeList"}}
		for _, k := range slices.Sorted(maps.Keys(p.nodes)) {
			list.Items = append(list.Items, *p.nodes[k])
		}
		answer(w, http.StatusOK, list)
	case r.Method == http.MethodDelete && path == "/api/v1/nodes/"+name:
		delete(p.nodes, name)
		answer(w, http.StatusOK, kubeStatus(http.StatusOK, ""))
	case r.Method == http.MethodPatch && path == "/api/v1/nodes/"+name:
		p.patchNode(w, r, name)
	case r.Method == http.MethodGet && path == "/api/v1/pods":
		list := corev1.PodList{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "PodList"}}
		for _, k := range slices.Sorted(maps.Keys(p.pods)) {
			if r.URL.Query().Get("fieldSelector") == "spec.nodeName="+p.pods[k].Spec.NodeName {
				list.Items = append(list.Items, *p.pods[k])
			}
		}
		answer(w, http.StatusOK, list)
	case r.Method == http.MethodPost && name == "eviction":
		p.evict(w, r, path)
	case r.Method == http.MethodGet && path == "/api/v1/namespaces/kube-system/pods":
		pod := corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "coredns-1"}}
		pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
		answer(w, http.StatusOK, corev1.PodList{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "PodList"}, Items: []corev1.Pod{pod}})
	case r.Method == http.MethodGet && path == secrets+"/"+name:
		if p.secrets[name] == nil {
			answer(w, http.StatusNotFound, kubeStatus(http.StatusNotFound, metav1.StatusReasonNotFound))
			return
		}
		answer(w, http.StatusOK, p.secrets[name])
	case r.Method == http.MethodPost && path == secrets, r.Method == http.MethodPut && path == secrets+"/"+name:
		s := &corev1.Secret{}
		if err := json.NewDecoder(r.Body).Decode(s); err != nil {
			p.t.Errorf("a secret that is none: %v", err)
		}
		if s.Data == nil {
			s.Data = map[string][]byte{}
		}
		for k, v := range s.StringData {
			s.Data[k] = []byte(v)
		}
		s.StringData, s.TypeMeta = nil, metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"}
		p.secrets[s.Name] = s
		answer(w, http.StatusOK, s)
	default:
		p.t.Errorf("the API server was asked for %s %s", r.Method, r.URL)
		answer(w, http.StatusNotImplemented, kubeStatus(http.StatusNotImplemented, ""))
	}
}

func (p *plane) patchNode(w http.ResponseWriter, r *http.Request, name string) {
	n := p.nodes[name]
	if n == nil {
		answer(w, http.StatusNotFound, kubeStatus(http.StatusNotFound, metav1.StatusReasonNotFound))
		return
	}
	var patch struct {
		Metadata struct{ Annotations map[string]*string }
		Spec     struct{ Unschedulable json.RawMessage }
	}
	if err := json.NewDecoder(r.Body).Decode(&patch); err != nil || r.Header.Get("Content-Type") != "application/merge-patch+json" {
		p.t.Errorf("a patch of %s that is none: %v", name, err)
	}
	for k, v := range patch.Metadata.Annotations {
		if v == nil {
			delete(n.Annotations, k)
			continue
		}
		metav1.SetMetaDataAnnotation(&n.ObjectMeta, k, *v)
	}
	if s := string(patch.Spec.Unschedulable); s != "" {
		n.Spec.Unschedulable = s == "true"
	}
	answer(w, http.StatusOK, n)
}

// evict is the Eviction API with a disruption budget.
func (p *plane) evict(w http.ResponseWriter, r *http.Request, path string) {
	var e policyv1.Eviction
	if err := json.NewDecoder(r.Body).Decode(&e); err != nil || e.APIVersion != "policy/v1" || e.Kind != "Eviction" || e.DeleteOptions.Preconditions == nil {
		p.t.Errorf("an eviction that is none: %v, %+v", err, e)
	}
	parts := strings.Split(path, "/") // "", api, v1, namespaces, NS, pods, NAME, eviction
	key := parts[4] + "/" + parts[6]
	switch {
	case p.pods[key] == nil:
		answer(w, http.StatusNotFound, kubeStatus(http.StatusNotFound, metav1.StatusReasonNotFound))
	case p.kept[key]:
		s := kubeStatus(http.StatusTooManyRequests, metav1.StatusReasonTooManyRequests)
		s.Message = "Cannot evict pod as it would violate the pod's disruption budget."
		answer(w, http.StatusTooManyRequests, s)
	default:
		if n := p.nodes[p.pods[key].Spec.NodeName]; n == nil || !n.Spec.Unschedulable {
			p.t.Errorf("pod %s was evicted from a node that takes it back", key)
		}
		delete(p.pods, key)
		p.evicted = append(p.evicted, key)
		answer(w, http.StatusCreated, kubeStatus(http.StatusCreated, ""))
	}
}

func kubeStatus(code int32, reason metav1.StatusReason) metav1.Status {
	return metav1.Status{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}, Status: "Failure", Code: code, Reason: reason,
		Message: strings.ToLower(string(reason)),
	}
}

func answer(w http.ResponseWriter, code int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(v)
}
