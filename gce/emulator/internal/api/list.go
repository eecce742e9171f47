package api

import (
	"encoding/base64"
	"strconv"
	"strings"

	"hakube/gce/emulator/internal/doc"
	"hakube/gce/emulator/internal/filter"
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
	return func(c *Call) (doc.Obj, error) {
		coll := "projects/" + c.Project() + "/" + c.scope() + "/" + col.Kind
		var items []doc.Obj
		c.S.listed(func(t *store.Tx) {
			for _, o := range t.List(coll) {
				items = append(items, c.S.shown(t, doc.Ref(coll+"/"+doc.Str(o, "name")), o))
			}
		})
		return c.Page(col.Item+"List", doc.Base+coll, items)
	}
}

// Page filters items, cuts out the page that is asked for and wraps it.
func (c *Call) Page(kind, selfLink string, items []doc.Obj) (doc.Obj, error) {
	keep, err := filter.Parse(c.Query.Get("filter"))
	if err != nil {
		return nil, err
	}
	kept := []any{}
	for _, o := range items {
		if keep(o) {
			kept = append(kept, o)
		}
	}
	from, to, next, err := c.window(len(kept))
	if err != nil {
		return nil, err
	}
	out := doc.Obj{"kind": kind, "id": strings.TrimPrefix(selfLink, doc.Base), "selfLink": selfLink}
	if kept = kept[from:to]; len(kept) > 0 {
		out["items"] = kept // left out when empty, as Google does
	}
	if next != "" {
		out["nextPageToken"] = next
	}
	return out, nil
}

// window reads maxResults and pageToken for a list of n.
func (c *Call) window(n int) (from, to int, next string, err error) {
	size := 500
	if v := c.Query.Get("maxResults"); v != "" {
		max, err := strconv.ParseUint(v, 10, 32)
		if err != nil || max > 500 {
			return 0, 0, "", problem.Invalid("maxResults", v, "Must be between 0 and 500, inclusive.")
		}
		if max > 0 {
			size = int(max)
		}
	}
	if token := c.Query.Get("pageToken"); token != "" {
		raw, err := base64.RawURLEncoding.DecodeString(token)
		if err == nil {
			from, err = strconv.Atoi(strings.TrimPrefix(string(raw), "from:"))
		}
		if err != nil || from < 0 {
			return 0, 0, "", problem.Invalid("pageToken", token, "The token is not one of this list.")
		}
		from = min(from, n)
	}
	to = min(from+size, n)
	if to < n {
		next = base64.RawURLEncoding.EncodeToString([]byte("from:" + strconv.Itoa(to)))
	}
	return from, to, next, nil
}

// aggregator lists a kind over all scopes of a project.
func aggregator(col Collection) Handler {
	return func(c *Call) (doc.Obj, error) {
		keep, err := filter.Parse(c.Query.Get("filter"))
		if err != nil {
			return nil, err
		}
		type item struct {
			scope string
			o     doc.Obj
		}
		var all []item
		c.S.listed(func(t *store.Tx) {
			for _, scope := range doc.Scopes() {
				coll := "projects/" + c.Project() + "/" + scope + "/" + col.Kind
				for _, o := range t.List(coll) {
					if o = c.S.shown(t, doc.Ref(coll+"/"+doc.Str(o, "name")), o); keep(o) {
						all = append(all, item{scope, o})
					}
				}
			}
		})
		from, to, next, err := c.window(len(all))
		if err != nil {
			return nil, err
		}
		found := map[string][]any{}
		for _, i := range all[from:to] {
			found[i.scope] = append(found[i.scope], i.o)
		}
		items := doc.Obj{}
		for _, scope := range scopesOf(c.S, col) {
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
}

// scopesOf are the scopes an aggregated list speaks of: all that the kind has
// a collection in.
func scopesOf(s *Server, col Collection) []string {
	var out []string
	for _, scope := range doc.Scopes() {
		verbs := "projects/p/" + scope + "/" + col.Kind
		if m, _ := s.API.Route("GET", verbs); m != nil {
			out = append(out, scope)
		}
	}
	return out
}
