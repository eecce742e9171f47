package groups

import (
	"cmp"

	"hakube/gce/emulator/internal/doc"
	"hakube/gce/emulator/internal/members"
	"hakube/gce/emulator/internal/store"
)

// A group whose updates are PROACTIVE brings its machines to its template and to their
// configurations by itself, with as many more and as many fewer than its size as its
// update policy says.
// (https://cloud.google.com/compute/docs/instance-groups/rolling-out-updates-to-managed-instance-groups)

// update begins what is due of an update, and returns how many machines more than its
// size a group may have meanwhile.
func update(t *store.Tx, r doc.Ref, o doc.Obj) (surge int) {
	u := doc.Sub(o, "updatePolicy")
	if doc.Str(u, "type") != "PROACTIVE" {
		return 0
	}
	least := disruption(cmp.Or(doc.Str(u, "minimalAction"), "REPLACE"))
	most := disruption(cmp.Or(doc.Str(u, "mostDisruptiveAllowedAction"), "REPLACE"))
	substitutes := doc.Str(u, "replacementMethod") != "RECREATE" && !stateful(o) && len(t.List(configs(r))) == 0
	available, old := 0, []doc.Obj{}
	for _, m := range t.List(members.Members(r)) {
		if doc.Str(m, "action") != "NONE" || doc.Str(t.Get(r.Within("instances", doc.Str(m, "name"))), "status") != "RUNNING" {
			continue
		}
		available++
		if n := needed(t, r, o, m); n > 0 && max(n, least) <= most {
			old = append(old, doc.Clone(m))
		}
	}
	for _, m := range old {
		does := max(needed(t, r, o, m), least)
		switch {
		case updates[does].does == "REFRESH": // nobody misses it
		case available <= int(doc.Num(o, "targetSize"))-spare(o, "maxUnavailable"):
			if updates[does].does == "REPLACE" && substitutes {
				surge++
			}
			continue
		default:
			available--
		}
		m["action"] = updates[does].action
		if updates[does].does == "REPLACE" && substitutes {
			m["action"] = "DELETING" // another one comes in its place
		}
		delete(m, "operation")
		t.Put(members.MemberRef(r, doc.Str(m, "name")), m)
	}
	return min(surge, spare(o, "maxSurge"))
}
