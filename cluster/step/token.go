package step

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"hakube/cluster/env"
	"hakube/cluster/inventory"
	"hakube/cluster/kube"
	"hakube/cluster/plan"
	"hakube/gce"
	"hakube/scripts"
)

// JoinToken is the bootstrap token with which nodes ask for their certificates: a
// Secret in the cluster. Its id follows from the cluster's name, so that it is
// found again; it does not expire, since the group makes machines later too;
// and the only thing it can do is ask for a node's certificate.
func JoinToken(r *env.Env) plan.Step { return Token{r} }

// A Token is the fact that the bootstrap token is there.
type Token struct{ Env *env.Env }

func (t Token) String() string { return "join token " + t.id() }

func (t Token) id() string {
	sum := sha256.Sum256([]byte(t.Env.Want.Project + "/" + t.Env.Want.Names.Prefix))
	return hex.EncodeToString(sum[:])[:6]
}

// Join is the token by its id.
func (t Token) Join() kube.JoinToken { return kube.JoinToken{ID: t.id()} }

func (t Token) Observe(ctx context.Context) (plan.State, error) {
	client, err := t.Env.Kube(ctx)
	if err != nil {
		return plan.State{Is: plan.Absent, Why: err.Error()}, nil
	}
	s, err := t.Join().Read(ctx, client)
	if apierrors.IsNotFound(err) {
		return plan.State{Is: plan.Absent}, nil
	}
	if err != nil { // Do needs the same API and says the same
		return plan.State{Is: plan.Partial, Why: "it cannot be asked for: " + kube.Plainly(err)}, nil
	}
	used, err := t.inTemplate(ctx)
	if err != nil {
		return plan.State{}, err
	}
	if why := t.Join().Unlike(s, used); why != "" {
		return plan.State{Is: plan.Partial, Why: why}, nil
	}
	return plan.Exists("")
}

// inTemplate is the token of the template that is there already, whose
// machines would otherwise knock with a key that no longer fits. "" for none.
func (t Token) inTemplate(ctx context.Context) (string, error) {
	x, err := t.Env.NodeTemplate(ctx)
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

func (t Token) Do(ctx context.Context) error {
	client, err := t.Env.Kube(ctx)
	if err != nil {
		return fmt.Errorf("asking the API: %w", err)
	}
	secret, err := t.inTemplate(ctx)
	if err != nil {
		return err
	}
	return t.Join().Write(ctx, client, secret, t.Env.Want.Mark.For("join-token"))
}

func (Token) Undo(context.Context) error { return nil } // never unwanted: it goes with the cluster

// value is the token as nodes are given it.
func (t Token) value(ctx context.Context) (string, error) {
	client, err := t.Env.Kube(ctx)
	if err != nil {
		return "", err
	}
	return t.Join().Value(ctx, client)
}
