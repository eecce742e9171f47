package kube

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/base32"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// A JoinToken is a bootstrap token, with which nodes ask for their certificates: a
// Secret in the cluster, found by its id. It does not expire, and the only thing
// it can do is ask for a node's certificate.
type JoinToken struct{ ID string }

// JoinTokens are all those whose descriptions are some of ours, by what since says of them: the
// newest first, and of the same the one that was made last.
func JoinTokens(ctx context.Context, c *Client, since func(description string) (at int64, ours bool)) ([]JoinToken, error) {
	list, err := c.Secrets(tokenNamespace).List(ctx, metav1.ListOptions{FieldSelector: "type=" + string(tokenType)})
	if err != nil {
		return nil, fmt.Errorf("asking for join tokens: %w", err)
	}
	type dated struct {
		JoinToken
		at   int64
		made metav1.Time
	}
	var all []dated
	for _, s := range list.Items {
		if at, ours := since(string(s.Data["description"])); ours {
			all = append(all, dated{JoinToken{string(s.Data["token-id"])}, at, s.CreationTimestamp})
		}
	}
	slices.SortStableFunc(all, func(a, b dated) int { return cmp.Or(cmp.Compare(b.at, a.at), b.made.Compare(a.made.Time)) })
	var tokens []JoinToken
	for _, x := range all {
		tokens = append(tokens, x.JoinToken)
	}
	return tokens, nil
}

// Withdraw has nobody join with it any more.
func (t JoinToken) Withdraw(ctx context.Context, c *Client) error {
	if err := c.Secrets(tokenNamespace).Delete(ctx, t.secretName(), metav1.DeleteOptions{}); err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("deleting the token: %w", err)
	}
	return nil
}

const (
	tokenNamespace = "kube-system"
	tokenType      = corev1.SecretType("bootstrap.kubernetes.io/token")
	// TokenGroup is the group kubeadm lets ask for node certificates.
	TokenGroup = "system:bootstrappers:kubeadm:default-node-token"
)

func (t JoinToken) secretName() string { return "bootstrap-token-" + t.ID }

// fields are the Secret's, as Kubernetes documents bootstrap tokens.
func (t JoinToken) fields(secret string) map[string]string {
	return map[string]string{
		"token-id":                       t.ID,
		"token-secret":                   secret,
		"usage-bootstrap-authentication": "true",
		"usage-bootstrap-signing":        "true", // nodes check cluster-info by it
		"auth-extra-groups":              TokenGroup,
	}
}

// Read is the Secret as it is.
func (t JoinToken) Read(ctx context.Context, c *Client) (*corev1.Secret, error) {
	return c.Secrets(tokenNamespace).Get(ctx, t.secretName(), metav1.GetOptions{})
}

// Unlike says in what a Secret is not what nodes need that know its second part,
// "" for any; "" if it is.
func (t JoinToken) Unlike(s *corev1.Secret, used string) (why string) {
	for k, v := range t.fields(used) {
		if got := string(s.Data[k]); v != "" && got != v {
			return "its " + k + " is not what nodes need"
		}
	}
	if len(s.Data["expiration"]) > 0 {
		return "it expires"
	}
	return ""
}

// Write makes the Secret what nodes need: with the second part that is used
// already, or else the one it has, or else a new one.
func (t JoinToken) Write(ctx context.Context, c *Client, used, description string) error {
	secrets, secret := c.Secrets(tokenNamespace), used
	old, err := t.Read(ctx, c)
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
	want.StringData["description"] = description
	if there && len(old.Data["description"]) > 0 {
		want.StringData["description"] = string(old.Data["description"])
	}
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

// Value is the token as nodes are given it.
func (t JoinToken) Value(ctx context.Context, c *Client) (string, error) {
	s, err := t.Read(ctx, c)
	if err != nil {
		return "", fmt.Errorf("reading the token: %w", err)
	}
	return t.ID + "." + string(s.Data["token-secret"]), nil
}

// newSecret is the second part of a token: 16 of a-z and 2-7.
func newSecret() (string, error) {
	random := make([]byte, 10)
	if _, err := rand.Read(random); err != nil {
		return "", fmt.Errorf("making a token: %w", err)
	}
	return strings.ToLower(base32.StdEncoding.EncodeToString(random)), nil
}
