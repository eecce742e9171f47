package backend

import (
	"context"
	"net/netip"
)

// Nothing is the backend of a server without one: all that is asked for is so.
type Nothing struct{}

var (
	_ Backend     = Nothing{}
	_ Snapshotter = Nothing{} // disks hold nothing, and so do their copies
)

func (Nothing) CreateDisk(context.Context, Disk) error    { return nil }
func (Nothing) DeleteDisk(context.Context, Disk) error    { return nil }
func (Nothing) Start(context.Context, Machine) error      { return nil }
func (Nothing) Stop(context.Context, Machine, bool) error { return nil }
func (Nothing) GrowDisk(context.Context, Disk) error      { return nil }
func (Nothing) Suspend(context.Context, Machine) error    { return nil }
func (Nothing) Resume(context.Context, Machine) error     { return nil }
func (Nothing) Sync(context.Context, Network) error       { return nil }
func (Nothing) Serial(Machine, int64) ([]byte, error)     { return nil, nil }
func (Nothing) Watch(func(MachineKey))                    {}
func (Nothing) Close() error                              { return nil }

func (Nothing) Health(b Balancer) (map[netip.Addr]bool, error) { return nil, nil }

func (Nothing) AttachDisk(context.Context, Machine, Attachment) error { return nil }
func (Nothing) DetachDisk(context.Context, Machine, Attachment) error { return nil }

func (Nothing) CreateSnapshot(context.Context, Snapshot, Disk) error { return nil }
func (Nothing) DeleteSnapshot(context.Context, Snapshot) error       { return nil }
