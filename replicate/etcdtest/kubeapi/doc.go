// Package kubeapi is what the model's API server serves: which kinds there are, how their
// objects are read from requests and from etcd, patched, shown as kubectl's tables and
// found by discovery, and who may do what. It knows no ring, no machine and no connection:
// all it needs of the master it runs on is [Master], which package etcdtest above it is.
package kubeapi
