package inventory

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"cloud.google.com/go/compute/apiv1/computepb"

	"hakube/cluster/settings"
	"hakube/scripts/cure"
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

// What a roll is of: the masters, all machines, or a pool, which has its key behind it.
const (
	RollOfMasters = "masters"
	RollOfAll     = "cluster"
	rollOfPool    = "pool-"
)

// RollOfPool is that of a pool.
func RollOfPool(id settings.PoolID) string { return rollOfPool + id.Key() }

// A Roll is one that was begun and is not done: of what, since when, by the clock that
// machines' times of creation are from, and with which settings. It is in the labels of the
// address, so that one which was cut is gone on with from any shell.
type Roll struct {
	Of   string
	All  bool              // those that are as they are to be, too
	Last int64             // when the newest of the machines was made before it began, in seconds
	Said map[string]string // by variable
}

// RollKey is the label of a roll, and what labels of its settings begin with.
const RollKey = "hakube-roll"

// rollAllKey is the label of one of all machines; no variable has its name.
const rollAllKey = RollKey + "-all"

// OfMasters tells whether masters are among what it is of. There may be none.
func (x *Roll) OfMasters() bool { return x != nil && (x.Of == RollOfMasters || x.Of == RollOfAll) }

// OfPool tells whether the pool is.
func (x *Roll) OfPool(id settings.PoolID) bool {
	return x != nil && (x.Of == RollOfPool(id) || x.Of == RollOfAll)
}

// Pool is the one that it is of alone.
func (x *Roll) Pool() (id settings.PoolID, is bool) {
	key, is := strings.CutPrefix(x.Of, rollOfPool)
	return settings.PoolByKey(key), is
}

func (x *Roll) String() string {
	if id, ofPool := x.Pool(); ofPool {
		return id.String()
	}
	return x.Of
}

// Command is the one that goes on with it, but for what no label takes.
func (x *Roll) Command() cure.Command {
	var words []string
	if x.All {
		words = append(words, "--all")
	}
	id, ofPool := x.Pool()
	switch {
	case ofPool:
		words = append(words, "pool", id.Zone)
	case x.Of == RollOfMasters:
		words = append(words, RollOfMasters)
	}
	command := cure.Roll(words...).OfPool(id.Name)
	if x.Version() != "" {
		command = cure.Upgrade("", words...).OfPool(id.Name)
	}
	for _, variable := range slices.Sorted(maps.Keys(x.Said)) {
		command = command.With(variable, x.Said[variable])
	}
	return command
}

// Version is the one of Kubernetes that an upgrade is to, "" of a roll that is none.
func (x *Roll) Version() string {
	if x == nil {
		return ""
	}
	return x.Said[settings.OfVersion]
}

// What is what it is called.
func (x *Roll) What() string {
	if v := x.Version(); v != "" {
		return "an upgrade to " + v
	}
	return "a roll"
}

// Over are settings with those of the roll where they say nothing themselves.
func (x Roll) Over(s settings.Settings) settings.Settings {
	for variable, text := range x.Said {
		if !s.Says(variable) {
			s, _ = s.Saying(variable, text)
		}
	}
	return s
}

// Before tells whether a machine is from before a roll of all of them.
func (x Roll) Before(i *computepb.Instance) bool {
	made, err := time.Parse(time.RFC3339, i.GetCreationTimestamp())
	return x.All && err == nil && made.Unix() <= x.Last
}

// RollLabel is the label of one of its settings.
func RollLabel(variable string) string {
	return RollKey + "-" + strings.ReplaceAll(strings.ToLower(variable), "_", "-")
}

// RollKeys are all labels that a roll may have.
func RollKeys() []string {
	keys := []string{RollKey, rollAllKey}
	for _, v := range settings.Variables() {
		if settings.Rollable(v.Name) || settings.NodesRollable(v.Name) || v.Name == settings.OfVersion {
			keys = append(keys, RollLabel(v.Name))
		}
	}
	return keys
}

// Labels are it as labels. A setting that no label takes is left out: whoever goes on has
// to say it again.
func (x Roll) Labels() map[string]string {
	list := map[string]string{RollKey: x.Of}
	if x.All {
		list[rollAllKey] = strconv.FormatInt(x.Last, 10)
	}
	for variable, text := range x.Said {
		if value, ok := inLabel(text); ok {
			list[RollLabel(variable)] = value
		}
	}
	return list
}

// rollOf reads labels.
func rollOf(labels map[string]string) *Roll {
	of, is := labels[RollKey]
	if !is {
		return nil
	}
	x := &Roll{Of: of, Said: map[string]string{}}
	last, err := strconv.ParseInt(labels[rollAllKey], 10, 64)
	x.All, x.Last = err == nil, last
	for k, v := range labels {
		if variable, is := strings.CutPrefix(k, RollKey+"-"); is && k != rollAllKey {
			x.Said[strings.ReplaceAll(strings.ToUpper(variable), "-", "_")] = fromLabel.Replace(v)
		}
	}
	return x
}

// Of what settings have and labels do not take.
var (
	toLabel   = strings.NewReplacer(".", "_d", "@", "_a", ":", "_c", "/", "_s")
	fromLabel = strings.NewReplacer("_d", ".", "_a", "@", "_c", ":", "_s", "/")
)

// inLabel is a text as a label takes it (at most 63 of a-z, 0-9, - and _).
func inLabel(text string) (value string, ok bool) {
	value = toLabel.Replace(text)
	bad := func(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' && r != '_' }
	return value, len(value) <= 63 && !strings.ContainsFunc(value, bad) && fromLabel.Replace(value) == text
}

// SpanKey is the label of an up of the whole cluster that is not done (package span).
const SpanKey = "hakube-span"

// DrillKey and DrillOnKey are the labels of a drill whose failure was not taken back: which
// it is, and the machine that it is of.
const (
	DrillKey   = "hakube-drill"
	DrillOnKey = "hakube-drill-on"
)

// RestoreKey is the label of a restore of a snapshot that is not done: which.
const RestoreKey = "hakube-restore"

// RestoredKey is the label of a restore of a backup by which a cluster is made that is not done:
// which backup.
const RestoredKey = "hakube-restored"
