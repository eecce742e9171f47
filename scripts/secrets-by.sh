# shellcheck shell=bash

# old_secrets KEY prints the Secrets that etcd has by another key than KEY, or by none, as
# NAMESPACE/NAME, a line each. etcd is asked for some at a time; it shows keys and values as
# texts with all escaped that is none, so how a value begins can be read.
old_secrets() {
	local from=/registry/secrets/ page last more
	while true; do
		page=$(etcd_ctl main --command-timeout=60s get "$from" /registry/secrets0 --limit=100 -w fields | awk -v by="\"k8s:enc:secretbox:v1:$1:" '
			/^"Key" : / { key = substr($0, 10, length($0) - 10) }
			/^"Value" : / && index($0, "\"Value\" : " by) != 1 { print substr(key, length("/registry/secrets/") + 1) }
			/^"More" : / { print "/" key, substr($0, 10) }') || die "etcd does not tell which Secrets it has"
		read -r last more <<<"${page##*$'\n'}"
		[[ $last == /* ]] || die "etcd does not tell whether it has more Secrets"
		head -n -1 <<<"$page"
		[[ $more == true ]] || return 0
		from=${last#/}! # no letter of a name comes before this one
	done
}
