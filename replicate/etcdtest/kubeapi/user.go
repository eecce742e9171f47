package kubeapi

import (
	"crypto/subtle"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// AdminGroup is whom kubeadm binds to cluster-admin.
const AdminGroup = "kubeadm:cluster-admins"

// JoinGroup is whom kubeadm lets ask for a node's certificate.
const JoinGroup = "system:bootstrappers:kubeadm:default-node-token"

// An caller is who a request is from.
type caller struct {
	name   string
	groups []string
}

// authenticate finds out who asks: by client certificate, by bootstrap token,
// or nobody.
func (c *call) authenticate() error {
	if c.TLS != nil && len(c.TLS.PeerCertificates) > 0 {
		return c.byCertificate(c.TLS.PeerCertificates[0])
	}
	header := c.Header.Get("Authorization")
	if header == "" {
		c.user = caller{"system:anonymous", []string{"system:unauthenticated"}}
		return nil
	}
	token, ok := strings.CutPrefix(header, "Bearer ")
	if !ok {
		return apierrors.NewUnauthorized("Unauthorized")
	}
	c.m.Lock()
	defer c.m.Unlock()
	state, err := c.m.Read()
	if err != nil {
		return err
	}
	secret, err := tokenSecret(state, token, time.Now())
	if err != nil || string(secret.Data["usage-bootstrap-authentication"]) != "true" {
		return apierrors.NewUnauthorized("Unauthorized")
	}
	c.user = caller{"system:bootstrap:" + string(secret.Data["token-id"]), append(groupsOf(secret), "system:bootstrappers", "system:authenticated")}
	return nil
}

func (c *call) byCertificate(cert *x509.Certificate) error {
	cas, err := c.m.CAs()
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	for _, ca := range cas {
		roots.AddCert(ca)
	}
	if _, err := cert.Verify(x509.VerifyOptions{Roots: roots, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}); err != nil {
		return apierrors.NewUnauthorized("Unauthorized")
	}
	c.user = caller{cert.Subject.CommonName, append(slices.Clone(cert.Subject.Organization), "system:authenticated")}
	return nil
}

// allow is the model's RBAC: administrators may do everything, who holds a
// joining node's token what `kubeadm join` does with it, anybody look at the
// version and at health.
func (c *call) allow(verb, resource, namespace, name, path string) error {
	has := func(group string) bool { return slices.Contains(c.user.groups, group) }
	switch {
	case has(AdminGroup), has("system:masters"):
		return nil
	case resource == "" && has("system:authenticated"): // discovery
		return nil
	case has(JoinGroup) && verb == "get" && resource == "nodes" && name != "":
		return nil
	case has(JoinGroup) && verb == "get" && resource == "configmaps" && namespace == "kube-system" &&
		slices.Contains([]string{"kubeadm-config", "kubelet-config", "kube-proxy"}, name):
		return nil
	}
	// Kubernetes' own words, down to the capital.
	why := fmt.Sprintf("User %q cannot %s path %q", c.user.name, verb, path)
	if resource != "" {
		where := "at the cluster scope"
		if namespace != "" {
			where = fmt.Sprintf("in the namespace %q", namespace)
		}
		why = fmt.Sprintf("User %q cannot %s resource %q in API group \"\" %s", c.user.name, verb, resource, where)
	}
	return apierrors.NewForbidden(coreResource(resource), name, errors.New(why))
}

var tokenForm = regexp.MustCompile(`^([a-z0-9]{6})\.([a-z0-9]{16})$`)

// tokenSecret finds the Secret of a bootstrap token, if the token is good.
func tokenSecret(s *Contents, token string, now time.Time) (*corev1.Secret, error) {
	m := tokenForm.FindStringSubmatch(token)
	if m == nil {
		return nil, errors.New("the bootstrap token is not one")
	}
	e, ok := s.Keys[Secrets.Key("kube-system", "bootstrap-token-"+m[1])]
	if !ok {
		return nil, fmt.Errorf("could not find a JWS signature in the cluster-info ConfigMap for token ID %q", m[1])
	}
	secret := new(corev1.Secret)
	if err := json.Unmarshal(e.Value, secret); err != nil {
		return nil, fmt.Errorf("reading the Secret of token %q: %w", m[1], err)
	}
	if secret.Type != corev1.SecretTypeBootstrapToken || string(secret.Data["token-id"]) != m[1] ||
		subtle.ConstantTimeCompare(secret.Data["token-secret"], []byte(m[2])) != 1 {
		return nil, fmt.Errorf("failed to verify JWS signature of received cluster info object, token ID %q", m[1])
	}
	if e := string(secret.Data["expiration"]); e != "" {
		if at, err := time.Parse(time.RFC3339, e); err != nil || !now.Before(at) {
			return nil, fmt.Errorf("the bootstrap token %q has expired", m[1])
		}
	}
	return secret, nil
}

func groupsOf(secret *corev1.Secret) []string {
	var groups []string
	for g := range strings.SplitSeq(string(secret.Data["auth-extra-groups"]), ",") {
		if strings.HasPrefix(g, "system:bootstrappers:") {
			groups = append(groups, g)
		}
	}
	return groups
}

// MayJoin is nil when `kubeadm join` would get through with the token: it finds
// the cluster by it, and may ask for a certificate.
func MayJoin(s *Contents, token string, now time.Time) error {
	secret, err := tokenSecret(s, token, now)
	switch {
	case err != nil:
		return err
	case string(secret.Data["usage-bootstrap-signing"]) != "true":
		return fmt.Errorf("could not find a JWS signature in the cluster-info ConfigMap for token ID %q", secret.Data["token-id"])
	case string(secret.Data["usage-bootstrap-authentication"]) != "true":
		return errors.New("couldn't validate the identity of the API Server: Unauthorized")
	case !slices.Contains(groupsOf(secret), JoinGroup):
		return fmt.Errorf("certificatesigningrequests.certificates.k8s.io is forbidden: User %q cannot create resource", "system:bootstrap:"+string(secret.Data["token-id"]))
	}
	return nil
}
