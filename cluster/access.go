package cluster

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"cloud.google.com/go/compute/apiv1/computepb"
	"hakube/cluster/plan"
	"hakube/gce"
	"hakube/replicate"
	"hakube/scripts"
)

// access is this operator's ssh key on the master, as "gcloud compute ssh"
// adds it. Whoever made the master has it there from the start.
func (r *run) access() plan.Step { return access{r} }

type access struct{ *run }

func (a access) String() string {
	return "ssh access for " + a.deps.User
}

func (a access) master(ctx context.Context) (*computepb.Instance, error) {
	m := a.run.master()
	return a.gce.Instances(m.zone).Get(ctx, m.name)
}

func (a access) Observe(ctx context.Context) (plan.State, error) {
	i, err := a.master(ctx)
	if gce.IsNotFound(err) {
		return plan.State{Is: plan.Absent, Why: "there is no master yet"}, nil
	}
	if err != nil {
		return plan.State{}, err
	}
	mine := withoutComment(a.want.login)
	for line := range strings.Lines(item(i.GetMetadata(), scripts.KeySSHKeys)) {
		if withoutComment(line) == mine {
			return exists("")
		}
	}
	return plan.State{Is: plan.Absent, Why: "the master does not know the key"}, nil
}

// withoutComment is "me:ssh-rsa AAAA…" of "me:ssh-rsa AAAA… me@home".
func withoutComment(line string) string {
	fields := strings.Fields(line)
	return strings.Join(fields[:min(2, len(fields))], " ")
}

// Do adds the key and keeps everything else. Somebody who changes the metadata
// at the same moment is noticed by the fingerprint; then it is read again.
func (a access) Do(ctx context.Context) error {
	for try := 0; ; try++ {
		i, err := a.master(ctx)
		if err != nil {
			return err
		}
		m := i.GetMetadata()
		keys := strings.TrimRight(item(m, scripts.KeySSHKeys), "\n")
		if keys != "" {
			keys += "\n"
		}
		keys += a.want.login
		found := false
		for _, it := range m.GetItems() {
			if it.GetKey() == scripts.KeySSHKeys {
				it.Value, found = &keys, true
			}
		}
		if !found {
			m.Items = append(m.Items, &computepb.Items{Key: new(scripts.KeySSHKeys), Value: &keys})
		}
		err = a.gce.Instances(a.run.master().zone).SetMetadata(ctx, i.GetName(), m)
		if !gce.Stale(err) || try == 3 {
			return err
		}
	}
}

func (access) Undo(context.Context) error { return nil } // never unwanted: it goes with the machine

// ssh runs a script on the master. Its host keys are those the machine itself
// wrote into its guest attributes, never those of the first answer. A machine
// that has just come up, or has just learnt the key, is given a moment.
func (r *run) ssh(ctx context.Context, script string) (out []byte, err error) {
	err = plan.Until(ctx, plan.Condition{
		For: "ssh to " + r.master().name, Every: r.poll, Limit: sshLimit,
		Check: func(ctx context.Context) (bool, string, error) {
			host, err := r.host(ctx)
			if err != nil {
				return false, "", err
			}
			out, err = r.deps.SSH.Run(ctx, host, script)
			// A script that ran and failed does so again, but for lack of the rights
			// the guest agent is about to give (then there is a hint).
			if e := (*replicate.RunError)(nil); errors.As(err, &e) && e.Err == nil && e.Hint() == "" {
				return false, "", plan.Permanent(err)
			}
			return err == nil, "", err
		},
	})
	return out, err
}

const sshLimit = 2 * time.Minute

// master is the master that is spoken to: a running one, the first-born if it
// runs, or the one that is being made.
func (r *run) master() object {
	if r.have != nil && r.mode != Create {
		for _, m := range r.have.masters(r.want.names) {
			if m.status == "RUNNING" {
				return m
			}
		}
	}
	return object{kind: kindInstance, name: r.want.names.Master(), zone: r.want.home, role: roleMaster}
}

// host is the master as ssh reaches it: by the cluster's address.
func (r *run) host(ctx context.Context) (replicate.Host, error) {
	m := r.master()
	ip, err := r.address(ctx)
	if err != nil {
		return replicate.Host{}, err
	}
	attributes, err := r.gce.Instances(m.zone).GuestAttributes(ctx, m.name, "hostkeys/")
	if err != nil {
		return replicate.Host{}, err
	}
	keys, err := replicate.ParseHostKeys(attributes)
	if err != nil {
		return replicate.Host{}, fmt.Errorf("reading host keys of %s: %w", m.name, err)
	}
	return replicate.Host{Name: m.name, Address: net.JoinHostPort(ip, "22"), User: r.deps.User, HostKeys: keys}, nil
}
