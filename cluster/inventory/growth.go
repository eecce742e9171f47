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
type Growth struct{ From, To int }

// Holds tells whether a pool of the size can be what a run that was cut left: not
// when it has got there, nor if somebody has given it another size since.
func (g Growth) Holds(size int) bool { return g.From <= size && size < g.To }

// GrowthKey begins the label of a zone's growth.
const GrowthKey = "hakube-nodes-"

func (g Growth) String() string { return strconv.Itoa(g.From) + "-" + strconv.Itoa(g.To) }

// growthsOf reads labels, by zone.
func growthsOf(labels map[string]string) map[string]Growth {
	all := map[string]Growth{}
	for k, v := range labels {
		zone, is := strings.CutPrefix(k, GrowthKey)
		var g Growth
		if _, err := fmt.Sscanf(v, "%d-%d", &g.From, &g.To); is && err == nil && g.To <= settings.MaxCount {
			all[zone] = g
		}
	}
	return all
}

// SpanKey is the label of an up of the whole cluster that is not done (package span).
const SpanKey = "hakube-span"
