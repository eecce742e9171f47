// Command hakube grows a one-zone Kubernetes cluster on Google Compute Engine
// into a highly available one, step by step, and takes it back in the right
// order. It speaks kube-up's environment variables.
//
// This package is the only one that prints, exits, reads the command line and
// puts the others together: cluster does the work, gce talks to Google, and
// gce/local is the embedded GCE.
package main

import "os"

func main() {
	restrict()
	os.Exit(run(os.Args, os.Stdin, os.Stdout, os.Stderr))
}

// run is main with everything from outside as arguments; stories run it in tests.
func run(args []string, stdin *os.File, stdout, stderr *os.File) int {
	u := newUI(stdin, stdout, stderr)
	u.json = wantsJSON(args[1:])
	ctx, stop := interruptible(u)
	defer stop()
	err := newApp(u).RunContext(ctx, nameLast(args))
	return u.finish(err)
}
