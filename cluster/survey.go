package cluster

import (
	"cmp"
	"context"
	"slices"

	"cloud.google.com/go/compute/apiv1/computepb"

	"hakube/cluster/inventory"
	"hakube/cluster/rings"
	"hakube/replicate"
)

// asSeen are masters with what steps have seen of their machines since.
func (r *env) asSeen(list []inventory.Object) []inventory.Object {
	list = slices.Clone(list)
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range list {
		list[i].Status = cmp.Or(r.states[list[i].Name], list[i].Status)
	}
	return list
}

// sawMaster takes note of a machine's state.
func (r *env) sawMaster(i *computepb.Instance) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.states[i.GetName()] = i.GetStatus()
}

// survey asks masters about both rings, all at once.
func (r *env) survey(ctx context.Context, masters []inventory.Object) *rings.Survey {
	list := make([]rings.Master, len(masters))
	for i, m := range masters {
		list[i] = asked(m)
	}
	return rings.Ask(ctx, r.deps.SSH, list, r.hostOf)
}

// ringsOn asks one master about both rings.
func (r *env) ringsOn(ctx context.Context, m inventory.Object) (map[string]replicate.Ring, error) {
	return rings.On(ctx, r.deps.SSH, asked(m), r.hostOf)
}

// asked is a master as a survey has it.
func asked(m inventory.Object) rings.Master {
	return rings.Master{Name: m.Name, Zone: m.Zone, Status: m.Status}
}

// instanceOf is the machine of a master that was asked.
func instanceOf(m rings.Master) inventory.Object {
	return inventory.Object{Kind: inventory.Instance, Name: m.Name, Zone: m.Zone, Role: inventory.RoleMaster, Status: m.Status}
}

// hostOf is how ssh reaches a master that is asked.
func (r *env) hostOf(ctx context.Context, m rings.Master) (replicate.Host, error) {
	return r.host(ctx, instanceOf(m))
}

// peer is a master's peer URL in a ring.
func (r *env) peer(ring string, m inventory.Object) string {
	return replicate.PeerURL(ring, m.Name, m.Zone, r.want.Project)
}

// maxBehind is by how many raft entries a voter may be behind its leader: the
// masters are not asked at the same instant, and the leader goes on. At a
// thousand it is not that any more.
const maxBehind = 1000
