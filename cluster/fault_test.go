package cluster

import (
	"errors"
	"net/http"
	"strings"
	"sync/atomic"

	"hakube/gce/emulator"
)

var errKilled = errors.New("killed")

// A cut is what befalls the k-th changing call of a run.
type cut struct {
	name string
	// dies is set when the process is gone with that call: nothing it asks for
	// later reaches the cloud.
	dies  bool
	fault emulator.Fault
}

var cuts = []cut{
	{"before", true, emulator.Fault{CutBefore: true}},
	{"after", true, emulator.Fault{CutAfter: true}},
	{"operation", false, emulator.Fault{Operation: quotaExceeded}},
	{"busy", false, emulator.Fault{Status: http.StatusServiceUnavailable}},
}

// cutAt lets c happen at the k-th changing call from now on. stop is called
// when the process dies; hit tells whether that many calls were made at all.
func (w *world) cutAt(k int64, c cut, stop func()) (hit func() bool) {
	var n atomic.Int64
	var dead atomic.Bool
	w.setFault(func(r *http.Request) emulator.Fault {
		switch {
		case dead.Load():
			return emulator.Fault{CutBefore: true}
		case emulator.IsChange(r) && n.Add(1) == k:
			if c.dies {
				dead.Store(true)
				stop()
			}
			return c.fault
		}
		return emulator.Fault{}
	})
	return func() bool { return n.Load() >= k }
}

// setFault asks f about each request to the cloud from now on.
func (w *world) setFault(f func(*http.Request) emulator.Fault) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.fault = f
}

// failing lets changing calls to paths with that end fail for lack of quota.
func failing(end string) func(*http.Request) emulator.Fault {
	return func(r *http.Request) emulator.Fault {
		if emulator.IsChange(r) && r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, end) {
			return emulator.Fault{Operation: quotaExceeded}
		}
		return emulator.Fault{}
	}
}
