package machine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"hakube/gce/emulator"
)

// haltSignal is SIGRTMIN+3, on which systemd shuts down and halts (systemd(1)).
const haltSignal = unix.Signal(34 + 3)

// A run is one life of a machine, from boot to halt, as this process holds it.
type run struct {
	id string
	// process is a pidfd: unlike a process id it never comes to mean another one.
	process  *os.File
	stopping atomic.Bool   // Stop asked for the end
	ending   atomic.Bool   // the end was asked for or has been seen
	done     chan struct{} // closed when nothing of the machine is left
	err      error         // of the cleaning; read it after done

	mu      sync.Mutex
	machine emulator.Machine // as last seen by Start
}

func (r *run) update(m emulator.Machine) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.machine = m
}

func (r *run) current() emulator.Machine {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.machine
}

// letGo makes the watching end; the machine runs on.
func (r *run) letGo() { _ = r.process.Close() } // closing a pidfd loses nothing

// signal sends sig to init. A machine that has ended already is no error.
func (r *run) signal(sig unix.Signal) error {
	conn, err := r.process.SyscallConn()
	if err != nil {
		return err
	}
	var sent error
	if err := conn.Control(func(fd uintptr) { sent = unix.PidfdSendSignal(int(fd), sig, nil, 0) }); err != nil {
		if errors.Is(err, fs.ErrClosed) || errors.Is(err, os.ErrClosed) {
			return nil
		}
		return err
	}
	if errors.Is(sent, unix.ESRCH) {
		return nil
	}
	return sent
}

// end stops the machine and waits until nothing is left of it. press is its power
// button; nil is to pull the plug.
func (r *run) end(ctx context.Context, press func(context.Context) error, limit time.Duration) error {
	if press != nil {
		if err := press(ctx); err != nil {
			return fmt.Errorf("asking it to halt: %w", err)
		}
		timer := time.NewTimer(limit)
		defer timer.Stop()
		select {
		case <-r.done:
			return r.err
		case <-ctx.Done():
			return ctx.Err()
		case <-timer.C:
		}
	}
	if err := r.signal(unix.SIGKILL); err != nil {
		return fmt.Errorf("killing it: %w", err)
	}
	select {
	case <-r.done:
		return r.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// hold begins to watch the machine whose init process is pid. The machine's
// lock is held, and the process was seen alive after its pidfd was opened.
func (h *Host) hold(m emulator.Machine, process *os.File) {
	r := &run{id: machineID(m.ID), process: process, done: make(chan struct{}), machine: m}
	h.mu.Lock()
	h.runs[m.ID] = r
	h.mu.Unlock()
	go h.wait(r)
}

// openProcess opens a pidfd that the runtime's poller can wait on.
func openProcess(pid int) (*os.File, error) {
	fd, err := unix.PidfdOpen(pid, unix.PIDFD_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("opening process %d: %w", pid, err)
	}
	return os.NewFile(uintptr(fd), fmt.Sprintf("pidfd of %d", pid)), nil
}

// ended waits until the process has ended; false means that it was let go.
func ended(process *os.File) bool {
	conn, err := process.SyscallConn()
	if err != nil {
		return false
	}
	err = conn.Read(func(fd uintptr) bool {
		p := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		n, err := unix.Poll(p, 0)
		return err == nil && n > 0
	})
	return err == nil
}

// wait cleans up after the machine when it ends, and tells who has to know.
func (h *Host) wait(r *run) {
	if !ended(r.process) {
		r.err = errClosing
		close(r.done)
		return
	}
	r.ending.Store(true)
	m := r.current()
	unlock := h.lock(m.ID)
	h.mu.Lock()
	held := h.runs[m.ID] == r
	delete(h.runs, m.ID)
	exited := h.exited
	h.mu.Unlock()
	if !held { // Close came in between: the next process will clean
		unlock()
		r.err = errClosing
		close(r.done)
		return
	}
	_ = r.process.Close()
	ctx := context.Background() // nobody waits for this, so nobody can call it off
	restart := !r.stopping.Load() && h.askedToRestart(m)
	r.err = h.clean(ctx, m)
	if r.err == nil && restart {
		if err := h.boot(ctx, m); err != nil {
			h.Log(fmt.Errorf("restarting machine %s: %w", m.Name, err))
			restart = false
		}
	}
	if !restart && h.NetNSGone != nil {
		h.NetNSGone(m)
	}
	unlock()
	close(r.done)
	if r.stopping.Load() {
		return
	}
	if r.err != nil {
		h.Log(fmt.Errorf("cleaning up after machine %s: %w", m.Name, r.err))
	}
	if !restart && exited != nil {
		exited(m.MachineKey)
	}
}

// askedToRestart says whether the machine ended because of a reboot, on which
// a machine at Google comes back by itself. The last line on the serial port
// tells, written by the image's shutdown hook in the kernel's own words.
func (h *Host) askedToRestart(m emulator.Machine) bool {
	f, err := os.Open(h.serialPath(m))
	if err != nil {
		return false
	}
	defer func() { _ = f.Close() }() // only read
	end, err := f.Seek(0, 2)
	if err != nil {
		return false
	}
	tail := make([]byte, min(end, 256))
	if _, err := f.ReadAt(tail, end-int64(len(tail))); err != nil {
		return false
	}
	lines := strings.Split(strings.TrimSpace(string(tail)), "\n")
	return strings.HasSuffix(lines[len(lines)-1], "reboot: Restarting system")
}

// adopt takes over a machine that an earlier process started and that still
// runs; nil if there is none. runc compares the start time of init with the
// one it wrote down, so asking it again after the pidfd is open makes sure
// that the pidfd means that very process.
func (h *Host) adopt(ctx context.Context, id uint64) (*run, error) {
	name := machineID(id)
	m, err := readMachine(h.Dir, name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	pid := h.livePID(ctx, name)
	if pid == 0 {
		return nil, nil
	}
	process, err := openProcess(pid)
	if err != nil {
		if errors.Is(err, unix.ESRCH) {
			return nil, nil
		}
		return nil, err
	}
	if h.livePID(ctx, name) != pid {
		return nil, process.Close()
	}
	h.hold(m, process)
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.runs[id], nil
}

// livePID is the process id of the machine's init, 0 if it does not run.
func (h *Host) livePID(ctx context.Context, name string) int {
	if _, err := os.Stat(filepath.Join(runcDir(h.Dir), name)); err != nil {
		return 0
	}
	state, err := h.runc.State(ctx, name)
	if err != nil || state.Status != "running" && state.Status != "paused" {
		return 0 // "created" is a machine whose start was cut off: it is cleaned away
	}
	return state.Pid
}

// readMachine and writeMachine keep what a later process has to know.
func readMachine(dir, name string) (emulator.Machine, error) {
	var m emulator.Machine
	text, err := os.ReadFile(filepath.Join(machinesDir(dir), name, "machine.json"))
	if err != nil {
		return m, err
	}
	if err := json.Unmarshal(text, &m); err != nil {
		return m, fmt.Errorf("reading machine %s: %w", name, err)
	}
	return m, nil
}

func writeMachine(dir string, m emulator.Machine) error {
	m.Metadata = nil // may hold join tokens; the store has it
	text, err := json.Marshal(m)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(machinesDir(dir), machineID(m.ID), "machine.json"), text, 0o600)
}
