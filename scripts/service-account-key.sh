# shellcheck shell=bash disable=SC2154,SC2317
# service-account-key STAGE ROTATION brings this master a stage further in exchanging the key
# that tokens of service accounts are signed with, and sees that its API server has come along:
#
#   trusted   tokens by the rotation's key are taken beside those by the one that signs
#   signs     that key signs, and the one of before is still taken
#   alone     only tokens by the key that signs are taken
#
# The new key is made here, unless HAVE, another master's in base64, is it: it is in a line
# before these, since nothing secret may be an argument. API server and controller-manager read
# keys only when they start: that which does not do what its files say is ended, and the kubelet
# starts it. Prints {"serviceAccount":"ROTATION STAGE"}; what has been done is not done again.
SA=$DISK/kubernetes/pki # sa.key signs, sa.pub are all that are trusted, sa-new.key will sign

# public KEY prints the public half of a private key.
public() { openssl pkey -in "$1" -pubout 2>/dev/null; }

# key_id prints how tokens name the public key on stdin (Kubernetes' keyIDFromPublicKey).
key_id() { openssl pkey -pubin -outform DER 2>/dev/null | openssl dgst -sha256 -binary | base64 -w 0 | tr '+/' '-_' | tr -d '='; }

# trust KEY has the file of trusted keys have the public half of one more.
trust() {
	local text
	text=$(public "$1")
	if [[ $(<"$SA/sa.pub") == *"$text"* ]]; then return; fi
	{ cat "$SA/sa.pub" && printf '%s\n' "$text"; } | put "$SA/sa.pub"
}

# takes ID and takes_none_but ID ask the API server here by which keys it takes tokens; signs_by
# ID has it make one, which is kept nowhere.
taken() { as_admin --request-timeout=10s get --raw /openid/v1/jwks 2>/dev/null | grep -o '"kid":"[^"]*"' | cut -d '"' -f 4; }
takes() { [[ $'\n'$(taken)$'\n' == *$'\n'"$1"$'\n'* ]]; }
takes_none_but() { [[ $(taken | sort -u) == "$1" ]]; }
signs_by() {
	local head
	head=$(as_admin --request-timeout=10s create token default -n kube-system --duration=600s 2>/dev/null | cut -d . -f 1 | tr -- '-_' '+/')
	[[ -n $head ]] || return 1
	while ((${#head} % 4)); do head+='='; done
	base64 -d <<<"$head" 2>/dev/null | grep -qF "\"kid\":\"$1\""
}

# have_it CHECK ID ends the API server if it does not come up to a check, and waits until
# the one that the kubelet starts does.
have_it() {
	if "$@"; then return; fi
	pkill -TERM -x kube-apiserver || true
	wait_until 240 "the API server has the keys of its files" "$@"
	wait_until 60 "the API server is ready" api_is_ready
}

# same_keys tells whether the key that will sign does so already.
same_keys() { [[ -s $SA/sa-new.key && $(public "$SA/sa-new.key") == "$(public "$SA/sa.key")" ]]; }

# get_new_key makes sa-new.key the one that will sign, and has both trusted. A master that
# joined in between may sign with it already.
get_new_key() {
	if same_keys; then rm -f "$SA/sa-new.key"; fi # of another rotation, which is done
	if [[ -n ${HAVE:-} ]]; then
		base64 -d <<<"$HAVE" | put "$SA/sa-new.key" 0600
		[[ -n $(public "$SA/sa-new.key") ]] || die "what another master has is no key"
		if same_keys; then rm -f "$SA/sa-new.key"; fi
	elif [[ ! -s $SA/sa-new.key ]]; then
		openssl ecparam -name prime256v1 -genkey -noout | put "$SA/sa-new.key" 0600
	fi
	if [[ -s $SA/sa-new.key ]]; then trust "$SA/sa-new.key"; fi
	trust "$SA/sa.key"
	sync -f "$DISK"
}

exchange_service_account_key() {
	local at key
	[[ -e $STATE/founded ]] || die "this machine is no master yet"
	at=$(cat "$STATE/service-account-key" 2>/dev/null) || true
	case $1 in
	trusted)
		if [[ $at != "$2 "* ]]; then get_new_key; fi
		key=$SA/sa-new.key
		[[ -s $key ]] || key=$SA/sa.key
		have_it takes "$(public "$key" | key_id)"
		;;
	signs)
		if [[ $at != "$2 "* ]]; then get_new_key; fi # the only master: no other has to trust it first
		if [[ $at != "$2 signs" && -s $SA/sa-new.key ]]; then
			put "$SA/sa.key" 0600 <"$SA/sa-new.key"
			sync -f "$DISK"
		fi
		have_it signs_by "$(public "$SA/sa.key" | key_id)"
		start_anew kube-controller # signs what never ends, in Secrets
		;;
	alone)
		[[ ! -s $SA/sa-new.key ]] || same_keys || die "another key is here, which does not sign yet"
		public "$SA/sa.key" | put "$SA/sa.pub"
		sync -f "$DISK"
		have_it takes_none_but "$(public "$SA/sa.key" | key_id)"
		;;
	esac
	put "$STATE/service-account-key" <<<"$2 $1"
	sync -f "$DISK"
	if [[ $1 != trusted ]]; then rm -f "$SA/sa-new.key"; fi # not before: a run that is cut goes on with it
}

[[ $# == 2 && $1 =~ ^(trusted|signs|alone)$ && $2 =~ ^[0-9]{1,18}$ ]] || die "usage: service-account-key trusted|signs|alone ROTATION"
answer_with exchange_service_account_key "$1" "$2" </dev/null
printf '{"serviceAccount":"%s %s"}\n' "$2" "$1"
exit
