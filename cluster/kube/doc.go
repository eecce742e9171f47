// Package kube is what hakube does with Kubernetes: it reads and writes the files
// of the operator's kubeconfig as kubectl does ([Files]), tells whose an entry in
// them is ([Owner]), opens the API with an entry ([Client]) and asks and changes
// the few things hakube needs there: Nodes, pods that have to leave them, CoreDNS,
// the join token. It knows no Compute Engine: where the API is, and whose address
// that is, it is told.
package kube
