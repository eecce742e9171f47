# shellcheck shell=bash disable=SC2154,SC2317
# Takes what export-keys printed on another master: the calls of `key NAME BASE64`
# and `version V` at the end are added by hakube, so that nothing secret is in an
# argument. Written below the data disk; keys for root only. Prints {"imported":N},
# how many files were not there.
set -euo pipefail
export PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C
DISK=/mnt/disks/master-pd
umask 077
count=0

refuse() {
	printf '%s\n' "$*" >&2
	exit 1
}

# write FILE MODE makes FILE what stdin says, in one rename.
write() {
	mkdir -p "${1%/*}"
	cat >"$1.new"
	chmod "$2" "$1.new"
	sync "$1.new"
	mv -f "$1.new" "$1"
}

# forget takes away all that another authority has signed or an earlier attempt
# to join another cluster has left: a machine of both talks to neither.
forget() {
	rm -rf "$DISK"/etcd/pki/* "$DISK"/kubernetes/* "$DISK"/kubelet-pki/*
}

key() {
	local mode=0600
	[[ $1 != *.crt && $1 != *.pub ]] || mode=0644
	if [[ -s $DISK/$1 ]] && base64 -d <<<"$2" | cmp -s - "$DISK/$1"; then return; fi
	[[ ! -e $DISK/hakube/founded ]] || refuse "this machine is a master already, and its $1 is another one"
	if [[ $1 == */ca.crt && -s $DISK/$1 ]]; then forget; fi
	base64 -d <<<"$2" | write "$DISK/$1" "$mode"
	count=$((count + 1))
}

# version comes last: where it is, the keys are whole.
version() {
	[[ ! -e $DISK/hakube/founded ]] || return 0
	printf '%s\n' "$1" | write "$DISK/hakube/kube-version" 0644
}

mountpoint -q "$DISK" || refuse "the disk master-pd is not mounted"
install -d -m 0755 "$DISK/kubernetes" "$DISK/kubernetes/pki"
install -d -m 0700 "$DISK/etcd" "$DISK/etcd/pki"
