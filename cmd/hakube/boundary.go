package main

import "hakube/gce/local"

// boundaries are what is said once, at the first start in a state directory: whom
// the embedded GCE keeps out, and what it is no boundary for.
func boundaries(dir string, machines local.Machines) []string {
	said := []string{"who can read " + local.TokenFile(dir) + " may do everything in it: you and root; other users of this host are refused"}
	if machines == local.Real {
		said = append(said, local.NoBoundary)
	}
	return said
}
