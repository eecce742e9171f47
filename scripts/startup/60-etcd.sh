# shellcheck shell=bash
# Two rings, main and events, a member of each on every master. Clients only on
# loopback; client and peer ports both ask for certificates of the etcd CA.

ETCD_PKI=$DISK/etcd/pki

# etcd_certificate NAME CN USAGE SAN [CA_OPTION...] makes NAME.key and NAME.crt.
# A CN has at most 64 letters (X.520), which no DNS name of Compute Engine is sure to
# keep: it is a word of ours, and what is asked of a member stands in its SAN.
# Ten years, like all of the control plane's certificates: nothing renews them
# yet, and a cluster that goes dark on its birthday is worse.
etcd_certificate() {
	local base=$ETCD_PKI/$1 basic=CA:FALSE
	[[ ! -s $base.crt || ! -s $base.key ]] || return 0
	[[ $1 != ca ]] || basic=CA:TRUE
	openssl req -batch -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 -sha256 \
		-keyout "$base.key.tmp" -out "$base.crt.tmp" "${@:5}" -config /dev/stdin <<-END
			[req]
			prompt = no
			distinguished_name = name
			x509_extensions = extensions
			[name]
			CN = $2
			[extensions]
			basicConstraints = critical,$basic
			subjectKeyIdentifier = hash
			$3
			$4
		END
	chmod 0600 "$base.key.tmp"
	sync "$base.key.tmp" "$base.crt.tmp"
	mv "$base.key.tmp" "$base.key"
	mv "$base.crt.tmp" "$base.crt"
}

make_etcd_pki() {
	local ca=(-CA "$ETCD_PKI/ca.crt" -CAkey "$ETCD_PKI/ca.key")
	install -d -m 0700 "$ETCD_PKI"
	etcd_certificate ca etcd-ca 'keyUsage = critical,keyCertSign,cRLSign' ''
	etcd_certificate member etcd-member 'extendedKeyUsage = serverAuth,clientAuth' \
		"subjectAltName = DNS:$FQDN,DNS:$NAME,DNS:localhost,IP:127.0.0.1" "${ca[@]}"
	etcd_certificate client kube-apiserver-etcd-client 'extendedKeyUsage = clientAuth' '' "${ca[@]}"
	# kubeadm wants its copies where it would upload them from.
	install -D -m 0644 "$ETCD_PKI/ca.crt" "$DISK/kubernetes/pki/etcd/ca.crt"
	install -D -m 0644 "$ETCD_PKI/client.crt" "$DISK/kubernetes/pki/apiserver-etcd-client.crt"
	install -D -m 0600 "$ETCD_PKI/client.key" "$DISK/kubernetes/pki/apiserver-etcd-client.key"
}

# configure_ring RING CLIENT_PORT PEER_PORT. A member with data ignores the
# ETCD_INITIAL_ settings; one without may found a ring only where no cluster was,
# and joins one if hakube said so (ring-RING on the disk, see start-etcd): also
# again, then without data it goes on joining (again-RING) until it has some.
configure_ring() {
	local data=$DISK/etcd/$1 members=$NAME=https://$FQDN:$3 state=new
	if [[ -e $STATE/founded ]]; then state=existing; fi # with data that etcd does not take for such, it ends
	if [[ -s $STATE/ring-$1 ]]; then
		{ read -r _ && read -r members; } <"$STATE/ring-$1"
		state=existing
	fi
	if [[ -d $data/member ]]; then rm -f "$STATE/again-$1"; fi
	if [[ -e $DISK/hakube/founded && ! -d $data/member && ! -e $STATE/again-$1 ]]; then
		refuse "ring $1 has lost its data on a disk whose cluster was founded, refusing to found it anew"
	fi
	install -d -m 0700 "$data"
	put "/etc/etcd/$1.env" <<-END
		ETCD_NAME=$NAME
		ETCD_DATA_DIR=$data
		ETCD_LISTEN_CLIENT_URLS=https://127.0.0.1:$2
		ETCD_ADVERTISE_CLIENT_URLS=https://127.0.0.1:$2
		ETCD_LISTEN_PEER_URLS=https://$IP:$3
		ETCD_INITIAL_ADVERTISE_PEER_URLS=https://$FQDN:$3
		ETCD_INITIAL_CLUSTER=$members
		ETCD_INITIAL_CLUSTER_STATE=$state
		ETCD_INITIAL_CLUSTER_TOKEN=$CLUSTER_ID/$1
		ETCD_CERT_FILE=$ETCD_PKI/member.crt
		ETCD_KEY_FILE=$ETCD_PKI/member.key
		ETCD_TRUSTED_CA_FILE=$ETCD_PKI/ca.crt
		ETCD_CLIENT_CERT_AUTH=true
		ETCD_PEER_CERT_FILE=$ETCD_PKI/member.crt
		ETCD_PEER_KEY_FILE=$ETCD_PKI/member.key
		ETCD_PEER_TRUSTED_CA_FILE=$ETCD_PKI/ca.crt
		ETCD_PEER_CLIENT_CERT_AUTH=true
		ETCD_QUOTA_BACKEND_BYTES=4294967296
		ETCD_FEATURE_GATES=InitialCorruptCheck=true
		ETCD_WATCH_PROGRESS_NOTIFY_INTERVAL=5s
	END
}

write_etcd_unit() {
	put /etc/systemd/system/etcd@.service <<-END
		[Unit]
		Description=etcd ring %i
		After=network-online.target
		AssertPathIsMountPoint=$DISK
		RequiresMountsFor=$DISK

		[Service]
		Type=notify
		EnvironmentFile=/etc/etcd/%i.env
		ExecStart=/usr/local/bin/etcd
		TimeoutStartSec=infinity
		Restart=always
		RestartSec=2
		LimitNOFILE=65536
		OOMScoreAdjust=-999
	END
	systemctl daemon-reload
}

declare -A CLIENT_PORT=([main]=2379 [events]=4002) PEER_PORT=([main]=2380 [events]=2381)

# start_ring RING does not wait for the member to serve: after an outage of all
# masters each needs the others for that. The API server compacts both rings.
start_ring() {
	configure_ring "$1" "${CLIENT_PORT[$1]}" "${PEER_PORT[$1]}"
	systemctl start --no-block "etcd@$1.service"
}

start_etcd() {
	make_etcd_pki
	write_etcd_unit
	need etcd
	start_ring main
	start_ring events
}

# etcd_serves asks for each unit: is-active of two is content with one.
etcd_serves() {
	systemctl -q is-active etcd@main.service && systemctl -q is-active etcd@events.service
}

# etcd_ctl RING ARG... asks this master's own member.
etcd_ctl() {
	etcdctl --endpoints="https://127.0.0.1:${CLIENT_PORT[$1]}" --cacert="$ETCD_PKI/ca.crt" --cert="$ETCD_PKI/client.crt" --key="$ETCD_PKI/client.key" \
		--dial-timeout=2s --command-timeout=5s "${@:2}"
}

# members_vote asks each for a read that its ring agrees on, which a learner
# refuses. A member that has just joined may take 7 s to answer, though it votes:
# it opens its client port when the ring knows its name, and if its word of that
# is lost in the moment it changes to the leader's snapshot, the next one is sent
# after that time (etcd 3.6, EtcdServer.publishV3).
members_vote() {
	etcd_ctl main endpoint health && etcd_ctl events endpoint health
}
