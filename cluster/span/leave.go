package span

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"hakube/scripts/cure"
)

// A Leaving is a zone that is left: what a cluster has there goes to its other zones, or
// to one that is named, and nothing else moves. Once it is begun it says how much each of
// the others is to have: what is there by then would be counted twice.
type Leaving struct {
	Zone, To       string         // "": to the cluster's other zones
	Masters, Pools map[string]int // nil: not begun
}

// Others are the zones it goes to; none is a cluster that has but the one.
func (l Leaving) Others(t There) []string {
	if l.To != "" {
		return []string{l.To}
	}
	zones := slices.Concat(slices.Collect(maps.Keys(t.Masters)), slices.Collect(maps.Keys(t.Pools)))
	slices.Sort(zones)
	return slices.DeleteFunc(slices.Compact(zones), func(z string) bool { return z == l.Zone })
}

// begun is the same with how much each zone is to have.
func (l Leaving) begun(t There) Leaving {
	if l.Masters != nil {
		return l
	}
	zones := l.Others(t)
	l.Masters = filled(zones, t.Masters, t.Masters[l.Zone], l.Zone)
	pooled := slices.DeleteFunc(slices.Clone(zones), func(z string) bool { _, is := t.Pools[z]; return !is })
	if len(pooled) > 0 {
		zones = pooled // nodes go where nodes are
	}
	l.Pools = filled(zones, t.Pools, t.Pools[l.Zone], l.Zone)
	return l
}

// filled is what there is with n more, each where there are fewest by then.
func filled(zones []string, is map[string]int, n int, left string) map[string]int {
	to := maps.Clone(is)
	if to == nil {
		to = map[string]int{}
	}
	delete(to, left)
	for range n {
		if len(zones) == 0 {
			break
		}
		to[slices.MinFunc(zones, func(a, b string) int { return to[a] - to[b] })]++
	}
	return to
}

// leaving is what a zone's being left comes to: the other zones have what they are to
// have, or more if they have that, and then what is in the zone goes.
func (w Wish) leaving(t There) (Target, error) {
	w.Leave = w.Leave.begun(t)
	w.Prune, w.Zones = true, []string{}
	x := Target{Lives: true, Home: w.Leave.Zone}
	if len(t.Homes) > 0 {
		x.Home = t.Homes[0]
	}
	zones := slices.Concat(slices.Collect(maps.Keys(w.Leave.Masters)), slices.Collect(maps.Keys(w.Leave.Pools)),
		slices.Collect(maps.Keys(t.Masters)), slices.Collect(maps.Keys(t.Pools)))
	slices.Sort(zones)
	for _, z := range slices.Compact(zones) {
		if z == w.Leave.Zone {
			continue
		}
		if most := max(t.Masters[z], w.Leave.Masters[z]); most > 0 {
			x.Masters = append(x.Masters, Place{z, t.Masters[z], most})
		}
		is, there := t.Pools[z]
		if !there {
			is = Default
		}
		if wants, be := w.Leave.Pools[z]; be || there {
			w.Zones = append(w.Zones, z)
			x.Pools = append(x.Pools, Place{z, is, max(is, wants)})
		}
	}
	x.Masters = append(x.Masters, Place{w.Leave.Zone, t.Masters[w.Leave.Zone], 0})
	if n, there := t.Pools[w.Leave.Zone]; there {
		x.Pools = append(x.Pools, Place{w.Leave.Zone, n, 0})
	}
	x.Wish = w
	return x, nil
}

// String is it as a label takes it: e-b_t-c_x-c2d1_y-c3d3. Masters and nodes that a zone is
// to have stand behind its last letter.
func (l Leaving) String() string {
	letter := func(zone string) string { return zone[strings.LastIndexByte(zone, '-')+1:] }
	parts := []string{"e-" + letter(l.Zone)}
	if l.To != "" {
		parts = append(parts, "t-"+letter(l.To))
	}
	for _, x := range []struct {
		key string
		of  map[string]int
	}{{"x-", l.Masters}, {"y-", l.Pools}} {
		text := x.key
		for _, z := range slices.Sorted(maps.Keys(x.of)) {
			text += letter(z) + strconv.Itoa(x.of[z])
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, "_")
}

// leavingOf reads one back, in the region.
func leavingOf(label, region string) (l Leaving, ok bool) {
	l.Masters, l.Pools = map[string]int{}, map[string]int{}
	for part := range strings.SplitSeq(label, "_") {
		key, value, _ := strings.Cut(part, "-")
		into := map[string]map[string]int{"x": l.Masters, "y": l.Pools}[key]
		switch {
		case key == "e" && len(value) == 1:
			l.Zone = region + "-" + value
		case key == "t" && len(value) == 1:
			l.To = region + "-" + value
		case into == nil || !counts(into, value, region):
			return Leaving{}, false
		}
	}
	return l, l.Zone != "" && region != ""
}

// counts reads c2d1.
func counts(into map[string]int, text, region string) bool {
	for text != "" {
		end := 1 + strings.IndexFunc(text[1:]+"z", func(r rune) bool { return r < '0' || r > '9' })
		n, err := strconv.Atoi(text[1:end])
		if err != nil {
			return false
		}
		into[region+"-"+text[:1]], text = n, text[end:]
	}
	return true
}

// Words say what moves where: one line for masters, one for nodes.
func (x Target) Words() (list []string) {
	say := func(what string, places []Place) {
		var to []string
		for _, p := range places {
			if is := max(p.Is, 0); p.Wants > is {
				to = append(to, fmt.Sprintf("%d more in %s", p.Wants-is, p.Zone))
			}
		}
		if len(to) > 0 {
			list = append(list, what+": "+strings.Join(to, ", "))
		}
	}
	say("masters", x.Masters)
	say("nodes", x.Pools)
	return list
}

// command goes on with it.
func (l Leaving) command() cure.Command { return cure.Evacuate(l.Zone, l.To) }
