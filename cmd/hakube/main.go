// Command hakube grows a one-zone Kubernetes cluster on Google Compute Engine
// into a highly available one, step by step, and takes it back in the right
// order. It speaks kube-up's environment variables.
//
// This package is the only one that prints, exits, reads the command line and
// puts the others together: cluster does the work, gce talks to Google, and
// gce/local is the embedded GCE.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	restrict()
	os.Exit(run(os.Args, os.Stdin, os.Stdout, os.Stderr))
}

// run is main with everything from outside as arguments; stories run it in tests.
func run(args []string, stdin *os.File, stdout, stderr *os.File) int {
	ctx, stop := interruptible(stderr)
	defer stop()
	u := newUI(stdin, stdout, stderr)
	err := newApp(u).RunContext(ctx, args)
	return u.finish(err)
}

// interruptible ends its context at the first ^C or TERM: the change in flight
// is let finish. The second ends the process at once; the next run repairs.
func interruptible(stderr *os.File) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	done := make(chan struct{})
	go func() {
		select {
		case <-signals:
			cancel(errInterrupted)
		case <-done:
			return
		}
		select {
		case <-signals:
			// Nothing of ours needs more than the process to end: no lock file, no temporary state.
			os.Exit(exitInterrupted)
		case <-done:
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		close(done)
		cancel(nil)
	}
}
