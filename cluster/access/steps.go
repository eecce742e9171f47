// Package access is the ssh key that an operator logs in with, while it is exchanged for another one.
package access

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"cloud.google.com/go/compute/apiv1/computepb"
	"golang.org/x/crypto/ssh" // keys are its

	"hakube/cluster/env"
	"hakube/cluster/inventory"
	"hakube/cluster/metadata"
	"hakube/cluster/plan"
	"hakube/cluster/rings"
	"hakube/cluster/step"
	"hakube/cluster/task"
	"hakube/replicate"
	"hakube/scripts"
	"hakube/scripts/cure"
)

// The ssh key is the one that this operator logs in with, as root in effect, on masters and on
// nodes: a line in their metadata has its public half. Every master lets the new one in, and
// has done so, before that takes its place; then the one of before goes from masters, and from
// nodes' templates and machines. A cut anywhere leaves a key in its place that masters let in.

// Begun tells whether this operator has begun the rotation: its key files tell.
func Begun(e *env.Env, rotation string) bool { return keysOf(e, rotation).begun() }

// Steps are those of it.
func Steps(e *env.Env, rotation string, masters, groups []inventory.Object) (steps []plan.Step) {
	l := login{env: e, keys: keysOf(e, rotation)}
	l.old, l.err = l.keys.old()
	nodes := metadata.Nodes{
		Env: e, Rotation: rotation, Do: "let the ssh key of before in no more", Before: "the ssh key of before",
		Knows: func(m *computepb.Metadata) bool {
			return !letsAny(inventory.MetadataItem(m, scripts.KeySSHKeys), l.old)
		},
		Tell: func(_ context.Context, m *computepb.Metadata) error {
			line, err := l.line()
			step.Set(m, scripts.KeySSHKeys, exchangedIn(inventory.MetadataItem(m, scripts.KeySSHKeys), l.old, line))
			return err
		},
	}
	steps = append(steps, newKey{l})
	for _, m := range masters {
		steps = append(steps, letIn{l, m})
	}
	for _, m := range masters {
		steps = append(steps, tried{l, m})
	}
	steps = append(steps, inPlace{l})
	for _, m := range masters {
		steps = append(steps, letOut{l, m})
	}
	if steps = append(steps, nodes.Steps(groups)...); len(groups) > 0 {
		steps = append(steps, nodes.Gone())
	}
	return steps
}

// login is what its steps have in common.
type login struct {
	env  *env.Env
	keys keyFiles
	old  []ssh.PublicKey // that are to be let in no more
	err  error           // why these are not known
}

func (login) Undo(context.Context) error { return nil } // never unwanted

// line is the one of ssh-keys that lets the new key in.
func (l login) line() (string, error) {
	fresh, err := l.keys.fresh()
	if err == nil && fresh == nil {
		err = errors.New("the new ssh key is not there any more: " + l.keys.next())
	}
	if err != nil {
		return "", err
	}
	return replicate.AuthorizedLine(l.env.Deps.User, fresh), nil
}

// exchangedIn is the value of ssh-keys with the new line, if one of the old ones is in it.
func exchangedIn(lines string, old []ssh.PublicKey, line string) string {
	if !letsAny(lines, old) {
		return lines
	}
	return with(without(lines, old), line)
}

// with is the value of ssh-keys with one line more, if that is not in it.
func with(lines, line string) string {
	for x := range strings.Lines(lines) {
		if env.WithoutComment(x) == env.WithoutComment(line) {
			return lines
		}
	}
	if lines = strings.TrimRight(lines, "\n"); lines != "" {
		lines += "\n"
	}
	return lines + line
}

// lines is what a master's metadata say of who may log in.
func (l login) lines(ctx context.Context, m inventory.Object) (string, error) {
	i, err := l.env.GCE.Instances(m.Zone).Get(ctx, m.Name)
	return inventory.MetadataItem(i.GetMetadata(), scripts.KeySSHKeys), err
}

// try logs in with a key, and runs what only looks.
func (l login) try(ctx context.Context, m inventory.Object, key ssh.Signer) error {
	h, err := l.env.Host(ctx, m)
	if err != nil {
		return err
	}
	ctx, cancel := l.env.Within(ctx, rings.AskLimit)
	defer cancel()
	runner := replicate.NewRunner(replicate.Options{Signer: key, Dial: l.env.Deps.Dial})
	_, err = runner.Run(ctx, h, scripts.EtcdStatus)
	return errors.Join(err, runner.Close())
}

// withFresh is what a look with the new key finds, which may not be there yet.
func (l login) withFresh(look func(ssh.Signer) (plan.State, error)) (plan.State, error) {
	fresh, err := l.keys.fresh()
	switch {
	case err != nil:
		return plan.State{}, err
	case fresh == nil:
		return plan.State{Is: plan.Absent, Why: "there is none yet"}, nil
	}
	return look(fresh)
}

// newKey is the fact that there is a new key, in its place or beside it.
type newKey struct{ login }

func (newKey) String() string { return "new ssh key" }
func (newKey) Local()         {}

