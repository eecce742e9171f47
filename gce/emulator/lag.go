package emulator

import "maps"

// HoldLists lets lists show from now on what is there now, while gets and
// changes go on, until release is called: at Google a list may be behind by a
// moment. For tests.
func (s *Server) HoldLists() (release func()) {
	held := &store{colls: map[string]map[string]obj{}}
	s.store.view(func(t *tx) {
		for c, docs := range t.s.colls {
			held.colls[c] = maps.Clone(docs) // documents are never changed, but replaced
		}
	})
	s.held.Store(held)
	return func() { s.held.Store(nil) }
}

// listed runs f over what lists show.
func (s *Server) listed(f func(*tx)) {
	if held := s.held.Load(); held != nil {
		f(&tx{s: held})
		return
	}
	s.store.view(f)
}
