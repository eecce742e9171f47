# shellcheck shell=bash disable=SC2034
# Snapshots of both rings on a master's own disk, each tried before anybody takes it for one:
# it is restored into an etcd of its own on this machine, and what that says of it is
# compared with what the ring says. What works with them is in WORK, and gone at the end.
export PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C
DISK=/mnt/disks/master-pd
PKI=$DISK/etcd/pki
WORK=$DISK/backup
UNIT=hakube-backup-etcd
LEAST_FREE=10 # percent of the disk, as replicate.LeastFree
umask 077
declare -A PORT=([main]=2379 [events]=4002) RECORD=()

refuse() {
	printf '%s\n' "$*" >&2
	exit 1
}

tidy() {
	systemctl stop "$UNIT.service" 2>/dev/null || true
	rm -rf "$WORK"
}

# ctl PORT ARG... asks the member behind the client port.
ctl() {
	etcdctl --endpoints="https://127.0.0.1:$1" --cacert="$PKI/ca.crt" --cert="$PKI/client.crt" --key="$PKI/client.key" \
		--dial-timeout=1m --command-timeout=10m "${@:2}"
}

# field NAME prints a value of etcd's fields format.
field() { awk -v name="\"$1\"" '$1 == name { print $3; exit }'; }

# have_room: two copies of both rings, a third one of the larger, a throwaway etcd's log,
# and then no less than what a master's disk is to have free.
have_room() {
	local ring bytes sum=0 most=0 size free
	for ring in main events; do
		bytes=$(ctl "${PORT[$ring]}" endpoint status -w fields | field DBSize)
		[[ $bytes =~ ^[0-9]+$ ]] || refuse "ring $ring does not say how large it is"
		sum=$((sum + bytes))
		((bytes <= most)) || most=$bytes
	done
	read -r size free < <(stat -f -c '%S %b %f' "$DISK" | awk '{ printf "%.0f %.0f\n", $1 * $2, $1 * $3 }')
	sum=$((2 * sum + most + (192 << 20)))
	((free - sum >= size * LEAST_FREE / 100)) ||
		refuse "the data disk has too little room for a backup: it takes $((sum >> 20)) MiB for a while and $((size * LEAST_FREE / 100 >> 20)) are to stay free, of $((free >> 20)) that are"
}

# free_port FROM prints a port of loopback that nobody listens on.
free_port() {
	local port
	for ((port = $1; port < $1 + 100; port++)); do
		if [[ -z $(ss -Hltn "sport = :$port") ]]; then
			printf '%s' "$port"
			return
		fi
	done
	return 1
}

# throwaway RING restores its snapshot into an etcd that only this machine's root can
# ask, at port $client. It ends by itself if nobody is left who ends it.
throwaway() {
	local peer
	client=$(free_port 24079) peer=$(free_port 24279)
	etcdutl snapshot restore "$WORK/$1.db" --data-dir "$WORK/restored" --name verify --initial-cluster "verify=https://127.0.0.1:$peer" \
		--initial-advertise-peer-urls "https://127.0.0.1:$peer" >"$WORK/log" 2>&1 || refuse "the snapshot of ring $1 cannot be restored: $(tail -n 1 "$WORK/log")"
	systemd-run --quiet --collect --unit="$UNIT" --service-type=notify -p TimeoutStartSec=300 -p RuntimeMaxSec=1800 -p Nice=10 -p OOMScoreAdjust=500 \
		/usr/local/bin/etcd --name verify --data-dir "$WORK/restored" --unsafe-no-fsync --log-level error \
		--listen-client-urls "https://127.0.0.1:$client" --advertise-client-urls "https://127.0.0.1:$client" \
		--listen-peer-urls "https://127.0.0.1:$peer" --initial-advertise-peer-urls "https://127.0.0.1:$peer" --initial-cluster "verify=https://127.0.0.1:$peer" \
		--cert-file "$PKI/member.crt" --key-file "$PKI/member.key" --trusted-ca-file "$PKI/ca.crt" --client-cert-auth \
		--peer-cert-file "$PKI/member.crt" --peer-key-file "$PKI/member.key" --peer-trusted-ca-file "$PKI/ca.crt" --peer-client-cert-auth ||
		refuse "an etcd with the snapshot of ring $1 does not start: $(journalctl -q -u "$UNIT" -o cat -n 1 2>/dev/null)"
}

