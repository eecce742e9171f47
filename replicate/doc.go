// Package replicate talks to the masters of a cluster: it runs scripts on them
// over ssh and reads their etcd rings. What it needs to know of a machine is
// given to it as a [Host].
//
// It must not import gce or cluster.
package replicate
