# shellcheck shell=bash disable=SC2154
# backup SETTINGS RECIPIENT... prints a backup of the cluster as a tar archive: what it
# cannot be made again from. Whatever is secret in it was encrypted here, to the
# recipients, by age:
#
#   hakube-backup.json    the record: whose it is, when, and what was seen of each part
#   main.db.age           etcd's snapshot of ring main
#   events.db.age         of ring events, taken in the same moment
#   keys.json.age         what export-keys prints
#   SHA256SUMS            of all of these, last
#
# Nothing is printed of a snapshot that was not tried (snapshots.sh). SETTINGS is JSON that
# goes into the record as it is.
#
# It needs room on the data disk, is gone from there when it ends, and otherwise changes
# nothing: a boot and the next backup clear away what a machine left that died meanwhile.
# have_age gets the program from where this machine gets Debian's packages.
have_age() {
	local said
	if command -v age >/dev/null; then return; fi
	said=$({ apt-get -q update || true; } 2>&1 && DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=300 install --no-install-recommends age 2>&1) ||
		refuse "this master has no program age to encrypt with, and Debian's package age could not be installed: ${said##*$'\n'}"
}

# encrypt FILE leaves its encrypted form alone in $WORK/out.
encrypt() {
	age "${to[@]}" -o "$WORK/out/$1.age" "$WORK/$1" 2>"$WORK/log" || refuse "encrypting $1: $(head -n 1 "$WORK/log")"
	rm -f "$WORK/$1"
}

make_backup() {
	local ring made
	have_age
	have_room
	mkdir -p "$WORK/out"
	made=$(date +%s)
	both
	for ring in main events; do encrypt "$ring.db"; done
	export_keys >"$WORK/keys.json"
	encrypt keys.json
	printf '{"format":1,"cluster":"%s","made":%d,"master":"%s","kubernetes":"%s","etcd":"%s","settings":%s,"rings":{"main":%s,"events":%s}}\n' \
		"$(<"$DISK/hakube-cluster")" "$made" "$(hostname -s)" "$(<"$DISK/hakube/kube-version")" "$(etcdutl version | awk '/^etcdutl version/ { print $3 }')" \
		"$settings" "${RECORD[main]}" "${RECORD[events]}" >"$WORK/out/hakube-backup.json"
	cd "$WORK/out" || exit
	sha256sum hakube-backup.json main.db.age events.db.age keys.json.age >SHA256SUMS
	tar --format=ustar --owner=0 --group=0 -cf - hakube-backup.json main.db.age events.db.age keys.json.age SHA256SUMS
	cd /
}

(($# >= 2)) || refuse "usage: backup SETTINGS RECIPIENT..."
settings=$1 to=()
for recipient in "${@:2}"; do to+=(-r "$recipient"); done
alone
make_backup
exit
