# shellcheck shell=bash disable=SC2154,SC2317
# Takes what export-keys printed on another master: the calls of `key NAME BASE64`
# and `version V` at the end are added by hakube, so that nothing secret is in an
# argument. Written below the data disk; keys for root only.
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

key() {
	local mode=0600
	[[ $1 != *.crt && $1 != *.pub ]] || mode=0644
	if [[ -s $DISK/$1 ]] && base64 -d <<<"$2" | cmp -s - "$DISK/$1"; then return; fi
	[[ ! -e $DISK/hakube/founded ]] || refuse "this machine is a master already, and its $1 is another one"
	base64 -d <<<"$2" | write "$DISK/$1" "$mode"
	count=$((count + 1))
}

version() {
	[[ -e $DISK/hakube/founded ]] || printf '%s\n' "$1" | write "$DISK/hakube/kube-version" 0644
}

mountpoint -q "$DISK" || refuse "the disk master-pd is not mounted"
chmod 0755 "$DISK/kubernetes"
install -d -m 0755 "$DISK/kubernetes/pki"
install -d -m 0700 "$DISK/etcd/pki"
