package local

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// How long a daemon may take to answer, and to halt its machines.
const (
	startLimit = 2 * time.Minute
	stopLimit  = 90 * time.Second
)

// Start runs the command that calls [Serve] as a daemon in the background and
// returns once it answers. A daemon that dies on the way is an error that
// holds the end of its log.
func Start(ctx context.Context, dir string, command *exec.Cmd) (Status, error) {
	if err := ownDir(dir); err != nil {
		return Status{}, err
	}
	log, err := os.OpenFile(LogFile(dir), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return Status{}, fmt.Errorf("opening the daemon's log: %w", err)
	}
	defer func() { _ = log.Close() }() // the daemon has it, this process wrote nothing
	begin, err := log.Seek(0, 2)
	if err != nil {
		return Status{}, fmt.Errorf("opening the daemon's log: %w", err)
	}
	command.Stdout, command.Stderr = log, log
	command.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // it outlives our terminal
	if err := command.Start(); err != nil {
		return Status{}, fmt.Errorf("starting the embedded GCE: %w", err)
	}
	died := make(chan error, 1)
	go func() { died <- command.Wait() }()
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	for {
		if s, err := Ask(ctx, dir); err == nil && s.Running && s.PID == command.Process.Pid {
			return s, nil
		}
		select {
		case err := <-died:
			return Status{}, fmt.Errorf("starting the embedded GCE: it ended at once (%w): %s", err, since(LogFile(dir), begin))
		case <-ctx.Done():
			return Status{}, fmt.Errorf("starting the embedded GCE: no answer yet (%w); its log is %s", ctx.Err(), LogFile(dir))
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// since is what the file holds from a position on, as one line.
func since(path string, begin int64) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	if begin < int64(len(b)) {
		b = b[begin:]
	}
	lines := bytes.Split(bytes.TrimSpace(b), []byte("\n"))
	return string(bytes.Join(lines[max(0, len(lines)-5):], []byte("; ")))
}

// Stop ends the daemon of dir and with it its machines, and waits for that.
// It reports whether there was one.
func Stop(ctx context.Context, dir string) (bool, error) {
	s, err := Ask(ctx, dir)
	if lost := (*tokenError)(nil); errors.As(err, &lost) { // and stopping is the way to another
		s, err = unasked(ctx, dir)
	}
	if err != nil || !s.Running {
		return false, err
	}
	p, err := os.FindProcess(s.PID)
	if err != nil {
		return true, fmt.Errorf("stopping the embedded GCE: %w", err)
	}
	if err := p.Signal(os.Interrupt); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return true, fmt.Errorf("stopping the embedded GCE, process %d: %w", s.PID, err)
	}
	ctx, cancel := context.WithTimeout(ctx, stopLimit)
	defer cancel()
	for {
		held, err := lockHeld(dir)
		if err != nil {
			return true, err
		}
		if !held {
			return true, nil
		}
		select {
		case <-ctx.Done():
			return true, fmt.Errorf("stopping the embedded GCE, process %d: %w; its log is %s", s.PID, ctx.Err(), LogFile(dir))
		case <-time.After(50 * time.Millisecond):
		}
	}
}
