# shellcheck shell=bash disable=SC2154,SC2317
# versions WANTED MIRROR says what this master runs, which etcd this hakube brings, and why
# Kubernetes WANTED is not to be had from here, through the mirror or without one (-).
# Changes nothing. Prints {"kubernetes":"v1.36.3","etcd":"3.6.8","brings":"3.6.8","missing":""}.
WHY=''

# there URL: somebody answers for it.
there() {
	local said
	said=$(curl -fsSL --connect-timeout 10 --max-time 30 --retry 2 -o /dev/null \
		-H 'Accept: application/vnd.oci.image.index.v1+json, application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json, */*' \
		"$1" 2>&1) || { WHY="$1: ${said##*$'\n'}" && return 1; }
}

# to_be_had looks for what a master and a node fetch at their first boot: programs from
# where they are fetched, images where containerd looks for them, the mirror first.
to_be_had() {
	local name arch image
	arch=$(dpkg --print-architecture)
	for name in kubelet kubeadm kubectl; do
		there "$(source_url "https://dl.k8s.io/release/$1/bin/linux/$arch/$name.sha256")" || return 0
	done
	for name in kube-apiserver kube-controller-manager kube-scheduler kube-proxy; do
		image=/v2/$name/manifests/$1
		if [[ -n $MIRROR ]] && there "$MIRROR$image?ns=registry.k8s.io"; then continue; fi
		there "https://registry.k8s.io$image" || return 0
	done
	WHY=''
}

look() {
	OWN=$(<"$STATE/kube-version")
	RUNS=$(etcd_ctl main endpoint status -w fields | awk '$1 == "\"Version\"" { gsub(/"/, "", $3); print $3 }')
	[[ -n $RUNS ]] || die "etcd does not say which version it is"
	MIRROR=${2%/}
	[[ $MIRROR != - ]] || MIRROR=''
	to_be_had "$1"
}

[[ ${1:-} =~ ^v[0-9]+\.[0-9]+\.[0-9]+[0-9A-Za-z.+-]*$ && (${2:-} == - || ${2:-} =~ ^https?://[^[:space:]\"\\]+$) && $# == 2 ]] || die "usage: versions WANTED MIRROR|-"
[[ -s $STATE/founded ]] || die "this machine is no master of a cluster"
answer_with look "$@" </dev/null
WHY=${WHY//[\\\"]/}
printf '{"kubernetes":"%s","etcd":"%s","brings":"%s","missing":"%s"}\n' "$OWN" "$RUNS" "$ETCD_VERSION" "$(tr '[:cntrl:]' ' ' <<<"$WHY" | sed 's/ *$//')"
exit
