package cluster

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hakube/cluster/inventory"
	"hakube/cluster/plan"
	"hakube/cluster/repair"
	"hakube/cluster/roll"
	"hakube/cluster/rotate"
	"hakube/cluster/settings"
)

// A column is the list of one mode.
type column struct {
	name  string
	steps []string
}

// columnOf shows the steps in the order of the list. Names of this run are left out.
func columnOf(name string, items []plan.Item) column {
	c := column{name: name}
	for _, i := range items {
		s := i.Step.String()
		for _, x := range []struct{ is, becomes string }{
			{`kubernetes-master-[0-9a-f]{3}`, "MASTER"}, {`-template-[0-9a-f]{5}`, "-template"}, {`europe-west1-[bcd]`, "ZONE"}, {`kubernetes-master\b`, "MASTER"},
			{`198\.51\.100\.\d+`, "IP"}, {`ssh access for \S+ to`, "ssh access to"}, {`key is in \S+`, "key is in its place"},
		} {
			s = regexp.MustCompile(x.is).ReplaceAllString(s, x.becomes)
		}
		mark := "+"
		if !i.Want {
			mark = "-"
		}
		c.steps = append(c.steps, mark+s)
	}
	return c
}

// TestModesPicture: testdata/modes.txt shows all modes beside each other: which steps
// each has, and where in its list. It is the screen to read first; HAKUBE_GOLDEN=write
// writes it anew.
func TestModesPicture(t *testing.T) {
	ctx := context.Background()
	var all []column
	add := func(name string, items []plan.Item, err error) {
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		all = append(all, columnOf(name, items))
	}
	w, _ := newModelWorld(t)
	o := w.operator()
	_, items, err := o.up(ctx, hold{}, looking)
	add("create", items, err)
	w.mustUp(o)
	w.mustUp(o.pool(zoneC, 1))
	_, items, err = o.pool(zoneD, 1).up(ctx, hold{}, looking)
	add("add pool", items, err)
	_, items, err = o.replica(zoneC).up(ctx, hold{}, looking)
	add("add replica", items, err)
	w.mustUp(o.replica(zoneC))
	_, items, err = o.replica(zoneC).down(ctx, hold{}, looking, true)
	add("remove replica", items, err)
	_, items, err = o.pool(zoneC, 0).down(ctx, hold{}, looking, true)
	add("remove pool", items, err)
	_, items, err = o.again(func(s *settings.Settings) { s.Zone = "" }).down(ctx, hold{}, looking, true)
	add("remove cluster", items, err)
	r := o.runFor(settings.RepairVerb, hold{})
	if r.Have, err = r.Look(ctx); err != nil {
		t.Fatal(err)
	}
	masters := r.Have.Masters(r.Want.Names)
	r.Balanced, r.Failing = true, masters[1:]
	add("repair", slices.Concat(repair.List(r.Task)...), nil)
	r = o.runFor(settings.RollVerb, hold{})
	if r.Have, err = r.Look(ctx); err != nil {
		t.Fatal(err)
	}
	r.Balanced = true
	add("roll", slices.Concat(roll.List(roll.Of(r.Task, roll.Master{Object: masters[1], Want: r.Want, Old: true}), roll.Master{Object: masters[1], Old: true})...), nil)
	r = o.runFor(settings.RotateVerb, hold{})
	if r.Have, err = r.Look(ctx); err != nil {
		t.Fatal(err)
	}
	add("rotate", rotate.List(r.Task, rotate.Master{Object: masters[1]}, "1"), nil)
	keys := &rotate.Plan{Rotation: inventory.Rotation{Of: inventory.RotateEncryptionKey, ID: "1"}, Masters: []rotate.Master{{Object: masters[0]}, {Object: masters[1]}}}
	add("rotate key", slices.Concat(keys.Lists(r.Task)...), nil)
	keys.Of = inventory.RotateTokenKey
	add("rotate tokens", slices.Concat(keys.Lists(r.Task)...), nil)
	keys.Of = inventory.DistrustTokenKey
	add("distrust tokens", slices.Concat(keys.Lists(r.Task)...), nil)
	keys.Of = inventory.RotateCA
	add("rotate ca", slices.Concat(keys.Lists(r.Task)...), nil)
	keys.Of = inventory.DistrustCA
	add("distrust ca", slices.Concat(keys.Lists(r.Task)...), nil)
	keys.Of = inventory.RotateEtcdCA
	add("rotate etcd ca", slices.Concat(keys.Lists(r.Task)...), nil)
	keys.Of, keys.Groups = inventory.RotateJoinToken, r.Have.Of(inventory.ManagedGroup)
	add("rotate join token", slices.Concat(keys.Lists(r.Task)...), nil)
	keys.Of = inventory.RotateSSH
	add("rotate ssh", slices.Concat(keys.Lists(r.Task)...), nil)
	pool := &walkOfRoll{Cluster: o.ofType("e2-standard-4").Cluster}
	x, err := pool.ofPool(settings.PoolID{Zone: zoneC}).listed(ctx, hold{}, looking)
	add("roll pool", x.items, err)
	empty, _ := newModelWorld(t)
	nothing := empty.operator()
	nothing.settings = nothing.settings.ToRestore()
	_, items, err = nothing.up(ctx, hold{}, looking)
	add("restore elsewhere", items, err)
	r = o.runFor(settings.RebuildVerb, hold{})
	if r.Have, err = r.Look(ctx); err != nil {
		t.Fatal(err)
	}
	r.Failing, r.GivenUp = masters[:1], masters[1:]
	add("restart alone", slices.Concat(repair.RebuildList(r.Task)...), nil)
	r = o.runFor(settings.RestoreVerb, hold{})
	if r.Have, err = r.Look(ctx); err != nil {
		t.Fatal(err)
	}
	r.Failing, r.GivenUp = masters[:1], masters[1:]
	add("restore", slices.Concat(append(repair.RestoreList(r.Task, nil), repair.RestoredList(r.Task))...), nil)

	got := picture(all)
	if os.Getenv("HAKUBE_GOLDEN") == "write" {
		if err := os.WriteFile("testdata/modes.txt", []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile("testdata/modes.txt")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("the lists have changed; make golden writes them (-was +is):\n%s", diff)
	}
	for _, m := range modes() {
		if m.list != nil && !slices.ContainsFunc(all, func(c column) bool { return c.name == string(m.Name) }) {
			t.Errorf("mode %s is not in the picture", m.Name)
		}
	}
}

// picture has a line for each step and a column for each mode: +3 is made third, -3 is
// the third of a list that is walked from its end. Of a step that a list has several
// times the first and the last are shown.
func picture(all []column) string {
	var b strings.Builder
	head := [2]string{fmt.Sprintf("%-50s", ""), fmt.Sprintf("%-50s", "")}
	for _, c := range all {
		what, whom, _ := strings.Cut(c.name, " ")
		head[0] += fmt.Sprintf(" %8s", what)
		head[1] += fmt.Sprintf(" %8s", whom)
	}
	b.WriteString(strings.TrimRight(head[0], " ") + "\n" + strings.TrimRight(head[1], " ") + "\n")
	var rows []string
	for _, c := range all {
		at := 0 // where in rows the next new one goes, so that each list reads downwards
		for _, s := range c.steps {
			if i := slices.Index(rows, s[1:]); i >= 0 {
				at = max(at, i+1)
				continue
			}
			rows = slices.Insert(rows, at, s[1:])
			at++
		}
	}
	for _, row := range rows {
		line := fmt.Sprintf("%-50s", row)
		for _, c := range all {
			var at []string
			for i, s := range c.steps {
				if s[1:] == row {
					at = append(at, fmt.Sprintf("%s%d", s[:1], i+1))
				}
			}
			if len(at) > 2 {
				at = []string{at[0], "…", at[len(at)-1]}
			}
			line += fmt.Sprintf(" %8s", strings.Join(at, " "))
		}
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	return b.String()
}
