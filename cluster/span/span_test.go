package span

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

const region = "europe-west1"

func zones(letters string) []string { return zonesOf(letters, region) }

func wishes(t *rapid.T) Wish {
	set := func(what string) []string {
		all := rapid.SliceOfNDistinct(rapid.SampledFrom([]rune("abcdef")), 0, 6, rapid.ID[rune]).Draw(t, what)
		if len(all) == 0 {
			return nil
		}
		return zones(string(all))
	}
	w := Wish{Zones: set("zones"), MasterZones: set("master zones"), Masters: rapid.IntRange(0, 999_999).Draw(t, "masters"), Each: unsaid, Nodes: unsaid}
	switch rapid.IntRange(0, 2).Draw(t, "how many") {
	case 0:
		w.Each = rapid.IntRange(0, 999_999).Draw(t, "each")
	case 1:
		w.Nodes = rapid.IntRange(0, 999_999).Draw(t, "nodes")
	}
	w.AllowEven, w.Prune, w.NoNodes = rapid.Bool().Draw(t, "even"), rapid.Bool().Draw(t, "prune"), rapid.Bool().Draw(t, "none")
	return w
}

// TestLabel: a label takes any wish, and it is read back as it was.
func TestLabel(t *testing.T) {
	label := regexp.MustCompile(`^[a-z0-9_-]{0,63}$`)
	rapid.Check(t, func(t *rapid.T) {
		w := wishes(t)
		text := w.String()
		if !label.MatchString(text) {
			t.Fatalf("no label: %q", text)
		}
		says := w.Zones != nil || w.MasterZones != nil || w.Masters > 0 || w.Nodes != unsaid
		got, ok := Parse(text, region)
		if ok != says || ok && !cmp.Equal(w, got) {
			t.Fatalf("%q is read back as %+v, %t", text, got, ok)
		}
	})
	for _, text := range []string{"", "x-1", "c-many", "z-bcd_odd"} {
		if w, ok := Parse(text, region); ok {
			t.Errorf("%q is read as %+v", text, w)
		}
	}
}

// TestTarget: whatever there is, masters are as many as were wished and spread evenly,
// nodes too and never less in an earlier zone; nothing moves that need not; and what
// comes of it wishes for nothing more.
func TestTarget(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := wishes(t)
		w.Masters, w.AllowEven, w.Fallback = w.Masters%9, true, region+"-a"
		there := There{Masters: map[string]int{}, Pools: map[string]int{}}
		for _, z := range zones("abcdef") {
			if n := rapid.IntRange(0, 3).Draw(t, "masters in "+z); n > 0 {
				there.Masters[z] = n
			}
			if n := rapid.IntRange(-1, 3).Draw(t, "nodes in "+z); n >= 0 && len(there.Masters) > 0 {
				there.Pools[z] = n
			}
		}
		for z := range there.Masters {
			there.Homes = []string{z}
			break
		}
		x, err := w.TargetOf(there)
		if err != nil {
			t.Fatal(err)
		}
		check(t, w, x)
		then := There{Homes: []string{x.Home}, Masters: map[string]int{}, Pools: map[string]int{}}
		for _, p := range x.Masters {
			if n := max(p.Wants, p.Is); n > 0 {
				then.Masters[p.Zone] = n
			}
		}
		for _, p := range x.Pools {
			if n := max(p.Wants, p.Is); n >= 0 {
				then.Pools[p.Zone] = n
			} else {
				then.Pools[p.Zone] = 3
			}
		}
		x.Wish.Prune = false
		y, err := x.Wish.TargetOf(then)
		if err != nil || !y.Reached() {
			t.Fatalf("%+v\nis to be %+v\nand then is to be %+v, %v", there, x, y, err)
		}
	})
}

func check(t *rapid.T, w Wish, x Target) {
	said := w.MasterZones != nil || w.Masters > 0
	named := w.MasterZones
	if named == nil && w.Masters > 0 {
		named = w.Zones
	}
	sum, least, most := 0, 1<<30, 0
	for _, p := range x.Masters {
		sum += p.Wants
		if named == nil || slices.Contains(named, p.Zone) {
			least, most = min(least, p.Wants), max(most, p.Wants)
		}
	}
	want := w.Masters
	if want == 0 {
		want = len(w.MasterZones)
	}
	if said && (sum != want || named != nil && most-least > 1) {
		t.Fatalf("%d masters are wished: %+v", want, x.Masters)
	}
	nodes, last := 0, 1<<30
	for _, p := range x.Pools {
		if nodes += p.Wants; w.Nodes != unsaid && p.Wants > last {
			t.Fatalf("more in a later zone: %+v", x.Pools)
		}
		last = p.Wants
	}
	if w.Nodes != unsaid && !w.NoNodes && len(x.Pools) > 0 && nodes != w.Nodes {
		t.Fatalf("%d nodes are wished: %+v", w.Nodes, x.Pools)
	}
}

// TestPlaces: a master that is there stays where that is even enough.
func TestPlaces(t *testing.T) {
	for _, x := range []struct {
		count       int
		zones, want string
		is          map[string]int
	}{
		{3, "bc", "b2 c1", nil},
		{3, "bc", "b1 c2", map[string]int{"c": 2, "b": 1}},
		{5, "bcd", "b2 c2 d1", map[string]int{"b": 1, "c": 1, "d": 1}},
		{1, "bcd", "b0 c0 d1", map[string]int{"d": 1}},
		{7, "b", "b7", nil},
	} {
		is := map[string]int{}
		for z, n := range x.is {
			is[region+"-"+z] = n
		}
		var got []string
		for _, p := range spread(x.count, zones(x.zones), is) {
			got = append(got, p.Zone[len(p.Zone)-1:]+string(rune('0'+p.Wants)))
		}
		if text := strings.Join(got, " "); text != x.want {
			t.Errorf("%d in %s beside %v: %s, not %s", x.count, x.zones, x.is, text, x.want)
		}
	}
}

// TestEven: an even number is refused when it is named, and when it comes of masters that
// were not named and stay; then they may go.
func TestEven(t *testing.T) {
	there := There{Homes: zones("b"), Masters: map[string]int{region + "-b": 2, region + "-c": 1}}
	for _, x := range []struct {
		wish  Wish
		cures string // words of it; "": it is taken
	}{
		{Wish{MasterZones: zones("bc")}, "1 or 3 masters"},
		{Wish{MasterZones: zones("bc"), AllowEven: true}, ""},
		{Wish{MasterZones: zones("bcd")}, "HAKUBE_PRUNE=true"}, // one of b would stay beside them
		{Wish{MasterZones: zones("bcd"), Prune: true}, ""},
		{Wish{MasterZones: zones("bcd"), Masters: 5}, ""},
		{Wish{Zones: zones("bcd")}, ""}, // says nothing of masters
	} {
		x.wish.Each, x.wish.Nodes = unsaid, unsaid
		_, err := x.wish.TargetOf(there)
		var hint string
		if h, ok := err.(interface{ Hint() string }); ok {
			hint = h.Hint()
		}
		if (err == nil) != (x.cures == "") || !strings.Contains(hint, x.cures) {
			t.Errorf("%+v: %v, %s", x.wish, err, hint)
		}
	}
}
