// Package kubeapi is what the model's API server serves: which kinds there are, how their
// objects are read from requests and from etcd, patched, shown as kubectl's tables and
// found by discovery. It knows no ring, no machine and no connection; package etcdtest
// above it answers requests with it from what a ring of etcd holds.
package kubeapi
