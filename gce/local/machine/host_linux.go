package machine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"

	runc "github.com/containerd/go-runc" // the OCI runtime, as containerd itself calls it
	"golang.org/x/sys/unix"

	"hakube/gce/emulator"
	"hakube/gce/local/fence"
	"hakube/scripts/cure"
)

// A Host runs machines. Its methods are those of emulator.Backend but for the
// network; they may be called at the same time.
type Host struct {
	Options
	runc *runc.Runc

	mu     sync.Mutex
	closed bool
	exited func(emulator.MachineKey)
	runs   map[uint64]*run        // by machine id
	locks  map[uint64]*sync.Mutex // one change of a machine at a time
}

// errClosing ends a wait for a machine that this process has let go of.
var errClosing = errors.New("this daemon is closing")

// New checks that machines can run here. It starts and adopts nothing.
func New(o Options) (*Host, error) {
	if o.StopLimit == 0 {
		o.StopLimit = 90 * time.Second
	}
	if o.Log == nil {
		o.Log = func(error) {}
	}
	if !filepath.IsAbs(o.Dir) {
		return nil, fmt.Errorf("opening machines: directory %q is not absolute", o.Dir)
	}
	if os.Geteuid() != 0 {
		return nil, &Error{errors.New("real machines need root"),
			cure.Hint("run as root, or use model machines", cure.LocalModel())}
	}
	if _, err := exec.LookPath(runc.DefaultCommand); err != nil {
		return nil, &Error{fmt.Errorf("looking for runc: %w", err), "apt-get install runc"}
	}
	if err := fence.Able(); err != nil {
		return nil, &Error{fmt.Errorf("looking whether machines can be fenced in: %w", err),
			cure.Hint("use a kernel with BPF programs for control groups (CONFIG_CGROUP_BPF, 5.2 or newer) and cgroup2 mounted, "+
				"or use model machines", cure.LocalModel())}
	}
	for _, dir := range []string{disksDir(o.Dir), machinesDir(o.Dir), runcDir(o.Dir)} {
		if err := os.MkdirAll(dir, 0o711); err != nil {
			return nil, fmt.Errorf("opening machines: %w", err)
		}
	}
	// The kernel names mounts and files of loop devices without links.
	dir, err := filepath.EvalSymlinks(o.Dir)
	if err != nil {
		return nil, fmt.Errorf("opening machines: %w", err)
	}
	o.Dir = dir
	return &Host{Options: o, runc: newRunc(o.Dir), runs: map[uint64]*run{}, locks: map[uint64]*sync.Mutex{}}, nil
}

// newRunc is the client for the machines below dir. Setpgid keeps a Ctrl-C on
// the daemon's terminal away from a runc at work.
func newRunc(dir string) *runc.Runc {
	return &runc.Runc{Root: runcDir(dir), Setpgid: true}
}

func disksDir(dir string) string    { return filepath.Join(dir, "disks") }
func machinesDir(dir string) string { return filepath.Join(dir, "run", "machines") }
func runcDir(dir string) string     { return filepath.Join(dir, "run", "runc") }

// Watch sets who is told that a machine ended by itself. Call it first.
func (h *Host) Watch(exited func(emulator.MachineKey)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.exited = exited
}

