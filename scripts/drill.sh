#!/usr/bin/env bash
# hakube: drill
#
# Makes a failure of this machine on purpose, and takes it back:
#
#   check FAILURE [ADDRESS…]          whether it can be made here
#   begin FAILURE SECONDS [ADDRESS…]  a timer first that takes it back, then the failure
#   undo                              takes back whatever a drill left; without one nothing
#   probe URL                         asks for it four times a second, a line each: ok or lost
#
# FAILURE is one of
#
#   api          the API server's process is killed, and not started again
#   etcd-RING    etcd's of a ring (main, events), the same
#   controllers  the scheduler's and the controller-manager's, the same
#   kubelet      the kubelet's, the same
#   clients      what comes to port 443 from other machines is dropped
#   others       what comes from the addresses, or goes there, is dropped
#   disk-full    a file fills the data disk
#   clock        the clock is put five minutes ahead
#
# Prints {"error":""}, or why it cannot; probe prints its lines. The timer is systemd's and does not outlive a
# reboot; what outlives one itself is a control plane that was put aside, which a boot
# puts back, and the file on the data disk, which undo removes. May be run twice.
set -euo pipefail
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C
DISK=/mnt/disks/master-pd
RUN=/run/hakube/drill
MARK=$DISK/hakube/drill # tells manifests that a drill put aside from those of a master that leaves
FILL=$DISK/hakube-drill.fill
CHAIN=HAKUBE-DRILL
TIMER=hakube-drill-undo

refuse() {
	echo "$1" >&2
	exit 1
}

# units are those that are killed.
units() {
	case $1 in
	etcd-main | etcd-events) echo "etcd@${1#etcd-}.service" ;;
	kubelet) echo kubelet.service ;;
	esac
}

# manifests are those that are put aside.
manifests() {
	case $1 in
	api) echo kube-apiserver ;;
	controllers) echo kube-scheduler kube-controller-manager ;;
	esac
}

check() {
	local unit name
	command -v systemd-run >/dev/null || refuse "it has no systemd-run, which would take the failure back if nobody else does"
	for unit in $(units "$1"); do systemctl -q is-active "$unit" || refuse "$unit does not run"; done
	for name in $(manifests "$1"); do
		[[ -s $DISK/kubernetes/manifests/$name.yaml ]] || refuse "$name is not run by its kubelet"
	done
	case $1 in
	api | controllers | etcd-main | etcd-events | kubelet) ;;
	clients | others) iptables -w -nL INPUT >/dev/null || refuse "iptables cannot be used" ;;
	disk-full) mountpoint -q "$DISK" || refuse "it has no data disk" ;;
	clock)
		if systemd-detect-virt -cq; then refuse "it is a container, whose clock is that of its host"; fi
		(($((16#$(awk '/^CapEff/ {print $2}' /proc/self/status))) >> 25 & 1)) || refuse "nobody may set its clock"
		;;
	*) refuse "usage: $1 is no failure" ;;
	esac
}

# dead NAME kills a process until there is none: whoever watches it may be quicker. The
# kernel cuts names at 15 letters.
dead() {
	local none=0 try
	for ((try = 0; try < 80 && none < 8; try++)); do
		if pkill -KILL -x "${1:0:15}"; then none=0; else none=$((none + 1)); fi
		sleep 0.1
	done
}

# kill_unit ends a unit's processes so that systemd does not start it again.
kill_unit() {
	mkdir -p "/run/systemd/system/$1.d"
	printf '[Service]\nRestart=no\n' >"/run/systemd/system/$1.d/hakube-drill.conf"
	systemctl daemon-reload
	systemctl kill --kill-whom=main -s KILL "$1" # its own process: what it started goes on
}

drop() {
	iptables -w -N "$CHAIN"
	if [[ $1 == clients ]]; then
		iptables -w -A "$CHAIN" ! -i lo -p tcp --dport 443 -j DROP
		iptables -w -I INPUT -j "$CHAIN"
		return
	fi
	shift
	local address hook
	for address in "$@"; do
		iptables -w -A "$CHAIN" -s "$address" -j DROP
		iptables -w -A "$CHAIN" -d "$address" -j DROP
	done
	for hook in INPUT OUTPUT FORWARD; do iptables -w -I "$hook" -j "$CHAIN"; done
}

fill() {
	local free
	free=$(df -B1 --output=avail "$DISK" | tail -n 1)
	fallocate -l "$((free - (1 << 20)))" "$FILL"
}

fail() {
	local unit name
	for unit in $(units "$1"); do kill_unit "$unit"; done
	for name in $(manifests "$1"); do
		mkdir -p "$DISK/kubernetes/retired"
		mv "$DISK/kubernetes/manifests/$name.yaml" "$DISK/kubernetes/retired/"
		dead "$name"
	done
	case $1 in
	clients | others) drop "$@" ;;
	disk-full) fill ;;
	clock)
		for unit in chrony systemd-timesyncd ntpsec ntp; do
			if systemctl -q is-active "$unit.service"; then
				echo "$unit.service" >>"$RUN/clocks"
				systemctl stop "$unit.service"
			fi
		done
		echo 300 >"$RUN/ahead"
		date -s "@$(($(date +%s) + 300))"
		;;
	esac
}

