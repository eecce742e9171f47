#!/usr/bin/env bash
# hakube: admin-kubeconfig
#
# Prints a kubeconfig of the cluster's administrator on stdout: this master's own, whose
# certificate lives ten years. With `DAYS NAME` it is one that is made for it, of the same
# group, and lives so many days; the audit log has it as hakube:NAME. Its server is the
# cluster's address. Changes nothing: nothing of it is kept here.
set -euo pipefail
FILE=/etc/kubernetes/admin.conf
CONFIG=/run/hakube/kubeadm.yaml
[[ -s $FILE ]] || {
	echo "this machine has no $FILE" >&2
	exit 1
}
if (($# == 0)); then
	cat "$FILE"
	exit
fi
[[ $# == 2 && $1 =~ ^[1-9][0-9]{0,4}$ && $2 =~ ^[A-Za-z0-9._@-]{1,60}$ ]] || {
	echo "usage: admin-kubeconfig [DAYS NAME]" >&2
	exit 1
}
# The group that may do everything was another one before Kubernetes 1.29.
subject=$(sed -n 's/^ *client-certificate-data: //p' "$FILE" | base64 -d | openssl x509 -noout -subject -nameopt RFC2253)
[[ $subject =~ O=([A-Za-z0-9:-]+) ]] || {
	echo "the certificate in $FILE is of no group: $subject" >&2
	exit 1
}
kubeadm kubeconfig user --config "$CONFIG" --client-name "hakube:$2" --org "${BASH_REMATCH[1]}" --validity-period "$((24 * $1))h" |
	sed "s|^\( *certificate-authority-data: \).*|\1$(base64 -w 0 /etc/kubernetes/pki/ca.crt)|" # kubeadm has the first of several
