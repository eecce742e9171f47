package emulator

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
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
	r, err := http.NewRequestWithContext(s.ctx, method, "/compute/v1/"+path, bytes.NewReader(text))
	if err != nil {
		return nil, fmt.Errorf("asking for %s: %w", path, err)
	}
	m, params := s.route(method, r.URL.Path)
	status, out := s.do(r, m, params, Fault{})
	if status != http.StatusOK {
		return nil, errors.New(str(sub(out, "error"), "message"))
	}
	return out, nil
}

// Operations are those of all projects that are under way, and the latest others:
// n at most, the newest first.
func (s *Server) Operations(n int) []Object {
	var all []Object
	s.store.view(func(t *tx) {
		for r, o := range t.stored("projects/") {
			if r.kind() == "operations" {
				all = append(all, Object{string(r), o})
			}
		}
	})
	over := func(o Object) int {
		if str(o.Doc, "status") == "DONE" {
			return 1
		}
		return 0
	}
	slices.SortFunc(all, func(a, b Object) int {
		if d := over(a) - over(b); d != 0 {
			return d
		}
		return strings.Compare(str(b.Doc, "insertTime"), str(a.Doc, "insertTime"))
	})
	return all[:min(n, len(all))]
}
