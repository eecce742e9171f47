package model

import (
	"errors"
	"net"
	"syscall"
	"testing"
)

// TestNobodyElseIsMeant: a connection to a model machine's external address that does
// not go through the daemon ends in this kernel. With an address that is somebody's it
// would leave by the default route, as gcloud's ssh did, for whoever answers there.
func TestNobodyElseIsMeant(t *testing.T) {
	h, err := NewHost(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer h.Backend.Close()
	if !h.External.Addr().IsMulticast() || h.External.Bits() > 16 {
		t.Errorf("external addresses are of %s", h.External)
	}
	var d net.Dialer
	c, err := d.DialContext(t.Context(), "tcp", net.JoinHostPort(h.External.Addr().Next().String(), "22"))
	if err == nil {
		c.Close()
		t.Fatal("somebody answers")
	}
	var why syscall.Errno
	if !errors.As(err, &why) || why == syscall.ETIMEDOUT || why == syscall.ECONNREFUSED {
		t.Errorf("%v: not refused by this kernel before anything was sent", err)
	}
}
