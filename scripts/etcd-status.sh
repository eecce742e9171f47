#!/usr/bin/env bash
# hakube: etcd-status
#
# Prints what this master's own members know about both rings, as one line of
# JSON on stdout:
#
#   {"rings":{"main":{"id":"8e9e05c52164694d","learner":false,"index":456,
#     "bytes":67108864,"members":[{"id":"8e9e05c52164694d","name":"kubernetes-master",
#     "peerURLs":["https://…:2380"],"learner":false}],"leader":"8e9e05c52164694d",
#     "healthy":true,"revision":123,"error":"","alarms":[{"member":"8e9e05c52164694d",
#     "kind":"NOSPACE"}],"size":20480,"inUse":16384,"quota":4294967296,"writes":""},
#     "events":{…}},"disk":{"bytes":…,"free":…,"inodes":…,"freeInodes":…},
#     "certificates":[{"name":"apiserver","ends":2082585600}],"rotated":"1767225600000",
#     "encryption":{"keys":["key1"],"rotation":"1767225600000","stage":"behind"},
#     "serviceAccount":{"signs":"KID","keys":2,"rotation":"1767225600000","stage":"signs"},
#     "authority":{"signs":"sha256:HEX","trusts":2,"rotation":"1767225600000","stage":"signs"},
#     "etcdAuthority":{"trusts":1,"rotation":"1767225600000","stage":"alone"},"clock":1767225600.5}
#
# id and learner are this machine's own member, index the newest entry it has
# applied, bytes what it has on disk: one that joins takes no questions before it
# has the ring's data, and these grow until then. healthy means that the ring just agreed on something through it, which
# a learner cannot say. A ring without quorum is told from the member's own copy,
# healthy false and the reason in error; of an etcd that takes no questions error
# has what its unit does and its last complaint.
#
# alarms are the ring's, which refuses writes while it has one, whoever raised it, and
# answers questions all the same; the member is "" when none is named, and may be none
# of the ring any more. size, inUse and quota are bytes of the member's database: quota
# is 0 of an etcd older than 3.6, which does not tell it. With the argument writes the
# ring is asked for a write as well, in which no key changes, and writes has what it
# said against that, and certificates are this master's, of Kubernetes and of etcd, with the
# seconds since 1970 at which each ends; else there are none. rotated is which rotation of
# them was done here last, "" of none. encryption has the names of the keys that Secrets are
# encrypted with, the one for what is written first, and how far the last exchange of them
# has come here (encryption-key). serviceAccount has the same of the key that tokens are signed
# with (service-account-key), how many keys are trusted, and how tokens name the one that signs,
# with the argument writes only, and authority of the cluster's certificate authority (authority):
# how kubeadm names the one that signs; etcdAuthority the same of that of both rings, without the name. disk is this master's own, clock its time as the last thing that is read. Changes nothing.
set -euo pipefail
export PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C
PKI=/mnt/disks/master-pd/etcd/pki
ASK=${1:-}

# ctl PORT ARG... asks the member behind the client port.
ctl() {
	etcdctl --endpoints="https://127.0.0.1:$1" --cacert="$PKI/ca.crt" --cert="$PKI/client.crt" --key="$PKI/client.key" \
		--dial-timeout=2s --command-timeout=5s "${@:2}"
}

