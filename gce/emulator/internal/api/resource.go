package api

import (
	"context"
	"strings"

	"hakube/gce/emulator/internal/doc"
	"hakube/gce/emulator/internal/problem"
	"hakube/gce/emulator/internal/store"
)

// What handlers and works of many kinds have in common.

// Create fills in what every new object has and stores it.
func (c *Call) Create(t *store.Tx, kind string, o doc.Obj) (doc.Ref, error) {
	name := doc.Str(o, "name")
	if name == "" {
		return "", problem.Missing("resource.name")
	}
	r := c.Ref(kind, name)
	return r, c.S.New(t, r, o)
}

// New is Create of what nobody asked for.
func (s *Server) New(t *store.Tx, r doc.Ref, o doc.Obj) error {
	if t.Get(r) != nil {
		return problem.Exists(r)
	}
	o["id"], o["creationTimestamp"], o["selfLink"] = t.ID(), doc.Stamp(s.Opts.Now()), r.Link()
	if s.API.Fielded(doc.Str(o, "kind"), "selfLinkWithId") {
		o["selfLinkWithId"] = doc.Base + string(r.Within(r.Kind(), doc.Str(o, "id")))
	}
	t.Put(r, o)
	return nil
}

// Remove deletes the target of a job, unless something uses it by now.
// more are called in the same transaction.
func (k *Job) Remove(ctx context.Context, noun string, users func(*store.Tx, doc.Ref) doc.Ref, more ...func(*store.Tx, doc.Ref)) error {
	err := k.Step("removed", func(t *store.Tx) error {
		if t.Get(k.Target) == nil {
			return problem.NotFound(k.Target)
		}
		if by := users(t, k.Target); by != "" {
			return problem.InUse(noun, k.Target, by)
		}
		for _, f := range more {
			f(t, k.Target)
		}
		t.Delete(k.Target)
		return nil
	})
	if err != nil {
		return err
	}
	return k.S.Net.Apply(ctx)
}

// Removal accepts a delete of what nothing uses; the work looks again.
func (c *Call) Removal(kind, noun string, user func(*store.Tx, doc.Ref) doc.Ref) (doc.Obj, error) {
	r := c.Target(kind)
	return c.Change(r, nil, func(t *store.Tx) error {
		if t.Get(r) == nil {
			return problem.NotFound(r)
		}
		if by := user(t, r); by != "" {
			return problem.InUse(noun, r, by)
		}
		return nil
	})
}

// Synced is the work of a change that took hold when it was accepted: it is
// done when the network behind the API follows it.
func Synced(ctx context.Context, k *Job) error { return k.S.Net.Apply(ctx) }

// Placed says in which region an object is, if it is in one.
func Placed(r doc.Ref, o doc.Obj) {
	delete(o, "region")
	if strings.HasPrefix(r.Scope(), "regions/") {
		o["region"] = doc.RegionLink(r.Project(), r.Place())
	}
}

// Immutable refuses to change fields that stay as they were when the object was
// made. Clients may send them along as they are, a link also in part.
func Immutable(o, body doc.Obj, fields ...string) error {
	for _, k := range fields {
		v := body[k]
		if s, ok := v.(string); v == nil || v == o[k] || ok && strings.HasSuffix(doc.Str(o, k), "/"+strings.TrimLeft(s, "/")) {
			continue
		}
		return problem.Invalid("resource."+k, v, "The field cannot be changed.")
	}
	return nil
}
