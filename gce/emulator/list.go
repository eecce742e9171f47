package emulator

import (
	"encoding/base64"
	"strconv"
	"strings"
)

// shown is a document as answers show it.
func (s *Server) shown(t *tx, r ref, o obj) obj {
	if view := s.views[r.kind()]; view != nil && o != nil {
		return view(t, r, o)
	}
	return o
}

func getter(col collection) handler {
	return func(c *call) (out obj, err error) {
		r := c.target(col.kind)
		c.s.store.view(func(t *tx) {
			r = t.find(r)
			if out = c.s.shown(t, r, t.get(r)); out == nil {
				err = notFound(r)
			}
		})
		return out, err
	}
}

func lister(col collection) handler {
	return func(c *call) (obj, error) {
		coll := "projects/" + c.project() + "/" + c.scope() + "/" + col.kind
		var items []obj
		c.s.listed(func(t *tx) {
			for _, o := range t.list(coll) {
				items = append(items, c.s.shown(t, ref(coll+"/"+str(o, "name")), o))
			}
		})
		return c.page(col.item+"List", base+coll, items)
	}
}

// page filters items, cuts out the page that is asked for and wraps it.
func (c *call) page(kind, selfLink string, items []obj) (obj, error) {
	keep, err := parseFilter(c.query.Get("filter"))
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
	out := obj{"kind": kind, "id": strings.TrimPrefix(selfLink, base), "selfLink": selfLink}
	if kept = kept[from:to]; len(kept) > 0 {
		out["items"] = kept // left out when empty, as Google does
	}
	if next != "" {
		out["nextPageToken"] = next
	}
	return out, nil
}

// window reads maxResults and pageToken for a list of n.
func (c *call) window(n int) (from, to int, next string, err error) {
	size := 500
	if v := c.query.Get("maxResults"); v != "" {
		max, err := strconv.ParseUint(v, 10, 32)
		if err != nil || max > 500 {
			return 0, 0, "", invalid("maxResults", v, "Must be between 0 and 500, inclusive.")
		}
		if max > 0 {
			size = int(max)
		}
	}
	if token := c.query.Get("pageToken"); token != "" {
		raw, err := base64.RawURLEncoding.DecodeString(token)
		if err == nil {
			from, err = strconv.Atoi(strings.TrimPrefix(string(raw), "from:"))
		}
		if err != nil || from < 0 {
			return 0, 0, "", invalid("pageToken", token, "The token is not one of this list.")
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
func aggregator(col collection) handler {
	return func(c *call) (obj, error) {
		keep, err := parseFilter(c.query.Get("filter"))
		if err != nil {
			return nil, err
		}
		type item struct {
			scope string
			o     obj
		}
		var all []item
		c.s.listed(func(t *tx) {
			for _, scope := range scopes() {
				coll := "projects/" + c.project() + "/" + scope + "/" + col.kind
				for _, o := range t.list(coll) {
					if o = c.s.shown(t, ref(coll+"/"+str(o, "name")), o); keep(o) {
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
		items := obj{}
		for _, scope := range scopesOf(c.s, col) {
			if l := found[scope]; l != nil {
				items[scope] = obj{col.kind: l}
				continue
			}
			items[scope] = obj{"warning": obj{
				"code": "NO_RESULTS_ON_PAGE", "message": "No results for the scope '" + scope + "'.",
				"data": []any{obj{"key": "scope", "value": scope}},
			}}
		}
		self := "projects/" + c.project() + "/aggregated/" + col.kind
		kind := c.s.api.Schemas[c.method.Response.Ref].Properties["kind"].Default // not always the item's with AggregatedList
		out := obj{"kind": kind, "id": self, "selfLink": base + self, "items": items}
		if next != "" {
			out["nextPageToken"] = next
		}
		return out, nil
	}
}

// scopesOf are the scopes an aggregated list speaks of: all that the kind has
// a collection in.
func scopesOf(s *Server, col collection) []string {
	var out []string
	for _, scope := range scopes() {
		verbs := "projects/p/" + scope + "/" + col.kind
		if m, _ := s.api.Route("GET", verbs); m != nil {
			out = append(out, scope)
		}
	}
	return out
}
