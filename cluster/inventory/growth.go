package inventory

import (
	"fmt"
	"strconv"
	"strings"

	"hakube/cluster/settings"
)

// A Growth is from how many nodes to how many a run is bringing a pool. It is in
// the labels of the address as long as that is not done, so that a run that was
// cut is finished without NUM_NODES too. A smaller pool is never recorded: nodes
// go only when that is said by hand.
//
// While machines of a pool are replaced it may have more than it is to have, up to Most:
// what a cut leaves of these is no larger pool.
type Growth struct{ From, To, Most int }

// Holds tells whether a pool of the size can be what a run that was cut left: not
// when it has got there, nor if somebody has given it another size since.
func (g Growth) Holds(size int) bool { return g.From <= size && size < g.To || g.Over(size) > 0 }

// Over is by how many machines a pool of the size is larger than it is to be, because
// its old ones had not gone yet.
func (g Growth) Over(size int) int {
	if g.To < size && size <= g.Most {
		return size - g.To
	}
	return 0
}

// GrowthKey is the label of a pool's growth.
func GrowthKey(id settings.PoolID) string { return growthPrefix + id.Key() }

const growthPrefix = "hakube-nodes-"

func (g Growth) String() string {
	text := strconv.Itoa(g.From) + "-" + strconv.Itoa(g.To)
	if g.Most > g.To {
		text += "-" + strconv.Itoa(g.Most)
	}
	return text
}

// growthsOf reads labels.
func growthsOf(labels map[string]string) map[settings.PoolID]Growth {
	all := map[settings.PoolID]Growth{}
	for k, v := range labels {
		key, is := strings.CutPrefix(k, growthPrefix)
		var g Growth
		if n, _ := fmt.Sscanf(v, "%d-%d-%d", &g.From, &g.To, &g.Most); is && n >= 2 && max(g.To, g.Most) <= settings.MaxCount {
			all[settings.PoolByKey(key)] = g
		}
	}
	return all
}

// SpanKey is the label of an up of the whole cluster that is not done (package span).
const SpanKey = "hakube-span"
