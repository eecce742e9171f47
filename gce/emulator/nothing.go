package emulator

import (
	"context"
	"net/netip"
)

// nothing is the backend of a server without one: all that is asked for is so.
type nothing struct{}

var (
	_ Backend     = nothing{}
	_ Snapshotter = nothing{} // disks hold nothing, and so do their copies
)

func (nothing) CreateDisk(context.Context, Disk) error    { return nil }
func (nothing) DeleteDisk(context.Context, Disk) error    { return nil }
func (nothing) Start(context.Context, Machine) error      { return nil }
func (nothing) Stop(context.Context, Machine, bool) error { return nil }
func (nothing) Sync(context.Context, Network) error       { return nil }
func (nothing) Serial(Machine, int64) ([]byte, error)     { return nil, nil }
func (nothing) Watch(func(MachineKey))                    {}
func (nothing) Close() error                              { return nil }

func (nothing) Health(b Balancer) (map[netip.Addr]bool, error) { return nil, nil }

func (nothing) CreateSnapshot(context.Context, Snapshot, Disk) error { return nil }
func (nothing) DeleteSnapshot(context.Context, Snapshot) error       { return nil }
