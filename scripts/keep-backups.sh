#!/usr/bin/env bash
# hakube: keep-backups
#
# Has a master make backups of the cluster by itself: as often, to where and for whom the
# machine's metadata say by then. Each is made and tried by the program hakube-backup, and
# goes to Cloud Storage as the machine's service account, over nothing; then those go that
# nobody has to keep. Masters take turns by a lock in ring events, so that one of them makes
# each: without quorum nobody has the lock, and nothing is made. What came of it is in the
# guest attribute hakube/backups and in the journal.
set -uo pipefail
umask 077
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C
METADATA=http://${GCE_METADATA_HOST:-169.254.169.254}/computeMetadata/v1/instance
STORAGE=https://storage.googleapis.com
DISK=/mnt/disks/master-pd
PKI=$DISK/etcd/pki
MADE=$DISK/backup.made       # encrypted as it is
TURN=/hakube/backups/turn    # the lock
LAST=/hakube/backups/last    # when the newest was made, in seconds
SAID=hakube/backups          # what came of it
MAIN=2379 EVENTS=4002
LIMIT=2h # for one, and for waiting until another master has made its own

# ctl PORT ARG... asks this master's member behind the client port.
ctl() {
	etcdctl --endpoints="https://127.0.0.1:$1" --cacert="$PKI/ca.crt" --cert="$PKI/client.crt" --key="$PKI/client.key" \
		--dial-timeout=2s --command-timeout=5s "${@:2}"
}

md() { curl -fsS -m 10 -H 'Metadata-Flavor: Google' "$METADATA/$1" 2>/dev/null; }

