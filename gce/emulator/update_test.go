package emulator

import (
	"slices"
	"testing"
	"time"

	"hakube/gce/emulator/internal/api"
	"hakube/gce/emulator/internal/doc"
)

// TestProactiveUpdate: a group that updates by itself never has fewer machines that run
// nor more than its policy says, and ends with all of the new template, by either method
// and also when the daemon is killed in between.
func TestProactiveUpdate(t *testing.T) {
	fixed := func(n int) doc.Obj { return doc.Obj{"fixed": n} }
	for name, x := range map[string]struct {
		policy      doc.Obj
		least, most int
		names       bool // they stay
	}{
		"substitute": {doc.Obj{"type": "PROACTIVE", "maxSurge": fixed(1), "maxUnavailable": fixed(0)}, 3, 4, false},
		"recreate":   {doc.Obj{"type": "PROACTIVE", "replacementMethod": "RECREATE", "maxSurge": fixed(0), "maxUnavailable": fixed(1)}, 2, 3, true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, func(o *api.Options) {
				o.After = func(time.Duration) <-chan time.Time { return time.After(time.Millisecond) }
			})
			w.subnet()
			w.template("old")
			w.template("new")
			w.made("POST", zoneB+"instanceGroupManagers", doc.Obj{"name": "g", "targetSize": 3, "instanceTemplate": "global/instanceTemplates/old", "updatePolicy": x.policy})
			w.stable("g", 3)
			before := w.memberNames()
			w.made("POST", groupG+"/setInstanceTemplate", doc.Obj{"instanceTemplate": "global/instanceTemplates/new"})
			reopened := false
			for !doc.Bool(doc.Sub(doc.Sub(w.get(groupG), "status"), "versionTarget"), "isReached") {
				run, leaving := 0, 0
				_, o := w.send("POST", groupG+"/listManagedInstances", nil)
				rows := doc.Objects(o, "managedInstances")
				for _, row := range rows {
					if doc.Str(row, "currentAction") == "DELETING" {
						leaving++
					} else if doc.Str(row, "instanceStatus") == "RUNNING" && doc.Str(row, "currentAction") == "NONE" {
						run++
					}
				}
				if run < x.least || len(rows)-leaving > x.most {
					t.Fatalf("%d run of %d, want at least %d, at most %d there: %v", run, len(rows), x.least, x.most, rows)
				}
				if !reopened && w.templatesOf("g")["new"] > 0 {
					w.reopen()
					reopened = true
				}
				if err := w.s.groups.Pass(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			w.stable("g", 3)
			if got := w.templatesOf("g"); got["new"] != 3 || got["old"] != 0 {
				t.Errorf("templates of the machines: %v", got)
			}
			if after := w.memberNames(); slices.Equal(before, after) != x.names {
				t.Errorf("names are %v, were %v", after, before)
			}
		})
	}
}

// memberNames are the names of a group's machines, sorted.
func (w *world) memberNames() (names []string) {
	w.t.Helper()
	_, o := w.send("POST", groupG+"/listManagedInstances", nil)
	for _, row := range doc.Objects(o, "managedInstances") {
		names = append(names, doc.Str(row, "name"))
	}
	slices.Sort(names)
	return names
}
