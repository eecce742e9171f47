#!/usr/bin/env bash
# hakube: drill
#
# Makes a failure of this machine on purpose, and takes it back:
#
#   check FAILURE                     whether it can be made here
#   begin FAILURE SECONDS [ADDRESS…]  a timer first that takes it back, then the failure
#   undo                              takes back whatever a drill left; without one nothing
#   probe [URL]                       asks four times a second, a line each, for a name of the cluster
#                                     as its pods would, and for the URL if there is one
#
# FAILURE is one of
#
#   api          the API server's process is killed, and not started again
#   etcd-RING    etcd's of a ring (main, events), the same
#   controllers  the scheduler's and the controller-manager's, the same
#   kubelet      the kubelet's, the same
#   clients      what comes to port 443 from other machines is dropped
#   others       what comes from the addresses, or goes there, is dropped
#   disk-lost    the data disk is unmounted, and both etcds are killed
#   disk-slow    what both etcds write comes to the data disk at 128 kB a second
#   disk-full    a file fills the data disk
#   clock        the clock is put five minutes ahead
#
# Prints {"error":""}, or why it cannot. probe prints lines of what was asked (pods, names), whether
# it was answered (ok, lost), after how many milliseconds, and why not.
#
# What is done is written down in RUN before it is done, and forgotten once it is taken back: undo may be
# cut anywhere and run again, and the timer tries until it is done. RUN is gone after a reboot, and so is all
# of a failure: a boot mounts the data disk, removes the file that fills it, and puts back a control plane
# that was put aside.
set -euo pipefail
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C
DEVICE=/dev/disk/by-id/google-master-pd
DISK=/mnt/disks/master-pd
RUN=/run/hakube/drill
UNITS=/run/systemd/system
LOCK=/run/hakube-drill.lock # one at a time: what one takes back another must not make meanwhile
FILL=$DISK/hakube-drill.fill
CHAIN=HAKUBE-DRILL
TIMER=hakube-drill-undo
SLOW=128K
KUBELET=/var/lib/kubelet/config.yaml

refuse() {
	echo "$1" >&2
	exit 1
}

# units are those that are killed.
units() {
	case $1 in
	etcd-main | etcd-events) echo "etcd@${1#etcd-}.service" ;;
	disk-lost) echo etcd@main.service etcd@events.service ;;
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
	clients | others) iptables -w 10 -nL INPUT >/dev/null || refuse "iptables cannot be used" ;;
	disk-lost | disk-full) mountpoint -q "$DISK" || refuse "it has no data disk" ;;
	disk-slow)
		for unit in etcd@main.service etcd@events.service; do systemctl -q is-active "$unit" || refuse "$unit does not run"; done
		[[ -b $DEVICE ]] || refuse "it has no data disk"
		grep -qsw io /sys/fs/cgroup/cgroup.controllers || [[ -d /sys/fs/cgroup/blkio ]] || refuse "its kernel has nothing that slows a disk down"
		;;
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
	((none == 8)) || refuse "$1 is started again and again"
}

# kill_unit ends a unit's process so that systemd does not start it again.
kill_unit() {
	echo "$1" >>"$RUN/units"
	mkdir -p "$UNITS/$1.d"
	printf '[Service]\nRestart=no\n' >"$UNITS/$1.d/hakube-drill.conf"
	systemctl daemon-reload
	systemctl kill --kill-whom=main -s KILL "$1" # its own process: what it started goes on
}

put_aside() {
	echo "$1.yaml" >>"$RUN/aside"
	mkdir -p "$DISK/kubernetes/retired"
	mv "$DISK/kubernetes/manifests/$1.yaml" "$DISK/kubernetes/retired/"
	dead "$1"
}

drop() {
	iptables -w 10 -N "$CHAIN"
	if [[ $1 == clients ]]; then
		iptables -w 10 -A "$CHAIN" ! -i lo -p tcp --dport 443 -j DROP
		iptables -w 10 -I INPUT -j "$CHAIN"
		return
	fi
	shift
	local address hook
	for address in "$@"; do
		iptables -w 10 -A "$CHAIN" -s "$address" -j DROP
		iptables -w 10 -A "$CHAIN" -d "$address" -j DROP
	done
	for hook in INPUT OUTPUT FORWARD; do iptables -w 10 -I "$hook" -j "$CHAIN"; done
}

fill() {
	local free
	free=$(df -B1 --output=avail "$DISK" | tail -n 1)
	fallocate -l "$((free - (1 << 20)))" "$FILL"
}

