# shellcheck shell=bash disable=SC2034,SC2154,SC2317
# authority STAGE ROTATION brings this master a stage further in exchanging the cluster's
# certificate authority, and sees that its control plane has come along:
#
#   trusted   what the new one signs is taken beside what the one that signs has signed
#   signs     the new one signs, and all certificates of this master are by it, its kubelet's
#             too; who knows the one of before alone still takes them (63-authority.sh)
#   alone     only what the one that signs has signed is taken, and nothing shows another one
#
# The new one is made here, unless HAVE and HAVE_CERTIFICATE are its key and certificate, another
# master's in base64: they are in lines before these, since nothing secret may be an argument.
# Its key takes the place of the old one, which is kept nowhere. Prints
# {"authority":"ROTATION STAGE"}; what has been done is not done again.
PKI=$DISK/kubernetes/pki # ca.key signs, ca-next.key will
NAMED=kubernetes
CONTROLLERS=$DISK/kubernetes/manifests/kube-controller-manager.yaml

# trust_next has ca.crt have the new one behind the one that signs, which gets a file of its
# own for the controller that signs.
trust_next() {
	local signs
	signs=$(openssl x509 -in "$PKI/ca.crt")
	put "$PKI/ca-signing.crt" <<<"$signs"
	if [[ -s $PKI/ca-next.crt ]]; then # or it is behind that already
		printf '%s\n' "$signs" "$(<"$PKI/ca-next.crt")" | put "$PKI/ca.crt"
	fi
	if ! grep -q -e "$SIGNING" "$CONTROLLERS"; then
		sed "s|--cluster-signing-cert-file=.*|$SIGNING|" "$CONTROLLERS" | put "$STATE/kube-controller-manager.yaml" 0600
		mv -f "$STATE/kube-controller-manager.yaml" "$CONTROLLERS" # the kubelet takes any file beside it for another manifest
	fi
	sync -f "$DISK"
}

# has_read NAME tells whether the process of a name, as the kernel has it, is well and was
# started when ca.crt was as it is.
has_read() {
	local pid age
	pid=$(pgrep -xo "$1") && age=$(ps -o etimes= -p "$pid") || return 1
	(($(date +%s) - age > $(stat -c %Y "$PKI/ca.crt"))) || return 1
	case $1 in
	kube-apiserver) api_is_ready ;;
	*) tr '\0' '\n' <"/proc/$pid/cmdline" | grep -q -x -e "$SIGNING" && curl -fsSk -m 5 -o /dev/null "https://127.0.0.1:${STARTED[$1]}/healthz" 2>/dev/null ;;
	esac
}

# read_anew has those that read ca.crt when they start end, one after the other, if they have
# not read it as it is, and waits for those that the kubelet starts.
read_anew() {
	local name
	for name in kube-apiserver kube-controller; do
		if has_read "$name"; then continue; fi
		sleep "${BETWEEN:-3}" # processes tell whole seconds of their age
		pkill -TERM -x "$name" || true
		wait_until 240 "$name has read the authorities of $PKI/ca.crt" has_read "$name"
	done
}

# vouch FILE makes it the certificate of the new one by the one that signs, if that lives.
vouch() {
	if ! openssl x509 -checkend 0 -noout -in "$PKI/ca.crt" >/dev/null; then return; fi
	openssl x509 -x509toreq -in "$PKI/ca-next.crt" -signkey "$PKI/ca-next.key" -out "$1.csr"
	openssl x509 -req -in "$1.csr" -CA "$PKI/ca.crt" -CAkey "$PKI/ca.key" -days "$(days_of "$PKI/ca.crt")" -sha256 \
		-set_serial "0x$(openssl rand -hex 15)" -out "$1" -extfile <(printf '%s\nauthorityKeyIdentifier = keyid\n' "$AUTHORITY_EXTENSIONS")
	rm -f "$1.csr"
}

