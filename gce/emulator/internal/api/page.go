package api

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"hakube/gce/emulator/internal/doc"
	"hakube/gce/emulator/internal/filter"
	"hakube/gce/emulator/internal/problem"
)

// A row is one object of a list.
type row struct {
	scope int // among doc.Scopes, of an aggregated list
	o     doc.Obj
	view  func(doc.Obj) doc.Obj // how answers show it; nil: as it is
}

func rowsOf(items []doc.Obj) (rows []row) {
	for _, o := range items {
		rows = append(rows, row{o: o})
	}
	return rows
}

func (r *row) show() {
	if r.view != nil {
		r.o, r.view = r.view(r.o), nil
	}
}

// A place is where an object stands in a list. A token is the place of the last
// object of a page, and the next page begins with what comes after that, whatever
// has come or gone meanwhile: a number of objects to skip would pass over one for
// each that was deleted, and nobody would notice.
type place struct {
	Newest bool   `json:"newest,omitempty"` // the list is sorted by time
	Scope  int    `json:"scope,omitempty"`
	Made   int64  `json:"made,omitempty"` // milliseconds
	Name   string `json:"name"`
}

func placeOf(r row, newest bool) place {
	p := place{Newest: newest, Scope: r.scope, Name: cmp.Or(doc.Str(r.o, "name"), doc.Str(r.o, "instance"))}
	if newest {
		made, _ := time.Parse(time.RFC3339, cmp.Or(doc.Str(r.o, "creationTimestamp"), doc.Str(r.o, "insertTime")))
		p.Made = made.UnixMilli()
	}
	return p
}

func (p place) compare(q place) int {
	return cmp.Or(cmp.Compare(q.Made, p.Made), cmp.Compare(p.Scope, q.Scope), cmp.Compare(p.Name, q.Name))
}

// page is what the filter leaves, sorted and cut as the request wants it. What
// objects look like is found out for those only that are looked at or shown.
func (c *Call) page(rows []row) (page []row, next string, err error) {
	rows, newest, err := c.sorted(rows)
	if err != nil {
		return nil, "", err
	}
	if token := c.Query.Get("pageToken"); token != "" {
		var last place
		raw, err := base64.RawURLEncoding.DecodeString(token)
		if err != nil || json.Unmarshal(raw, &last) != nil || last.Newest != newest {
			return nil, "", problem.Invalid("pageToken", token, "The token is not one of this list.")
		}
		rows = slices.DeleteFunc(rows, func(r row) bool { return placeOf(r, newest).compare(last) <= 0 })
	}
	size, err := c.pageSize()
	if err != nil {
		return nil, "", err
	}
	if len(rows) > size {
		rows = rows[:size]
		js, _ := json.Marshal(placeOf(rows[size-1], newest)) // a place is always JSON
		next = base64.RawURLEncoding.EncodeToString(js)
	}
	for i := range rows {
		rows[i].show()
	}
	return rows, next, nil
}

// sorted are those of the rows that the filter keeps, in the order that is asked for;
// newest tells which that is.
func (c *Call) sorted(rows []row) (_ []row, newest bool, err error) {
	keep, err := filter.Parse(c.Query.Get("filter"))
	if err != nil {
		return nil, false, err
	}
	if c.Query.Get("filter") != "" {
		rows = slices.DeleteFunc(rows, func(r row) bool { r.show(); return !keep(r.o) })
	}
	if newest, err = c.newestFirst(); err != nil {
		return nil, false, err
	}
	slices.SortStableFunc(rows, func(a, b row) int { return placeOf(a, newest).compare(placeOf(b, newest)) })
	return rows, newest, nil
}

func (c *Call) pageSize() (int, error) {
	const most = 500
	v := c.Query.Get("maxResults")
	if v == "" {
		return most, nil
	}
	n, err := strconv.ParseUint(v, 10, 32)
	if err != nil || n > most {
		return 0, problem.Invalid("maxResults", v, "Must be between 0 and 500, inclusive.")
	}
	return cmp.Or(int(n), most), nil
}

// newestFirst reads orderBy: by name, or the newest first.
func (c *Call) newestFirst() (bool, error) {
	switch by := strings.Join(strings.Fields(c.Query.Get("orderBy")), " "); by {
	case "", "name", "name asc":
		return false, nil
	case "creationTimestamp desc":
		return true, nil
	default:
		return false, problem.Invalid("orderBy", by, "Only sorting by name or creationTimestamp desc is supported.")
	}
}
