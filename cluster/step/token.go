package step

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"cloud.google.com/go/compute/apiv1/computepb"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"hakube/cluster/env"
	"hakube/cluster/inventory"
	"hakube/cluster/kube"
	"hakube/cluster/plan"
	"hakube/cluster/settings"
	"hakube/gce"
	"hakube/scripts"
)

// JoinToken is the bootstrap token with which nodes ask for their certificates: a
// Secret in the cluster. Its id follows from the cluster's name, and of one that was
// exchanged from when that began too, so that it is found again; it does not expire, since the group makes machines later too;
// and the only thing it can do is ask for a node's certificate.
func JoinToken(r *env.Env) plan.Step { return Token{r} }

// A Token is the fact that the bootstrap token is there.
type Token struct{ Env *env.Env }

func (Token) String() string { return "join token" }

// roleToken and sinceKey are in the mark of a token: of one that was exchanged, since which rotation.
const roleToken, sinceKey = "join-token", "since"

// Of is the token of a rotation, of "" the one that a cluster is made with.
func (t Token) Of(rotation string) kube.JoinToken {
	of := t.Env.Want.Project + "/" + t.Env.Want.Names.Prefix
	if rotation != "" {
		of += "/" + rotation
	}
	sum := sha256.Sum256([]byte(of))
	return kube.JoinToken{ID: hex.EncodeToString(sum[:])[:6]}
}

// Described is what a token says of itself.
func (t Token) Described(rotation string) string {
	text := t.Env.Want.Mark.For(roleToken)
	if rotation != "" {
		text += " " + sinceKey + "=" + rotation
	}
	return text
}

// All are those that hakube made for the cluster, the newest first.
func (t Token) All(ctx context.Context, client *kube.Client) ([]kube.JoinToken, error) {
	return kube.JoinTokens(ctx, client, func(description string) (int64, bool) {
		f := settings.MarkFields(description)
		at, _ := strconv.ParseInt(f[sinceKey], 10, 64) // without one it is of the beginning
		return at, t.Env.Owns(description) && f["role"] == roleToken
	})
}

// newest is the one that machines are given; that of the beginning where there is none.
func (t Token) newest(ctx context.Context, client *kube.Client) (kube.JoinToken, error) {
	all, err := t.All(ctx, client)
	if err != nil || len(all) == 0 {
		return t.Of(""), err
	}
	return all[0], nil
}

func (t Token) Observe(ctx context.Context) (plan.State, error) {
	client, err := t.Env.Kube(ctx)
	if err != nil {
		return plan.State{Is: plan.Absent, Why: err.Error()}, nil
	}
	token, used, err := t.inTemplate(ctx)
	if err != nil {
		return plan.State{}, err
	}
	if token.ID == "" {
		token, err = t.newest(ctx, client)
	}
	var s *corev1.Secret
	if err == nil {
		s, err = token.Read(ctx, client)
	}
	if apierrors.IsNotFound(err) {
		return plan.State{Is: plan.Absent}, nil
	}
	if err != nil { // Do needs the same API and says the same
		return plan.State{Is: plan.Partial, Why: "it cannot be asked for: " + kube.Plainly(err)}, nil
	}
	if why := token.Unlike(s, used); why != "" {
		return plan.State{Is: plan.Partial, Why: why}, nil
	}
	return plan.Exists("")
}

var tokenText = regexp.MustCompile(`^[a-z0-9]{6}\.[a-z0-9]{16}$`)

// inTemplate is the token of the template that is there already, whose
// machines would otherwise knock with a key that no longer fits. None for none.
func (t Token) inTemplate(ctx context.Context) (token kube.JoinToken, secret string, err error) {
	x, err := t.Env.NodeTemplate(ctx)
	if gce.IsNotFound(err) {
		return kube.JoinToken{}, "", nil
	}
	if err != nil {
		return kube.JoinToken{}, "", err
	}
	if !t.Env.Owns(x.GetDescription()) {
		return kube.JoinToken{}, "", nil
	}
	token, secret = TokenIn(x.GetProperties().GetMetadata())
	return token, secret, nil
}

