package emulator

import (
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"hakube/gce/emulator/internal/api"
	"hakube/gce/emulator/internal/discovery"
	"hakube/gce/emulator/internal/doc"
)

// TestPagesWhileObjectsComeAndGo: what is there all the time is in a list that is
// read page by page once, whatever is made and deleted between two pages.
func TestPagesWhileObjectsComeAndGo(t *testing.T) {
	w := newWorld(t)
	disk := func(name string) { w.made("POST", zoneB+"disks", doc.Obj{"name": name, "sizeGb": "10"}) }
	for _, list := range []string{zoneB + "disks", "projects/p/aggregated/disks"} {
		for _, order := range []string{"", "name", "creationTimestamp desc"} {
			t.Run(list+" by "+order, func(t *testing.T) {
				for i := range 6 {
					disk(fmt.Sprintf("d%d", i*2))
				}
				seen, token := map[string]int{}, ""
				for page := 0; ; page++ {
					o := w.get(list + "?maxResults=2&orderBy=" + url.QueryEscape(order) + "&pageToken=" + url.QueryEscape(token))
					items := doc.Objects(o, "items")
					if strings.Contains(list, "aggregated") {
						items = doc.Objects(doc.Sub(doc.Sub(o, "items"), "zones/europe-west1-b"), "disks")
					}
					for _, i := range items {
						seen[doc.Str(i, "name")]++
					}
					if page == 0 { // one that was shown goes, and one comes before it
						w.made("DELETE", zoneB+"disks/"+doc.Str(items[0], "name"), nil)
						disk("d1")
						delete(seen, doc.Str(items[0], "name"))
					}
					if token = doc.Str(o, "nextPageToken"); token == "" {
						break
					}
				}
				here := 0
				for _, o := range doc.Objects(w.get(zoneB+"disks"), "items") {
					name := doc.Str(o, "name")
					if n := seen[name]; n != 1 && name != "d1" || n > 1 {
						t.Errorf("%s was shown %d times", name, n)
					}
					here++
					w.made("DELETE", zoneB+"disks/"+name, nil)
				}
				if here != 6 {
					t.Errorf("%d disks", here)
				}
			})
		}
	}
	token := doc.Str(w.get("projects/p/global/networks?maxResults=1"), "nextPageToken")
	if token != "" {
		w.refused(400, "invalid", "GET", "projects/p/global/networks?orderBy=creationTimestamp+desc&pageToken="+token, nil)
	}
	w.refused(400, "invalid", "GET", zoneB+"disks?orderBy=sizeGb", nil)
}

// TestManagedInstancesInPages: in pages where the group says so, else at once.
func TestManagedInstancesInPages(t *testing.T) {
	w := newWorld(t)
	w.subnet()
	w.template("tmpl")
	w.made("POST", zoneB+"instanceGroupManagers", doc.Obj{"name": "g", "targetSize": 3, "instanceTemplate": "global/instanceTemplates/tmpl", "listManagedInstancesResults": "PAGINATED"})
	w.stable("g", 3)
	for _, list := range []struct{ path, items string }{
		{zoneB + "instanceGroupManagers/g/listManagedInstances", "managedInstances"}, {zoneB + "instanceGroups/g/listInstances", "items"},
	} {
		_, first := w.send("POST", list.path+"?maxResults=2", doc.Obj{})
		_, rest := w.send("POST", list.path+"?maxResults=2&pageToken="+doc.Str(first, "nextPageToken"), doc.Obj{})
		if len(doc.Objects(first, list.items)) != 2 || len(doc.Objects(rest, list.items)) != 1 || doc.Has(rest, "nextPageToken") {
			t.Errorf("%s: %v, then %v", list.path, first, rest)
		}
	}
	w.made("PATCH", zoneB+"instanceGroupManagers/g", doc.Obj{"listManagedInstancesResults": "PAGELESS"})
	if _, o := w.send("POST", zoneB+"instanceGroupManagers/g/listManagedInstances?maxResults=2", doc.Obj{}); len(doc.Objects(o, "managedInstances")) != 3 {
		t.Errorf("of a group without pages: %v", o)
	}
}

