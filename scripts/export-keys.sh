#!/usr/bin/env bash
# hakube: export-keys
#
# Prints the cluster's certificate authorities, the key its secrets are encrypted
# with if they are, the keys of tokens, and its version as one line of JSON, for a master
# that joins:
#
#   {"version":"v1.36.3","files":{"kubernetes/pki/ca.crt":"BASE64",…}}
#
# The names are below the data disk. What is the machine's own (leaf
# certificates, kubeconfigs) is not in it. Changes nothing.
#
# The API server of a master that founds a cluster answers some seconds before kubeadm is
# through, which may be cut yet and begun anew with other keys: of such a one it prints
#
#   {"founding":true}
set -euo pipefail
export PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C
DISK=/mnt/disks/master-pd

[[ -s $DISK/hakube/founded ]] || {
	if [[ -s $DISK/hakube/served ]]; then
		printf '{"founding":true}\n'
		exit
	fi
	echo "this machine is no master of a cluster" >&2
	exit 1
}
files=''
names=(kubernetes/pki/{ca,front-proxy-ca}.{crt,key} kubernetes/pki/sa.{key,pub} etcd/pki/ca.{crt,key})
for name in kubernetes/pki/{encryption.yaml,sa-new.key,ca-next.crt,ca-next.key,ca-signing.crt,ca-cross.crt} etcd/pki/ca-next.{crt,key}; do
	if [[ -s $DISK/$name ]]; then names+=("$name"); fi
done
for name in "${names[@]}"; do
	[[ -s $DISK/$name ]] || {
		echo "this machine has no $name" >&2
		exit 1
	}
	files+="${files:+,}\"$name\":\"$(base64 -w 0 "$DISK/$name")\""
done
printf '{"version":"%s","files":{%s}}\n' "$(<"$DISK/hakube/kube-version")" "$files"
