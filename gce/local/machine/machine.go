package machine

import (
	"time"

	"hakube/gce/emulator"
)

// Options say where machines live and who makes their network.
type Options struct {
	// Dir holds disks and the state of running machines. It must be absolute
	// and on a plain file system (ext4, xfs, btrfs), not on an overlay.
	Dir string
	// Cache is the directory of the image cache.
	Cache string
	// Progress, if not nil, is told what takes long (building the image).
	Progress func(string)
	// NetNS makes the machine's network namespace, or finds it, and returns
	// its path. Called before the machine boots and when it is adopted.
	NetNS func(emulator.Machine) (path string, err error)
	// NetNSGone, if not nil, is told that the machine has ended and that the
	// namespace is free. It may be told more than once.
	NetNSGone func(emulator.Machine)
	// Trust is a certificate, as PEM, that machines trust from their start on.
	Trust []byte
	// StopLimit is how long an orderly shutdown may take before the machine is
	// cut off; 0 means the 90 s that Google gives.
	StopLimit time.Duration
	// Log, if not nil, is told what went wrong while nobody waited for it.
	Log func(error)
}

// metadataAddress is also the machine's name server, as on Google.
const metadataAddress = "169.254.169.254"

// serialLimit is how much of the serial output one call returns, as on Google.
const serialLimit = 1 << 20
