package instances

import (
	"hakube/gce/emulator/internal/api"
	"hakube/gce/emulator/internal/doc"
	"hakube/gce/emulator/internal/problem"
	"hakube/gce/emulator/internal/store"
)

// edited finds the instance a call is about, for a change to it.
func edited(c *api.Call, t *store.Tx) (doc.Ref, doc.Obj, error) {
	r := t.Find(c.Target("instances"))
	o := t.Edit(r)
	if o == nil {
		return r, nil, problem.NotFound(r)
	}
	if t.Get(r.Note("leaving")) != nil {
		return r, nil, problem.NotReady(r)
	}
	return r, o, nil
}

// named is the instance a call names, by its name even when called by number.
func named(c *api.Call) (r doc.Ref) {
	c.S.Store.View(func(t *store.Tx) { r = t.Find(c.Target("instances")) })
	return r
}
