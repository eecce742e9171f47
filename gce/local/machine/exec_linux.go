package machine

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"

	runc "github.com/containerd/go-runc"
	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// Exec runs a program on a machine as root and returns what it printed. It is
// for tests and for looking into a machine that ssh does not reach.
func (h *Host) Exec(ctx context.Context, id uint64, args ...string) ([]byte, error) {
	caps, err := capabilities()
	if err != nil {
		return nil, err
	}
	process := specs.Process{
		Args:         args,
		Cwd:          "/",
		Env:          []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LC_ALL=C.UTF-8"},
		Capabilities: &specs.LinuxCapabilities{Bounding: caps, Effective: caps, Permitted: caps},
	}
	var out bytes.Buffer
	err = h.runc.Exec(ctx, machineID(id), process, &runc.ExecOpts{IO: bufferIO{fileIO{}, &out}})
	if err != nil {
		return out.Bytes(), fmt.Errorf("running %v: %w: %s", args, err, bytes.TrimSpace(out.Bytes()))
	}
	return out.Bytes(), nil
}

// bufferIO collects what a program prints.
type bufferIO struct {
	fileIO
	out *bytes.Buffer
}

func (b bufferIO) Set(cmd *exec.Cmd) { cmd.Stdout, cmd.Stderr = b.out, b.out }
