package identity

import (
	"fmt"
	"regexp"
	"sort"

	"hakube/gce/emulator/internal/doc"
	"hakube/gce/emulator/internal/problem"
)

// Metadata of instances, templates and projects: at most 256 KiB a value and
// 512 KiB in all.
const (
	maxValue    = 256 << 10
	maxMetadata = 512 << 10
)

var metadataKey = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,128}$`)

// NewMetadata is the metadata document of items.
func NewMetadata(items []any) doc.Obj {
	m := doc.Obj{"kind": "compute#metadata", "fingerprint": doc.Fingerprint(items)}
	if len(items) > 0 {
		m["items"] = items
	}
	return m
}

// Metadata returns the metadata document of what is asked for.
func Metadata(asked doc.Obj) (doc.Obj, error) {
	seen := map[string]bool{}
	total := 0
	items := []any{}
	for i, item := range doc.Objects(asked, "items") {
		key, value := doc.Str(item, "key"), doc.Str(item, "value")
		field := fmt.Sprintf("resource.metadata.items[%d].", i)
		switch {
		case !metadataKey.MatchString(key):
			return nil, problem.Invalid(field+"key", key, "Must be a match of regex '[a-zA-Z0-9-_]{1,128}'")
		case seen[key]:
			return nil, problem.Invalid(field+"key", key, "Duplicate key.")
		case len(value) > maxValue:
			return nil, problem.Invalid(field+"value", value[:20]+"…", fmt.Sprintf("Value of '%s' is too large: maximum size is 262144 bytes; actual size %d.", key, len(value)))
		}
		seen[key] = true
		total += len(key) + len(value)
		items = append(items, doc.Obj{"key": key, "value": value})
	}
	if total > maxMetadata {
		return nil, problem.Invalid("resource.metadata", fmt.Sprintf("%d bytes", total), "Metadata has exceeded its maximum total size of 524288 bytes.")
	}
	sort.SliceStable(items, func(a, b int) bool { return doc.Str(items[a].(doc.Obj), "key") < doc.Str(items[b].(doc.Obj), "key") })
	return NewMetadata(items), nil
}

// ReplaceMetadata compares the fingerprint and returns what takes the place of
// old: all of it, as setMetadata does.
func ReplaceMetadata(old, asked doc.Obj) (doc.Obj, error) {
	if doc.Str(asked, "fingerprint") != doc.Str(old, "fingerprint") {
		return nil, problem.Stale("Supplied fingerprint does not match current metadata fingerprint.")
	}
	return Metadata(asked)
}

// MetadataMap are the items of a metadata document by key.
func MetadataMap(m doc.Obj) map[string]string {
	out := map[string]string{}
	for _, item := range doc.Objects(m, "items") {
		out[doc.Str(item, "key")] = doc.Str(item, "value")
	}
	return out
}