# snapshot RING
snapshot() {
	ctl "${PORT[$1]}" snapshot save "$WORK/$1.db" >"$WORK/log" 2>&1 || refuse "taking a snapshot of ring $1: $(tail -n 1 "$WORK/log" | sed 's/^Error: //')"
}

# number NAME prints one of etcdctl's JSON, of which the fields format leaves some out.
number() { grep -oE "\"$1\":-?[0-9]+" | head -n 1 | cut -d : -f 2; }

# verify RING: what the throwaway etcd says is what the snapshot says of itself, and what
# the living ring says of that revision. If that was compacted in between, its history has
# been made shorter there and not here: then there is nothing to compare, and it fails.
verify() {
	local client said revision hash keys kv at list
	said=$(etcdutl snapshot status "$WORK/$1.db" -w fields) || refuse "the snapshot of ring $1 cannot be read"
	revision=$(field Revision <<<"$said") hash=$(field Hash <<<"$said")
	((revision > 0)) || revision=1 # of a ring that nobody wrote to yet
	throwaway "$1"
	said=$(ctl "$client" endpoint hashkv --rev "$revision" -w json) || refuse "the restored ring $1 does not answer"
	kv=$(number hash <<<"$said") at=$(number compact_revision <<<"$said")
	[[ $(number revision <<<"$said") == "$revision" ]] || refuse "the restored ring $1 has revision $(number revision <<<"$said"), its snapshot $revision"
	ctl "$client" get '' --prefix --keys-only >"$WORK/names" || refuse "the restored ring $1 does not list its keys"
	list=$(awk -F / 'NF { n[$1 "/" $2 "/" $3]++ } END { for (p in n) { k = p; gsub(/[^A-Za-z0-9._\/-]/, "?", k); printf "%s\"%s\":%d", c, k, n[p]; c = "," } }' "$WORK/names")
	keys=$(grep -c . "$WORK/names") || [[ $1 == events ]] || refuse "the restored ring $1 has no keys" # events are kept for an hour
	systemctl stop "$UNIT.service" || refuse "the etcd with the snapshot of ring $1 does not end"
	rm -rf "$WORK/restored"
	said=$(ctl "${PORT[$1]}" endpoint hashkv --rev "$revision" -w json 2>&1) && [[ $(number compact_revision <<<"$said") == "$at" ]] || return 1
	[[ $(number hash <<<"$said") == "$kv" ]] || refuse "the restored ring $1 differs from the ring at revision $revision: its hash is $kv, the ring's $(number hash <<<"$said")"
	RECORD[$1]=$(printf '{"revision":%d,"hash":%d,"hashKV":%d,"keys":%d,"bytes":%d,"prefixes":{%s}}' \
		"$revision" "$hash" "$kv" "$keys" "$(stat -c %s "$WORK/$1.db")" "$list")
}

# both takes a snapshot of each ring and tries them.
both() {
	local ring
	snapshot main
	snapshot events
	for ring in main events; do # compacted in between, which is once in five minutes: once more
		verify "$ring" || { snapshot "$ring" && verify "$ring"; } || refuse "ring $ring is compacted faster than its snapshot can be compared with it"
	done
}

# alone waits for another run on the machine, which may make backups by itself, and clears
# away what this one leaves.
alone() {
	mkdir -p /run/hakube
	exec 8>>/run/hakube/backup.lock
	flock -w 900 8 || refuse "another backup is being made on this machine, and did not end in a quarter of an hour"
	trap tidy EXIT
	trap 'exit 143' TERM HUP INT PIPE
	tidy
}

[[ -s $DISK/hakube/founded ]] || refuse "this machine is no master of a cluster"
