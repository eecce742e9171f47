//go:build linux

package main

import (
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// A still tells when the host stood still for its machines: a process that is no part of them
// writes a file through to the disk ten times a second, and what that takes longer is nothing
// that a cluster could have done better. What users are promised in seconds is judged with it.
type still struct {
	mu   sync.Mutex
	gaps []gap
}

// A gap is a time in which the process got nowhere.
type gap struct{ begin, end time.Time }

const (
	stillEvery = 100 * time.Millisecond
	stillLeast = 500 * time.Millisecond // less is no gap
)

func newStill(t *testing.T) *still {
	t.Helper()
	s := &still{}
	file, err := os.Create(filepath.Join(t.TempDir(), "still"))
	must(t, err)
	end := make(chan struct{})
	var work sync.WaitGroup
	work.Go(func() {
		for begin := time.Now(); ; begin = time.Now() {
			select {
			case <-end:
				return
			case <-time.After(stillEvery):
			}
			_, err := file.WriteAt([]byte(begin.String()), 0)
			if err == nil {
				err = file.Sync()
			}
			if err != nil {
				t.Errorf("writing to see whether the host stands still: %v", err)
				return
			}
			if now := time.Now(); now.Sub(begin) > stillEvery+stillLeast {
				s.mu.Lock()
				s.gaps = append(s.gaps, gap{begin, now})
				s.mu.Unlock()
			}
		}
	})
	t.Cleanup(func() { close(end); work.Wait(); _ = file.Close() }) // what is in it is nobody's
	return s
}

// longest is the longest time the host stood still since a moment.
func (s *still) longest(since time.Time) (longest time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, g := range s.gaps {
		if g.end.After(since) {
			longest = max(longest, g.end.Sub(g.begin))
		}
	}
	return longest
}

// excuses tells whether the host stood still for a second and more while something was waited
// for that came to its limit at a moment.
func (s *still) excuses(limit time.Duration, at time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, g := range s.gaps {
		if g.end.Sub(g.begin) > time.Second && g.begin.Before(at) && g.end.After(at.Add(-limit)) {
			return true
		}
	}
	return false
}
