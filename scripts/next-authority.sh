# shellcheck shell=bash disable=SC2154,SC2317

# What makes the authority that will sign, ca-next beside the one that does, in PKI. NAMED begins
# what it is called.
AUTHORITY_EXTENSIONS=$'basicConstraints = critical,CA:TRUE\nkeyUsage = critical,digitalSignature,keyEncipherment,keyCertSign\nsubjectKeyIdentifier = hash'

# key_of KEY and key_in CERTIFICATE print public keys.
key_of() { openssl pkey -in "$1" -pubout 2>/dev/null; }
key_in() { openssl x509 -noout -pubkey -in "$1" 2>/dev/null; }

# next_signs tells whether the one that will sign does so already.
next_signs() { [[ -s $PKI/ca-next.key && $(key_of "$PKI/ca-next.key") == "$(key_of "$PKI/ca.key")" ]]; }
forget_next() { rm -f "$PKI"/ca-next.{key,crt}; }

# get_next ROTATION makes ca-next.{key,crt} the one that will sign. A master that joined in
# between may sign with it already.
get_next() {
	if next_signs; then forget_next; fi # of another rotation, which is done
	if [[ -n ${HAVE:-} ]]; then
		base64 -d <<<"$HAVE" | put "$PKI/ca-next.key" 0600
		put "$PKI/ca-next.crt" <<<"$(base64 -d <<<"$HAVE_CERTIFICATE" | openssl x509)"
	elif [[ ! -s $PKI/ca-next.crt ]]; then
		openssl ecparam -name prime256v1 -genkey -noout | put "$PKI/ca-next.key" 0600
		openssl req -batch -x509 -new -key "$PKI/ca-next.key" -days 3650 -sha256 -config /dev/stdin <<-END | put "$PKI/ca-next.crt"
			[req]
			prompt = no
			distinguished_name = name
			x509_extensions = extensions
			[name]
			CN = $NAMED-$1
			[extensions]
			$AUTHORITY_EXTENSIONS
		END
	fi
	[[ $(key_in "$PKI/ca-next.crt") == "$(key_of "$PKI/ca-next.key")" ]] || die "what another master has is no authority"
	if next_signs; then forget_next; fi
}

# only_first has a file have one certificate, its first.
only_first() {
	local text
	text=$(openssl x509 -in "$1")
	put "$1" <<<"$text"
}
