#!/usr/bin/env bash
# hakube: admin-kubeconfig
#
# Prints the cluster administrator's kubeconfig on stdout. Its server is the
# cluster's address. Changes nothing.
set -euo pipefail
FILE=/etc/kubernetes/admin.conf
[[ -s $FILE ]] || {
	echo "this machine has no $FILE" >&2
	exit 1
}
cat "$FILE"
