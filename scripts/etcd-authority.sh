# shellcheck shell=bash disable=SC2034,SC2154,SC2317
# etcd-authority STAGE ROTATION brings this master a stage further in exchanging the certificate
# authority of both rings, and sees that its members and its API server have come along:
#
#   trusted   what the new one signs is taken beside what the one that signs has signed
#   signs     the new one signs, and this master's certificates for the rings are by it
#   alone     only what the one that signs has signed is taken
#   only      all of it at once, where there is no other master: members and API server start anew
#             once and not twice
#
# The new one is made here, unless HAVE and HAVE_CERTIFICATE are its key and certificate, another
# master's in base64: they are in lines before these, since nothing secret may be an argument.
# Certificates are read for each connection, and whom to trust only by who starts: a member that has
# not read ca.crt as it is is restarted, one ring after the other, and then the API server ends
# and the kubelet starts it. Prints {"etcdAuthority":"ROTATION STAGE"}; what has been done is not done again.
PKI=$ETCD_PKI
NAMED=etcd-ca
API_COPY=$DISK/kubernetes/pki/etcd/ca.crt

# trust_next has ca.crt have the new one behind the one that signs.
trust_next() {
	local signs
	if [[ -s $PKI/ca-next.crt ]]; then # or it is behind that already
		signs=$(openssl x509 -in "$PKI/ca.crt")
		printf '%s\n' "$signs" "$(<"$PKI/ca-next.crt")" | put "$PKI/ca.crt"
	fi
	sync -f "$DISK"
}

# since PID FILE tells whether a process was started when a file was as it is.
since() {
	local age
	age=$(ps -o etimes= -p "$1") || return 1
	(($(date +%s) - age > $(stat -c %Y "$2")))
}

# member_has_read RING and api_has_read tell whether one that is well has read whom to trust.
member_has_read() {
	local pid
	pid=$(systemctl show "etcd@$1.service" -p MainPID --value) || return 1
	((pid > 0)) && since "$pid" "$PKI/ca.crt" && etcd_ctl "$1" endpoint health >/dev/null 2>&1
}
api_has_read() {
	local pid
	pid=$(pgrep -xo kube-apiserver) && since "$pid" "$API_COPY" && api_is_ready
}

# later_than FILE waits until who starts is seen to have done so after a file was written:
# processes tell whole seconds of their age.
later_than() {
	local left=$((${BETWEEN:-3} - $(date +%s) + $(stat -c %Y "$1")))
	if ((left > 0)); then sleep "$left"; fi
}

# read_anew has who has not read it do so, and waits for each.
read_anew() {
	local ring
	for ring in main events; do
		if member_has_read "$ring"; then continue; fi
		later_than "$PKI/ca.crt"
		systemctl restart --no-block "etcd@$ring.service"
		wait_until 180 "etcd $ring has read the authorities of $PKI/ca.crt" member_has_read "$ring"
	done
	tell_api
	if api_has_read; then return; fi
	later_than "$API_COPY"
	pkill -TERM -x kube-apiserver || true
	wait_until 240 "kube-apiserver has read the authorities of $API_COPY" api_has_read
}

# tell_api has the API server's own file say the same, from its next start on.
tell_api() {
	put "$API_COPY" <"$PKI/ca.crt"
	sync -f "$DISK"
}

# end_api has the API server end while it has its connections to members that it would not reach
# any more by new ones: what it is asked by then would keep it from ending for a minute.
end_api() {
	local pid
	tell_api
	pid=$(pgrep -xo kube-apiserver) || return 0
	if since "$pid" "$API_COPY"; then return; fi # of a run that was cut
	later_than "$API_COPY"
	kill -TERM "$pid" || true
	wait_until 75 "the API server has ended" has_ended "$pid"
}
has_ended() { [[ $(pgrep -xo kube-apiserver) != "$1" ]]; }

