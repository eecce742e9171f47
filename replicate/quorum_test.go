package replicate

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// votersOf reads "b b! c": a voter for each zone, dead with a mark.
func votersOf(text string) (list []Voter) {
	for i, f := range strings.Fields(text) {
		zone, dead := strings.CutSuffix(f, "!")
		list = append(list, Voter{Name: fmt.Sprintf("m%d", i), Zone: zone, Alive: !dead})
	}
	return list
}

func TestQuorum(t *testing.T) {
	for _, c := range []struct {
		voters            string
		holds             bool
		survives          int
		survivable, fatal string
	}{
		{"b", true, 0, "", "b"},
		{"b!", false, 0, "", "b"},
		{"b c", true, 0, "", "b c"},
		{"b c!", false, 0, "", "b c"},
		{"b c d", true, 1, "b c d", ""},
		{"b b c", true, 1, "c", "b"},
		{"b c! d", true, 0, "c", "b d"}, // c is lost already: losing its zone costs nothing more
		{"b c! d!", false, 0, "", "b c d"},
		{"b b c c d", true, 2, "b c d", ""},
		{"b b b c d", true, 2, "c d", "b"},
	} {
		v := votersOf(c.voters)
		q := QuorumOf(v)
		if q.Holds() != c.holds || q.Survives() != c.survives {
			t.Errorf("%q: holds %t and survives %d, want %t and %d", c.voters, q.Holds(), q.Survives(), c.holds, c.survives)
		}
		s, f := Zones(v)
		if strings.Join(s, " ") != c.survivable || strings.Join(f, " ") != c.fatal {
			t.Errorf("%q: survivable zones %v, fatal %v; want %q and %q", c.voters, s, f, c.survivable, c.fatal)
		}
	}
}

func TestMayAdd(t *testing.T) {
	for voters, ok := range map[string]bool{
		"": false, "b": true, "b!": false, "b c": true, "b c!": false, "b c d": true, "b c d!": false,
		"b b c d!": false, "b b c c d!": false, "b b c c d": true, // etcd 3.6.8 says "unhealthy cluster", tried
	} {
		err := MayAdd("main", votersOf(voters))
		if (err == nil) != ok {
			t.Errorf("adding to %q: %v", voters, err)
		}
		var q *QuorumError
		if err != nil && (!errors.As(err, &q) || q.Hint() == "" || q.Ring != "main") {
			t.Errorf("adding to %q: %#v has no way out", voters, err)
		}
	}
}

func TestMayRemove(t *testing.T) {
	for _, c := range []struct {
		voters string
		i      int // who goes
		ok     bool
		say    string
	}{
		{"b", 0, false, "last voter"},
		{"b c", 1, true, ""},
		{"b c!", 1, false, "has lost quorum"}, // nothing can be agreed on, this removal neither
		{"b c!", 0, false, "has lost quorum"},
		{"b c d", 0, true, ""},
		{"b c d!", 2, true, ""}, // a dead one may always go
		{"b c d!", 0, false, "would have 2 voters and 1 of them alive"},
		{"b b c c d!", 0, true, ""},
		{"b b c c! d!", 0, false, "would have 4 voters and 2 of them alive"},
	} {
		v := votersOf(c.voters)
		err := MayRemove("events", v, v[c.i].Name)
		if (err == nil) != c.ok || err != nil && !strings.Contains(err.Error(), c.say) {
			t.Errorf("removing %d of %q: %v; want %q", c.i, c.voters, err, c.say)
		}
	}
	if err := MayRemove("main", votersOf("b! c!"), "nobody"); err != nil {
		t.Errorf("one that is no voter: %v", err)
	}
}

// TestRulesKeepQuorum: whatever the voters, what the rules allow leaves a ring
// that holds quorum if it did before, once the newcomer lives.
func TestRulesKeepQuorum(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var v []Voter
		for i := range rapid.IntRange(1, 7).Draw(t, "voters") {
			v = append(v, Voter{
				Name: fmt.Sprintf("m%d", i), Zone: rapid.SampledFrom([]string{"b", "c", "d"}).Draw(t, "zone"),
				Alive: rapid.Bool().Draw(t, "alive"),
			})
		}
		q := QuorumOf(v)
		if MayAdd("main", v) == nil {
			with := append(slices.Clone(v), Voter{Name: "new", Alive: len(v) == 1})
			if !q.Holds() || !QuorumOf(with).Holds() {
				t.Fatalf("adding to %+v loses quorum", v)
			}
		}
		for _, x := range v {
			if MayRemove("main", v, x.Name) != nil {
				continue
			}
			rest := slices.DeleteFunc(slices.Clone(v), func(o Voter) bool { return o.Name == x.Name })
			if !q.Holds() || !QuorumOf(rest).Holds() {
				t.Fatalf("removing %s of %+v loses quorum", x.Name, v)
			}
		}
		survivable, fatal := Zones(v)
		for _, zone := range append(survivable, fatal...) {
			rest := slices.Clone(v)
			lost := 0
			for i := range rest {
				if rest[i].Zone == zone && rest[i].Alive {
					rest[i].Alive, lost = false, lost+1
				}
			}
			if QuorumOf(rest).Holds() != slices.Contains(survivable, zone) {
				t.Fatalf("zone %s of %+v", zone, v)
			}
			if q.Holds() && (lost <= q.Survives()) != slices.Contains(survivable, zone) {
				t.Fatalf("zone %s of %+v: %d lost, %d may be", zone, v, lost, q.Survives())
			}
		}
	})
}