# read_schedule fails where there are to be no backups.
read_schedule() {
	local to
	every=$(md attributes/hakube-backup-every) && to=$(md attributes/hakube-backup-to) && recipients=$(md attributes/hakube-backup-recipients) &&
		settings=$(md attributes/hakube-backup-settings) || return 1
	[[ $every =~ ^[0-9]{1,6}$ && $to =~ ^gs://([^/]+)(/.*)?$ ]] || return 1
	bucket=${BASH_REMATCH[1]} prefix=${BASH_REMATCH[2]#/}
	[[ -z $prefix ]] || prefix=${prefix%/}/
	cluster=$(<"$DISK/hakube-cluster") || return 1
	cluster=${cluster//\//.}
}

# is_due asks the ring, which has to agree on it.
is_due() {
	local last now
	last=$(ctl "$EVENTS" get --print-value-only "$LAST" 2>/dev/null) || return 1
	[[ $last =~ ^[0-9]{1,12}$ ]] || return 0
	now=$(date +%s)
	((now >= last + every || last > now + 300)) # or a clock was wrong
}

leads() {
	local port
	for port in "$MAIN" "$EVENTS"; do
		ctl "$port" endpoint status -w fields 2>/dev/null | awk '$1 == "\"MemberID\"" { id = $3 } $1 == "\"Leader\"" { leader = $3 } END { exit id != leader }' && return
	done
	return 1
}

# told TEXT says what came of it.
told() {
	printf '%s\n' "$1"
	curl -sS -m 10 -o /dev/null -X PUT -H 'Metadata-Flavor: Google' --data-raw "$(date -u +%Y-%m-%dT%H:%M:%SZ) $1" "$METADATA/guest-attributes/$SAID" || true
}

# fail TEXT ends the attempt.
fail() {
	rm -f "$MADE"
	told "failed: $(tr -cd '\40-\176' <<<"${1:0:400}")"
	exit 1
}

# encoded TEXT prints it as a part of a URL.
encoded() {
	local i c
	for ((i = 0; i < ${#1}; i++)); do
		c=${1:i:1}
		case $c in
		[A-Za-z0-9._~-]) printf '%s' "$c" ;;
		*) printf '%%%02X' "'$c" ;;
		esac
	done
}

# ask METHOD PATH [CURL_OPTION...] leaves what Cloud Storage answers in $answer.
ask() {
	local token code
	token=$(md service-accounts/default/token | sed -n 's/.*"access_token" *: *"\([^"]*\)".*/\1/p')
	[[ -n $token ]] || fail "this machine has no token of a service account"
	answer=$(curl -sS --connect-timeout 10 -m 3600 -X "$1" -H @<(printf 'Authorization: Bearer %s\n' "$token") -w '\n%{http_code}' "${@:3}" "$STORAGE$2" 2>&1) ||
		fail "$1 $STORAGE${2%%\?*}: ${answer%%$'\n'*}"
	code=${answer##*$'\n'} answer=${answer%$'\n'*}
	[[ $code == 2?? || $1 == DELETE && $code == 404 ]] ||
		fail "bucket $bucket answers $code: $(grep -o '"message": *"[^"]*"' <<<"$answer" | head -n 1 | cut -d '"' -f 4)"
}

# upload NAME has the object there as a whole or not at all, and over none.
upload() {
	local sum
	sum=$(openssl md5 -binary "$MADE" | base64)
	ask POST "/upload/storage/v1/b/$bucket/o?uploadType=media&ifGenerationMatch=0&name=$(encoded "$1")" -H 'Content-Type: application/x-tar' -H 'Expect:' -T "$MADE"
	[[ $(grep -o '"md5Hash": *"[^"]*"' <<<"$answer" | cut -d '"' -f 4) == "$sum" ]] || fail "bucket $bucket has something else in $1 than was sent"
}

# surplus HOUR_AGO WEEK_AGO NINETY_DAYS_AGO prints those of the names on stdin that nobody has
# to keep: of each hour, and of each day, the last stays, and so does the newest (as
# backup.Surplus has it). Names sort by time.
surplus() {
	sort -r | awk -v prefix="$prefix" -v rest=".$cluster.hakube-backup" -v hour="$1" -v week="$2" -v ninety="$3" '
		{ stamp = substr($0, length(prefix) + 1, 16) }
		$0 != prefix stamp rest || stamp !~ /^[0-9][0-9][0-9][0-9][0-9][0-9][0-9][0-9]T[0-9][0-9][0-9][0-9][0-9][0-9]Z$/ { next }
		!n++ || stamp > hour { next }
		{ of = stamp > week ? substr(stamp, 1, 11) : stamp > ninety ? substr(stamp, 1, 8) : "" }
		of == "" || of in kept { print; next }
		{ kept[of] }'
}

stamp() { date -u -d "$1" +%Y%m%dT%H%M%SZ; }

# thin takes away those that are surplus.
thin() {
	local name page='' names=''
	while true; do
		ask GET "/storage/v1/b/$bucket/o?maxResults=1000&delimiter=%2F&fields=nextPageToken,items(name)&prefix=$(encoded "$prefix")${page:+&pageToken=$(encoded "$page")}" -g
		names+=$(grep -o '"name": *"[^"]*"' <<<"$answer" | cut -d '"' -f 4)$'\n'
		page=$(grep -o '"nextPageToken": *"[^"]*"' <<<"$answer" | cut -d '"' -f 4)
		[[ -n $page ]] || break
	done
	while read -r name; do
		ask DELETE "/storage/v1/b/$bucket/o/$(encoded "$name")"
		printf 'nobody has to keep %s\n' "$name"
	done < <(surplus "$(stamp '-1 hour')" "$(stamp '-7 days')" "$(stamp '-90 days')" <<<"$names")
}

# once is an attempt, under the lock.
once() {
	local said made name to=()
	read_schedule && is_due || exit 0
	IFS=, read -r -a to <<<"$recipients"
	said=$(hakube-backup "$settings" "${to[@]}" 2>&1 >"$MADE") || fail "${said##*$'\n'}"
	made=$(tar -xOf "$MADE" hakube-backup.json | grep -o '"made":[0-9]*' | head -n 1 | cut -d : -f 2)
	name=$prefix$(stamp "@$made").$cluster.hakube-backup
	upload "$name"
	rm -f "$MADE"
	ctl "$EVENTS" put "$LAST" "$made" >/dev/null || fail "ring events does not take that gs://$bucket/$name was made"
	told "made gs://$bucket/$name"
	thin
}

# round makes one if it is due. After a failure this master waits, longer each time, and
# others may try.
round() {
	read_schedule && [[ -s $DISK/hakube/founded ]] && ((SECONDS >= pause)) && is_due || return 0
	if leads; then sleep 3; fi # it has work to do meanwhile: another one may begin first
	if timeout "$LIMIT" etcdctl --endpoints="https://127.0.0.1:$EVENTS" --cacert="$PKI/ca.crt" --cert="$PKI/client.crt" --key="$PKI/client.key" lock --ttl=60 "$TURN" "$0" once; then
		wait=15
		return
	fi
	wait=$((2 * wait < every ? 2 * wait : every))
	pause=$((SECONDS + wait))
}

every=0 recipients='' settings='' bucket='' prefix='' cluster='' answer='' wait=15 pause=0
if [[ ${1:-} == once ]]; then
	once
	exit
fi
rm -f "$MADE"
while true; do
	round
	sleep 5
done
