package groups

import (
	"crypto/rand"

	"hakube/gce/emulator/internal/doc"
	"hakube/gce/emulator/internal/members"
	"hakube/gce/emulator/internal/store"
)

// size adds members that are missing and marks those that are too many: first
// the ones that do not run yet, then from the end. While machines are updated there may
// be some more than its size.
func (g *Reconciler) size(t *store.Tx, r doc.Ref, o doc.Obj) {
	more := update(t, r, o)
	var stay []doc.Obj
	for _, m := range t.List(members.Members(r)) {
		if a := doc.Str(m, "action"); a != "DELETING" && a != "ABANDONING" {
			stay = append(stay, m)
		}
	}
	target := int(doc.Num(o, "targetSize")) + more
	for len(stay) > target {
		drop := dropped(stay)
		m := doc.Clone(stay[drop])
		m["action"] = "DELETING"
		delete(m, "operation")
		delete(m, "failed") // whoever goes waits for no other attempt to be made
		t.Put(members.MemberRef(r, doc.Str(m, "name")), m)
		stay = append(stay[:drop], stay[drop+1:]...)
	}
	for n := len(stay); n < target; n++ {
		name := freeName(t, r, doc.Str(o, "baseInstanceName"))
		t.Put(members.MemberRef(r, name), doc.Obj{"name": name, "action": "CREATING", "template": o["instanceTemplate"]})
	}
}

// dropped is which of the members goes next: one that does not run yet, or the last.
func dropped(stay []doc.Obj) int {
	drop := len(stay) - 1
	for i, m := range stay {
		if doc.Str(m, "action") != "NONE" {
			drop = i
		}
	}
	return drop
}

func freeName(t *store.Tx, r doc.Ref, prefix string) string {
	for {
		b := make([]byte, 4)
		_, _ = rand.Read(b) // never fails
		for i := range b {
			b[i] = "0123456789abcdefghijklmnopqrstuvwxyz"[int(b[i])%36]
		}
		name := prefix + "-" + string(b)
		if t.Get(members.MemberRef(r, name)) == nil && t.Get(r.Within("instances", name)) == nil {
			return name
		}
	}
}
