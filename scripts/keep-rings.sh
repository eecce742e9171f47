# shellcheck shell=bash disable=SC2154
# keep-rings VERSION [again] keeps what both rings of this master hold before an upgrade to
# VERSION, beside its data: before-upgrade/VERSION on the data disk has main.db and
# events.db, each tried, and record.json. What was kept before is thrown away once that is
# whole. Without "again" what was kept for VERSION is left as it is. Prints {"kept":"VERSION"}.
KEPT=$DISK/before-upgrade

keep() {
	have_room
	mkdir -p "$WORK"
	both
	printf '{"cluster":"%s","made":%d,"kubernetes":"%s","rings":{"main":%s,"events":%s}}\n' "$(<"$DISK/hakube-cluster")" "$(date +%s)" \
		"$(<"$DISK/hakube/kube-version")" "${RECORD[main]}" "${RECORD[events]}" >"$WORK/record.json"
	rm -f "$WORK/log" "$WORK/names"
	mkdir -p "$KEPT"
	rm -rf "$KEPT/.$1"
	sync -f "$DISK"
	mv -T "$WORK" "$KEPT/.$1"
	rm -rf "${KEPT:?}"/v*
	mv -T "$KEPT/.$1" "$KEPT/$1"
	sync -f "$DISK"
}

[[ "$*" =~ ^v[0-9]+\.[0-9]+\.[0-9]+[0-9A-Za-z.+-]*(\ again)?$ ]] || refuse "usage: keep-rings VERSION [again]"
if [[ ! -s $KEPT/$1/record.json || ${2:-} == again ]]; then
	alone
	keep "$1"
fi
printf '{"kept":"%s"}\n' "$1"
exit