# json TEXT prints TEXT as a JSON string: what etcd says, on one line.
json() {
	local text=${1//\\/\\\\}
	text=${text//\"/\\\"}
	printf '"%s"' "$(tr '[:cntrl:]' ' ' <<<"$text" | sed 's/ *$//')"
}

# members prints the JSON of a member list in etcdctl's fields format.
members() {
	awk '
		function flush() {
			if (id != "") printf "%s{\"id\":\"%s\",\"name\":%s,\"peerURLs\":[%s],\"learner\":%s}", comma, id, name, urls, learner
			if (id != "") comma = ","
			id = ""; urls = ""
		}
		$1 == "\"ID\"" { flush(); id = $3 }
		$1 == "\"Name\"" { name = $3 }
		$1 == "\"PeerURL\"" { urls = urls (urls == "" ? "" : ",") $3 }
		$1 == "\"IsLearner\"" { learner = $3 }
		END { flush() }'
}

# field NAME prints a value of etcdctl's fields format.
field() { awk -v name="\"$1\"" '$1 == name { print $3; exit }'; }

# number NAME STATUS prints one that may not be told, which is 0.
number() {
	local n
	n=$(field "$1" <<<"$2")
	[[ $n =~ ^[0-9]+$ ]] || n=0
	printf '%s' "$n"
}

# hex NUMBER prints a member's id as etcd shows it, nothing for none.
hex() { [[ ${1:-0} == 0 ]] || printf '%x' "$1"; }

# bytes RING prints how much its member has on disk.
bytes() { du -sb "${PKI%/pki}/$1" 2>/dev/null | cut -f 1; }

# alarms prints the JSON of the alarms in an endpoint's status. Between the two words
# there is one blank or several, as the library has it that prints them.
alarms() {
	local comma='' member kind
	while read -r member kind; do
		printf '%s{"member":"%s","kind":"%s"}' "$comma" "$(hex "${member#memberID:}")" "${kind#alarm:}"
		comma=,
	done < <(grep '^"Errors"' | grep -oE '(memberID:[0-9]+ +)?alarm:[A-Z]+' | sed 's/^alarm:/memberID:0 alarm:/')
}

# writes PORT prints why no write is taken. The transaction has one that is never made,
# since it takes a key that is there already and nobody ever makes. It is judged as one
# that is made: by the quota, the alarms, and all members.
writes() {
	local said
	said=$(printf 'version("hakube-takes-writes") > "0"\n\nput hakube-takes-writes x\n\n\n' | ctl "$1" txn 2>&1) ||
		tail -n 1 <<<"$said" | sed 's/^Error: //'
}

# disk prints how full this master's own is, in bytes and in files.
disk() {
	stat -f -c '%S %b %f %c %d' "${PKI%/etcd/pki}" |
		awk '{ printf "{\"bytes\":%.0f,\"free\":%.0f,\"inodes\":%.0f,\"freeInodes\":%.0f}", $1 * $2, $1 * $3, $4, $5 }'
}

# certificates prints the JSON of all that this master shows to others, by its file's name
# ("apiserver", "admin.conf", "etcd/server"). The kubelet's own is not among them: the
# kubelet makes that anew by itself.
certificates() {
	local comma='' file name text ends
	for file in /etc/kubernetes/pki/*.crt /etc/kubernetes/*.conf "$PKI"/*.crt; do
		[[ -s $file ]] || continue
		text=$(<"$file")
		name=${file##*/}
		case $file in
		*.conf) text=$(sed -n '/client-certificate-data:/ { s/.*: *//p; q }' "$file" | base64 -d 2>/dev/null) || continue ;;
		"$PKI"/*) name=etcd/${name%.crt} ;;
		*) name=${name%.crt} ;;
		esac
		ends=$(openssl x509 -noout -enddate <<<"$text" 2>/dev/null) || continue
		printf '%s{"name":"%s","ends":%s}' "$comma" "$name" "$(date -d "${ends#notAfter=}" +%s)"
		comma=,
	done
}

# rotated prints which rotation of certificates was done here last.
rotated() { tr -cd '0-9' 2>/dev/null <"${PKI%/etcd/pki}/hakube/certificates" || true; }

# encryption prints the JSON of what Secrets are encrypted with; no names of keys where they
# are not, or otherwise than by hakube.
encryption() {
	local names rotation='' stage=''
	names=$(sed -n 's/^      - name: \([A-Za-z0-9-]*\)$/"\1"/p' /etc/kubernetes/pki/encryption.yaml 2>/dev/null | paste -sd ,) || true
	read -r rotation stage 2>/dev/null <"${PKI%/etcd/pki}/hakube/encryption-key" || true
	printf '{"keys":[%s],"rotation":"%s","stage":"%s"}' "$names" "$(tr -cd '0-9' <<<"$rotation")" "$(tr -cd '[:lower:]' <<<"$stage")"
}

# service_account prints the JSON of what tokens of service accounts are signed with.
service_account() {
	local dir=/etc/kubernetes/pki keys id='' rotation='' stage=''
	keys=$(grep -c 'BEGIN PUBLIC KEY' "$dir/sa.pub" 2>/dev/null) || true
	if [[ $ASK == writes ]]; then
		id=$(openssl pkey -in "$dir/sa.key" -pubout -outform DER 2>/dev/null | openssl dgst -sha256 -binary | base64 -w 0 | tr '+/' '-_' | tr -d '=') || id=''
	fi
	read -r rotation stage 2>/dev/null <"${PKI%/etcd/pki}/hakube/service-account-key" || true
	printf '{"signs":"%s","keys":%d,"rotation":"%s","stage":"%s"}' "$id" "${keys:-0}" "$(tr -cd '0-9' <<<"$rotation")" "$(tr -cd '[:lower:]' <<<"$stage")"
}

# authority prints the JSON of the cluster's certificate authority.
authority() {
	local ca=/etc/kubernetes/pki/ca.crt trusts id='' rotation='' stage=''
	trusts=$(grep -c 'BEGIN CERTIFICATE' "$ca" 2>/dev/null) || true
	if [[ $ASK == writes ]]; then
		id=$(openssl x509 -noout -pubkey -in "$ca" 2>/dev/null | openssl pkey -pubin -outform DER 2>/dev/null | sha256sum) || id=''
		id=${id:+sha256:${id%% *}}
	fi
	read -r rotation stage 2>/dev/null <"${PKI%/etcd/pki}/hakube/authority" || true
	printf '{"signs":"%s","trusts":%d,"rotation":"%s","stage":"%s"}' "$id" "${trusts:-0}" "$(tr -cd '0-9' <<<"$rotation")" "$(tr -cd '[:lower:]' <<<"$stage")"
}

# etcd_authority prints the JSON of the authority of both rings.
etcd_authority() {
	local trusts rotation='' stage=''
	trusts=$(grep -c 'BEGIN CERTIFICATE' "$PKI/ca.crt" 2>/dev/null) || true
	read -r rotation stage 2>/dev/null <"${PKI%/etcd/pki}/hakube/etcd-authority" || true
	printf '{"trusts":%d,"rotation":"%s","stage":"%s"}' "${trusts:-0}" "$(tr -cd '0-9' <<<"$rotation")" "$(tr -cd '[:lower:]' <<<"$stage")"
}

# silence RING ERROR prints ERROR, and why its member takes no questions as far as
# systemd and its journal know: "its etcd is activating, restarted 0 times: failed to
# publish …: too many requests".
silence() {
	local state='' restarts='' word=''
	state=$(systemctl show "etcd@$1.service" -p ActiveState --value 2>/dev/null) || true
	restarts=$(systemctl show "etcd@$1.service" -p NRestarts --value 2>/dev/null) || true
	word=$(journalctl --no-pager -q -o cat -n 30 -u "etcd@$1.service" 2>/dev/null |
		grep -E '"level":"(warn|error|fatal|panic)"|^panic:' | tail -n 1 |
		sed -E 's/.*"msg":"([^"]*)".*"error":"(([^"\\]|\\.)*)".*/\1: \2/; s/^\{.*"msg":"([^"]*)".*/\1/; s/\\"/"/g' | cut -c 1-200) || true
	printf '%s' "$2${state:+; its etcd is $state, restarted ${restarts:-0} times}${word:+: $word}"
}

