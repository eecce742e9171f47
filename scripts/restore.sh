# shellcheck shell=bash disable=SC2154,SC2317
# restore makes this machine the only member of both rings, with the data of a backup:
#
#   spread ID BUMP BYTES   unpacks it beside what there is: a tar archive of main.db and
#                          events.db, BYTES in all, decrypted, follows this script on stdin
#   own ID BUMP            the same with what both rings have here now, which go on meanwhile:
#                          of a data disk that was made of a snapshot
#   swap ID [KEY]...       ends what runs here, and starts both rings with it; what is at these
#                          keys below /registry/ is left out, and with / or - at the end all
#                          that begins with one
#   look                   changes nothing
#   forget                 throws away what the rings had before
#
# import-keys has brought the cluster's keys before. ID is the backup's, so that each, after
# a cut anywhere, can be done again; another one begins anew. Revisions go on BUMP beyond the
# backup's and all before are compacted: whoever has seen what was written after the backup
# lists anew, and sees nothing go backwards. API servers that are gone are taken out of
# Service kubernetes. What the rings had is kept on the data disk, in before-restore, until
# forget. Prints {"spread":"ID","swapped":"ID"}, of the restore that is under way here.
NEW=$DISK/restore OLD=$DISK/before-restore

# content FILE prints what is in it, nothing without it.
content() { cat "$1" 2>/dev/null || true; }

spread() {
	if is_spread "$1"; then return; fi
	make_place "$3"
	tar -x -C "$NEW" --no-same-owner main.db events.db <&6 || die "what came of the backup is not whole"
	lay_out "$1" "$2"
}

own() {
	local ring
	if is_spread "$1"; then return; fi
	make_place "$(du -cb "$DISK"/etcd/{main,events}/member/snap/db | awk 'END { print $1 }')"
	for ring in main events; do
		etcd_ctl "$ring" --command-timeout=10m snapshot save "$NEW/$ring.db" >/dev/null
	done
	lay_out "$1" "$2"
}

is_spread() { [[ $(content "$NEW/id") == "$1" || $(content "$STATE/restored") == "$1" ]]; }

# make_place BYTES
make_place() {
	local free
	has_keys || die "this machine has no keys of the cluster yet"
	start_fetching etcd # nothing, if it is there
	need etcd
	rm -rf "$NEW"
	free=$(stat -f -c '%S %f' "$DISK" | awk '{ printf "%.0f", $1 * $2 }')
	(($1 * 2 + (256 << 20) <= free)) || die "the data disk has too little room: the backup takes $((($1 * 2 >> 20) + 256)) MiB for a while, and $((free >> 20)) are free"
	install -d -m 0700 "$NEW"
}

# lay_out ID BUMP makes each ring's data of its snapshot.
lay_out() {
	local ring
	for ring in main events; do
		etcdutl snapshot restore "$NEW/$ring.db" --data-dir "$NEW/$ring" --bump-revision "$2" --mark-compacted --name "$NAME" \
			--initial-cluster "$NAME=https://$FQDN:${PEER_PORT[$ring]}" --initial-cluster-token "$CLUSTER_ID/$ring/$1" \
			--initial-advertise-peer-urls "https://$FQDN:${PEER_PORT[$ring]}"
		rm -f "$NEW/$ring.db"
	done
	sync -f "$DISK"
	put "$NEW/id" <<<"$1"
}

# stop_all ends what goes on with what is here now. After a boot it is there again, with
# the data of before or with new ones.
stop_all() {
	systemctl stop kubelet.service 2>/dev/null || true # first, or it starts the others again
	pkill -TERM 'kube-(apiserver|controller|scheduler)' || true
	wait_until 90 "the control plane has ended" control_plane_has_ended
	systemctl stop etcd@main.service etcd@events.service 2>/dev/null || true
}

# exchange puts the new data where the old ones were, one ring after the other. The oldest
# are kept: what an attempt that was not gone through with has restored is nobody's.
exchange() {
	local ring
	mkdir -p "$OLD"
	for ring in main events; do
		[[ -d $NEW/$ring ]] || continue
		[[ ! -d $DISK/etcd/$ring || -d $OLD/$ring ]] || mv "$DISK/etcd/$ring" "$OLD/$ring"
		rm -rf "$DISK/etcd/$ring"
		mv "$NEW/$ring" "$DISK/etcd/$ring"
		rm -f "$STATE/ring-$ring" "$STATE/again-$ring"
	done
	sync -f "$DISK"
}

# forget_leases: an API server that is gone stands in Service kubernetes until its own
# lease ends, which has no time of its own any more.
forget_leases() { etcd_ctl main del --prefix /registry/masterleases/ >/dev/null; }

# leave_out KEY... takes out of the data what is of machines and an address that are not this
# cluster's. No API server has been started with them yet: nobody has acted on it.
leave_out() {
	local key
	for key; do
		if [[ $key == *[/-] ]]; then
			etcd_ctl main del --prefix "/registry/$key" >/dev/null
		else
			etcd_ctl main del "/registry/$key" >/dev/null
		fi
	done
}

swap() {
	if [[ $(content "$STATE/restored") == "$1" ]]; then return; fi
	[[ $(content "$NEW/id") == "$1" ]] || die "the backup is not unpacked here"
	start_fetching etcd
	need etcd
	make_etcd_pki
	write_etcd_unit
	stop_all
	exchange
	start_ring main
	start_ring events
	wait_until 120 "both rings serve" members_vote
	forget_leases
	leave_out "${@:2}"
	put "$STATE/restored" <<<"$1"
	rm -rf "$NEW"
}

# forget is the end: the same backup can be restored once more.
forget() { rm -rf "$OLD" "$NEW" "$STATE/restored"; }

look() { :; }

mountpoint -q "$DISK" || die "the disk master-pd is not mounted"
[[ "$*" =~ ^(look|forget|swap\ [0-9a-f]{16,64}(\ [a-z0-9.]+/[a-z0-9./-]*)*|spread\ [0-9a-f]{16,64}\ [0-9]+\ [0-9]+|own\ [0-9a-f]{16,64}\ [0-9]+)$ ]] || die "usage: restore spread ID BUMP BYTES|own ID BUMP|swap ID [KEY]...|look|forget"
# All at once: bash reads its script as it goes, and what follows is the archive.
{
	exec 6<&0
	answer_with "$@" </dev/null
	printf '{"spread":"%s","swapped":"%s"}\n' "$(content "$NEW/id")" "$(content "$STATE/restored")"
	exit
}
