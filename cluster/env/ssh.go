package env

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"hakube/cluster/inventory"
	"hakube/cluster/plan"
	"hakube/cluster/rings"
	"hakube/replicate"
)

// ErrNoAddress is why ssh cannot reach a machine that is stopped, or that was never to be
// reached from outside.
var ErrNoAddress = errors.New("has no external address")

// OverSSH calls f with a master as ssh reaches it. A machine that has just come
// up, or has just learnt the key, is given a moment; any other error of f is
// returned at once. limit is for one try of f: a machine can answer for ever and
// its script hang.
func (r *Env) OverSSH(ctx context.Context, m inventory.Object, limit time.Duration, f func(context.Context, replicate.Host) error) error {
	var result error
	strange := 0
	outer := ctx // the limit may be longer than that of reaching it
	err := r.Until(ctx, plan.Condition{
		For: "ssh to " + m.Name, Every: r.Poll, Limit: sshLimit,
		Check: func(ctx context.Context) (bool, string, error) {
			host, err := r.Host(ctx, m)
			if err != nil {
				return false, "", err
			}
			one, cancel := r.Within(outer, limit)
			defer cancel()
			result = f(one, host)
			if isStrange(result) {
				strange++
			}
			if strange < strangeLimit && InTheWay(result) {
				return false, "", result
			}
			return true, "", nil
		},
	})
	if err != nil {
		return err
	}
	return result
}

// strangeLimit is how often a machine may show a host key that is not the one
// the API tells of. One that was made anew has not told it for a moment; whoever
// goes on to show another is somebody else.
const strangeLimit = 10

func isStrange(err error) bool {
	var key *replicate.HostKeyError
	return errors.As(err, &key) && len(key.Expected) > 0
}

// InTheWay tells of errors that are about the way to a machine. A script that ran
// and failed does so again, but for lack of the rights that the guest agent is
// about to give (then there is a hint).
func InTheWay(err error) bool {
	var run *replicate.RunError
	var connect *replicate.ConnectError
	return errors.As(err, &connect) || errors.As(err, &run) && (run.Err != nil || run.Hint() != "")
}

const sshLimit = 2 * time.Minute

// ssh runs a script on a master.
func (r *Env) ssh(ctx context.Context, m inventory.Object, script string, args ...string) (out []byte, err error) {
	err = r.OverSSH(ctx, m, rings.AskLimit, func(ctx context.Context, h replicate.Host) (err error) {
		out, err = r.Deps.SSH.Run(ctx, h, script, args...)
		return err
	})
	return out, err
}

// Host is a master as ssh reaches it: by the machine's own external address, not
// the cluster's, which may lead elsewhere. Its host keys are those the machine
// itself told ([Env.told]), never those of the first answer: asked once a run, and again
// before a connection is made anew.
func (r *Env) Host(ctx context.Context, m inventory.Object) (replicate.Host, error) {
	ip, err := r.External(ctx, m)
	if err != nil {
		return replicate.Host{}, err
	}
	h := replicate.Host{Name: m.Name, Zone: m.Zone, Address: net.JoinHostPort(ip, "22"), User: r.Deps.User}
	r.mu.Lock()
	h.HostKeys = r.hostKeys[m.Zone+"/"+m.Name]
	r.mu.Unlock()
	if len(h.HostKeys) > 0 {
		h.ByConsole = r.byConsole()
		h.KeysNow = func(ctx context.Context) ([]ssh.PublicKey, error) { return r.askHostKeys(ctx, m) }
		return h, nil
	}
	h.HostKeys, err = r.askHostKeys(ctx, m)
	h.ByConsole = r.byConsole()
	return h, err
}

// askHostKeys reads what the machine tells of its host keys.
func (r *Env) askHostKeys(ctx context.Context, m inventory.Object) ([]ssh.PublicKey, error) {
	attributes, err := r.told(ctx, m.Zone, m.Name, "hostkeys/")
	if err != nil {
		return nil, err
	}
	keys, err := replicate.ParseHostKeys(attributes)
	if err != nil {
		return nil, fmt.Errorf("reading host keys of %s: %w", m.Name, err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.hostKeys[m.Zone+"/"+m.Name] = keys
	return keys, nil
}

// External is a machine's own external address. It is asked for once, until a
// step changes it ([Env.Moved]).
func (r *Env) External(ctx context.Context, m inventory.Object) (string, error) {
	ip := r.ExternalSeen(m.Name)
	if ip != "" {
		return ip, nil
	}
	i, err := r.GCE.Instances(m.Zone).Get(ctx, m.Name)
	if err != nil {
		return "", err
	}
	if ip = inventory.ExternalOf(i); ip == "" {
		return "", fmt.Errorf("%s %w", m.Name, ErrNoAddress)
	}
	r.SawExternal(m.Name, ip)
	return ip, nil
}

// Moved forgets a machine's external address, and the connection to the API that
// may have been to that.
func (r *Env) Moved(name string) {
	r.ForgetMachine(name)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.client = nil
}

// WithoutComment is "me:ssh-rsa AAAA…" of "me:ssh-rsa AAAA… me@home".
func WithoutComment(line string) string {
	fields := strings.Fields(line)
	return strings.Join(fields[:min(2, len(fields))], " ")
}
