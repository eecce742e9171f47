#!/usr/bin/env bash
# hakube: tend-machine
#
# Sees to what a master's etcd suffers from on its machine:
#
#   disk    grows the file system of the data disk to what the disk has
#   clock   has the machine take its time from where it takes it; if that does not
#           bring it near, from the metadata server
#
# Prints {"error":""}, or why it could not. May be run twice.
set -euo pipefail
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C
DEVICE=/dev/disk/by-id/google-master-pd
METADATA=http://169.254.169.254/computeMetadata/v1/

disk() { resize2fs "$DEVICE"; }

# off prints by how many seconds the clock is ahead of the metadata server's.
off() {
	local date now
	date=$(curl -sS -m 5 -o /dev/null -D - -H 'Metadata-Flavor: Google' "$METADATA" | sed -n 's/^[Dd]ate: //p' | tr -d '\r')
	[[ -n $date ]] || return
	now=$(date +%s)
	printf '%s' $((now - $(date -d "$date" +%s)))
}

# near: within two seconds, of which one is lost in the server's answer.
near() {
	local seconds
	seconds=$(off) && ((${seconds#-} <= 2))
}

clock() {
	local unit begin=$SECONDS
	for unit in chrony systemd-timesyncd ntpsec ntp; do # those step once, when they start
		if systemctl -q is-enabled "$unit.service" 2>/dev/null; then systemctl restart "$unit.service" || true; fi
	done
	until near; do
		if ((SECONDS - begin >= 10)); then
			date -s "@$(($(date +%s) - $(off)))" && near
			return
		fi
		sleep 1
	done
}

case ${1:-} in
disk | clock) ;;
*)
	echo "usage: disk|clock" >&2
	exit 1
	;;
esac

error=''
said=$("$1" 2>&1) || error=$(tail -n 1 <<<"${said:-it did not help}")
error=${error//\\/\\\\}
printf '{"error":"%s"}\n' "$(tr '[:cntrl:]' ' ' <<<"${error//\"/\\\"}" | sed 's/ *$//')"
