package cluster

import (
	"fmt"
	"strconv"
	"strings"

	"hakube/cluster/settings"
)

// What a cluster is begun with is written down on its address, one of the first
// objects there are, in the change that makes it. So a run that was cut is gone
// on with from any shell: what is not made yet is made as it was begun.

// recordLimit is how long a description may be, with room for what somebody adds.
const recordLimit = 2000

// birthRecord are the settings that are read back, behind the mark of the address. One
// that is too long for it (a mirror, in the end) is left out: from the first
// machine on it is in that one's metadata.
func birthRecord(s *settings.Spec) string {
	var b strings.Builder
	b.WriteString(s.Mark.For(roleAddress))
	for _, f := range settings.Fields() {
		name := f.Tag.Get("envconfig")
		text := s.Settings.TextOf(f)
		switch name {
		case "MASTER_SIZE":
			text = s.MasterType
		case "NUM_NODES": // it changes: see growing
			continue
		}
		if field := " " + name + "=" + text; settings.Classes[name].Recorded && text != "" && b.Len()+len(field) <= recordLimit {
			b.WriteString(field)
		}
	}
	return b.String()
}

// A growth is from how many nodes to how many a run is bringing a pool. It is in
// the labels of the address as long as that is not done, so that a run that was
// cut is finished without NUM_NODES too. A smaller pool is never recorded: nodes
// go only when that is said by hand.
type growth struct{ from, to int }

// holds tells whether a pool of the size can be what a run that was cut left: not
// when it has got there, nor if somebody has given it another size since.
func (g growth) holds(size int) bool { return g.from <= size && size < g.to }

// growthKey begins the label of a zone's growth.
const growthKey = "hakube-nodes-"

func (g growth) String() string { return strconv.Itoa(g.from) + "-" + strconv.Itoa(g.to) }

// growthsOf reads labels, by zone.
func growthsOf(labels map[string]string) map[string]growth {
	all := map[string]growth{}
	for k, v := range labels {
		zone, is := strings.CutPrefix(k, growthKey)
		var g growth
		if _, err := fmt.Sscanf(v, "%d-%d", &g.from, &g.to); is && err == nil && g.to <= settings.MaxCount {
			all[zone] = g
		}
	}
	return all
}

// grows notes what this run makes of the zone's pool.
func (r *run) grows() {
	if r.mode != settings.Create && r.mode != settings.AddPool || !bool(r.want.Settings.CreateNodes) {
		return
	}
	size := 0
	for _, g := range r.poolGroups() {
		size += g.size
	}
	if n := int(r.want.Settings.NumNodes); n > size {
		from := size
		if w, ok := r.have.held.growing[r.want.Zone]; ok && w.holds(size) {
			from = w.from // it goes on with what another one began
		}
		r.lease.Note(growthKey+r.want.Zone, growth{from, n}.String())
	}
}