// TestEveryParameter holds each query parameter of each method that is there to
// its three ways: read by its name, idle for a reason, or refused.
func TestEveryParameter(t *testing.T) {
	w := newWorld(t)
	source := ""
	files, err := filepath.Glob("internal/*/*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		raw, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		source += string(raw)
	}
	checked := 0
	for id := range w.s.core.Methods {
		m := discovery.Load().Methods[id]
		for name, p := range m.Parameters {
			if p.Location != "query" || slices.Contains(api.Idle, name) {
				continue
			}
			checked++
			if _, refused := api.NotWritten[name]; !refused {
				if !strings.Contains(source, `Query.Get("`+name+`")`) && !strings.Contains(source, `Says("`+name+`")`) {
					t.Errorf("%s: nothing reads %s, and nothing refuses it", id, name)
				}
				continue
			}
			value := map[string]string{"boolean": "true", "integer": "7", "number": "7"}[p.Type]
			if value == "" {
				value = "7"
			}
			if len(p.Enum) > 0 {
				value = p.Enum[len(p.Enum)-1]
			}
			path := strings.NewReplacer("{project}", "p", "{zone}", "europe-west1-b", "{region}", "europe-west1").Replace(m.Path)
			for i, s := range strings.Split(path, "/") {
				if strings.HasPrefix(s, "{") {
					path = strings.Replace(path, s, fmt.Sprintf("x%d", i), 1)
				}
			}
			if status, o := w.send(m.HTTP, path+"?"+name+"="+value, nil); status < 400 || !strings.Contains(message(o), name) {
				t.Errorf("%s with %s=%s: %d %v", id, name, value, status, o)
			}
		}
	}
	if checked < 300 {
		t.Errorf("only %d parameters looked at", checked)
	}
}

// TestParametersOfAll: those of no method and all do what the document says.
func TestParametersOfAll(t *testing.T) {
	w := newWorld(t)
	w.subnet()
	w.made("POST", zoneB+"disks", doc.Obj{"name": "d", "sizeGb": "10", "labels": doc.Obj{"a": "b"}})
	for query, want := range map[string]string{
		"fields=name":                     `{"name":"d"}`,
		"fields=name,labels/a":            `{"labels":{"a":"b"},"name":"d"}`,
		"fields=name,labels(a),sizeGb":    `{"labels":{"a":"b"},"name":"d","sizeGb":"10"}`,
		"fields=labels/*":                 `{"labels":{"a":"b"}}`,
		"fields=kind&prettyPrint=false":   `{"kind":"compute#disk"}`,
		"fields=users":                    `{}`,
		"alt=json&key=x&quotaUser=me":     "",
		"$alt=json%3Benum-encoding%3Dint": "",
	} {
		o := w.get(zoneB + "disks/d?" + query)
		if js, _ := json.Marshal(o); want != "" && string(js) != want || doc.Str(o, "name") == "" && want == "" {
			t.Errorf("%s: %s, want %s", query, js, want)
		}
	}
	list := w.get("projects/p/aggregated/disks?fields=items/*/disks(name)")
	if js, _ := json.Marshal(doc.Sub(doc.Sub(list, "items"), "zones/europe-west1-b")); string(js) != `{"disks":[{"name":"d"}]}` || len(list) != 1 {
		t.Errorf("fields of an aggregated list: %s", js)
	}
	for _, bad := range []string{"fields=nme", "fields=name(", "fields=labels/a)", "fields=,", "alt=proto", "callback=f", "maxResult=3", "$.xgafv=2"} {
		if status, o := w.send("GET", zoneB+"disks?"+bad, nil); status < 400 {
			t.Errorf("%s: %v", bad, o)
		}
	}
	if n := len(doc.Sub(w.get("projects/p/aggregated/disks?includeAllScopes=true"), "items")); n != len(doc.Scopes()) {
		t.Errorf("%d of all %d scopes", n, len(doc.Scopes()))
	}
	status, _ := w.send("DELETE", zoneB+"disks/d?fields=nme", nil)
	if w.get(zoneB + "disks/d"); status != 400 {
		t.Errorf("a change with fields there are not: %d", status)
	}
	for query, lines := range map[string]bool{"": true, "?prettyPrint=true": true, "?prettyPrint=false": false} {
		raw := w.text(zoneB + "disks/d" + query)
		if strings.Contains(raw, "\n  \"name\": \"d\"") != lines || !lines && strings.Contains(raw, ": ") {
			t.Errorf("%s: %s", query, raw)
		}
	}
}

// text is an answer as it comes.
func (w *world) text(path string) string {
	w.t.Helper()
	resp, err := w.web.Client().Get(w.web.URL + "/compute/v1/" + path)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return string(raw)
}
