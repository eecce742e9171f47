# shellcheck shell=bash disable=SC2154,SC2317
# rotate-certificates ROTATION makes the leaf certificates of this master anew, by the
# authorities that are there: each has the names and the extensions of the one before, and
# a key of its own. Who reads them from their files takes them as they are (API server and
# etcd, for the next connection); controller-manager and scheduler read theirs only when
# they start, so their processes are ended and the kubelet starts them. Nothing else is
# ended. Prints {"rotated":"ROTATION"}; a rotation that was done here is not done again.

# days_of CERTIFICATE prints how long what it signs may live: ten years, and not longer
# than itself.
days_of() {
	local ends left
	ends=$(openssl x509 -noout -enddate -in "$1")
	left=$((($(date -d "${ends#notAfter=}" +%s) - $(date +%s)) / 86400))
	((left > 0)) || die "the authority $1 has ended on ${ends#notAfter=}"
	echo $((left < 3650 ? left : 3650))
}

# new_leaf OLD AUTHORITY NEW makes NEW.crt and NEW.key after the certificate OLD.
new_leaf() {
	local days
	days=$(days_of "$2.crt")
	openssl ecparam -name prime256v1 -genkey -noout -out "$3.key"
	chmod 0600 "$3.key"
	openssl x509 -x509toreq -in "$1" -signkey "$3.key" -copy_extensions copy -out "$3.csr"
	openssl x509 -req -in "$3.csr" -CA "$2.crt" -CAkey "$2.key" -copy_extensions copyall -days "$days" -sha256 \
		-set_serial "0x$(openssl rand -hex 15)" -out "$3.crt" \
		-extfile <(printf 'subjectKeyIdentifier = hash\nauthorityKeyIdentifier = keyid\n')
	rm -f "$3.csr"
	openssl verify -CAfile "$2.crt" "$3.crt"
}

# new_kubeconfig FILE makes NEW_CERTIFICATES/kubernetes/FILE: FILE with another certificate
# and key. All else of it may be somebody's.
new_kubeconfig() {
	local old=$DISK/kubernetes/$1 new=$NEW_CERTIFICATES/kubernetes/$1
	sed -n 's/^ *client-certificate-data: *//p' "$old" | base64 -d >"$new.old"
	new_leaf "$new.old" "$DISK/kubernetes/pki/ca" "$new"
	sed -f /dev/stdin "$old" >"$new" <<-END
		s|^\( *client-certificate-data: \).*|\1$(base64 -w 0 "$new.crt")|
		s|^\( *client-key-data: \).*|\1$(base64 -w 0 "$new.key")|
	END
	chmod 0600 "$new"
	rm -f "$new".{old,crt,key}
}

# make_new_certificates makes all that has been there, beside what is there.
make_new_certificates() {
	local pki=kubernetes/pki name
	rm -rf "$NEW_CERTIFICATES"
	install -d -m 0700 "$NEW_CERTIFICATES" "$NEW_CERTIFICATES"/{kubernetes/pki,etcd/pki}
	for name in apiserver apiserver-kubelet-client; do
		new_leaf "$DISK/$pki/$name.crt" "$DISK/$pki/ca" "$NEW_CERTIFICATES/$pki/$name"
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

# serial prints the one of the certificate on stdin, shown of the one behind a TCP port.
serial() { openssl x509 -noout -serial 2>/dev/null; }
shown() {
	timeout 5 openssl s_client -connect "$1" -cert "$ETCD_PKI/client.crt" -key "$ETCD_PKI/client.key" </dev/null 2>/dev/null | serial
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
