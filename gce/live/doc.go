// Package live tries hakube on a project of Compute Engine and writes down what Google
// did otherwise than the table of recordings says, how long it took, and how long the
// API was dark. It runs the hakube command as a person would, and the conformance suite,
// both by way of a [proxy] of its own on loopback, which alone has credentials and keeps
// what passes in memory. The file it makes has no name, number or account of a project.
//
// What it does to the project: everything it makes has a name that begins with
// hakube-live or hakube-suite-; it begins in a project that has nothing of such names,
// and takes all of it down however it ends.
package live