# make_by_next makes all that changes when the new one signs, beside what is there.
make_by_next() {
	local new=$NEW_CERTIFICATES/kubernetes name
	rm -rf "$NEW_CERTIFICATES"
	install -d -m 0700 "$NEW_CERTIFICATES" "$NEW_CERTIFICATES"/{kubernetes/pki,etcd/pki}
	install -m 0600 "$PKI/ca-next.key" "$new/pki/ca.key"
	{ cat "$PKI/ca-next.crt" && openssl x509 -in "$PKI/ca.crt"; } >"$new/pki/ca.crt"
	install -m 0644 "$PKI/ca-next.crt" "$new/pki/ca-signing.crt"
	vouch "$new/pki/ca-cross.crt"
	AUTHORITY=$new/pki/ca
	for name in apiserver apiserver-kubelet-client; do
		new_leaf "$PKI/$name.crt" "$AUTHORITY" "$new/pki/$name"
		if [[ -s $new/pki/ca-cross.crt ]]; then cat "$new/pki/ca-cross.crt" >>"$new/pki/$name.crt"; fi
	done
	for name in admin controller-manager scheduler super-admin; do
		if [[ $name != super-admin || -s $DISK/kubernetes/super-admin.conf ]]; then new_kubeconfig "$name.conf"; fi
	done
	install -m 0600 "$DISK/kubernetes/kubelet.conf" "$new/kubelet.conf"
	for name in "$new"/*.conf; do trust_in "$name" "$new/pki/ca.crt"; done
	AUTHORITY=$PKI/ca
	sync -f "$DISK"
	: >"$NEW_CERTIFICATES/whole"
	sync -f "$DISK"
}

# own_kubelet has this machine's kubelet have certificates by the authority that signs. It would
# ask the cluster for others only when these come to their end.
own_kubelet() {
	local kind dir=$DISK/kubelet-pki file
	for kind in client server; do
		file=$dir/kubelet-$kind-current.pem
		if [[ ! -s $file ]] || openssl verify -CAfile "$PKI/ca-signing.crt" "$file" >/dev/null 2>&1; then continue; fi
		MOST=365 new_leaf "$file" "$AUTHORITY" "$RUN/kubelet-$kind"
		file=$dir/kubelet-$kind-$(date +%Y-%m-%d-%H-%M-%S).pem
		cat "$RUN/kubelet-$kind".{crt,key} | put "$file" 0600
		ln -sfn "${file##*/}" "$dir/kubelet-$kind-current.pem"
		rm -f "$RUN/kubelet-$kind".{crt,key}
	done
	sync -f "$DISK"
	systemctl restart kubelet.service
	wait_until 120 "the kubelet is healthy" kubelet_is_healthy
}

api_shows_new() { [[ $(shown 127.0.0.1:443) == "$(serial <"$PKI/apiserver.crt")" ]]; }

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
	as_exchanged # of a master that joined in between
	wait_until 120 "the API server shows its new certificate" api_shows_new
	own_kubelet
	start_anew "${!STARTED[@]}"
	wait_until 60 "the API server is ready" api_is_ready
}

# tell_nodes has those that join find what is trusted here (kubeadm's cluster-info).
tell_nodes() {
	local is=$RUN/cluster-info.yaml to
	as_admin get configmap cluster-info -n kube-public -o yaml >"$is"
	to=$(sed "s|^\( *certificate-authority-data: \).*|\1$(base64 -w 0 "$PKI/ca.crt")|" "$is")
	[[ $to == "$(<"$is")" ]] || as_admin replace -f - <<<"$to"
}

# pods_are_told: what pods find beside their tokens has the one that signs.
pods_are_told() { [[ $(as_admin get configmap kube-root-ca.crt -n kube-system -o 'jsonpath={.data.ca\.crt}' 2>/dev/null) == *"$(<"$PKI/ca-signing.crt")"* ]]; }

# kubeadm_pods ROTATION has kubeadm's own pods read it: they do so only when they start. Once a
# rotation; whoever has taken them away has none.
kubeadm_pods() {
	local what
	wait_until 180 "pods are told of the new authority" pods_are_told
	for what in daemonset/kube-proxy deployment/coredns; do
		if [[ -z $(as_admin get "$what" -n kube-system --ignore-not-found -o name) ]]; then continue; fi
		as_admin patch "$what" -n kube-system --type merge -p '{"spec":{"template":{"metadata":{"annotations":{"hakube/authority":"'"$1"'"}}}}}'
	done
}

# distrust has nothing trust another one than the one that signs, nor show it.
distrust() {
	local name
	[[ ! -s $PKI/ca-next.key ]] || next_signs || die "another authority is here, which does not sign yet"
	forget_next
	rm -f "$CROSS"
	for name in ca apiserver apiserver-kubelet-client; do only_first "$PKI/$name.crt"; done
	for name in "$DISK"/kubernetes/*.conf; do trust_in "$name" "$PKI/ca.crt"; done
	sync -f "$DISK"
	own_kubelet
}

exchange_authority() {
	local at
	[[ -e $STATE/founded ]] || die "this machine is no master yet"
	at=$(cat "$STATE/authority" 2>/dev/null) || true
	if [[ $1 != alone && $at != "$2 "* ]]; then # the only master comes here when it is to sign
		put_new_certificates # of a run that was cut
		get_next "$2"
		trust_next
		read_anew
		tell_nodes
		put "$STATE/authority" <<<"$2 trusted"
	fi
	case $1 in
	trusted) return ;;
	signs)
		sign_by_next
		kubeadm_pods "$2"
		;;
	alone)
		distrust
		read_anew
		start_anew kube-scheduler # its kubeconfig is another one
		;;
	esac
	tell_nodes
	put "$STATE/authority" <<<"$2 $1"
	sync -f "$DISK"
	forget_next # not before: a run that is cut goes on with it
}

[[ $# == 2 && $1 =~ ^(trusted|signs|alone)$ && $2 =~ ^[0-9]{1,18}$ ]] || die "usage: authority trusted|signs|alone ROTATION"
answer_with exchange_authority "$1" "$2" </dev/null
printf '{"authority":"%s %s"}\n' "$2" "$1"
exit
