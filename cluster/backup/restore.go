package backup

import (
	"archive/tar"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"filippo.io/age"

	"hakube/cluster/env"
	"hakube/cluster/inventory"
	"hakube/cluster/plan"
	"hakube/cluster/rings"
	"hakube/cluster/task"
	"hakube/replicate"
	"hakube/scripts"
)

// A Source is a backup with the key that opens it.
type Source struct {
	*File
	keys  []age.Identity
	sizes map[string]int64 // of its parts, decrypted
}

// From opens a backup to restore it: all of it, to the end, before anything is changed.
// It is called name, wherever it lies now.
func From(name, path, identity string) (*Source, error) {
	keys, err := Keys(identity)
	if err != nil {
		return nil, err
	}
	f, err := open(name, path)
	if err != nil {
		return nil, err
	}
	sizes, err := f.Opens(keys)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &Source{f, keys, sizes}, nil
}

// bump is by how much revisions go on beyond the backup's: more than a ring makes in what
// lies between two backups (etcd's manual, "Restoring with revision bump").
const bump = 1_000_000_000

// An Origin is where the data of a restore come from, by a key of hexadecimal digits that is
// the same for the same.
type Origin interface{ Key() string }

// Key is the backup's ID.
func (s *Source) Key() string { return s.ID }

// OfDisk are the data on the master's own disk, which was made of a snapshot of that ID.
type OfDisk uint64

// Key is the snapshot's ID.
func (d OfDisk) Key() string { return fmt.Sprintf("%016x", uint64(d)) }

// A stage of a restore on a master: its keys are there, its data lie beside the old ones,
// its rings have them, the old ones are gone.
type stage struct {
	env  *env.Env
	of   inventory.Object
	name string
	done bool // in this run, where it cannot be asked
	look func(state, *stage) plan.Presence
	do   func(context.Context, *stage, replicate.Host) error
}

// state is what a machine says of a restore.
type state struct {
	Spread  string `json:"spread"`
	Swapped string `json:"swapped"`
}

func (s *stage) String() string    { return s.name + " " + s.of.Name }
func (s *stage) About() plan.Thing { return task.Thing(s.of) }

func present(is bool) plan.Presence {
	if is {
		return plan.Present
	}
	return plan.Absent
}

// Authorities are the cluster's on the master: the same, or it is another cluster's.
func Authorities(e *env.Env, of inventory.Object, source *Source) plan.Step {
	return &stage{
		env: e, of: of, name: "authorities of the backup on",
		look: func(_ state, s *stage) plan.Presence { return present(s.done) },
		do: func(ctx context.Context, s *stage, h replicate.Host) error {
			part, err := source.Part(KeysPart, source.keys)
			if err != nil {
				return err
			}
			keys, err := io.ReadAll(part)
			if err != nil {
				return err
			}
			script, err := scripts.ImportKeys(keys)
			if err == nil {
				_, err = e.Deps.SSH.Run(ctx, h, script)
			}
			s.done = err == nil
			return err
		},
	}
}

// Spread is that both rings' data lie on the master, tried, beside what there is.
func Spread(e *env.Env, of inventory.Object, source *Source) plan.Step {
	return &stage{
		env: e, of: of, name: "data of the backup beside those of",
		look: func(x state, _ *stage) plan.Presence { return present(x.Spread == source.ID || x.Swapped == source.ID) },
		do: func(ctx context.Context, s *stage, h replicate.Host) error {
			r, w := io.Pipe()
			go func() { w.CloseWithError(source.write(w)) }()
			defer func() { _ = r.Close() }() // who writes to it ends by that
			var bytes int64
			for _, ring := range rings.Names {
				bytes += source.sizes[RingPart(ring)]
			}
			_, err := e.Deps.SSH.Feed(ctx, h, r, scripts.Restore, "spread", source.ID, strconv.Itoa(bump), strconv.FormatInt(bytes, 10))
			return err
		},
	}
}

// Rewritten is that the data of a disk which was made of a snapshot lie on it a second time,
// with revisions beyond all that anybody may have seen of the cluster since.
func Rewritten(e *env.Env, of inventory.Object, from OfDisk) plan.Step {
	return &stage{
		env: e, of: of, name: "data of the snapshot beside those of",
		look: func(x state, _ *stage) plan.Presence {
			return present(x.Spread == from.Key() || x.Swapped == from.Key())
		},
		do: func(ctx context.Context, _ *stage, h replicate.Host) error {
			_, err := e.Deps.SSH.Run(ctx, h, scripts.Restore, "own", from.Key(), strconv.Itoa(bump))
			return err
		},
	}
}

// write sends the snapshots, decrypted, as a tar archive.
func (s *Source) write(to io.Writer) error {
	w := tar.NewWriter(to)
	for _, ring := range rings.Names {
		part, err := s.Part(RingPart(ring), s.keys)
		if err != nil {
			return err
		}
		if err := w.WriteHeader(&tar.Header{Name: ring + ".db", Mode: 0o600, Size: s.sizes[RingPart(ring)]}); err != nil {
			return err
		}
		if _, err := io.Copy(w, part); err != nil {
			return err
		}
	}
	return w.Close()
}

// Swapped is that the master is the only member of both rings, with the backup's data but for
// what is at some keys below /registry/.
func Swapped(e *env.Env, of inventory.Object, from Origin, without ...string) plan.Step {
	return &stage{
		env: e, of: of, name: "rings with data of the backup on",
		look: func(x state, _ *stage) plan.Presence { return present(x.Swapped == from.Key()) },
		do: func(ctx context.Context, s *stage, h replicate.Host) error {
			_, err := e.Deps.SSH.Run(ctx, h, scripts.Restore, append([]string{"swap", from.Key()}, without...)...)
			return err
		},
	}
}

// Forgotten is that what the master had before is gone, which is the end.
func Forgotten(e *env.Env, of inventory.Object) plan.Step {
	return &stage{
		env: e, of: of, name: "data of before gone from",
		look: func(x state, _ *stage) plan.Presence { return present(x.Swapped == "" && x.Spread == "") },
		do: func(ctx context.Context, s *stage, h replicate.Host) error {
			_, err := e.Deps.SSH.Run(ctx, h, scripts.Restore, "forget")
			return err
		},
	}
}

func (s *stage) Observe(ctx context.Context) (plan.State, error) {
	var x state
	err := s.env.OverSSH(ctx, s.of, rings.AskLimit, func(ctx context.Context, h replicate.Host) error {
		out, err := s.env.Deps.SSH.Run(ctx, h, scripts.Restore, "look")
		if err == nil {
			err = json.Unmarshal(out, &x)
		}
		return err
	})
	if err != nil {
		return plan.State{}, fmt.Errorf("asking %s how far a restore is: %w", s.of.Name, err)
	}
	return plan.State{Is: s.look(x, s)}, nil
}

// restoreLimit is how long one of them may take: 4 GiB over a slow network, twice written.
const restoreLimit = time.Hour

func (s *stage) Do(ctx context.Context) error {
	return s.env.OverSSH(ctx, s.of, restoreLimit, func(ctx context.Context, h replicate.Host) error {
		if err := s.env.Gate.Ask(ctx); err != nil {
			return err
		}
		return s.do(ctx, s, h)
	})
}

// Undo is never asked for.
func (*stage) Undo(context.Context) error { return nil }
