# shellcheck shell=bash
# Downloads: the official place or the mirror, always with the published
# checksum. scripts/README.md has the table of all of them.

STORE=/opt/hakube # one directory per component and version, complete or absent
declare -A FETCHING=() # component → process that fetches it, empty once it was waited for

# source_url URL prints where to take an official https URL from.
source_url() {
	if [[ -n ${MIRROR:-} ]]; then
		printf '%s/%s' "$MIRROR" "${1#https://}"
	else
		printf '%s' "$1"
	fi
}

# download URL FILE
download() {
	local url said
	url=$(source_url "$1")
	said=$(curl -fsSL --connect-timeout 10 --max-time 900 --retry 5 --retry-delay 2 --retry-all-errors -o "$2" "$url" 2>&1) ||
		die "downloading $url: ${said##*$'\n'}"
}

# published_sum FILE NAME prints the SHA-256 of NAME from a checksum file: a bare
# sum, or lines of `sum  name`.
published_sum() {
	awk -v name="$2" 'NF == 1 || $2 == name || $2 == "*" name { print $1; exit }' "$1"
}

# fetch URL SUMS_URL FILE downloads URL to FILE and refuses content that is not
# what SUMS_URL says.
fetch() {
	local want got
	download "$2" "$3.sums"
	want=$(published_sum "$3.sums" "${1##*/}")
	rm -f "$3.sums"
	[[ $want =~ ^[0-9a-f]{64}$ ]] || die "no SHA-256 of ${1##*/} in $(source_url "$2")"
	download "$1" "$3"
	got=$(sha256sum "$3" | cut -d ' ' -f 1)
	if [[ $got != "$want" ]]; then
		rm -f "$3"
		die "refusing $(source_url "$1"): its SHA-256 is $got, published is $want"
	fi
}

# store COMPONENT-VERSION URL SUMS_URL [TAR_OPTION...] puts a download into the
# store: an archive unpacked, anything else as an executable of the component's
# name. The rename is last and the files are on the disk before it, so what is
# in the store is whole.
store() {
	local dir=$STORE/$1 tmp file
	[[ ! -d $dir ]] || return 0
	tmp=$(mktemp -d "$STORE/.tmp.XXXXXX")
	file=$tmp/download
	fetch "$2" "$3" "$file"
	mkdir "$tmp/tree"
	case $2 in
	*.tar.gz | *.tgz)
		tar -xzf "$file" -C "$tmp/tree" --no-same-owner "${@:4}"
		;;
	*)
		install -m 0755 "$file" "$tmp/tree/${1%%-*}"
		;;
	esac
	find "$tmp/tree" -type f -exec sync {} +
	mv -T "$tmp/tree" "$dir"
	rm -rf "$tmp"
}

# fetch_component NAME
fetch_component() {
	local arch github=https://github.com k8s=https://dl.k8s.io/release/$KUBE_VERSION/bin/linux base
	arch=$(dpkg --print-architecture) # amd64 or arm64, as all of them name it
	case $1 in
	kubelet | kubeadm | kubectl)
		store "$1-$KUBE_VERSION" "$k8s/$arch/$1" "$k8s/$arch/$1.sha256"
		;;
	containerd)
		base=$github/containerd/containerd/releases/download/v$CONTAINERD_VERSION/containerd-$CONTAINERD_VERSION-linux-$arch.tar.gz
		store "containerd-$CONTAINERD_VERSION" "$base" "$base.sha256sum" --strip-components=1
		;;
	runc)
		base=$github/opencontainers/runc/releases/download/v$RUNC_VERSION
		store "runc-$RUNC_VERSION" "$base/runc.$arch" "$base/runc.sha256sum"
		;;
	cni)
		base=$github/containernetworking/plugins/releases/download/v$CNI_VERSION/cni-plugins-linux-$arch-v$CNI_VERSION.tgz
		store "cni-$CNI_VERSION" "$base" "$base.sha256"
		;;
	etcd)
		base=$github/etcd-io/etcd/releases/download/v$ETCD_VERSION
		store "etcd-$ETCD_VERSION" "$base/etcd-v$ETCD_VERSION-linux-$arch.tar.gz" "$base/SHA256SUMS" --strip-components=1
		;;
	esac
}

# start_fetching NAME... fetches all at once, in the order they are needed.
start_fetching() {
	local name
	mkdir -p "$STORE"
	rm -rf "$STORE"/.tmp.* # of a run that was cut
	for name; do
		fetch_component "$name" >"$RUN/fetch-$name.log" 2>&1 9>&- &
		FETCHING[$name]=$!
	done
}

# need NAME [DIR] waits for a component and links its programs into DIR.
need() {
	local file dir=${2:-/usr/local/bin} from
	if [[ -n ${FETCHING[$1]} ]] && ! wait "${FETCHING[$1]}"; then
		cat "$RUN/fetch-$1.log" # its last line is the reason
		exit 1
	fi
	FETCHING[$1]=
	case $1 in
	kubelet | kubeadm | kubectl) from=$STORE/$1-$KUBE_VERSION ;;
	containerd) from=$STORE/containerd-$CONTAINERD_VERSION ;;
	runc) from=$STORE/runc-$RUNC_VERSION ;;
	cni) from=$STORE/cni-$CNI_VERSION ;;
	etcd) from=$STORE/etcd-$ETCD_VERSION ;;
	esac
	mkdir -p "$dir"
	for file in "$from"/*; do
		if [[ -f $file && -x $file ]]; then ln -sfn "$file" "$dir/${file##*/}"; fi
	done
}
