package env

import (
	"context"
	"time"

	"cloud.google.com/go/compute/apiv1/computepb"

	"hakube/cluster/inventory"
	"hakube/cluster/rings"
	"hakube/replicate"
)

// MachineNow is a master's machine as the step before has just read it, once, or else as
// it is read.
func (r *Env) MachineNow(ctx context.Context, of inventory.Object) (*computepb.Instance, error) {
	if i := r.TakeMachine(of); i != nil {
		return i, nil
	}
	if x, was := r.Seen.JustRead(inventory.Object{Kind: inventory.Instance, Name: of.Name, Zone: of.Zone}); was {
		return x.(*computepb.Instance), nil
	}
	return r.GCE.Instances(of.Zone).Get(ctx, of.Name)
}

// Survey asks masters about both rings, all at once.
func (r *Env) Survey(ctx context.Context, masters []inventory.Object) *rings.Survey {
	return r.survey(ctx, masters, replicate.Glance)
}

// SurveyWrites is Survey with a write that each ring is asked for, and with the time at
// Compute Engine.
func (r *Env) SurveyWrites(ctx context.Context, masters []inventory.Object) *rings.Survey {
	s := r.survey(ctx, masters, replicate.Look)
	if begin, end, date := r.GCE.Time(); !date.IsZero() { // whole seconds
		s.Cloud = replicate.ClockAt(date, date.Add(time.Second), begin, end)
	}
	return s
}

// patience is how often masters are asked of which none answers within a question's limit.
const patience = 3

// SurveyToChange is SurveyWrites for who is about to change the rings' members. Masters of
// which none answered in time are asked again: one that has just founded the rings, on a disk
// that is busy with images, is silent for longer than a question may take, and who took
// that for a ring without members refused what would have gone a moment later; and so did
// who took the only voter of a ring for dead, whose disk was too busy for one write.
func (r *Env) SurveyToChange(ctx context.Context, masters []inventory.Object) *rings.Survey {
	s := r.SurveyWrites(ctx, masters)
	for asked := 1; asked < patience && s.Slow() && ctx.Err() == nil; asked++ {
		s = r.SurveyWrites(ctx, masters)
	}
	return s
}

func (r *Env) survey(ctx context.Context, masters []inventory.Object, ask rings.Question) *rings.Survey {
	list := make([]rings.Master, len(masters))
	for i, m := range masters {
		list[i] = Asked(m)
	}
	return rings.Ask(ctx, r.Deps.Clock, r.Deps.SSH, list, r.hostOf, ask)
}

// RingsOn asks one master about both rings.
func (r *Env) RingsOn(ctx context.Context, m inventory.Object) (map[string]replicate.Ring, error) {
	x, err := rings.On(ctx, r.Deps.Clock, r.Deps.SSH, Asked(m), r.hostOf, replicate.Glance)
	return x.Rings, err
}

// Asked is a master as a survey has it.
func Asked(m inventory.Object) rings.Master {
	return rings.Master{Name: m.Name, Zone: m.Zone, Status: m.Status}
}

// InstanceOf is the machine of a master that was asked.
func InstanceOf(m rings.Master) inventory.Object {
	return inventory.Object{Kind: inventory.Instance, Name: m.Name, Zone: m.Zone, Role: inventory.RoleMaster, Status: m.Status}
}

// hostOf is how ssh reaches a master that is asked.
func (r *Env) hostOf(ctx context.Context, m rings.Master) (replicate.Host, error) {
	return r.Host(ctx, InstanceOf(m))
}

// Peer is a master's peer URL in a ring.
func (r *Env) Peer(ring string, m inventory.Object) string {
	return replicate.PeerURL(ring, m.Name, m.Zone, r.Want.Project)
}

// MaxBehind is by how many raft entries a voter may be behind its leader: the
// masters are not asked at the same instant, and the leader goes on. At a
// thousand it is not that any more.
const MaxBehind = 1000