# make_by_next makes all that changes when the new one signs, beside what is there.
make_by_next() {
	local new=$NEW_CERTIFICATES name
	rm -rf "$new"
	install -d -m 0700 "$new" "$new"/{kubernetes/pki,etcd/pki}
	install -m 0600 "$PKI/ca-next.key" "$new/etcd/pki/ca.key"
	{ cat "$PKI/ca-next.crt" && openssl x509 -in "$PKI/ca.crt"; } >"$new/etcd/pki/ca.crt"
	for name in member client; do
		new_leaf "$PKI/$name.crt" "$new/etcd/pki/ca" "$new/etcd/pki/$name"
	done
	install -m 0644 "$new/etcd/pki/client.crt" "$new/kubernetes/pki/apiserver-etcd-client.crt"
	install -m 0600 "$new/etcd/pki/client.key" "$new/kubernetes/pki/apiserver-etcd-client.key"
	sync -f "$DISK"
	: >"$new/whole"
	sync -f "$DISK"
}

# members_show tells whether each port of both members shows what is in the file.
members_show() {
	local member at
	member=$(serial <"$PKI/member.crt")
	for at in 127.0.0.1:{2379,4002} "$IP":{2380,2381}; do
		[[ $(shown "$at") == "$member" ]] || return 1
	done
}

# sign_by_next has the new one sign.
sign_by_next() {
	put_new_certificates # of a run that was cut
	if next_signs; then forget_next; fi
	if [[ -s $PKI/ca-next.key ]]; then
		make_by_next
		sleep "${AGREED:-6}" # until they have begun by the clock of each other master, 5 s of which are borne
		trap '' HUP INT TERM PIPE
		put_new_certificates
		trap - HUP INT TERM PIPE
	fi
	wait_until 120 "both members show their new certificate" members_show
	wait_until 60 "both members vote" members_vote
	wait_until 60 "the API server is ready" api_is_ready
}

# distrust has nothing trust another one than the one that signs.
distrust() {
	[[ ! -s $PKI/ca-next.key ]] || next_signs || die "another authority is here, which does not sign yet"
	forget_next
	only_first "$PKI/ca.crt"
	sync -f "$DISK"
}

exchange_etcd_authority() {
	local at
	[[ -e $STATE/founded ]] || die "this machine is no master yet"
	at=$(cat "$STATE/etcd-authority" 2>/dev/null) || true
	if [[ $1 != alone && $at != "$2 "* ]]; then
		put_new_certificates # of a run that was cut
		get_next "$2"
		trust_next
		read_anew
		put "$STATE/etcd-authority" <<<"$2 trusted"
	fi
	case $1 in
	trusted) return ;;
	signs) sign_by_next ;;
	alone)
		distrust
		read_anew
		;;
	esac
	put "$STATE/etcd-authority" <<<"$2 $1"
	sync -f "$DISK"
	forget_next # not before: a run that is cut goes on with it
}

# exchange_at_once ROTATION is for the only master. Nobody connects to a member whose
# certificate it does not take but for the moment until that has started anew.
exchange_at_once() {
	local at
	[[ -e $STATE/founded ]] || die "this machine is no master yet"
	at=$(cat "$STATE/etcd-authority" 2>/dev/null) || true
	put_new_certificates # of a run that was cut
	if [[ $at != "$1 "* ]]; then
		get_next "$1"
		if [[ -s $PKI/ca-next.key ]]; then
			make_by_next
			trap '' HUP INT TERM PIPE
			put_new_certificates
			trap - HUP INT TERM PIPE
		fi
		put "$STATE/etcd-authority" <<<"$1 signs"
	fi
	distrust
	end_api
	read_anew
	wait_until 120 "both members show their new certificate" members_show
	put "$STATE/etcd-authority" <<<"$1 alone"
	sync -f "$DISK"
}

[[ $# == 2 && $1 =~ ^(trusted|signs|alone|only)$ && $2 =~ ^[0-9]{1,18}$ ]] || die "usage: etcd-authority trusted|signs|alone|only ROTATION"
case $1 in
only) answer_with exchange_at_once "$2" </dev/null ;;
*) answer_with exchange_etcd_authority "$1" "$2" </dev/null ;;
esac
printf '{"etcdAuthority":"%s %s"}\n' "$2" "${1/only/alone}"
exit
