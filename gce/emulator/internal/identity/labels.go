package identity

import (
	"strings"

	"hakube/gce/emulator/internal/api"
	"hakube/gce/emulator/internal/doc"
	"hakube/gce/emulator/internal/problem"
	"hakube/gce/emulator/internal/store"
)

// LabelsSetter is setLabels of any collection: compare the fingerprint and swap,
// at once, so that two callers cannot both win.
func LabelsSetter(kind string) api.Handler {
	return func(c *api.Call) (doc.Obj, error) {
		r := c.Ref(kind, c.Params["resource"])
		if c.Params["resource"] == "" {
			r = c.Target(kind)
		}
		return c.Change(r, nil, func(t *store.Tx) error {
			r := t.Find(r)
			o := t.Edit(r)
			if o == nil {
				return problem.NotFound(r)
			}
			if doc.Str(c.Body, "labelFingerprint") != doc.Str(o, "labelFingerprint") {
				return problem.Stale("Labels fingerprint either invalid or resource labels have changed")
			}
			if err := CheckLabels(doc.Sub(c.Body, "labels")); err != nil {
				return err
			}
			o["labels"] = c.Body["labels"]
			if len(doc.Sub(c.Body, "labels")) == 0 {
				delete(o, "labels")
			}
			o["labelFingerprint"] = doc.Fingerprint(o["labels"])
			return nil
		})
	}
}

// CheckLabels refuses labels that Google would not take.
func CheckLabels(labels doc.Obj) error {
	if len(labels) > 64 {
		return problem.Invalid("resource.labels", len(labels), "At most 64 labels are allowed.")
	}
	for k, v := range labels {
		s, _ := v.(string)
		if len(k) == 0 || len(k) > 63 || k[0] < 'a' || k[0] > 'z' || !labelText(k) {
			return problem.Invalid("resource.labels", k, "Label keys must start with a lowercase letter and hold only lowercase letters, digits, _ and -, at most 63.")
		}
		if len(s) > 63 || !labelText(s) {
			return problem.Invalid("resource.labels", s, "Label values hold only lowercase letters, digits, _ and -, at most 63.")
		}
	}
	return nil
}

// labelText allows what ASCII labels may hold; Google allows letters of other
// scripts besides.
func labelText(s string) bool {
	return !strings.ContainsFunc(s, func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' && c < 128
	})
}
