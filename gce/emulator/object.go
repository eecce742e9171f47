package emulator

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"time"
)

// An obj is one JSON document as the API speaks it. Those in the store are
// never changed: a transaction changes copies.
type obj = map[string]any

func str(o obj, key string) string    { s, _ := o[key].(string); return s }
func flag(o obj, key string) bool     { b, _ := o[key].(bool); return b }
func list(o obj, key string) []any    { l, _ := o[key].([]any); return l }
func sub(o obj, key string) obj       { m, _ := o[key].(obj); return m }
func num(o obj, key string) int64     { return number(o[key]) }
func has(o obj, key string) bool      { return o[key] != nil }
func ident(o obj) uint64              { id, _ := strconv.ParseUint(str(o, "id"), 10, 64); return id }
func decimal(n int64) string          { return strconv.FormatInt(n, 10) }
func stamp(t time.Time) string        { return t.Format("2006-01-02T15:04:05.000-07:00") }
func objects(o obj, key string) []obj { return objectsOf(list(o, key)) }

// number reads a JSON number, or one of the API's 64 bit integers, which are strings.
func number(v any) int64 {
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

func objectsOf(l []any) []obj {
	out := make([]obj, 0, len(l))
	for _, e := range l {
		if o, ok := e.(obj); ok {
			out = append(out, o)
		}
	}
	return out
}

func stringsOf(o obj, key string) []string {
	var out []string
	for _, e := range list(o, key) {
		if s, ok := e.(string); ok {
			out = append(out, s)
		}
	}
	return out
}

func stringMap(o obj, key string) map[string]string {
	out := map[string]string{}
	for k, v := range sub(o, key) {
		if s, ok := v.(string); ok {
			out[k] = s
		}
	}
	return out
}

// fill sets those fields of o that are not there.
func fill(o, defaults obj) {
	for k, v := range defaults {
		if o[k] == nil {
			o[k] = v
		}
	}
}

// clone returns a copy that shares nothing, with every value of the kinds
// that JSON decoding gives, so that a document reads the same before and
// after a restart.
func clone(o obj) obj {
	if o == nil {
		return nil
	}
	return plain(o).(obj)
}

func plain(v any) any {
	switch v := v.(type) {
	case obj:
		out := make(obj, len(v))
		for k, e := range v {
			if e != nil {
				out[k] = plain(e)
			}
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = plain(e)
		}
		return out
	case []obj:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = plain(e)
		}
		return out
	case []string:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = e
		}
		return out
	case map[string]string:
		out := make(obj, len(v))
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

// fingerprint is a digest of the parts: equal content, equal fingerprint, as
// Google's of labels are. It is in the alphabet for URLs, as Google's are too:
// gcloud decodes what it read and sends it back in that one.
func fingerprint(parts ...any) string {
	js, err := json.Marshal(parts)
	if err != nil {
		panic(err) // documents come from JSON
	}
	sum := sha256.Sum256(js)
	return base64.URLEncoding.EncodeToString(sum[:8])
}

func sortedKeys[V any](m map[string]V) []string {
	return slices.Sorted(maps.Keys(m))
}

func without(l []any, v any) []any {
	return slices.DeleteFunc(slices.Clone(l), func(e any) bool { return e == v })
}

// merge is RFC 7386's patch: what is null goes away.
func merge(o, patch obj) {
	for k, v := range patch {
		if v == nil {
			delete(o, k)
			continue
		}
		if p, ok := v.(obj); ok {
			if old := sub(o, k); old != nil {
				merge(old, p)
				continue
			}
		}
		o[k] = plain(v)
	}
}
