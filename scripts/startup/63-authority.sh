# shellcheck shell=bash disable=SC2034
# The cluster's certificate authority, while it is exchanged for another one (authority, over
# ssh) and after that. ca.crt then has two certificates, the one that signs first, and whoever
# reads it takes what both have signed. What a master shows to others is by the one that
# signs, and has behind it ca-cross.crt: the key of that, signed by the authority of before.
# So it is taken by those, too, who know that one alone.

CROSS=$DISK/kubernetes/pki/ca-cross.crt
# Kubernetes' controller that signs takes no file of two.
SIGNING=--cluster-signing-cert-file=/etc/kubernetes/pki/ca-signing.crt

# certificates_in FILE prints how many there are.
certificates_in() { grep -c 'BEGIN CERTIFICATE' "$1" 2>/dev/null || true; }

# trust_in FILE CERTIFICATES has a kubeconfig trust those alone.
trust_in() {
	sed "s|^\( *certificate-authority-data: \).*|\1$(base64 -w 0 "$2")|" "$1" | put "$1" 0600
}

# as_exchanged brings up to that what kubeadm has made, which knows only the first in ca.crt.
as_exchanged() {
	local pki=$DISK/kubernetes/pki file
	if [[ -s $CROSS ]]; then
		for file in "$pki"/apiserver.crt "$pki"/apiserver-kubelet-client.crt; do
			if [[ $(certificates_in "$file") == 1 ]]; then cat "$file" "$CROSS" | put "$file"; fi
		done
	fi
	if [[ $(certificates_in "$pki/ca.crt") -gt 1 ]]; then
		for file in "$DISK"/kubernetes/*.conf; do trust_in "$file" "$pki/ca.crt"; done
	fi
}

# trust_pinned has a node that has just joined trust that authority alone which it was told to
# find: cluster-info has both as long as there are nodes of the one before.
trust_pinned() {
	local pinned=/etc/kubernetes/pki/ca.crt sum
	if [[ $(certificates_in "$pinned") -lt 2 ]]; then return; fi
	sum=$(openssl x509 -noout -pubkey -in "$pinned" | openssl pkey -pubin -outform DER | sha256sum)
	if [[ sha256:${sum%% *} != "$CA_HASH" ]]; then return; fi
	put "$pinned" <<<"$(openssl x509 -in "$pinned")"
	trust_in /etc/kubernetes/kubelet.conf "$pinned"
	systemctl restart kubelet.service
}
