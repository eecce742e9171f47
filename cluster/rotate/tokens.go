package rotate

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"hakube/cluster/env"
	"hakube/cluster/inventory"
	"hakube/cluster/kube"
	"hakube/cluster/live"
	"hakube/cluster/member"
	"hakube/cluster/plan"
	"hakube/cluster/rings"
	"hakube/cluster/task"
	"hakube/replicate"
)

// tokenKey is the exchange of the key that tokens of service accounts are signed with.
func tokenKey(id string) exchanged {
	return exchanged{
		texts: map[string]string{
			replicate.TokenKeyTrusted: "tokens by the new key are taken on ",
			replicate.TokenKeySigns:   "tokens are signed by the new key on ",
			replicate.TokenKeyAlone:   "tokens by no other key are taken on ",
		},
		stages: replicate.TokenStages,
		at:     func(s *rings.Survey, m string) string { return s.TokenStage(m, id) },
		has:    func(s *rings.Survey, m string) bool { return s.TokenStage(m, id) != "" },
		why: func(s *rings.Survey, m string) string {
			return fmt.Sprintf("it takes tokens by %d keys", s.TokenKeys[m].Keys)
		},
		bring: func(ctx context.Context, r *replicate.Runner, from *replicate.Host, to replicate.Host, stage string) error {
			return replicate.ExchangeTokenKey(ctx, r, from, to, stage, id)
		},
	}
}

// signing is how another key or authority comes to sign: an API server may see what whichever
// master has signed, so all take what the new one signs before any signs with it. Where there
// is one master that is one start of its API server and not two.
func (p *Plan) signing(r *task.Task, x exchanged) (lists [][]plan.Item) {
	if len(p.Masters) > 1 {
		lists = append(lists, p.stage(r, x, replicate.TokenKeyTrusted))
	}
	return append(lists, p.stage(r, x, replicate.TokenKeySigns))
}

// distrust is how tokens by the keys of before come to an end. Those that are in Secrets, and
// end by nothing else, are made anew before.
func (p *Plan) distrust(r *task.Task) [][]plan.Item {
	l := task.Lines{Want: true}
	l.Then(member.API(r))
	l.Then(live.Kubeconfig(r))
	l.Then(reissued{r.Env, p.Signs})
	return [][]plan.Item{append(l.Items, p.stage(r, tokenKey(p.ID), replicate.TokenKeyAlone)...)}
}

// reissued is the fact that no Secret has a token by another key than the one that signs.
type reissued struct {
	env *env.Env
	by  string // how tokens name that key
}

func (reissued) String() string    { return "tokens in Secrets are by the key that signs" }
func (reissued) About() plan.Thing { return plan.Thing{Kind: "secrets", Name: "tokens"} }

func (r reissued) Observe(ctx context.Context) (plan.State, error) {
	client, err := r.env.Kube(ctx)
	if err != nil {
		return plan.State{Is: plan.Absent, Why: err.Error()}, nil
	}
	old, err := OldTokens(ctx, client, r.by)
	if err != nil {
		return plan.State{}, err
	}
	if len(old) > 0 {
		return plan.State{Is: plan.Absent, Why: "not those of " + strings.Join(old, " ")}, nil
	}
	return plan.Exists("")
}

// tokenLimit is how long a controller-manager may take to make a token.
const tokenLimit = 2 * time.Minute

// Do takes the old ones out of their Secrets: Kubernetes makes new ones.
func (r reissued) Do(ctx context.Context) error {
	client, err := r.env.Kube(ctx)
	if err != nil {
		return fmt.Errorf("asking the API: %w", err)
	}
	old, err := OldTokens(ctx, client, r.by)
	if err != nil {
		return err
	}
	for _, name := range old {
		namespace, name, _ := strings.Cut(name, "/")
		if _, err := client.Secrets(namespace).Patch(ctx, name, types.MergePatchType, []byte(`{"data":{"token":null}}`), metav1.PatchOptions{}); err != nil {
			return fmt.Errorf("having the token in Secret %s/%s made anew: %w", namespace, name, err)
		}
	}
	return r.env.Until(ctx, plan.Condition{
		For: "tokens to be made anew in Secrets", Every: r.env.Poll, Limit: tokenLimit,
		Check: func(ctx context.Context) (bool, string, error) {
			s, err := r.Observe(ctx)
			return s.Is == plan.Present, s.Why, err
		},
	})
}

func (reissued) Undo(context.Context) error { return nil } // never unwanted

// OldTokens are the Secrets, as NAMESPACE/NAME, whose token of a service account is by another
// key than one, or is not there yet.
func OldTokens(ctx context.Context, client *kube.Client, by string) (names []string, err error) {
	options := metav1.ListOptions{FieldSelector: "type=" + string(corev1.SecretTypeServiceAccountToken), Limit: 500}
	for {
		list, err := client.Secrets("").List(ctx, options)
		if err != nil {
			return nil, fmt.Errorf("asking for tokens in Secrets: %w", err)
		}
		for _, s := range list.Items {
			if id, err := signedBy(string(s.Data[corev1.ServiceAccountTokenKey])); err != nil || id != by {
				names = append(names, s.Namespace+"/"+s.Name)
			}
		}
		if options.Continue = list.Continue; options.Continue == "" {
			return names, nil
		}
	}
}

// signedBy is how a token names the key that it is signed with.
func signedBy(token string) (string, error) {
	head, _, is := strings.Cut(token, ".")
	text, err := base64.RawURLEncoding.DecodeString(head)
	if err != nil || !is {
		return "", errors.New("it is no token")
	}
	var x struct {
		Kid string `json:"kid"`
	}
	err = json.Unmarshal(text, &x)
	return x.Kid, err
}

// Ends is what is let in no more when a key or an authority is distrusted, a line each.
func (p *Plan) Ends(ctx context.Context, e *env.Env) (lines []string) {
	switch {
	case len(p.Left()) == 0:
		return nil
	case p.Of == inventory.DistrustCA:
		return p.endsAuthority(ctx, e)
	case p.Of != inventory.DistrustTokenKey:
		return nil
	}
	if time.Now().Before(p.Until) {
		lines = append(lines, fmt.Sprintf("until %s pods may hold tokens by the key of before, kube-proxy's and CoreDNS' among them: they are not let in until their kubelets renew these, which takes them up to 24 hours", p.Until.Format(time.RFC3339)))
	}
	client, err := e.Kube(ctx)
	var old []string
	if err == nil {
		old, err = OldTokens(ctx, client, p.Signs)
	}
	switch {
	case err != nil:
		lines = append(lines, "which Secrets have tokens by the key of before could not be asked: "+kube.Plainly(err)+"; they are made anew, and copies of them are not let in any more")
	case len(old) > 0:
		lines = append(lines, "tokens in Secrets are made anew, and copies of them are not let in any more: "+strings.Join(old, " "))
	}
	return lines
}
