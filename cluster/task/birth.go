package task

import (
	"strings"

	"hakube/cluster/inventory"
	"hakube/cluster/settings"
)

// What a cluster is begun with is written down on its address, one of the first
// objects there are, in the change that makes it. So a run that was cut is gone
// on with from any shell: what is not made yet is made as it was begun.

// recordLimit is how long a description may be, with room for what somebody adds.
const recordLimit = 2000

// BirthRecord are the settings that are read back, behind the mark of the address. One
// that is too long for it (a mirror, in the end) is left out: from the first
// machine on it is in that one's metadata.
func BirthRecord(s *settings.Spec) string {
	var b strings.Builder
	b.WriteString(s.Mark.For(inventory.RoleAddress))
	for _, f := range settings.Fields() {
		name := f.Tag.Get("envconfig")
		text := s.Settings.TextOf(f)
		switch name {
		case "MASTER_SIZE":
			text = s.MasterType
		case "NUM_NODES": // it changes: see growing
			continue
		}
		recorded := settings.Classes[name].Recorded || name == "HAKUBE_POOL" // of which the marks of nodes are
		if field := " " + name + "=" + text; recorded && text != "" && b.Len()+len(field) <= recordLimit {
			b.WriteString(field)
		}
	}
	return b.String()
}

// Grows notes what this run makes of the zone's pool.
func (r *Task) Grows() {
	if g := r.growth(); g != (inventory.Growth{}) {
		r.Lease.Note(inventory.GrowthKey(r.Want.Pool()), g.String())
	}
}

// Beginning is what the record of a cluster has until its address has labels, which
// it has not from its insert: a run that is cut between the two is gone on with too.
func (r *Task) Beginning() (text string) {
	if g := r.growth(); g != (inventory.Growth{}) {
		text = " " + inventory.GrowthKey(r.Want.Pool()) + "=" + g.String()
	}
	for _, key := range []string{inventory.SpanKey, inventory.RestoredKey} {
		if noted := r.Lease.Noted(key); noted != "" {
			text += " " + key + "=" + noted
		}
	}
	return text
}

// growth is what this run makes of the zone's pool, the zero value if nothing larger.
func (r *Task) growth() inventory.Growth {
	if !r.Mode.Nodes || !bool(r.Want.Settings.CreateNodes) {
		return inventory.Growth{}
	}
	size := 0
	for _, g := range r.PoolGroups() {
		size += g.Size
	}
	g := inventory.Growth{From: size, To: int(r.Want.Settings.NumNodes)}
	surge := r.Surging()
	if g.To <= size && surge == 0 {
		return inventory.Growth{}
	}
	if w, on := r.Have.Growing(r.Want.Pool(), r.Have.Holder.Growing); on {
		g.From = w.From // it goes on with what another one began
	}
	g.From = min(g.From, g.To)
	if surge > 0 {
		g.Most = max(g.To, size) + surge
	}
	return g
}
