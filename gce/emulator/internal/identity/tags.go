package identity

import (
	"regexp"

	"hakube/gce/emulator/internal/doc"
	"hakube/gce/emulator/internal/problem"
)

// TagText is what tags and most names look like.
var TagText = regexp.MustCompile(`^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$`)

// CheckTags refuses tags that Google would not take.
func CheckTags(tags []string, field string) error {
	if len(tags) > 64 {
		return problem.Invalid(field, len(tags), "At most 64 tags are allowed.")
	}
	for _, tag := range tags {
		if !TagText.MatchString(tag) {
			return problem.Invalid(field, tag, "Must be a match of regex '(?:[a-z](?:[-a-z0-9]{0,61}[a-z0-9])?)'")
		}
	}
	return nil
}

// NewTags is the tags document of tags, sorted, each once.
func NewTags(tags []string) doc.Obj {
	set := map[string]bool{}
	for _, s := range tags {
		set[s] = true
	}
	items := []any{}
	for _, s := range doc.SortedKeys(set) {
		items = append(items, s)
	}
	t := doc.Obj{"fingerprint": doc.Fingerprint(items)}
	if len(items) > 0 {
		t["items"] = items
	}
	return t
}
