//go:build !linux

package vpc

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"

	"hakube/gce/emulator"
)

// errUnsupported is all there is to say here.
var errUnsupported = fmt.Errorf("real machines need Linux: %w", errors.ErrUnsupported)

// A VPC is the network behind the embedded GCE. It needs Linux: everywhere
// else New fails.
type VPC struct{}

// New fails: there are no network namespaces here.
func New(Options) (*VPC, error) { return nil, errUnsupported }

// Machine fails.
func (*VPC) Machine(emulator.Machine) (string, error) { return "", errUnsupported }

// Release fails.
func (*VPC) Release(emulator.Machine) error { return errUnsupported }

// Sync fails.
func (*VPC) Sync(context.Context, emulator.Network) error { return errUnsupported }

// Health fails.
func (*VPC) Health(emulator.Balancer) (map[netip.Addr]bool, error) { return nil, errUnsupported }

// From knows nobody.
func (*VPC) From(a netip.Addr) (emulator.Network, netip.Addr) { return emulator.Network{}, a }

// Listen fails.
func (*VPC) Listen(string, string) (net.Listener, error) { return nil, errUnsupported }

// ListenPacket fails.
func (*VPC) ListenPacket(string, string) (net.PacketConn, error) { return nil, errUnsupported }

// Close does nothing.
func (*VPC) Close() error { return nil }

// Sweep has nothing to remove.
func Sweep(Options) error { return nil }

// Leftovers are none.
func Leftovers(Options) ([]string, error) { return nil, nil }
