package api

import (
	"strings"

	"hakube/gce/emulator/internal/doc"
	"hakube/gce/emulator/internal/problem"
	"hakube/gce/emulator/internal/store"
)

// shown is a document as answers show it.
func (s *Server) shown(t *store.Tx, r doc.Ref, o doc.Obj) doc.Obj {
	if view := s.views[r.Kind()]; view != nil && o != nil {
		return view(t, r, o)
	}
	return o
}

func getter(col Collection) Handler {
	return func(c *Call) (out doc.Obj, err error) {
		r := c.Target(col.Kind)
		c.S.Store.View(func(t *store.Tx) {
			r = t.Find(r)
			if out = c.S.shown(t, r, t.Get(r)); out == nil {
				err = problem.NotFound(r)
			}
		})
		return out, err
	}
}

func lister(col Collection) Handler {
	return func(c *Call) (out doc.Obj, err error) {
		coll := "projects/" + c.Project() + "/" + c.scope() + "/" + col.Kind
		c.S.listed(func(t *store.Tx) {
			var rows []row
			for _, o := range t.List(coll) {
				rows = append(rows, row{o: o, view: func(o doc.Obj) doc.Obj {
					return c.S.shown(t, doc.Ref(coll+"/"+doc.Str(o, "name")), o)
				}})
			}
			var page []row
			var next string
			if page, next, err = c.page(rows); err == nil {
				out = c.wrapped(col.Item+"List", doc.Base+coll, "items", page, next)
			}
		})
		return out, err
	}
}

// Page filters items, cuts out the page that is asked for and wraps it.
func (c *Call) Page(kind, selfLink string, items []doc.Obj) (doc.Obj, error) {
	page, next, err := c.page(rowsOf(items))
	if err != nil {
		return nil, err
	}
	return c.wrapped(kind, selfLink, "items", page, next), nil
}

// Members is Page of a list that says nothing of itself and calls its items by
// another name. One that is pageless is given out at once, however long it is and
// whatever page is asked for.
func (c *Call) Members(name string, items []doc.Obj, pageless bool) (doc.Obj, error) {
	page, next, err := rowsOf(items), "", error(nil)
	if pageless {
		page, _, err = c.sorted(page)
	} else {
		page, next, err = c.page(page)
	}
	if err != nil {
		return nil, err
	}
	out := c.wrapped("", "", name, page, next)
	for _, k := range []string{"kind", "id", "selfLink"} {
		delete(out, k)
	}
	return out, nil
}

func (c *Call) wrapped(kind, selfLink, items string, page []row, next string) doc.Obj {
	out := doc.Obj{"kind": kind, "id": strings.TrimPrefix(selfLink, doc.Base), "selfLink": selfLink}
	var all []any
	for _, r := range page {
		all = append(all, r.o)
	}
	if len(all) > 0 {
		out[items] = all // left out when empty, as Google does
	}
	if next != "" {
		out["nextPageToken"] = next
	}
	return out
}

// aggregator lists a kind over all scopes of a project.
func aggregator(col Collection) Handler {
	return func(c *Call) (out doc.Obj, err error) {
		c.S.listed(func(t *store.Tx) {
			var rows []row
			for i, scope := range doc.Scopes() {
				coll := "projects/" + c.Project() + "/" + scope + "/" + col.Kind
				for _, o := range t.List(coll) {
					rows = append(rows, row{scope: i, o: o, view: func(o doc.Obj) doc.Obj {
						return c.S.shown(t, doc.Ref(coll+"/"+doc.Str(o, "name")), o)
					}})
				}
			}
			out, err = c.aggregated(col, rows)
		})
		return out, err
	}
}

// Aggregated is the answer of a list over all scopes whose objects are not in the store.
func (c *Call) Aggregated(col Collection, of func(scope string) []doc.Obj) (doc.Obj, error) {
	var rows []row
	for i, scope := range doc.Scopes() {
		for _, o := range of(scope) {
			rows = append(rows, row{scope: i, o: o})
		}
	}
	return c.aggregated(col, rows)
}

func (c *Call) aggregated(col Collection, rows []row) (doc.Obj, error) {
	page, next, err := c.page(rows)
	if err != nil {
		return nil, err
	}
	found := map[string][]any{}
	for _, r := range page {
		scope := doc.Scopes()[r.scope]
		found[scope] = append(found[scope], r.o)
	}
	items := doc.Obj{}
	for _, scope := range c.scopesOf(col) {
		if l := found[scope]; l != nil {
			items[scope] = doc.Obj{col.Kind: l}
			continue
		}
		items[scope] = doc.Obj{"warning": doc.Obj{
			"code": "NO_RESULTS_ON_PAGE", "message": "No results for the scope '" + scope + "'.",
			"data": []any{doc.Obj{"key": "scope", "value": scope}},
		}}
	}
	self := "projects/" + c.Project() + "/aggregated/" + col.Kind
	kind := c.S.API.Schemas[c.Method.Response.Ref].Properties["kind"].Default // not always the item's with AggregatedList
	out := doc.Obj{"kind": kind, "id": self, "selfLink": doc.Base + self, "items": items}
	if next != "" {
		out["nextPageToken"] = next
	}
	return out, nil
}

// scopesOf are the scopes an aggregated list speaks of: all that the kind has
// a collection in, and with includeAllScopes all there are.
func (c *Call) scopesOf(col Collection) []string {
	var out []string
	for _, scope := range doc.Scopes() {
		verbs := "projects/p/" + scope + "/" + col.Kind
		if m, _ := c.S.API.Route("GET", verbs); m != nil || c.Says("includeAllScopes") {
			out = append(out, scope)
		}
	}
	return out
}
