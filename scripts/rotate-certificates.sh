# shellcheck shell=bash disable=SC2154,SC2317
# rotate-certificates ROTATION makes the leaf certificates of this master anew, by the
# authorities that are there: each has the names and the extensions of the one before, and
# a key of its own. Who reads them from their files takes them as they are (API server and
# etcd, for the next connection); controller-manager and scheduler read theirs only when
# they start, so their processes are ended and the kubelet starts them. Nothing else is
# ended. Prints {"rotated":"ROTATION"}; a rotation that was done here is not done again.

# make_new_certificates makes all that has been there, beside what is there.
make_new_certificates() {
	local pki=kubernetes/pki name
	rm -rf "$NEW_CERTIFICATES"
	install -d -m 0700 "$NEW_CERTIFICATES" "$NEW_CERTIFICATES"/{kubernetes/pki,etcd/pki}
	for name in apiserver apiserver-kubelet-client; do
		new_leaf "$DISK/$pki/$name.crt" "$AUTHORITY" "$NEW_CERTIFICATES/$pki/$name"
		if [[ -s $CROSS ]]; then cat "$CROSS" >>"$NEW_CERTIFICATES/$pki/$name.crt"; fi
	done
	new_leaf "$DISK/$pki/front-proxy-client.crt" "$DISK/$pki/front-proxy-ca" "$NEW_CERTIFICATES/$pki/front-proxy-client"
	for name in member client; do
		new_leaf "$ETCD_PKI/$name.crt" "$ETCD_PKI/ca" "$NEW_CERTIFICATES/etcd/pki/$name"
	done
	install -m 0644 "$NEW_CERTIFICATES/etcd/pki/client.crt" "$NEW_CERTIFICATES/$pki/apiserver-etcd-client.crt"
	install -m 0600 "$NEW_CERTIFICATES/etcd/pki/client.key" "$NEW_CERTIFICATES/$pki/apiserver-etcd-client.key"
	for name in admin controller-manager scheduler super-admin; do
		if [[ $name != super-admin || -s $DISK/kubernetes/super-admin.conf ]]; then new_kubeconfig "$name.conf"; fi
	done
	sync -f "$DISK"
	: >"$NEW_CERTIFICATES/whole"
	sync -f "$DISK"
}

# all_show tells whether each port shows what is in the files. Peers are asked as clients:
# they show theirs before they look at ours.
all_show() {
	local api member at
	api=$(serial <"$DISK/kubernetes/pki/apiserver.crt")
	member=$(serial <"$ETCD_PKI/member.crt")
	[[ $(shown 127.0.0.1:443) == "$api" ]] || return 1
	for at in 127.0.0.1:{2379,4002} "$IP":{2380,2381}; do
		[[ $(shown "$at") == "$member" ]] || return 1
	done
}

rotate_certificates() {
	[[ -e $STATE/founded ]] || die "this machine is no master yet"
	if [[ -s $STATE/certificates && $(<"$STATE/certificates") == "$1" ]]; then return; fi
	put_new_certificates # of a run that was cut
	make_new_certificates
	sleep "${AGREED:-6}" # until they have begun by the clock of each other master, 5 s of which are borne
	trap '' HUP INT TERM PIPE
	put_new_certificates
	trap - HUP INT TERM PIPE
	wait_until 120 "API server and etcd show their new certificates" all_show
	start_anew "${!STARTED[@]}"
	wait_until 60 "the API server is ready" api_is_ready
	put "$STATE/certificates" <<<"$1"
	sync -f "$DISK"
}

[[ $# == 1 && $1 =~ ^[0-9]{1,18}$ ]] || die "usage: rotate-certificates ROTATION"
answer_with rotate_certificates "$1" </dev/null
printf '{"rotated":"%s"}\n' "$1"
exit
