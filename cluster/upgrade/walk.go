package upgrade

import (
	"context"

	"hakube/cluster/plan"
	"hakube/cluster/status"
	"hakube/cluster/task"
)

// A Walk is what an upgrade has beyond a roll of the same machines. Of a roll that is none, all
// of it does nothing.
type Walk struct {
	Seen    *Seen // the versions that were seen, by the last look; nil before
	Settled bool  // what kubeadm keeps was brought to the version

	fresh bool // it begins: what was kept of rings before is not of this one
}

// Judge looks which versions there are, and refuses what may not come to the one that the task
// wants. See [Judge].
func (w *Walk) Judge(ctx context.Context, r *task.Task, s *status.Snapshot, of string) (err error) {
	w.fresh = w.fresh || w.Seen == nil && r.Have.Rolling(r.Want.Names) == nil
	w.Seen, err = Judge(ctx, r, s, of)
	return err
}

// Kept are snapshots of both rings beside the data of each master that has not come to the
// version, taken and tried before the first of the masters goes. An upgrade that begins takes
// new ones where some of the same version are; one that goes on keeps what was there before it
// began.
func (w *Walk) Kept(r *task.Task) []plan.Item {
	if !r.Mode.Upgrades {
		return nil
	}
	l := task.Lines{Want: true}
	to := string(r.Want.Settings.KubeVersion)
	for _, m := range r.Have.Masters(r.Want.Names) {
		if v, is := w.Seen.Masters[m.Name]; is && (w.fresh || v.Kubernetes != to) {
			l.Then(&kept{env: r.Env, of: m, to: to, again: w.fresh})
		}
	}
	return l.Items
}

// Ahead is what comes after masters, of which that many are to be made again, as a preview
// shows it.
func (w *Walk) Ahead(r *task.Task, masters int) []plan.Item {
	if !r.Mode.Upgrades || w.fresh && masters == 0 {
		return nil
	}
	var s plan.Step = settled(r)
	if masters > 0 {
		s = plan.Later(s)
	}
	return []plan.Item{{Step: s, Want: true}}
}

// Settle has what kubeadm keeps follow masters that are all of the version, of which that many
// were made again by this run. begin is called before it.
func (w *Walk) Settle(ctx context.Context, r *task.Task, masters int, begin func(), report func(plan.Event)) error {
	if !r.Mode.Upgrades || w.fresh && masters == 0 {
		return nil
	}
	begin()
	s := settled(r)
	err := plan.Run(ctx, r.Gate, []plan.Item{{Step: s, Want: true}}, report)
	w.Settled = s.done
	return err
}

func settled(r *task.Task) *settling {
	return &settling{env: r.Env, via: r.Master(), to: string(r.Want.Settings.KubeVersion)}
}
