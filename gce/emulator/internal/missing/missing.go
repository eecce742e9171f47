// Package missing knows what of a method's requests is not written here, by a table
// beside the method.
package missing

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"hakube/gce/emulator/internal/discovery"
	"hakube/gce/emulator/internal/doc"
)

// A Table is what of the requests of one method is not written. It is looked at before
// anything else in a request is: whoever asks for such a thing learns that, and not
// which other field would have been missing next. An entry is one of
//
//	guestAccelerators            the field, if it says anything
//	networkInterfaces>1          a list of more than one
//	disks.type=SCRATCH           a field with one of these values, a|b; links by their last part, * and ? as in file names
//	loadBalancingScheme!EXTERNAL a field with another value of Google's than these
//	+name                        only fields named so are followed; all others of the body are not written
//
// and may be followed by ": " and what it is called in a sentence. Lists and maps
// on the way are looked into.
type Table struct {
	Entries  []string
	lacks    []lack
	followed []string // if any, all else of the body is lacking
	body     *discovery.Schema
}

// A lack is one entry.
type lack struct {
	at     []string // field names from the body inwards
	op     byte     // 0: the field; else '>', '=' or '!'
	values []string
	noun   string
	enum   []string // the values Google has for it
}

// Read reads the table of a method. A field that Google's document does not have is a
// mistake in it.
func Read(api *discovery.API, m *discovery.Method, entries []string) *Table {
	out := &Table{Entries: entries}
	if m.Request != nil {
		out.body = api.Schemas[m.Request.Ref]
	}
	for _, e := range entries {
		e, noun, _ := strings.Cut(e, ": ")
		follow := e[0] == '+'
		if follow {
			out.followed = append(out.followed, e[1:])
			e = e[1:]
		}
		l := lack{noun: noun}
		if i := strings.IndexAny(e, "=!>"); i >= 0 {
			l.op, l.values, e = e[i], strings.Split(e[i+1:], "|"), e[:i]
		}
		l.at = strings.Split(e, ".")
		field := api.Field(out.body, l.at)
		if field == nil {
			panic("no such field of " + m.ID + " in the discovery document: " + e)
		}
		l.enum = field.Enum
		if !follow {
			out.lacks = append(out.lacks, l)
		}
	}
	return out
}

// In finds what a request asks for and is not written: "" for nothing.
func (l *Table) In(body doc.Obj) string {
	if l == nil {
		return ""
	}
	for _, k := range l.lacks {
		if what := k.in(body, k.at); what != "" && k.noun != "" {
			return k.noun
		} else if what != "" {
			return what
		}
	}
	if l.followed != nil {
		for _, k := range doc.SortedKeys(body) {
			p := l.body.Properties[k]
			if p != nil && !p.ReadOnly && k != "kind" && !slices.Contains(l.followed, k) && says(body[k]) {
				return k
			}
		}
	}
	return ""
}

// in looks for the rest of a path in v.
func (l lack) in(v any, rest []string) string {
	if items, ok := v.([]any); ok && len(rest) > 0 {
		for _, e := range items {
			if what := l.in(e, rest); what != "" {
				return what
			}
		}
		return ""
	}
	if len(rest) > 0 {
		o, _ := v.(doc.Obj)
		return l.in(o[rest[0]], rest[1:])
	}
	name := strings.Join(l.at, ".")
	switch items, _ := v.([]any); l.op {
	case 0:
		if says(v) {
			return name
		}
	case '>':
		if fmt.Sprint(len(items)) > l.values[0] {
			return fmt.Sprintf("%d %s", len(items), name)
		}
	default:
		s, _ := v.(string)
		s = doc.Ref("/" + s).Name()
		known := l.enum == nil || slices.Contains(l.enum, s)
		hit := slices.ContainsFunc(l.values, func(p string) bool { ok, _ := path.Match(p, s); return ok })
		if s != "" && known && hit == (l.op == '=') {
			return name + " " + s
		}
	}
	return ""
}

// says reports whether a value says more than its absence: clients send all fields
// they know, those nobody set empty.
func says(v any) bool {
	switch v := v.(type) {
	case []any:
		return len(v) > 0
	case doc.Obj:
		for _, e := range v {
			if says(e) {
				return true
			}
		}
		return false
	}
	return v != nil && v != false && v != "" && v != float64(0) && v != "0"
}
