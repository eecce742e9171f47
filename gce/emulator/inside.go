package emulator

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"hakube/gce/emulator/internal/api"
	"hakube/gce/emulator/internal/doc"
	"hakube/gce/emulator/internal/store"
)

// Ask answers a request as the API does, from within this process: it is not
// counted, and no fault befalls it. path is that of the API from "projects/" on.
func (s *Server) Ask(method, path string, body map[string]any) (map[string]any, error) {
	text, err := json.Marshal(body)
	if err != nil {
		return nil, fmt.Errorf("asking for %s: %w", path, err)
	}
	if body == nil {
		text = nil
	}
	r, err := http.NewRequestWithContext(s.core.Context, method, "/compute/v1/"+path, bytes.NewReader(text))
	if err != nil {
		return nil, fmt.Errorf("asking for %s: %w", path, err)
	}
	m, params := s.core.Route(method, r.URL.Path)
	status, out := s.core.Do(r, m, params, api.Fault{})
	if status != http.StatusOK {
		return nil, errors.New(doc.Str(doc.Sub(out, "error"), "message"))
	}
	return out, nil
}

// Operations are those of all projects that are under way, and the latest others:
// n at most, the newest first.
func (s *Server) Operations(n int) []Object {
	var all []Object
	s.core.Store.View(func(t *store.Tx) {
		for r, o := range t.Stored("projects/") {
			if r.Kind() == "operations" {
				all = append(all, Object{string(r), o})
			}
		}
	})
	over := func(o Object) int {
		if doc.Str(o.Doc, "status") == "DONE" {
			return 1
		}
		return 0
	}
	slices.SortFunc(all, func(a, b Object) int {
		if d := over(a) - over(b); d != 0 {
			return d
		}
		return strings.Compare(doc.Str(b.Doc, "insertTime"), doc.Str(a.Doc, "insertTime"))
	})
	return all[:min(n, len(all))]
}