# lose takes the disk away, as far as anything that is started from here on finds it.
lose() {
	: >"$RUN/unmounted"
	umount -l "$DISK"
}

# slow limits what a unit writes, and looks whether that has come to the kernel: where systemd has no say
# over disks it does not complain.
slow() {
	local group
	echo "$1" >>"$RUN/slow"
	systemctl set-property --runtime "$1" "IOWriteBandwidthMax=$DEVICE $SLOW"
	group=$(systemctl show -p ControlGroup --value "$1")
	if ! grep -qsE 'wbps=[0-9]' "/sys/fs/cgroup$group/io.max" && ! grep -qs : "/sys/fs/cgroup/blkio$group/blkio.throttle.write_bps_device"; then
		refuse "systemd's limit of what $1 writes does not come to the kernel"
	fi
}

# ahead_of_time keeps what the clock says beside the time since the boot, which nobody sets: however often
# and whenever that is taken back, the clock is right.
ahead_of_time() {
	local unit
	for unit in chrony systemd-timesyncd ntpsec ntp; do
		if systemctl -q is-active "$unit.service"; then
			echo "$unit.service" >>"$RUN/clocks"
			systemctl stop "$unit.service"
		fi
	done
	awk -v now="$(date +%s.%N)" '{ printf "%.2f\n", now - $1 }' /proc/uptime >"$RUN/booted.new"
	mv "$RUN/booted.new" "$RUN/booted" # whole, or not at all
	date -s "@$(($(date +%s) + 300))"
}

fail() {
	local unit name
	for unit in $(units "$1"); do kill_unit "$unit"; done
	for name in $(manifests "$1"); do put_aside "$name"; done
	case $1 in
	clients | others) drop "$@" ;;
	disk-lost) lose ;;
	disk-slow) for unit in etcd@main.service etcd@events.service; do slow "$unit"; done ;;
	disk-full) fill ;;
	clock) ahead_of_time ;;
	esac
}

# undo takes back each part, whatever becomes of the others. It and the parts are whole by themselves:
# the timer runs them alone.
undo() {
	local part left=''
	for part in disk network clock manifests units limits; do
		"undo_$part" || left+=" $part"
	done
	if [[ -n $left ]]; then
		echo "not taken back:$left" >&2
		return 1
	fi
	if [[ -z ${TIMED:-} ]]; then systemctl stop "$TIMER.timer" "$TIMER.service" 2>/dev/null || true; fi
	rm -rf "$RUN"
}

undo_disk() {
	if [[ -e $RUN/unmounted ]]; then
		mountpoint -q "$DISK" || mount -o noatime,discard "$DEVICE" "$DISK" || return
		rm -f "$RUN/unmounted"
	fi
	rm -f "$FILL"
}

undo_network() {
	local hook rules
	command -v iptables >/dev/null || return 0
	for hook in INPUT OUTPUT FORWARD; do
		while rules=$(iptables -w 10 -S "$hook") || return; [[ $rules == *"-j $CHAIN"* ]]; do
			iptables -w 10 -D "$hook" -j "$CHAIN" || return
		done
	done
	rules=$(iptables -w 10 -S) || return
	[[ $rules == *"-N $CHAIN"* ]] || return 0
	iptables -w 10 -F "$CHAIN" && iptables -w 10 -X "$CHAIN"
}

undo_clock() {
	local unit
	if [[ -e $RUN/booted ]]; then
		date -s "@$(awk -v booted="$(<"$RUN/booted")" '{ printf "%.2f", booted + $1 }' /proc/uptime)" >/dev/null || return
		rm -f "$RUN/booted"
	fi
	[[ -e $RUN/clocks ]] || return 0
	while read -r unit; do systemctl start "$unit" || return; done <"$RUN/clocks"
	rm -f "$RUN/clocks"
}

undo_manifests() {
	local name
	[[ -e $RUN/aside ]] || return 0
	mountpoint -q "$DISK" || return
	while read -r name; do
		[[ ! -e $DISK/kubernetes/retired/$name ]] || mv "$DISK/kubernetes/retired/$name" "$DISK/kubernetes/manifests/" || return
	done <"$RUN/aside"
	rmdir "$DISK/kubernetes/retired" 2>/dev/null || true
	rm -f "$RUN/aside"
}

undo_units() {
	local unit
	[[ -e $RUN/units ]] || return 0
	while read -r unit; do rm -f "$UNITS/$unit.d/hakube-drill.conf"; done <"$RUN/units"
	systemctl daemon-reload || return
	while read -r unit; do
		systemctl reset-failed "$unit" 2>/dev/null || true
		systemctl start --no-block "$unit" || return
	done <"$RUN/units"
	rm -f "$RUN/units"
}

