package api

import "hakube/gce/emulator/internal/store"

// HoldLists lets lists show from now on what is there now, while gets and
// changes go on, until release is called: at Google a list may be behind by a
// moment. For tests.
func (s *Server) HoldLists() (release func()) {
	s.held.Store(s.Store.Frozen())
	return func() { s.held.Store(nil) }
}

// listed runs f over what lists show.
func (s *Server) listed(f func(*store.Tx)) {
	if held := s.held.Load(); held != nil {
		held.View(f)
		return
	}
	s.Store.View(f)
}
