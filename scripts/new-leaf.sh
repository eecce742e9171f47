# shellcheck shell=bash disable=SC2154,SC2317

# What makes leaf certificates anew after those that there are, and asks what listens for them.
# All of it goes by AUTHORITY, the path of an authority without its ending.
AUTHORITY=$DISK/kubernetes/pki/ca

# days_of CERTIFICATE prints how long what it signs may live: MOST days, of which ten years
# are usual, and not longer than itself.
days_of() {
	local ends left
	ends=$(openssl x509 -noout -enddate -in "$1")
	left=$((($(date -d "${ends#notAfter=}" +%s) - $(date +%s)) / 86400))
	((left > 0)) || die "the authority $1 has ended on ${ends#notAfter=}"
	echo $((left < ${MOST:-3650} ? left : ${MOST:-3650}))
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
	new_leaf "$new.old" "$AUTHORITY" "$new"
	sed -f /dev/stdin "$old" >"$new" <<-END
		s|^\( *client-certificate-data: \).*|\1$(base64 -w 0 "$new.crt")|
		s|^\( *client-key-data: \).*|\1$(base64 -w 0 "$new.key")|
	END
	chmod 0600 "$new"
	rm -f "$new".{old,crt,key}
}

# serial prints the one of the certificate on stdin, shown of the one behind a TCP port.
serial() { openssl x509 -noout -serial 2>/dev/null; }
shown() {
	timeout 5 openssl s_client -connect "$1" -cert "$ETCD_PKI/client.crt" -key "$ETCD_PKI/client.key" </dev/null 2>/dev/null | serial
}