# ring RING PORT prints one ring's JSON.
ring() {
	local list='' leader='' revision=0 healthy=false error='' status='' id='' learner='' index='' size='' refused=''
	size=$(bytes "$1") || true
	if status=$(ctl "$2" --command-timeout=2s endpoint status -w fields 2>&1); then
		leader=$(hex "$(field Leader <<<"$status")")
		id=$(hex "$(field MemberID <<<"$status")")
		revision=$(field Revision <<<"$status")
		index=$(field RaftAppliedIndex <<<"$status")
		learner=$(field IsLearner <<<"$status")
		if list=$(ctl "$2" member list -w fields --hex 2>&1); then
			healthy=true
			[[ $ASK != writes ]] || refused=$(writes "$2")
			if [[ -n $refused ]]; then # it may have raised an alarm
				status=$(ctl "$2" --command-timeout=2s endpoint status -w fields 2>&1) || true
			fi
		else
			error=$(tail -n 1 <<<"$list")
			list=$(ctl "$2" member list -w fields --hex --consistency=s 2>/dev/null) || list=''
		fi
	else # it does not run: asking more would take its time
		error=$(silence "$1" "$(tail -n 1 <<<"$status")")
	fi
	printf '{"id":"%s","learner":%s,"index":%s,"bytes":%s,"members":[%s],"leader":"%s","healthy":%s,"revision":%s,"error":%s,' \
		"$id" "${learner:-false}" "${index:-0}" "${size:-0}" "$(members <<<"$list")" "$leader" "$healthy" "${revision:-0}" "$(json "$error")"
	printf '"alarms":[%s],"size":%s,"inUse":%s,"quota":%s,"writes":%s}' "$(alarms <<<"$status")" "$(number DBSize "$status")" \
		"$(number DBSizeInUse "$status")" "$(number DBSizeQuota "$status")" "$(json "$refused")"
}

[[ -s $PKI/client.key ]] || {
	echo "this machine has no etcd certificates" >&2
	exit 1
}
exec 3< <(ring events 4002) # both at once: each may take seconds to say that it does not run
shown=''
[[ $ASK != writes ]] || shown=$(certificates)
printf '{"rings":{"main":%s,"events":%s},"disk":%s,"certificates":[%s],"rotated":"%s","encryption":%s,"serviceAccount":%s,"authority":%s,"etcdAuthority":%s,"clock":%s}\n' "$(ring main 2379)" "$(cat <&3)" \
	"$(disk)" "$shown" "$(rotated)" "$(encryption)" "$(service_account)" "$(authority)" "$(etcd_authority)" "$(date +%s.%N)"