undo_limits() {
	local unit
	[[ -e $RUN/slow ]] || return 0
	while read -r unit; do systemctl set-property --runtime "$unit" IOWriteBandwidthMax= || return; done <"$RUN/slow"
	rm -f "$RUN/slow"
}

# by_itself is what the timer runs: it tries for an hour, and lets others in between two times.
by_itself() {
	local try
	for ((try = 0; try < 240; try++)); do
		if (flock -w 50 9 && undo) 9>"$LOCK"; then return 0; fi
		sleep 15
	done
	return 1
}

# begin has the timer run before anything fails.
begin() {
	local failure=$1 seconds=$2
	shift 2
	[[ $seconds =~ ^[0-9]+$ ]] || refuse "usage: begin FAILURE SECONDS"
	[[ $failure != others ]] || (($# > 0)) || refuse "usage: begin others SECONDS ADDRESS…"
	undo
	check "$failure"
	mkdir -p "$RUN"
	{
		echo 'export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C TIMED=yes'
		declare -p DEVICE DISK RUN UNITS LOCK FILL CHAIN TIMER
		declare -f undo undo_disk undo_network undo_clock undo_manifests undo_units undo_limits by_itself
		echo by_itself
	} >"$RUN/undo"
	systemd-run -q --collect --unit="$TIMER" --on-active="${seconds}s" --timer-property=AccuracySec=1s bash "$RUN/undo"
	fail "$failure" "$@"
}

# told WHAT SINCE CODE WHY prints an answer, or that there was none.
told() {
	local took=$((${EPOCHREALTIME//[.,]/} - $2))
	if (($3 == 0)); then echo "$1 ok $((took / 1000))"; else echo "$1 lost $((took / 1000)) $4"; fi
}

# resolve SERVER NAME asks for an address by UDP, as a pod's resolver does, for a second. What is sent
# goes through dd, since bash would cut it at what it takes for ends of lines.
resolve() {
	local part query='\x48\x4b\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00' b
	for part in ${2//./ }; do query+=$(printf '\\x%02x%s' "${#part}" "$part"); done
	exec 3<>"/dev/udp/$1/${DNS_PORT:-53}"
	printf '%b' "$query\x00\x00\x01\x00\x01" | dd bs=512 iflag=fullblock >&3 2>/dev/null
	read -r -a b < <(timeout 1 dd bs=512 count=1 <&3 2>/dev/null | od -An -v -tx1 -N 8)
	exec 3>&-
	[[ ${b[0]:-}${b[1]:-} == 484b ]] && ((16#${b[3]} % 16 == 0 && 16#${b[6]}${b[7]} > 0))
}

# answers asks again and again: for WHAT, of whom, for which name.
answers() {
	local since code
	while ((SECONDS < 900)); do
		since=${EPOCHREALTIME//[.,]/} code=0
		case $1 in
		pods) curl -fsS -m 2 -o /dev/null "$2" 2>/dev/null || code=$? ;;
		names) resolve "$2" "$3" 2>/dev/null || code=$? ;;
		esac
		told "$1" "$since" "$code" "code $code"
		sleep 0.25
	done
}

# probe ends with its caller, or after a quarter of an hour. Whom pods ask for names, and what their names
# end in, the kubelet has from its settings.
probe() {
	local server domain
	server=$(sed -n '/^clusterDNS:/ { n; s/^ *- *//p }' "$KUBELET" 2>/dev/null | tr -d '"')
	domain=$(sed -n 's/^clusterDomain: *//p' "$KUBELET" 2>/dev/null | tr -d '"')
	if [[ -n $server && -n $domain ]]; then answers names "$server" "kubernetes.default.svc.$domain" & fi
	if [[ -n ${1:-} ]]; then answers pods "$1" & fi
	wait
}

verb=${1:-}
if [[ $verb == probe ]]; then
	set +e # what is not answered is no error of it
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
	if [[ $verb != check ]]; then
		exec 9>"$LOCK"
		flock -w 50 9 || refuse "another one makes or takes back a failure of it"
	fi
	"$verb" "$@" >/dev/null
)
code=$?
set -e
if ((code != 0)); then error=$(tail -n 1 <<<"${said:-it did not work}"); fi
error=${error//\\/\\\\}
printf '{"error":"%s"}\n' "$(tr '[:cntrl:]' ' ' <<<"${error//\"/\\\"}" | sed 's/ *$//')"
