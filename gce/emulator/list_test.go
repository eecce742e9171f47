package emulator

import (
	"fmt"
	"net/url"
	"slices"
	"testing"
)

func TestFilters(t *testing.T) {
	o := obj{"name": "web-1", "status": "RUNNING", "zone": base + "projects/p/zones/europe-west1-b", "id": "12",
		"labels": obj{"role": "node", "app.kubernetes": "x"}, "tags": obj{"items": []any{"a", "b"}},
		"scheduling": obj{"automaticRestart": false}, "sizeGb": "200"}
	for filter, want := range map[string]bool{
		"":                                      true,
		"name eq web-.*":                        true,
		"name eq 'web-[0-9]'":                   true,
		"name eq eb":                            false, // the whole value
		"name ne web-.*":                        false,
		"name=web-1":                            true,
		"name = \"web-1\"":                      true,
		"name!=web-1":                           false,
		"name=web-*":                            true,
		"labels.role=node":                      true,
		"labels.role:*":                         true,
		"labels.owner:*":                        false,
		"NOT labels.owner:*":                    true,
		"labels.owner!=x":                       true,
		"labels.app.kubernetes=x":               true,
		"labels:role":                           true,
		"status=running AND labels.role=node":   true,
		"status=RUNNING AND name=x":             false,
		"name=x OR status=RUNNING":              true,
		"(name=x) (status=RUNNING)":             false,
		"(name=x) OR (status=RUNNING)":          true,
		"name=x OR name=web-1 AND status=x":     false, // OR binds closer
		"zone=europe-west1-b":                   true,
		"tags.items=b":                          true,
		"scheduling.automaticRestart = false":   true,
		"sizeGb>100":                            true,
		"sizeGb<=100":                           false,
		"zone:europe":                           true,
		"(name eq web-1)(zone eq .*west1-b)":    true,
		`description eq "hakube: cluster=.*"`:   false,
		"creationTimestamp<'2020-01-01T00:00'":  false,
		"name=web-1 AND (id=12 OR id=13) id<20": true,
	} {
		f, err := parseFilter(filter)
		if err != nil {
			t.Errorf("%s: %v", filter, err)
		} else if f(o) != want {
			t.Errorf("%s: %v, want %v", filter, !want, want)
		}
	}
	for _, filter := range []string{"name", "name eq", "name eq [", "(name=x", "name=x)", "name ~ x", "= x y"} {
		if _, err := parseFilter(filter); err == nil {
			t.Errorf("%s: accepted", filter)
		}
	}
}

func TestPages(t *testing.T) {
	w := newWorld(t)
	for i := range 7 {
		w.made("POST", zoneB+"disks", obj{"name": fmt.Sprintf("d%d", i), "labels": obj{"odd": fmt.Sprint(i % 2)}})
	}
	read := func(path, query string, names func(obj) []string) []string {
		var all []string
		token := ""
		for {
			o := w.get(path + "?" + query + "&pageToken=" + token)
			all = append(all, names(o)...)
			if token = str(o, "nextPageToken"); token == "" {
				return all
			}
			token = url.QueryEscape(token)
		}
	}
	ofList := func(o obj) (out []string) {
		for _, i := range objects(o, "items") {
			out = append(out, str(i, "name"))
		}
		return out
	}
	ofScopes := func(o obj) (out []string) {
		for _, scope := range sortedKeys(sub(o, "items")) {
			one := sub(sub(o, "items"), scope)
			if w := sub(one, "warning"); w != nil && str(w, "code") != "NO_RESULTS_ON_PAGE" {
				t.Errorf("warning %v", w)
			}
			for _, i := range objects(one, "disks") {
				out = append(out, str(i, "name"))
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
	agg := sub(w.get("projects/p/aggregated/instances"), "items")
	for _, scope := range []string{"zones/europe-west1-b", "zones/us-central1-f"} {
		if str(sub(sub(agg, scope), "warning"), "code") != "NO_RESULTS_ON_PAGE" {
			t.Errorf("%s: %v", scope, agg[scope])
		}
	}
}
