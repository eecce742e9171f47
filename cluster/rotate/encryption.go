package rotate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
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

// exchange is how the key that Secrets are encrypted with is made anew, as Kubernetes documents
// it (administer-cluster/encrypt-data, "Rotate a decryption key"): no API server may write with
// a key that another one cannot read with, so all have the new one before any uses it, and all
// use it before Secrets are written anew. The old one goes when etcd has nothing by it.
func (p *Plan) exchange(r *task.Task) [][]plan.Item {
	x := encryptionKey(p.ID)
	alone := task.Lines{Want: true}
	alone.Then(member.API(r))
	alone.Then(live.Kubeconfig(r)) // Secrets are written through the API
	alone.Then(rewritten{r.Env, p.Masters[0].Object, p.ID})
	return [][]plan.Item{
		p.stage(r, x, string(replicate.KeyBehind)),
		p.stage(r, x, string(replicate.KeyFirst)),
		append(alone.Items, p.stage(r, x, string(replicate.KeyAlone))...),
	}
}

// encryptionKey is the exchange of that key, as far as its stages go.
func encryptionKey(id string) exchanged {
	return exchanged{
		texts: map[string]string{
			string(replicate.KeyBehind): "new encryption key behind the old one on ",
			string(replicate.KeyFirst):  "new encryption key before the old one on ",
			string(replicate.KeyAlone):  "new encryption key alone on ",
		},
		at:     func(s *rings.Survey, m string) string { return string(s.KeyStage(m, id)) },
		stages: []string{string(replicate.KeyBehind), string(replicate.KeyFirst), string(replicate.KeyAlone)},
		has:    func(s *rings.Survey, m string) bool { return slices.Contains(s.Encryption[m].Keys, "key-"+id) },
		why: func(s *rings.Survey, m string) string {
			return "its keys are " + strings.Join(s.Encryption[m].Keys, " and ")
		},
		bring: func(ctx context.Context, r *replicate.Runner, from *replicate.Host, to replicate.Host, stage string) error {
			return replicate.ExchangeKey(ctx, r, from, to, replicate.EncryptionStage(stage), id)
		},
	}
}

// rewritten is the fact that etcd has no Secret by another key than the new one.
type rewritten struct {
	env *env.Env
	via inventory.Object // that is asked
	id  string           // of the rotation
}

func (rewritten) String() string    { return "Secrets are encrypted with the new key" }
func (rewritten) About() plan.Thing { return plan.Thing{Kind: "secrets", Name: "all"} }

func (r rewritten) Observe(ctx context.Context) (plan.State, error) {
	_, left, err := r.old(ctx)
	if err != nil {
		return plan.State{}, err
	}
	if left > 0 {
		return plan.State{Is: plan.Absent, Why: fmt.Sprintf("%d of them are not", left)}, nil
	}
	return plan.Exists("")
}

// askLimit is how long etcd may take to show all its Secrets.
const askLimit = 5 * time.Minute

func (r rewritten) old(ctx context.Context) (names []string, left int, err error) {
	err = r.env.OverSSH(ctx, r.via, askLimit, func(ctx context.Context, h replicate.Host) error {
		names, left, err = replicate.OldSecrets(ctx, r.env.Deps.SSH, h, r.id)
		return err
	})
	return names, left, err
}

// Do writes each of them as it is. etcd is asked again until it has none: of very many it
// names a part.
func (r rewritten) Do(ctx context.Context) error {
	client, err := r.env.Kube(ctx)
	if err != nil {
		return fmt.Errorf("asking the API: %w", err)
	}
	names, left, err := r.old(ctx)
	for err == nil && left > 0 {
		was := left
		for _, name := range names {
			if err := r.again(ctx, client, name); err != nil {
				return fmt.Errorf("writing Secret %s with the new key, %d are left: %w", name, left, err)
			}
			left--
		}
		if names, left, err = r.old(ctx); err == nil && left >= was {
			return fmt.Errorf("all %d Secrets were written with the new key, and %d are not encrypted with it: %s", was, left, strings.Join(names[:min(5, len(names))], " "))
		}
	}
	return err
}

// again writes a Secret as it is: the API server writes what it read with a key that is not
// the first, also when nothing of it changes. An API that does not answer once is asked
// again; the same patch may be made any number of times.
func (r rewritten) again(ctx context.Context, client *kube.Client, name string) error {
	namespace, name, _ := strings.Cut(name, "/")
	var said error
	err := r.env.Until(ctx, plan.Condition{
		For: "Secret " + name + " to be written", Every: r.env.Poll, Limit: time.Minute,
		Check: func(ctx context.Context) (bool, string, error) {
			_, said = client.Secrets(namespace).Patch(ctx, name, types.MergePatchType, []byte("{}"), metav1.PatchOptions{})
			answered := apierrors.APIStatus(nil)
			switch {
			case said == nil || apierrors.IsNotFound(said):
				said = nil
				return true, "", nil
			case errors.As(said, &answered) && answered.Status().Code < 500:
				return true, "", nil
			}
			return false, kube.Plainly(said), nil
		},
	})
	return errors.Join(err, said)
}

func (rewritten) Undo(context.Context) error { return nil } // never unwanted