func (n newKey) Observe(context.Context) (plan.State, error) {
	switch {
	case n.err != nil:
		return plan.State{}, n.err
	case !n.keys.begun():
		return plan.State{Is: plan.Absent}, nil
	}
	return plan.Exists("")
}

func (n newKey) Do(context.Context) error { return n.keys.make() }

// letIn is the fact that a master lets the new key in, beside all others.
type letIn struct {
	login
	of inventory.Object
}

func (l letIn) String() string    { return l.of.Name + " lets the new ssh key in" }
func (l letIn) About() plan.Thing { return task.Thing(l.of) }

func (l letIn) Observe(ctx context.Context) (plan.State, error) {
	return l.withFresh(func(fresh ssh.Signer) (plan.State, error) {
		lines, err := l.lines(ctx, l.of)
		if err != nil {
			return plan.State{}, err
		}
		if !letsAny(lines, []ssh.PublicKey{fresh.PublicKey()}) {
			return plan.State{Is: plan.Absent, Why: "the machine does not know the key"}, nil
		}
		return plan.Exists("")
	})
}

func (l letIn) Do(ctx context.Context) error {
	line, err := l.line()
	if err != nil {
		return err
	}
	return step.EditKeys(ctx, l.env, l.of, func(lines string) string { return with(lines, line) })
}

// tried is that somebody with the new key has logged in on a master.
type tried struct {
	login
	of inventory.Object
}

func (t tried) String() string    { return "login with the new ssh key on " + t.of.Name }
func (t tried) About() plan.Thing { return task.Thing(t.of) }
func (tried) Waits()              {}

func (t tried) Observe(ctx context.Context) (plan.State, error) {
	return t.withFresh(func(fresh ssh.Signer) (plan.State, error) {
		if err := t.try(ctx, t.of, fresh); err != nil {
			return plan.State{Is: plan.Absent, Why: err.Error()}, nil
		}
		return plan.Exists("")
	})
}

// loginLimit is how long a machine may take to act on what its metadata say.
const loginLimit = 2 * time.Minute

func (t tried) Do(ctx context.Context) error {
	return t.env.Until(ctx, plan.Condition{
		For: t.String(), Every: t.env.Poll, Limit: loginLimit,
		Check: func(ctx context.Context) (bool, string, error) {
			s, err := t.Observe(ctx)
			return s.Is == plan.Present, s.Why, err
		},
	})
}

// inPlace is the fact that the new key has taken its place.
type inPlace struct{ login }

func (i inPlace) String() string { return "the new ssh key is in " + i.keys.path }
func (inPlace) Local()           {}

func (i inPlace) Observe(context.Context) (plan.State, error) {
	switch {
	case !i.keys.taken():
		return plan.State{Is: plan.Absent}, nil
	case !i.keys.whole():
		return plan.State{Is: plan.Partial, Why: "its public half is not beside it"}, nil
	}
	return plan.Exists("")
}

func (i inPlace) Do(context.Context) error { return i.keys.take() }

// letOut is the fact that a master does not let the key of before in any more.
type letOut struct {
	login
	of inventory.Object
}

func (l letOut) String() string    { return l.of.Name + " lets the ssh key of before in no more" }
func (l letOut) About() plan.Thing { return task.Thing(l.of) }

func (l letOut) Observe(ctx context.Context) (plan.State, error) {
	lines, err := l.lines(ctx, l.of)
	if err != nil {
		return plan.State{}, err
	}
	if letsAny(lines, l.old) {
		return plan.State{Is: plan.Partial, Why: "the machine knows it"}, nil
	}
	return plan.Exists("")
}

// Do takes its lines away, never without that of the new one, and sees that the machine acts on
// it. Where it does not there is another way in that is not hakube's, which is told.
func (l letOut) Do(ctx context.Context) error {
	line, err := l.line()
	if err != nil {
		return err
	}
	if err := step.EditKeys(ctx, l.env, l.of, func(lines string) string { return with(without(lines, l.old), line) }); err != nil {
		return err
	}
	project, err := l.env.GCE.GetProject(ctx)
	if err == nil && letsAny(inventory.MetadataItem(project.GetCommonInstanceMetadata(), scripts.KeySSHKeys), l.old) {
		l.env.Warn(cure.Hint("the ssh key of before is in the project's metadata too, which let it in on each machine that does not block these, and which hakube does not change; this shows them", cure.Compute("project-info describe")))
		return nil
	}
	if err != nil {
		l.env.Warn("whether the metadata of the project let the ssh key of before in could not be read: " + err.Error())
	}
	before, err := replicate.LoadKey(l.keys.before(), false)
	if err != nil {
		return err
	}
	err = l.env.Until(ctx, plan.Condition{
		For: l.String(), Every: l.env.Poll, Limit: loginLimit,
		Check: func(ctx context.Context) (bool, string, error) {
			err := l.try(ctx, l.of, before)
			return errors.Is(err, replicate.ErrDenied), fmt.Sprintf("it does, or does not answer (%v)", err), nil
		},
	})
	if err != nil && ctx.Err() == nil {
		l.env.Warn(fmt.Sprintf("%s has no line for the ssh key of before any more, and was not seen to refuse it: %v", l.of.Name, err))
		return nil
	}
	return err
}
