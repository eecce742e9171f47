package vpc

import (
	"context"
	"net"
)

// Listen opens a listener inside the VPC, at one of [ruleset.Services]. Machines call
// it whatever the firewall says, and the remote address of a connection is the
// one they call from: the machine's own, or one of an alias range for a pod.
func (v *VPC) Listen(network, addr string) (l net.Listener, err error) {
	err = within(v.ns, func() (err error) {
		l, err = (&net.ListenConfig{}).Listen(context.Background(), network, addr)
		return err
	})
	return l, err
}

// ListenPacket is Listen for packets.
func (v *VPC) ListenPacket(network, addr string) (c net.PacketConn, err error) {
	err = within(v.ns, func() (err error) {
		c, err = (&net.ListenConfig{}).ListenPacket(context.Background(), network, addr)
		return err
	})
	return c, err
}
