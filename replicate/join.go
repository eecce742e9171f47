package replicate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"hakube/scripts"
)

// ErrFounding is why a master has no keys to give yet: its API answers before kubeadm is
// through with founding the cluster.
var ErrFounding = errors.New("it is founding the cluster")

// ReadKeys reads what a master that joins needs of one that is there, [ErrFounding] of one that
// has none yet. It is secret, and stays in this process' memory.
func ReadKeys(ctx context.Context, r *Runner, from Host) ([]byte, error) {
	out, _, err := readKeys(ctx, r, from)
	return out, err
}

// readKeys returns them as they were printed too.
func readKeys(ctx context.Context, r *Runner, from Host) (out []byte, keys scripts.Keys, err error) {
	out, err = r.Run(ctx, from, scripts.ExportKeys)
	if err != nil {
		return nil, keys, err
	}
	if err := json.Unmarshal(out, &keys); err != nil {
		return nil, keys, fmt.Errorf("reading export-keys of %s: %w", from.Name, err)
	}
	if keys.Founding {
		return nil, keys, fmt.Errorf("reading export-keys of %s: %w", from.Name, ErrFounding)
	}
	return out, keys, nil
}

// WriteKeys gives a machine the keys of another one, which are written nowhere on the way.
func WriteKeys(ctx context.Context, r *Runner, keys []byte, to Host) error {
	script, err := scripts.ImportKeys(keys)
	if err != nil {
		return fmt.Errorf("copying keys to %s: %w", to.Name, err)
	}
	_, err = r.Run(ctx, to, script)
	return err
}

// StartMember starts a machine's member of a ring, which must be in it. as is
// the ring as a master sees it: etcd wants the whole list, under any names, of
// one that joins.
func StartMember(ctx context.Context, r *Runner, on Host, ring string, as Ring, peerURL, name string) error {
	return startMember(ctx, r, on, ring, as, peerURL, name)
}

// StartMemberAgain is StartMember for a machine that may be a master, whose member
// was removed since it could not come back; what it has of the ring is put aside.
func StartMemberAgain(ctx context.Context, r *Runner, on Host, ring string, as Ring, peerURL, name string) error {
	return startMember(ctx, r, on, ring, as, peerURL, name, "again")
}

func startMember(ctx context.Context, r *Runner, on Host, ring string, as Ring, peerURL, name string, more ...string) error {
	own, there := as.ByPeerURL(peerURL)
	if !there {
		return fmt.Errorf("starting etcd %s on %s: it is no member of the ring", ring, on.Name)
	}
	var all []string
	for _, m := range as.Members {
		called := m.Name
		switch {
		case m.ID == own.ID:
			called = name
		case called == "": // it has not started
			called = "member-" + string(m.ID)
		}
		for _, u := range m.PeerURLs {
			all = append(all, called+"="+u)
		}
	}
	_, err := r.Run(ctx, on, scripts.StartEtcd, append([]string{ring, string(own.ID), strings.Join(all, ",")}, more...)...)
	return err
}

// JoinControlPlane brings up the control plane of a machine whose members vote in
// both rings. It returns when its own API server is ready.
func JoinControlPlane(ctx context.Context, r *Runner, on Host) error {
	_, err := r.Run(ctx, on, scripts.JoinControlPlane)
	return err
}

// Retire lets a master that leaves give up the lead of its rings and end its API
// server in order, after drain for what is under way.
func Retire(ctx context.Context, r *Runner, on Host, drain time.Duration) error {
	if drain < 0 {
		return errors.New("retiring a master: the time to drain is negative")
	}
	_, err := r.Run(ctx, on, scripts.Retire, strconv.Itoa(int(drain.Seconds())))
	return err
}