// TokenIn is the token that machines with the metadata join with, and its second part; none where
// there is none.
func TokenIn(m *computepb.Metadata) (token kube.JoinToken, secret string) {
	value := inventory.MetadataItem(m, scripts.KeyJoinToken)
	if !tokenText.MatchString(value) {
		return kube.JoinToken{}, ""
	}
	id, secret, _ := strings.Cut(value, ".")
	return kube.JoinToken{ID: id}, secret
}

func (t Token) Do(ctx context.Context) error {
	client, err := t.Env.Kube(ctx)
	if err != nil {
		return fmt.Errorf("asking the API: %w", err)
	}
	token, secret, err := t.inTemplate(ctx)
	if err == nil && token.ID == "" {
		token, err = t.newest(ctx, client)
	}
	if err != nil {
		return err
	}
	return token.Write(ctx, client, secret, t.Described(""))
}

func (Token) Undo(context.Context) error { return nil } // never unwanted: it goes with the cluster

// value is the token as nodes are given it.
func (t Token) value(ctx context.Context) (string, error) {
	client, err := t.Env.Kube(ctx)
	if err != nil {
		return "", err
	}
	token, err := t.newest(ctx, client)
	if err != nil {
		return "", err
	}
	return token.Value(ctx, client)
}

// TokensOfTemplates is the fact that the tokens which nodes' templates have are taken, and no other of
// hakube's: after a restore of a backup from before an exchange nobody would join with the one,
// and whoever has stolen the other could again.
func TokensOfTemplates(e *env.Env) plan.Step { return tokensOfTemplates{Token{e}} }

type tokensOfTemplates struct{ token Token }

func (tokensOfTemplates) String() string { return "join tokens are those of templates" }

// unlike are the tokens that are to be there as templates have them and are not, and those that
// are there and in no template. Where none has one, all are as they are to be.
func (t tokensOfTemplates) unlike(ctx context.Context, client *kube.Client) (lacks map[kube.JoinToken]string, spare []kube.JoinToken, err error) {
	used := map[kube.JoinToken]string{}
	all, err := t.token.Env.GCE.InstanceTemplates().List(ctx)
	for _, x := range all {
		if token, secret := TokenIn(x.GetProperties().GetMetadata()); token.ID != "" && t.token.Env.Owns(x.GetDescription()) {
			used[token] = secret
		}
	}
	if err != nil || len(used) == 0 {
		return nil, nil, err
	}
	there, err := t.token.All(ctx, client)
	if err != nil {
		return nil, nil, err
	}
	for _, x := range there {
		if _, is := used[x]; !is {
			spare = append(spare, x)
		}
	}
	for x, secret := range used {
		s, err := x.Read(ctx, client)
		if err != nil && !apierrors.IsNotFound(err) {
			return nil, nil, fmt.Errorf("reading the token: %w", err)
		}
		if err == nil && x.Unlike(s, secret) == "" {
			delete(used, x)
		}
	}
	return used, spare, nil
}

func (t tokensOfTemplates) Observe(ctx context.Context) (plan.State, error) {
	client, err := t.token.Env.Kube(ctx)
	if err != nil {
		return plan.State{Is: plan.Absent, Why: err.Error()}, nil
	}
	lacks, spare, err := t.unlike(ctx, client)
	if err != nil { // Do needs the same and says the same
		return plan.State{Is: plan.Partial, Why: "they cannot be asked for: " + kube.Plainly(err)}, nil
	}
	if len(lacks)+len(spare) > 0 {
		return plan.State{Is: plan.Partial, Why: fmt.Sprintf("%d are not taken, %d are of before", len(lacks), len(spare))}, nil
	}
	return plan.Exists("")
}

func (t tokensOfTemplates) Do(ctx context.Context) error {
	client, err := t.token.Env.Kube(ctx)
	if err != nil {
		return fmt.Errorf("asking the API: %w", err)
	}
	lacks, spare, err := t.unlike(ctx, client)
	for x, secret := range lacks {
		err = errors.Join(err, x.Write(ctx, client, secret, t.token.Described("")))
	}
	for _, x := range spare {
		err = errors.Join(err, x.Withdraw(ctx, client))
	}
	return err
}

func (tokensOfTemplates) Undo(context.Context) error { return nil } // never unwanted
