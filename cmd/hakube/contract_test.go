package main

import (
	"errors"
	"io/fs"
	"os"
	"strings"
	"sync"
	"testing"
)

// heldIn reads what embedded GCEs have written for HAKUBE_LOCAL_CONTRACT: the
// methods of Compute Engine that hakube used, and what in its requests and in
// the answers does not fit Google's description.
func heldIn(t *testing.T, record string) (used map[string]bool, broken []string) {
	t.Helper()
	b, err := os.ReadFile(record)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil // none was started
	}
	if err != nil {
		t.Error(err)
	}
	used = map[string]bool{}
	for line := range strings.Lines(string(b)) {
		switch what, text, _ := strings.Cut(strings.TrimSpace(line), " "); what {
		case "used":
			used[text] = true
		default:
			broken = append(broken, text)
		}
	}
	return used, broken
}

// A holding adds up the records of many stories, some of which run at once.
type holding struct {
	mu      sync.Mutex
	records int
	used    map[string]bool
}

// add fails t with what is broken.
func (h *holding) add(t *testing.T, record string) {
	used, broken := heldIn(t, record)
	for _, b := range broken {
		t.Error(b)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if used == nil {
		return
	}
	h.records++
	if h.used == nil {
		h.used = map[string]bool{}
	}
	for m := range used {
		h.used[m] = true
	}
}
