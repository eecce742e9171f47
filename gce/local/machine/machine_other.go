//go:build !linux

package machine

import (
	"context"
	"errors"

	"hakube/gce/emulator"
	"hakube/scripts/cure"
)

// errNotLinux is what every method answers here.
var errNotLinux = &Error{errors.New("real machines need Linux"),
	cure.Hint("use model machines", cure.LocalModel())}

// A Host runs machines, on Linux only.
type Host struct{}

// New says that real machines need Linux.
func New(Options) (*Host, error) { return nil, errNotLinux }

// Watch does nothing here.
func (h *Host) Watch(func(emulator.MachineKey)) {}

// CreateDisk returns an error here.
func (h *Host) CreateDisk(context.Context, emulator.Disk) error { return errNotLinux }

// DeleteDisk returns an error here.
func (h *Host) DeleteDisk(context.Context, emulator.Disk) error { return errNotLinux }

// Start returns an error here.
func (h *Host) Start(context.Context, emulator.Machine) error { return errNotLinux }

// Stop returns an error here.
func (h *Host) Stop(context.Context, emulator.Machine, bool) error { return errNotLinux }

// AttachDisk returns an error here.
func (h *Host) AttachDisk(context.Context, emulator.Machine, emulator.Attachment) error {
	return errNotLinux
}

// DetachDisk returns an error here.
func (h *Host) DetachDisk(context.Context, emulator.Machine, emulator.Attachment) error {
	return errNotLinux
}

// GrowDisk returns an error here.
func (h *Host) GrowDisk(context.Context, emulator.Disk) error { return errNotLinux }

// Suspend returns an error here.
func (h *Host) Suspend(context.Context, emulator.Machine) error { return errNotLinux }

// Resume returns an error here.
func (h *Host) Resume(context.Context, emulator.Machine) error { return errNotLinux }

// Serial returns an error here.
func (h *Host) Serial(emulator.Machine, int64) ([]byte, error) { return nil, errNotLinux }

// Exec returns an error here.
func (h *Host) Exec(context.Context, uint64, ...string) ([]byte, error) { return nil, errNotLinux }

// Close has nothing to let go of here.
func (h *Host) Close() error { return nil }

// Sweep has nothing to remove here.
func Sweep(context.Context, string) error { return nil }

// Mounts are none that machines make.
func Mounts(string) ([]string, error) { return nil, nil }

// Leftovers are none here.
func Leftovers(string) []string { return nil }
