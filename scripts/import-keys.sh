# shellcheck shell=bash disable=SC2154,SC2317
# Takes what export-keys printed on another master: the calls of `authority NAME BASE64`,
# `key NAME BASE64` and `version V` at the end are added by hakube, so that nothing secret is in an
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

# more_keys FILE prints what encrypts Secrets here with the keys behind it that only the one
# on stdin has: those of a backup may be from before they were exchanged, and what was
# written since is not lost by a restore that is not gone through with. Keys of one name that
# differ are another cluster's.
more_keys() {
	awk '
		$1 == "-" && $2 == "name:" { name = $3 }
		NR == FNR { line[NR] = $0; if ($1 == "secret:") { has[name] = $2; last = NR }; next }
		$1 == "secret:" { theirs++ }
		$1 == "secret:" && !(name in has) { more = more "      - name: " name "\n" $0 "\n" }
		$1 == "secret:" && name in has && has[name] != $2 { exit strange = 1 }
		END { if (strange || !last || !theirs) exit 1; for (i = 1; i in line; i++) { print line[i]; if (i == last) printf "%s", more } }' "$1" -
}

# all_public FILE prints its public keys, and those on stdin that are not among them.
all_public() {
	awk 'BEGIN { RS = "-----END PUBLIC KEY-----\n*" } /BEGIN/ && !($0 in has) { has[$0]; printf "%s-----END PUBLIC KEY-----\n", $0 }' "$1" -
}

# authority NAME BASE64 comes before all keys.
authority() {
	[[ ! -e $DISK/hakube/founded && -s $DISK/$1 ]] || return 0
	if base64 -d <<<"$2" | cmp -s - "$DISK/$1"; then return; fi
	forget
}

key() {
	local mode=0600 more
	[[ $1 != *.crt && $1 != *.pub ]] || mode=0644
	if [[ -s $DISK/$1 ]] && base64 -d <<<"$2" | cmp -s - "$DISK/$1"; then return; fi
	if [[ -e $DISK/hakube/founded && $1 == */encryption.yaml && -s $DISK/$1 ]] && more=$(base64 -d <<<"$2" | more_keys "$DISK/$1"); then
		[[ $more != "$(<"$DISK/$1")" ]] || return 0
		write "$DISK/$1" "$mode" <<<"$more"
		count=$((count + 1))
		return
	fi
	if [[ -e $DISK/hakube/founded && $1 == */sa*.* ]]; then # it signs as it does, and takes what others have signed
		[[ $1 == */sa.pub ]] || return 0
		more=$(base64 -d <<<"$2" | all_public "$DISK/$1")
		[[ $more != "$(<"$DISK/$1")" ]] || return 0
		write "$DISK/$1" "$mode" <<<"$more"
		count=$((count + 1))
		return
	fi
	if [[ -e $DISK/hakube/authority && $1 == kubernetes/pki/ca[.-]* ]]; then return; fi # exchanged since the backup: that signs no more
	if [[ -e $DISK/hakube/etcd-authority && $1 == etcd/pki/ca[.-]* ]]; then return; fi
	[[ ! -e $DISK/hakube/founded ]] || refuse "this machine is a master already, and its $1 is another one"
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
