package span

import (
	"fmt"
	"slices"
	"strings"

	"hakube/cluster/refusal"
	"hakube/cluster/settings"
	"hakube/scripts/cure"
)

// A Place is what a zone has of masters, or of nodes, and what it is to have.
type Place struct {
	Zone      string
	Is, Wants int
}

// There is what a cluster has: masters and nodes by zone. A pool of no nodes is one too.
type There struct {
	Homes          []string // zones of the first master
	Masters, Pools map[string]int
	Besides        map[settings.PoolID]int // pools of other names than the command's
}

// Add adds machines of a pool; own is the name of the command's.
func (t *There) Add(id settings.PoolID, size int, own string) {
	if id.Name == own {
		t.Pools[id.Zone] += size
		return
	}
	if t.Besides == nil {
		t.Besides = map[settings.PoolID]int{}
	}
	t.Besides[id] += size
}

// A Target is what a wish comes to beside what is there. All zones are in the order in
// which they are made: as they were named, then what else there is.
type Target struct {
	Lives   bool   // there is a cluster
	Home    string // where the first master is, or is to be
	Masters []Place
	Pools   []Place
	Besides []Beside // pools of other names in zones that were not named, which go with their zone
	Wish    Wish     // with the zones that nobody named and a new cluster has
}

// A Beside is a pool of another name than the command's.
type Beside struct {
	settings.PoolID
	Is int
}

// besides are those that go with their zone. A command about one pool that has a name
// leaves all others.
func (w Wish) besides(t There) (list []Beside) {
	for id, n := range t.Besides {
		if w.Pool == "" && !w.NoNodes && w.Zones != nil && !slices.Contains(w.Zones, id.Zone) {
			list = append(list, Beside{id, n})
		}
	}
	slices.SortFunc(list, func(a, b Beside) int { return strings.Compare(a.Key(), b.Key()) })
	return list
}

// Default is a pool's size that nobody named: what it has, or a new one's default.
const Default = unsaid

// TargetOf says what the wish comes to. Even numbers of masters are refused.
func (w Wish) TargetOf(t There) (Target, error) {
	if w.Leave.Zone != "" {
		return w.leaving(t)
	}
	known := func(m map[string]int) (zones []string) {
		for z := range m {
			zones = append(zones, z)
		}
		slices.Sort(zones)
		return zones
	}
	lives := len(t.Masters) > 0 || len(t.Homes) > 0
	masterZones, count := w.MasterZones, w.Masters
	switch {
	case masterZones != nil:
	case count > 0 && w.Zones != nil:
		masterZones = w.Zones
	case lives:
		masterZones = known(t.Masters)
	case w.Zones != nil:
		masterZones = w.Zones[:1]
	default:
		masterZones = []string{w.Fallback}
	}
	said := w.MasterZones != nil || w.Masters > 0
	if count == 0 {
		count = len(masterZones)
	}
	if said && count%2 == 0 && !w.AllowEven {
		return Target{}, even(count, false)
	}
	if !lives { // whoever goes on with it after a cut says the same
		if w.MasterZones == nil {
			w.MasterZones = masterZones
		}
		if w.Zones == nil {
			w.Zones = []string{w.Fallback}
			if said && w.MasterZones != nil {
				w.Zones = w.MasterZones
			}
		}
		w.Masters = count
	}
	x := Target{Wish: w, Lives: lives, Masters: spread(count, masterZones, t.Masters), Pools: w.pools(t, known(t.Pools)), Besides: w.besides(t)}
	if !said && lives { // masters are as they are
		for i := range x.Masters {
			x.Masters[i].Wants = x.Masters[i].Is
		}
	}
	for _, z := range known(t.Masters) {
		if !slices.Contains(masterZones, z) {
			x.Masters = append(x.Masters, Place{z, t.Masters[z], 0})
		}
	}
	x.Home = home(t, x.Masters)
	if lasts := x.Lasting(); lasts%2 == 0 && x.adds() && !w.AllowEven {
		return Target{}, even(lasts, true)
	}
	return x, nil
}

// home is the zone of the first master.
func home(t There, masters []Place) string {
	if len(t.Homes) > 0 {
		return t.Homes[0]
	}
	for _, p := range masters {
		if p.Wants > 0 {
			return p.Zone
		}
	}
	return masters[0].Zone
}

// spread shares out a number evenly. What does not go up stays in the zones that have
// more already, so that no master goes for another to come, or else is in the first.
func spread(count int, zones []string, is map[string]int) []Place {
	places := make([]Place, len(zones))
	rest := count % len(zones)
	for i, z := range zones {
		places[i] = Place{z, is[z], count / len(zones)}
	}
	for _, first := range []bool{true, false} {
		for i := range places {
			more := places[i].Is > places[i].Wants
			if rest > 0 && places[i].Wants == count/len(zones) && more == first {
				places[i].Wants++
				rest--
			}
		}
	}
	return places
}

