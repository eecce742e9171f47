# shellcheck shell=bash disable=SC2034,SC2154,SC2317
# force-ring RING makes this master's member the only one of its ring, which has
# lost quorum for good. The machines of all others must be gone before: two parts
# of one ring that both go on have two truths. Prints {"alone":true}. A ring of this
# member alone is left as it is; cut anywhere, it can be run again.
DROP_IN=/run/systemd/system/etcd@$1.service.d

# alone RING: the member serves, and the ring has no other.
alone() {
	etcd_ctl "$1" endpoint health >/dev/null 2>&1 && [[ $(etcd_ctl "$1" member list -w simple | wc -l) == 1 ]]
}

normally() {
	rm -rf "$DROP_IN"
	systemctl daemon-reload
}

force() {
	[[ -d $DISK/etcd/$1/member ]] || die "this machine has no data of ring $1"
	make_etcd_pki
	write_etcd_unit
	start_fetching etcd # nothing, if it is there
	need etcd
	normally
	systemctl reset-failed "etcd@$1.service" 2>/dev/null || true
	if systemctl -q is-active "etcd@$1.service" && alone "$1"; then return; fi
	systemctl stop "etcd@$1.service"
	put "$DROP_IN/force.conf" <<-END # below /run: a reboot forgets it
		[Service]
		Environment=ETCD_FORCE_NEW_CLUSTER=true
	END
	systemctl daemon-reload
	start_ring "$1"
	wait_until 120 "ring $1 has this member alone" alone "$1"
	normally
	systemctl restart --no-block "etcd@$1.service"
	wait_until 60 "ring $1 serves with this member alone" alone "$1"
}
[[ -n ${PEER_PORT[${1:-}]:-} ]] || die "usage: force-ring main|events"
# Booting, it waits for an API server, which waits for the others: that is over now.
mkdir -p "$RUN"
touch "$RUN/alone"
answer_with force "$1" </dev/null
rm -f "$RUN/alone"
printf '{"alone":true}\n'
exit
