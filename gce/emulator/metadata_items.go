package emulator

import (
	"fmt"
	"regexp"
	"sort"
)

// Metadata of instances, templates and projects: at most 256 KiB a value and
// 512 KiB in all.
const (
	maxValue    = 256 << 10
	maxMetadata = 512 << 10
)

var metadataKey = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,128}$`)

// newMetadata is the metadata document of items.
func newMetadata(items []any) obj {
	m := obj{"kind": "compute#metadata", "fingerprint": fingerprint(items)}
	if len(items) > 0 {
		m["items"] = items
	}
	return m
}

// checkMetadata returns the document of what a request asks for.
func checkMetadata(asked obj) (obj, error) {
	seen := map[string]bool{}
	total := 0
	items := []any{}
	for i, item := range objects(asked, "items") {
		key, value := str(item, "key"), str(item, "value")
		field := fmt.Sprintf("resource.metadata.items[%d].", i)
		switch {
		case !metadataKey.MatchString(key):
			return nil, invalid(field+"key", key, "Must be a match of regex '[a-zA-Z0-9-_]{1,128}'")
		case seen[key]:
			return nil, invalid(field+"key", key, "Duplicate key.")
		case len(value) > maxValue:
			return nil, invalid(field+"value", value[:20]+"…", fmt.Sprintf("Value of '%s' is too large: maximum size is 262144 bytes; actual size %d.", key, len(value)))
		}
		seen[key] = true
		total += len(key) + len(value)
		items = append(items, obj{"key": key, "value": value})
	}
	if total > maxMetadata {
		return nil, invalid("resource.metadata", fmt.Sprintf("%d bytes", total), "Metadata has exceeded its maximum total size of 524288 bytes.")
	}
	sort.SliceStable(items, func(a, b int) bool { return str(items[a].(obj), "key") < str(items[b].(obj), "key") })
	return newMetadata(items), nil
}

// replaceMetadata compares the fingerprint and returns what takes the place of
// old: all of it, as setMetadata does.
func replaceMetadata(old, asked obj) (obj, error) {
	if str(asked, "fingerprint") != str(old, "fingerprint") {
		return nil, stale("Supplied fingerprint does not match current metadata fingerprint.")
	}
	return checkMetadata(asked)
}

func metadataMap(m obj) map[string]string {
	out := map[string]string{}
	for _, item := range objects(m, "items") {
		out[str(item, "key")] = str(item, "value")
	}
	return out
}

var tagText = regexp.MustCompile(`^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$`)

func checkTags(tags []string, field string) error {
	if len(tags) > 64 {
		return invalid(field, len(tags), "At most 64 tags are allowed.")
	}
	for _, tag := range tags {
		if !tagText.MatchString(tag) {
			return invalid(field, tag, "Must be a match of regex '(?:[a-z](?:[-a-z0-9]{0,61}[a-z0-9])?)'")
		}
	}
	return nil
}

// newTags is the tags document of tags, sorted, each once.
func newTags(tags []string) obj {
	set := map[string]bool{}
	for _, s := range tags {
		set[s] = true
	}
	items := []any{}
	for _, s := range sortedKeys(set) {
		items = append(items, s)
	}
	t := obj{"fingerprint": fingerprint(items)}
	if len(items) > 0 {
		t["items"] = items
	}
	return t
}
