# shellcheck shell=bash disable=SC2034
# What the machine reads from the metadata server, and says to it.

METADATA=http://${GCE_METADATA_HOST:-169.254.169.254}/computeMetadata/v1

# md PATH [DEFAULT] prints a value of the metadata server. Without DEFAULT the
# value must exist. A server that does not answer is asked for half a minute:
# at boot the network may be younger than this script.
md() {
	local answer code try
	for ((try = 0; try < 30; try++)); do
		answer=$(curl -sS -m 10 -H 'Metadata-Flavor: Google' -w '\n%{http_code}' "$METADATA/$1") || answer=$'\n000'
		code=${answer##*$'\n'}
		case $code in
		200)
			printf '%s' "${answer%$'\n'*}"
			return
			;;
		404)
			(($# > 1)) || die "the metadata server has no $1"
			printf '%s' "$2"
			return
			;;
		esac
		sleep 1
	done
	die "the metadata server does not answer for $1 (status $code)"
}

LAST_WORD=600 # seconds for what hakube waits for and nobody says again
HOST_KEYS=/etc/ssh

# tell NAME VALUE SECONDS sets a guest attribute; a server that does not answer is
# asked again for that long. Nothing fails because of it, guest attributes may be
# switched off. It is said on the console besides, where an organisation lets nobody
# read guest attributes (constraints/compute.disableGuestAttributesAccess).
tell() {
	local limit=$((SECONDS + $3)) code
	tell_console "$1" "$2"
	while
		code=$(curl -sS -m 5 -o /dev/null -w '%{http_code}' -X PUT -H 'Metadata-Flavor: Google' --data-raw "$2" \
			"$METADATA/instance/guest-attributes/$1") || code=000
		[[ $code == 000 || $code == 429 || $code == 5?? ]] && ((SECONDS < limit))
	do
		sleep 1
	done
}

# phase TEXT [SECONDS] puts TEXT where hakube sees it: the guest attribute
# hakube/phase. The next one follows soon, unless it is the last. As soon as there are
# host keys the console has them: what fails later is looked at over ssh.
phase() {
	say "$1"
	[[ -d $RUN/told/hostkeys ]] || publish_host_keys tell_console
	tell hakube/phase "$1" "${2:-2}"
}

# publish_host_keys [COMMAND] tells them, or has COMMAND do it: hakube and gcloud
# trust only a machine whose keys they find here. Google's agent writes them once, at
# the first boot, and not again if the metadata server did not answer just then.
publish_host_keys() {
	local file kind key
	for file in "$HOST_KEYS"/ssh_host_*_key.pub; do
		[[ -f $file ]] || continue
		read -r kind key _ <"$file"
		"${1:-tell}" "hostkeys/$kind" "$key" "$LAST_WORD"
	done
}

# internal_domain PROJECT prints what stands after the zone in internal DNS
# names. A project of a domain, example.com:web, is c.web.example.com.internal.
internal_domain() {
	if [[ $1 == *:* ]]; then
		printf 'c.%s.%s.internal' "${1#*:}" "${1%%:*}"
	else
		printf 'c.%s.internal' "$1"
	fi
}

# read_metadata sets the variables that every later step uses.
read_metadata() {
	ROLE=$(md instance/attributes/hakube-role)
	NAME=$(md instance/name)
	PROJECT=$(md project/project-id)
	ZONE=$(md instance/zone)
	ZONE=${ZONE##*/}
	REGION=${ZONE%-*}
	MACHINE_TYPE=$(md instance/machine-type)
	MACHINE_TYPE=${MACHINE_TYPE##*/}
	# The zonal name is the one that stays when the machine is made again.
	FQDN=$NAME.$ZONE.$(internal_domain "$PROJECT")
	IP=$(md instance/network-interfaces/0/ip)
	MTU=$(md instance/network-interfaces/0/mtu 1460)
	POD_CIDR=$(md instance/network-interfaces/0/ip-aliases/0)
	ADDRESS=$(md instance/attributes/hakube-address) # of the API, as everybody but masters sees it
	CLUSTER_ID=$(md instance/attributes/hakube-cluster)
	CLUSTER_NAME=$(md instance/attributes/cluster-name)
	KUBE_VERSION=$(md instance/attributes/hakube-kube-version "$KUBERNETES_VERSION")
	MIRROR=$(md instance/attributes/hakube-mirror '')
	POD_RANGE=$(md instance/attributes/hakube-pod-range)
	DNS_IP=$(md instance/attributes/hakube-dns-ip)
	DNS_DOMAIN=$(md instance/attributes/hakube-dns-domain cluster.local)
	RESERVE=$(md instance/attributes/hakube-reserve false)
	AUTH_PROVIDER=$(md instance/attributes/hakube-auth-provider false)
	PROTECT_KERNEL=$(md instance/attributes/hakube-protect-kernel false)
	MIRROR=${MIRROR%/}
	case $ROLE in
	master)
		SERVICE_RANGE=$(md instance/attributes/hakube-service-range)
		START=$(md instance/attributes/hakube-start found)
		UPGRADE=$(md instance/attributes/hakube-upgrade false)
		AUDIT=$(md instance/attributes/hakube-audit false)
		ENCRYPT_SECRETS=$(md instance/attributes/hakube-encrypt-secrets false)
		POD_SECURITY=$(md instance/attributes/hakube-pod-security false)
		SIGN_KUBELETS=$(md instance/attributes/hakube-sign-kubelets false)
		BACKUP_EVERY=$(md instance/attributes/hakube-backup-every '')
		;;
	node)
		JOIN_TOKEN=$(md instance/attributes/hakube-join-token)
		CA_HASH=$(md instance/attributes/hakube-ca-hash)
		GRACEFUL=$(md instance/attributes/hakube-graceful false)
		NODE_LABELS=$(md instance/attributes/hakube-node-labels '')
		POOL=$(md instance/attributes/hakube-pool '')
		ACCELERATOR=$(md instance/attributes/hakube-accelerator '')
		NODE_TAINTS=$(md instance/attributes/hakube-node-taints '')
		;;
	*) refuse "hakube-role is '$ROLE', not master or node" ;;
	esac
	NIC=$(ip -o route get "${METADATA_ROUTE:-169.254.169.254}" | sed -n 's/.* dev \([^ ]*\).*/\1/p')
	[[ -n $NIC ]] || die "no network interface leads to the metadata server"
}
