package emulator

import (
	"fmt"
	"net/url"
	"slices"
	"testing"

	"hakube/gce/emulator/internal/doc"
)

func TestPages(t *testing.T) {
	w := newWorld(t)
	for i := range 7 {
		w.made("POST", zoneB+"disks", doc.Obj{"name": fmt.Sprintf("d%d", i), "labels": doc.Obj{"odd": fmt.Sprint(i % 2)}})
	}
	read := func(path, query string, names func(doc.Obj) []string) []string {
		var all []string
		token := ""
		for {
			o := w.get(path + "?" + query + "&pageToken=" + token)
			all = append(all, names(o)...)
			if token = doc.Str(o, "nextPageToken"); token == "" {
				return all
			}
			token = url.QueryEscape(token)
		}
	}
	ofList := func(o doc.Obj) (out []string) {
		for _, i := range doc.Objects(o, "items") {
			out = append(out, doc.Str(i, "name"))
		}
		return out
	}
	ofScopes := func(o doc.Obj) (out []string) {
		for _, scope := range doc.SortedKeys(doc.Sub(o, "items")) {
			one := doc.Sub(doc.Sub(o, "items"), scope)
			if w := doc.Sub(one, "warning"); w != nil && doc.Str(w, "code") != "NO_RESULTS_ON_PAGE" {
				t.Errorf("warning %v", w)
			}
			for _, i := range doc.Objects(one, "disks") {
				out = append(out, doc.Str(i, "name"))
			}
		}
		return out
	}
	all := []string{"d0", "d1", "d2", "d3", "d4", "d5", "d6"}
	for _, n := range []int{0, 1, 2, 3, 7, 500} {
		q := fmt.Sprintf("maxResults=%d", n)
		if got := read(zoneB+"disks", q, ofList); !slices.Equal(got, all) {
			t.Errorf("pages of %d: %v", n, got)
		}
		if got := read("projects/p/aggregated/disks", q, ofScopes); !slices.Equal(got, all) {
			t.Errorf("aggregated pages of %d: %v", n, got)
		}
	}
	if got := read(zoneB+"disks", "maxResults=2&filter=labels.odd%3D1", ofList); !slices.Equal(got, []string{"d1", "d3", "d5"}) {
		t.Errorf("filtered: %v", got)
	}
	w.refused(400, "invalid", "GET", zoneB+"disks?maxResults=501", nil)
	w.refused(400, "invalid", "GET", zoneB+"disks?pageToken=x", nil)
	w.refused(400, "invalid", "GET", zoneB+"disks?filter=name", nil)
	agg := doc.Sub(w.get("projects/p/aggregated/instances"), "items")
	for _, scope := range []string{"zones/europe-west1-b", "zones/us-central1-f"} {
		if doc.Str(doc.Sub(doc.Sub(agg, scope), "warning"), "code") != "NO_RESULTS_ON_PAGE" {
			t.Errorf("%s: %v", scope, agg[scope])
		}
	}
}
