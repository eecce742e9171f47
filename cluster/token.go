package cluster

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"cloud.google.com/go/compute/apiv1/computepb"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"hakube/cluster/env"
	"hakube/cluster/inventory"
	"hakube/cluster/kube"
	"hakube/cluster/plan"
	"hakube/gce"
	"hakube/scripts"
)

// token is the bootstrap token with which nodes ask for their certificates: a
// Secret in the cluster. Its id follows from the cluster's name, so that it is
// found again; it does not expire, since the group makes machines later too;
// and the only thing it can do is ask for a node's certificate.
func joinToken(r *env.Env) plan.Step { return token{r} }

type token struct{ env *env.Env }

func (t token) String() string { return "join token " + t.id() }

func (t token) id() string {
	sum := sha256.Sum256([]byte(t.env.Want.Project + "/" + t.env.Want.Names.Prefix))
	return hex.EncodeToString(sum[:])[:6]
}

func (t token) join() kube.JoinToken { return kube.JoinToken{ID: t.id()} }

func (t token) Observe(ctx context.Context) (plan.State, error) {
	client, err := t.env.Kube(ctx)
	if err != nil {
		return plan.State{Is: plan.Absent, Why: err.Error()}, nil
	}
	s, err := t.join().Read(ctx, client)
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
	if why := t.join().Unlike(s, used); why != "" {
		return plan.State{Is: plan.Partial, Why: why}, nil
	}
	return plan.Exists("")
}

// inTemplate is the token of the template that is there already, whose
// machines would otherwise knock with a key that no longer fits. "" for none.
func (t token) inTemplate(ctx context.Context) (string, error) {
	x, err := nodeTemplate(ctx, t.env)
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

func (t token) Do(ctx context.Context) error {
	client, err := t.env.Kube(ctx)
	if err != nil {
		return fmt.Errorf("asking the API: %w", err)
	}
	secret, err := t.inTemplate(ctx)
	if err != nil {
		return err
	}
	return t.join().Write(ctx, client, secret, t.env.Want.Mark.For("join-token"))
}

func (token) Undo(context.Context) error { return nil } // never unwanted: it goes with the cluster

// value is the token as nodes are given it.
func (t token) value(ctx context.Context) (string, error) {
	client, err := t.env.Kube(ctx)
	if err != nil {
		return "", err
	}
	return t.join().Value(ctx, client)
}

// template is the node template as it is.
func nodeTemplate(ctx context.Context, r *env.Env) (*computepb.InstanceTemplate, error) {
	return r.GCE.InstanceTemplates().Get(ctx, r.Want.Names.Template())
}
