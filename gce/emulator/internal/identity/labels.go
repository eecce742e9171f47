package identity

import (
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
			o["labels"] = c.Body["labels"]
			if len(doc.Sub(c.Body, "labels")) == 0 {
				delete(o, "labels")
			}
			o["labelFingerprint"] = doc.Fingerprint(o["labels"])
			return nil
		})
	}
}