# undo is whole by itself: the timer runs it alone.
undo() {
	local file hook
	rm -f "$FILL"
	for hook in INPUT OUTPUT FORWARD; do
		while iptables -w -D "$hook" -j "$CHAIN" 2>/dev/null; do :; done
	done
	if iptables -w -F "$CHAIN" 2>/dev/null; then iptables -w -X "$CHAIN"; fi
	if [[ -e $RUN/ahead ]]; then
		date -s "@$(($(date +%s) - $(<"$RUN/ahead")))"
		rm -f "$RUN/ahead"
		while read -r file; do systemctl start "$file"; done < <(cat "$RUN/clocks" 2>/dev/null || true)
		rm -f "$RUN/clocks"
	fi
	for file in /run/systemd/system/*.d/hakube-drill.conf; do
		[[ -e $file ]] || continue
		rm -f "$file"
		hook=$(basename "$(dirname "$file")")
		systemctl daemon-reload
		systemctl reset-failed "${hook%.d}" 2>/dev/null || true
		systemctl start --no-block "${hook%.d}"
	done
	if [[ -e $MARK ]]; then
		find "$DISK/kubernetes/retired" -name 'kube-*.yaml' -exec mv {} "$DISK/kubernetes/manifests/" \; 2>/dev/null || true
		rmdir "$DISK/kubernetes/retired" 2>/dev/null || true
		rm -f "$MARK"
	fi
	if [[ -z ${TIMED:-} ]]; then systemctl stop "$TIMER.timer" 2>/dev/null || true; fi
	rm -rf "$RUN"
}

# begin has the timer run before anything fails.
begin() {
	local failure=$1 seconds=$2
	shift 2
	[[ $seconds =~ ^[0-9]+$ ]] || refuse "usage: begin FAILURE SECONDS"
	check "$failure"
	undo
	mkdir -p "$RUN"
	{
		echo 'export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C'
		declare -p DISK RUN MARK FILL CHAIN TIMER
		declare -f undo
		echo 'TIMED=yes; undo'
	} >"$RUN/undo"
	systemd-run -q --collect --unit="$TIMER" --on-active="${seconds}s" --timer-property=AccuracySec=1s bash "$RUN/undo"
	if [[ -d $DISK/hakube ]]; then printf '%s\n' "$failure" >"$MARK"; fi
	fail "$failure" "$@"
}

# probe ends with its caller, or after a quarter of an hour.
probe() {
	while ((SECONDS < 900)); do
		if curl -fsS -m 2 -o /dev/null "$1" 2>/dev/null; then echo ok; else echo lost; fi
		sleep 0.25
	done
}

verb=${1:-}
if [[ $verb == probe ]]; then
	probe "${2:-}"
	exit
fi
case $verb in
check | begin) (($# > 1)) || refuse "usage: $verb FAILURE" ;;
undo) ;;
*) refuse "usage: check|begin|undo" ;;
esac
shift
error=''
set +e # a substitution in a condition would go on after what fails
said=$(
	set -e
	exec 2>&1
	"$verb" "$@" >/dev/null
)
code=$?
set -e
if ((code != 0)); then error=$(tail -n 1 <<<"${said:-it did not work}"); fi
error=${error//\\/\\\\}
printf '{"error":"%s"}\n' "$(tr '[:cntrl:]' ' ' <<<"${error//\"/\\\"}" | sed 's/ *$//')"
