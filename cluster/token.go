package cluster

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"fmt"
	"strings"

	"cloud.google.com/go/compute/apiv1/computepb"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"hakube/cluster/inventory"
	"hakube/cluster/plan"
	"hakube/gce"
	"hakube/scripts"
)

// token is the bootstrap token with which nodes ask for their certificates: a
// Secret in the cluster. Its id follows from the cluster's name, so that it is
// found again; it does not expire, since the group makes machines later too;
// and the only thing it can do is ask for a node's certificate.
func (r *run) token() plan.Step { return token{r} }

type token struct{ *run }

const (
	tokenNamespace = "kube-system"
	tokenType      = corev1.SecretType("bootstrap.kubernetes.io/token")
	// tokenGroup is the group kubeadm lets ask for node certificates.
	tokenGroup = "system:bootstrappers:kubeadm:default-node-token"
)

func (t token) String() string { return "join token " + t.id() }

func (t token) id() string {
	sum := sha256.Sum256([]byte(t.want.Project + "/" + t.want.Names.Prefix))
	return hex.EncodeToString(sum[:])[:6]
}

func (t token) secretName() string { return "bootstrap-token-" + t.id() }

func (t token) Observe(ctx context.Context) (plan.State, error) {
	client, err := t.kube(ctx)
	if err != nil {
		return plan.State{Is: plan.Absent, Why: err.Error()}, nil
	}
	s, err := client.Secrets(tokenNamespace).Get(ctx, t.secretName(), metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return plan.State{Is: plan.Absent}, nil
	}
	if err != nil { // Do needs the same API and says the same
		return plan.State{Is: plan.Partial, Why: "it cannot be asked for: " + plainly443(err)}, nil
	}
	used, err := t.inTemplate(ctx)
	if err != nil {
		return plan.State{}, err
	}
	for k, v := range t.fields(used) {
		if got := string(s.Data[k]); v != "" && got != v {
			return plan.State{Is: plan.Partial, Why: "its " + k + " is not what nodes need"}, nil
		}
	}
	if len(s.Data["expiration"]) > 0 {
		return plan.State{Is: plan.Partial, Why: "it expires"}, nil
	}
	return exists("")
}

// inTemplate is the token of the template that is there already, whose
// machines would otherwise knock with a key that no longer fits. "" for none.
func (t token) inTemplate(ctx context.Context) (string, error) {
	x, err := t.template(ctx)
	if gce.IsNotFound(err) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	value := inventory.MetadataItem(x.GetProperties().GetMetadata(), scripts.KeyJoinToken)
	secret, ok := strings.CutPrefix(value, t.id()+".")
	if !ok {
		return "", nil
	}
	return secret, nil
}

// fields are the Secret's, as Kubernetes documents bootstrap tokens.
func (t token) fields(secret string) map[string]string {
	return map[string]string{
		"token-id":                       t.id(),
		"token-secret":                   secret,
		"usage-bootstrap-authentication": "true",
		"usage-bootstrap-signing":        "true", // nodes check cluster-info by it
		"auth-extra-groups":              tokenGroup,
	}
}

func (t token) Do(ctx context.Context) error {
	client, err := t.kube(ctx)
	if err != nil {
		return fmt.Errorf("asking the API: %w", err)
	}
	secret, err := t.inTemplate(ctx)
	if err != nil {
		return err
	}
	secrets := client.Secrets(tokenNamespace)
	old, err := secrets.Get(ctx, t.secretName(), metav1.GetOptions{})
	there := err == nil
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("reading the token: %w", err)
	}
	if secret == "" && there {
		secret = string(old.Data["token-secret"])
	}
	if secret == "" {
		if secret, err = newSecret(); err != nil {
			return err
		}
	}
	want := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: t.secretName(), Namespace: tokenNamespace},
		Type:       tokenType,
		StringData: t.fields(secret),
	}
	want.StringData["description"] = t.want.Mark.For("join-token")
	if there {
		want.ResourceVersion = old.ResourceVersion
		_, err = secrets.Update(ctx, want, metav1.UpdateOptions{})
	} else {
		_, err = secrets.Create(ctx, want, metav1.CreateOptions{})
	}
	if err != nil {
		return fmt.Errorf("writing the token: %w", err)
	}
	return nil
}

func (token) Undo(context.Context) error { return nil } // never unwanted: it goes with the cluster

// newSecret is the second part of a token: 16 of a-z and 2-7.
func newSecret() (string, error) {
	random := make([]byte, 10)
	if _, err := rand.Read(random); err != nil {
		return "", fmt.Errorf("making a token: %w", err)
	}
	return strings.ToLower(base32.StdEncoding.EncodeToString(random)), nil
}

// value is the token as nodes are given it.
func (t token) value(ctx context.Context) (string, error) {
	client, err := t.kube(ctx)
	if err != nil {
		return "", err
	}
	s, err := client.Secrets(tokenNamespace).Get(ctx, t.secretName(), metav1.GetOptions{})
	if err != nil {
		return "", fmt.Errorf("reading the token: %w", err)
	}
	return t.id() + "." + string(s.Data["token-secret"]), nil
}

// template is the node template as it is.
func (r *run) template(ctx context.Context) (*computepb.InstanceTemplate, error) {
	return r.GCE.InstanceTemplates().Get(ctx, r.want.Names.Template())
}
