// Package doc holds the documents of the API as they are stored and answered, the
// refs that name them, and the places they can be in. It knows no rule of any of
// them.
package doc

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"time"
)

// An Obj is one JSON document as the API speaks it. Those in the store are
// never changed: a transaction changes copies.
type Obj = map[string]any

// Str and those below read a field; one that is not there is zero. Which keys there
// are is checked by TestKeys.
func Str(o Obj, key string) string    { s, _ := o[key].(string); return s }
func Bool(o Obj, key string) bool     { b, _ := o[key].(bool); return b }
func List(o Obj, key string) []any    { l, _ := o[key].([]any); return l }
func Sub(o Obj, key string) Obj       { m, _ := o[key].(Obj); return m }
func Num(o Obj, key string) int64     { return Number(o[key]) }
func Float(o Obj, key string) float64 { f, _ := o[key].(float64); return f }
func Has(o Obj, key string) bool      { return o[key] != nil }
func ID(o Obj) uint64                 { id, _ := strconv.ParseUint(Str(o, "id"), 10, 64); return id }
func Decimal(n int64) string          { return strconv.FormatInt(n, 10) }
func Stamp(t time.Time) string        { return t.In(pacific).Format("2006-01-02T15:04:05.000-07:00") }
func Objects(o Obj, key string) []Obj { return ObjectsOf(List(o, key)) }

// pacific is where Google's clocks are, in winter.
var pacific = time.FixedZone("", -8*60*60)

// Number reads a JSON number, or one of the API's 64 bit integers, which are strings.
func Number(v any) int64 {
	switch v := v.(type) {
	case float64:
		return int64(v)
	case int64:
		return v
	case int:
		return int64(v)
	case string:
		n, _ := strconv.ParseInt(v, 10, 64)
		return n
	}
	return 0
}

// ObjectsOf are the documents in a list.
func ObjectsOf(l []any) []Obj {
	out := make([]Obj, 0, len(l))
	for _, e := range l {
		if o, ok := e.(Obj); ok {
			out = append(out, o)
		}
	}
	return out
}

// Strings are the strings in a list of a document.
func Strings(o Obj, key string) []string {
	var out []string
	for _, e := range List(o, key) {
		if s, ok := e.(string); ok {
			out = append(out, s)
		}
	}
	return out
}

// StringMap is a document of strings.
func StringMap(o Obj, key string) map[string]string {
	out := map[string]string{}
	for k, v := range Sub(o, key) {
		if s, ok := v.(string); ok {
			out[k] = s
		}
	}
	return out
}

// Fill sets those fields of o that are not there.
func Fill(o, defaults Obj) {
	for k, v := range defaults {
		if o[k] == nil {
			o[k] = v
		}
	}
}

// SaysNoMore tells whether a value is what a field shows that nobody gave, or nothing:
// such a one asks for nothing, also where anything else would not be done. Clients
// send back what they have read.
func SaysNoMore(v, shown any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case Obj:
		o, _ := shown.(Obj)
		for k, e := range v {
			if !SaysNoMore(e, o[k]) {
				return false
			}
		}
		return true
	case []any:
		return len(v) == 0 || reflect.DeepEqual(v, shown)
	case bool:
		return !v || v == shown
	case string:
		return v == "" || v == shown
	case float64:
		return v == 0 || v == shown || v == float64(Number(shown))
	}
	return false
}

// Clone returns a copy that shares nothing, with every value of the kinds
// that JSON decoding gives, so that a document reads the same before and
// after a restart.
func Clone(o Obj) Obj {
	if o == nil {
		return nil
	}
	return Plain(o).(Obj)
}

// Plain is Clone of any value.
func Plain(v any) any {
	switch v := v.(type) {
	case Obj:
		out := make(Obj, len(v))
		for k, e := range v {
			if e != nil {
				out[k] = Plain(e)
			}
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = Plain(e)
		}
		return out
	case []Obj:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = Plain(e)
		}
		return out
	case []string:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = e
		}
		return out
	case map[string]string:
		out := make(Obj, len(v))
		for k, e := range v {
			out[k] = e
		}
		return out
	case int:
		return float64(v)
	case int64:
		return float64(v)
	}
	return v
}

// Convert is from into by way of JSON: a document and a value of its fields.
func Convert(from, into any) error {
	raw, err := json.Marshal(from)
	if err != nil {
		return err
	}
	return json.Unmarshal(raw, into)
}

// Fingerprint is a digest of the parts: equal content, equal fingerprint, as
// Google's of labels are. It is in the alphabet for URLs, as Google's are too:
// gcloud decodes what it read and sends it back in that one.
func Fingerprint(parts ...any) string {
	if !slices.ContainsFunc(parts, func(v any) bool { return !SaysNoMore(v, nil) }) {
		return "42WmSpB8rSM=" // Google's of no labels and of no tags
	}
	js, err := json.Marshal(parts)
	if err != nil {
		panic(err) // documents come from JSON
	}
	sum := sha256.Sum256(js)
	return base64.URLEncoding.EncodeToString(sum[:8])
}

// SortedKeys are the keys of a map, sorted.
func SortedKeys[V any](m map[string]V) []string {
	return slices.Sorted(maps.Keys(m))
}

// Without is a list without one value.
func Without(l []any, v any) []any {
	return slices.DeleteFunc(slices.Clone(l), func(e any) bool { return e == v })
}

// Merge is RFC 7386's patch: what is null goes away.
func Merge(o, patch Obj) {
	for k, v := range patch {
		if v == nil {
			delete(o, k)
			continue
		}
		if p, ok := v.(Obj); ok {
			if old := Sub(o, k); old != nil {
				Merge(old, p)
				continue
			}
		}
		o[k] = Plain(v)
	}
}

// DropNulls takes nulls out of all lists below o: Google reads [null] as a list of nothing,
// which Ansible's collection sends, and whoever reads one that is shown makes an error of it.
func DropNulls(o Obj) {
	for k, v := range o {
		o[k] = withoutNulls(v)
	}
}

func withoutNulls(v any) any {
	switch v := v.(type) {
	case map[string]any:
		DropNulls(v)
	case []any:
		v = slices.DeleteFunc(v, func(e any) bool { return e == nil })
		for i, e := range v {
			v[i] = withoutNulls(e)
		}
		return v
	}
	return v
}
