# shellcheck shell=bash disable=SC2034
# Versions of what Kubernetes needs beside it. The only place that names them;
# scripts.Versions reads them here. Kubernetes' own version is in the metadata.
CONTAINERD_VERSION=2.2.9
RUNC_VERSION=1.5.2
CNI_VERSION=1.9.1
ETCD_VERSION=3.6.8   # what kubeadm names for Kubernetes 1.36
PAUSE_VERSION=3.10.2 # the same
KUBERNETES_VERSION=v1.36.3 # when the metadata names none
