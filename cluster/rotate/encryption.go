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
	"hakube/cluster/task"
	"hakube/replicate"
)

// exchange is how the key that Secrets are encrypted with is made anew, as Kubernetes documents
// it (administer-cluster/encrypt-data, "Rotate a decryption key"): no API server may write with
// a key that another one cannot read with, so all have the new one before any uses it, and all
// use it before Secrets are written anew. The old one goes when etcd has nothing by it.
func (p *Plan) exchange(r *task.Task) [][]plan.Item {
	var lists [][]plan.Item
	for _, stage := range replicate.EncryptionStages {
		l := task.Lines{Want: true}
		if stage == replicate.KeyAlone {
			l.Then(member.API(r))
			l.Then(live.Kubeconfig(r)) // Secrets are written through the API
			l.Then(rewritten{r.Env, p.Masters[0].Object, p.ID})
		}
		for i, m := range p.Masters {
			if i == 0 {
				l.Then(before(r, m))
			}
			l.Then(key{r.Env, m.Object, r.MastersBut(m.Name), stage, p.ID})
			l.Then(after(r, m))
		}
		lists = append(lists, l.Items)
	}
	return lists
}

// key is the fact that a master has come to a stage, its API server too.
type key struct {
	env    *env.Env
	of     inventory.Object
	others []inventory.Object // one of which may have the new key already
	stage  replicate.EncryptionStage
	id     string // of the rotation
}

func (k key) String() string {
	return map[replicate.EncryptionStage]string{
		replicate.KeyBehind: "new encryption key behind the old one on ",
		replicate.KeyFirst:  "new encryption key before the old one on ",
		replicate.KeyAlone:  "new encryption key alone on ",
	}[k.stage] + k.of.Name
}
func (k key) About() plan.Thing { return task.Thing(k.of) }

func (k key) Observe(ctx context.Context) (plan.State, error) {
	s := k.env.Survey(ctx, []inventory.Object{k.of})
	if err := s.Silent[k.of.Name]; err != nil {
		return plan.State{}, err
	}
	stages := replicate.EncryptionStages
	if slices.Index(stages, s.KeyStage(k.of.Name, k.id)) < slices.Index(stages, k.stage) {
		return plan.State{Is: plan.Absent, Why: "its keys are " + strings.Join(s.Encryption[k.of.Name].Keys, " and ")}, nil
	}
	return plan.Exists("")
}

// keyLimit is what the script may take: 240 s until the API server has read its file, which
// it does each minute, 60 s until it is ready, and a startup-script that is at work.
const keyLimit = 12 * time.Minute

func (k key) Do(ctx context.Context) error {
	from, err := k.whoHas(ctx)
	if err != nil {
		return err
	}
	return k.env.OverSSH(ctx, k.of, keyLimit, func(ctx context.Context, to replicate.Host) error {
		var has *replicate.Host
		if from != nil {
			h, err := k.env.Host(ctx, *from)
			if err != nil {
				return err
			}
			has = &h
		}
		if err := k.env.Gate.Ask(ctx); err != nil {
			return err
		}
		return replicate.ExchangeKey(ctx, k.env.Deps.SSH, has, to, k.stage, k.id)
	})
}

// whoHas is another master that has the new key, nil if none has: then it is made. Each of
// them has to say so: two keys of one name would be the end of what is written with one.
func (k key) whoHas(ctx context.Context) (*inventory.Object, error) {
	if k.stage != replicate.KeyBehind {
		return nil, nil
	}
	s := k.env.Survey(ctx, k.env.AsSeen(k.others))
	for _, m := range k.others {
		if slices.Contains(s.Encryption[m.Name].Keys, "key-"+k.id) {
			return &m, nil
		}
	}
	for _, m := range k.others {
		if err := s.Silent[m.Name]; err != nil {
			return nil, fmt.Errorf("asking %s whether it has the new key: %w", m.Name, err)
		}
	}
	return nil, nil
}

func (key) Undo(context.Context) error { return nil } // never unwanted

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
