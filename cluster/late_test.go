package cluster

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// TestLateSSH: a new master's script is through before its sshd listens, as with
// Google's agent of today on a busy machine: it is waited for, and not taken back.
func TestLateSSH(t *testing.T) {
	w, _ := newModelWorld(t)
	var mu sync.Mutex
	known, refused := map[string]bool{}, 0
	late := false
	dial := w.dial
	w.dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
		mu.Lock()
		if late && strings.HasSuffix(addr, ":22") && !known[addr] && refused < 20 {
			refused++
			mu.Unlock()
			return nil, fmt.Errorf("dial tcp %s: %w", addr, syscall.ECONNREFUSED)
		}
		known[addr] = true
		mu.Unlock()
		return dial(ctx, network, addr)
	}
	o := w.operator()
	w.mustUp(o.shell(t, nil))
	mu.Lock()
	late = true
	mu.Unlock()
	if s := w.mustUp(o.replica(zoneC)); s.Replica == "" {
		t.Errorf("%+v", s)
	}
	if refused != 20 {
		t.Errorf("ssh was tried %d times, so nothing was late", refused)
	}
}
