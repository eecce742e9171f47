package discovery

import (
	"strings"
	"testing"
)

// TestRoutes asks each method's own path.
func TestRoutes(t *testing.T) {
	api := Load()
	if len(api.Methods) < 200 {
		t.Fatalf("only %d methods", len(api.Methods))
	}
	for id, m := range api.Methods {
		path := strings.NewReplacer("{", "", "}", "").Replace(m.Path)
		got, params := api.Route(m.HTTP, path)
		if got == nil || got.ID != id {
			t.Errorf("%s %s leads to %v", m.HTTP, path, got)
			continue
		}
		if o := m.Object(); params[o] != o {
			t.Errorf("%s: parameters %v", id, params)
		}
	}
	if m, _ := api.Route("GET", "projects/p/global/wonders"); m != nil {
		t.Errorf("a path that does not exist leads to %s", m.ID)
	}
}

func TestReads(t *testing.T) {
	for id, want := range map[string]bool{
		"instances.list": true, "instances.get": true, "zoneOperations.wait": true, "instanceGroupManagers.listManagedInstances": true,
		"instances.insert": false, "instances.setLabels": false, "firewalls.patch": false, "zoneOperations.delete": false,
	} {
		if m := Load().Methods[id]; m.Reads() != want {
			t.Errorf("%s reads: %v", id, !want)
		}
	}
}