// pools are those of the zones that are named, of what is there where none are.
func (w Wish) pools(t There, known []string) (places []Place) {
	if w.NoNodes {
		return nil
	}
	zones := w.Zones
	if zones == nil {
		zones = known
	}
	for i, z := range zones {
		is, there := t.Pools[z]
		p := Place{z, is, max(w.Each, Default)}
		if !there {
			p.Is = Default
		}
		if w.Nodes != unsaid {
			p.Wants = w.Nodes / len(zones)
			if i < w.Nodes%len(zones) {
				p.Wants++
			}
		}
		if there && w.Autosized {
			p.Wants = p.Is
		}
		places = append(places, p)
	}
	for _, z := range known {
		if !slices.Contains(zones, z) {
			places = append(places, Place{z, t.Pools[z], 0})
		}
	}
	return places
}

// adds tells whether there are masters to make.
func (x Target) adds() bool {
	return slices.ContainsFunc(x.Masters, func(p Place) bool { return p.Is < p.Wants })
}

// Lasting is how many masters there are in the end.
func (x Target) Lasting() (n int) {
	for _, p := range x.Masters {
		if x.Wish.Prune {
			n += p.Wants
		} else {
			n += max(p.Is, p.Wants)
		}
	}
	return n
}

// Reached tells that there is as much of everything as was wished, and no more of it
// than may stay.
func (x Target) Reached() bool {
	short := func(p Place) bool { return p.Is < p.Wants || p.Wants == Default && p.Is == Default }
	return !slices.ContainsFunc(x.Masters, short) && !slices.ContainsFunc(x.Pools, short) && (!x.Wish.Prune || len(x.Surplus()) == 0)
}

// even refuses a number of masters; left tells that some of them are there and were not
// named.
func even(n int, left bool) error {
	odd := fmt.Sprintf("%d or %d masters", n-1, n+1)
	if left {
		odd = cure.Hint("have those go that were not named", cure.Same().With("HAKUBE_PRUNE", "true"))
	}
	return &refusal.Refused{
		Why: fmt.Sprintf("%d masters are an even number: %d must live for a quorum of %d, so they survive the loss of %d, as %d would, and there is one more that may fail",
			n, n/2+1, n, (n-1)/2, n-1),
		Cure: cure.Hints(odd, cure.Hint("or go on with an even number", cure.Same().With("HAKUBE_ALLOW_EVEN", "true"))),
	}
}

// Surplus is what is more than was wished, in words.
func (x Target) Surplus() (list []string) {
	for _, p := range x.Masters {
		if p.Is > p.Wants {
			list = append(list, fmt.Sprintf("%d of %d masters in zone %s", p.Is-p.Wants, p.Is, p.Zone))
		}
	}
	for _, p := range x.Pools {
		switch {
		case x.unnamed(p):
			list = append(list, fmt.Sprintf("the pool of zone %s, of size %d", p.Zone, p.Is))
		case p.Wants != Default && p.Is > p.Wants:
			list = append(list, fmt.Sprintf("%d of %d nodes in zone %s", p.Is-p.Wants, p.Is, p.Zone))
		}
	}
	for _, b := range x.Besides {
		list = append(list, fmt.Sprintf("pool %s of zone %s, of size %d", b.Name, b.Zone, b.Is))
	}
	return list
}

// unnamed tells that a pool is in none of the zones that were named.
func (x Target) unnamed(p Place) bool {
	return x.Wish.Zones != nil && !slices.Contains(x.Wish.Zones, p.Zone)
}

// Crossings say what goes from zone to zone, which is paid for and takes longer than
// what stays in one.
func (x Target) Crossings() (list []string) {
	in := func(places []Place) (zones []string) {
		for _, p := range places {
			if n := max(p.Is, p.Wants); (n > 0 || n == Default) && p.Zone != x.Wish.Leave.Zone {
				zones = append(zones, p.Zone)
			}
		}
		return zones
	}
	masters, pools := in(x.Masters), in(x.Pools)
	if len(masters) > 1 {
		list = append(list, "each write of the API, to the etcds in "+strings.Join(masters, ", "))
	}
	var far []string
	for _, z := range pools {
		if !slices.Contains(masters, z) {
			far = append(far, z)
		}
	}
	switch {
	case len(far) > 0:
		list = append(list, "all between the API and nodes in "+strings.Join(far, ", ")+", where no master is")
	case len(masters) > 1 && len(pools) > 0:
		list = append(list, "what nodes and the API say to each other, since the balancer knows no zones")
	}
	if len(pools) > 1 {
		list = append(list, "what pods say to pods and Services of another zone, of "+strings.Join(pools, ", "))
	}
	return list
}