// Start boots the machine and returns when its init process runs. A machine
// that runs already, also one of an earlier process, is adopted as it is.
func (h *Host) Start(ctx context.Context, m emulator.Machine) error {
	for {
		unlock := h.lock(m.ID)
		r, err := h.find(ctx, m.ID)
		if err != nil {
			unlock()
			return fmt.Errorf("looking for machine %s: %w", m.Name, err)
		}
		if r == nil {
			defer unlock()
			if err := h.boot(ctx, m); err != nil {
				return fmt.Errorf("starting machine %s: %w", m.Name, err)
			}
			return nil
		}
		if !r.ending.Load() {
			defer unlock()
			r.update(m)
			if h.NetNS != nil {
				if _, err := h.NetNS(m); err != nil {
					return fmt.Errorf("adopting machine %s: %w", m.Name, err)
				}
			}
			return nil
		}
		unlock()
		select { // it is on its way out: boot it again when it is gone
		case <-r.done:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Stop ends the machine, in an orderly way first if graceful, and returns when
// nothing of it is left but its disks. A machine that does not run is no error.
func (h *Host) Stop(ctx context.Context, m emulator.Machine, graceful bool) error {
	unlock := h.lock(m.ID)
	r, err := h.find(ctx, m.ID)
	if err == nil && r == nil {
		err = h.clean(ctx, m)
		if h.NetNSGone != nil {
			h.NetNSGone(m)
		}
	}
	if err != nil || r == nil {
		unlock()
		if err != nil {
			return fmt.Errorf("stopping machine %s: %w", m.Name, err)
		}
		return nil
	}
	r.stopping.Store(true)
	r.ending.Store(true)
	if still, err := h.still(ctx, m.ID); err != nil || still {
		graceful = false // it could not hear of a shutdown
		if err == nil {
			err = errors.Join(r.signal(unix.SIGKILL), h.runc.Resume(ctx, machineID(m.ID)))
		}
		if err != nil {
			unlock()
			return fmt.Errorf("stopping machine %s, which is suspended: %w", m.Name, err)
		}
	}
	unlock()
	var press func(context.Context) error
	if graceful {
		press = func(ctx context.Context) error { return h.press(ctx, r) }
	}
	if err := r.end(ctx, press, h.StopLimit); err != nil {
		return fmt.Errorf("stopping machine %s: %w", m.Name, err)
	}
	return nil
}

// press presses the machine's power button, on which its logind tells the programs that
// asked for it, kubelet among them, and waits for them before systemd ends anything. A
// machine that is too young for that, or whose logind does not answer, hears systemd's
// own signal: there is no button to which one would not listen.
func (h *Host) press(ctx context.Context, r *run) error {
	asking, cancel := context.WithTimeout(ctx, buttonLimit)
	defer cancel()
	if _, err := h.Exec(asking, r.current().ID, "busctl", "call", "org.freedesktop.login1", "/org/freedesktop/login1", "org.freedesktop.login1.Manager", "PowerOff", "b", "false"); err == nil {
		return nil
	}
	return r.signal(haltSignal)
}

// buttonLimit is how long logind may take to hear of the button, not to act on it.
const buttonLimit = 30 * time.Second

// Suspend lets the machine stand still, with all it has in memory.
func (h *Host) Suspend(ctx context.Context, m emulator.Machine) error {
	err := h.changing(ctx, m, func(*run) error {
		if still, err := h.still(ctx, m.ID); err != nil || still {
			return err
		}
		return h.runc.Pause(ctx, machineID(m.ID))
	})
	if err != nil {
		return fmt.Errorf("suspending machine %s: %w", m.Name, err)
	}
	return nil
}

// Resume lets a suspended machine go on. One whose memory is lost, since this host
// was restarted meanwhile, boots.
func (h *Host) Resume(ctx context.Context, m emulator.Machine) error {
	if err := h.Start(ctx, m); err != nil {
		return err
	}
	err := h.changing(ctx, m, func(*run) error {
		if still, err := h.still(ctx, m.ID); err != nil || !still {
			return err
		}
		return h.runc.Resume(ctx, machineID(m.ID))
	})
	if err != nil {
		return fmt.Errorf("resuming machine %s: %w", m.Name, err)
	}
	return nil
}

// still reports whether a machine is suspended.
func (h *Host) still(ctx context.Context, id uint64) (bool, error) {
	state, err := h.runc.State(ctx, machineID(id))
	if err != nil {
		return false, fmt.Errorf("looking whether it is suspended: %w", err)
	}
	return state.Status == "paused", nil
}

// Close lets go of the machines, which keep running.
func (h *Host) Close() error {
	h.mu.Lock()
	h.closed = true
	runs := h.runs
	h.runs = map[uint64]*run{}
	h.mu.Unlock()
	for _, r := range runs {
		r.letGo()
	}
	return nil
}

// lock keeps others from changing the machine until the returned function is called.
func (h *Host) lock(id uint64) (unlock func()) {
	h.mu.Lock()
	l := h.locks[id]
	if l == nil {
		l = new(sync.Mutex)
		h.locks[id] = l
	}
	h.mu.Unlock()
	l.Lock()
	return l.Unlock
}

// find returns the machine if it runs, adopting it where an earlier process
// started it. The machine's lock is held.
func (h *Host) find(ctx context.Context, id uint64) (*run, error) {
	h.mu.Lock()
	r, closed := h.runs[id], h.closed
	h.mu.Unlock()
	if closed {
		return nil, errClosing
	}
	if r != nil {
		return r, nil
	}
	return h.adopt(ctx, id)
}
