# shellcheck shell=bash disable=SC2154,SC2317
# encryption-key STAGE ROTATION brings this master a stage further in exchanging the key that
# Secrets are encrypted with in etcd, and sees that its API server has come along:
#
#   behind   the rotation's key is behind those that were there: what others write with it
#            can be read
#   first    it comes first, so that everything is written with it
#   alone    all others are gone. Refused while etcd has a Secret by another key
#
# The key is made here, unless HAVE, another master's file in base64, has it: what that has
# is taken over. It is in a line before these, since nothing secret may be an argument. The API server reads the file
# anew each minute; one that was started without that is started once more, with it. Prints
# {"encryption":"ROTATION STAGE"}; what has been done is not done again.
MANIFEST=$DISK/kubernetes/manifests/kube-apiserver.yaml
RELOADS=--encryption-provider-config-automatic-reload=true

# read_keys TEXT WHOSE makes KEYS its names and keys by turns. Of what hakube would not have
# written as it is nobody knows what has to stay.
read_keys() {
	mapfile -t KEYS < <(sed -n 's/^      - name: //p; s/^        secret: //p' <<<"$1")
	[[ ${#KEYS[@]} -gt 1 && $(encryption_config "${KEYS[@]}") == "$1" ]] ||
		die "$2 $ENCRYPTION was changed by somebody, and is left as it is"
}

# key_named NAME prints that one of KEYS, nothing without it.
key_named() {
	local i
	for ((i = 0; i < ${#KEYS[@]}; i += 2)); do
		[[ ${KEYS[i]} != "$1" ]] || echo "${KEYS[i + 1]}"
	done
}

# others NAME makes OTHERS those of KEYS that have another name.
others() {
	local i
	OTHERS=()
	for ((i = 0; i < ${#KEYS[@]}; i += 2)); do
		[[ ${KEYS[i]} == "$1" ]] || OTHERS+=("${KEYS[@]:i:2}")
	done
}

# let_reload has the API server started with the flag, once.
let_reload() {
	if grep -q -e "$RELOADS" "$MANIFEST"; then return; fi
	grep -q -e '--encryption-provider-config=' "$MANIFEST" || die "the API server of this master does not encrypt: $MANIFEST has no --encryption-provider-config"
	sed "s|^\( *- \)--encryption-provider-config=.*|&\n\1$RELOADS|" "$MANIFEST" | put "$STATE/kube-apiserver.yaml" 0600
	mv -f "$STATE/kube-apiserver.yaml" "$MANIFEST" # the kubelet takes any file beside it for another manifest
}

# has_come_along: the API server that listens here has just what the file has. Its metrics
# are long, and are not asked for all the time.
has_come_along() {
	local sum
	sum=$(sha256sum <"$ENCRYPTION")
	if as_admin --request-timeout=30s get --raw /metrics 2>/dev/null |
		grep -F "last_config_info{" | grep -F 'encryption_config_controller' | grep -F "\"sha256:${sum%% *}\"" >/dev/null; then return; fi
	sleep "${BETWEEN:-3}"
	return 1
}

exchange_key() {
	local new=key-$2 theirs=() secret left i
	[[ -e $STATE/founded ]] || die "this machine is no master yet"
	[[ -s $ENCRYPTION ]] || die "this master encrypts no Secrets: it has no $ENCRYPTION"
	if [[ -n ${HAVE:-} ]]; then
		read_keys "$(base64 -d <<<"$HAVE")" "another master's"
		theirs=("${KEYS[@]}")
	fi
	read_keys "$(<"$ENCRYPTION")" "this master's"
	others "$new"
	case $1 in
	behind)
		for ((i = 0; i < ${#theirs[@]}; i += 2)); do
			if [[ -z $(key_named "${theirs[i]}") ]]; then KEYS+=("${theirs[@]:i:2}"); fi
		done
		if [[ -z $(key_named "$new") ]]; then KEYS+=("$new" "$(openssl rand -base64 32)"); fi
		;;
	*)
		secret=$(key_named "$new")
		[[ -n $secret ]] || die "this master does not have the key $new yet"
		KEYS=("$new" "$secret" "${OTHERS[@]}")
		if [[ $1 == alone ]]; then
			left=$(old_secrets "$new")
			[[ -z $left ]] || die "etcd has Secrets by another key than $new: ${left//$'\n'/ }"
			KEYS=("$new" "$secret")
		fi
		;;
	esac
	encryption_config "${KEYS[@]}" | put "$ENCRYPTION" 0600
	sync -f "$DISK"
	let_reload
	wait_until 240 "the API server has read $ENCRYPTION" has_come_along
	wait_until 60 "the API server is ready" api_is_ready
	put "$STATE/encryption-key" <<<"$2 $1"
	sync -f "$DISK"
}

[[ $# == 2 && $1 =~ ^(behind|first|alone)$ && $2 =~ ^[0-9]{1,18}$ ]] || die "usage: encryption-key behind|first|alone ROTATION"
answer_with exchange_key "$1" "$2" </dev/null
printf '{"encryption":"%s %s"}\n' "$2" "$1"
exit
