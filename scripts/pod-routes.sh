#!/usr/bin/env bash
# hakube: pod-routes
#
# pod-routes RANGE... tells which of the machines with these alias ranges keep what is
# sent to their pods: one that has a local route to its range, as Google's agent makes
# it, answers for each address in it, also for the first, which no pod is ever given.
# Elsewhere nobody answers for that one; a few hops are enough to find out. Prints
# {"kept":["10.64.1.0/24"]}. Changes nothing.
set -euo pipefail
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C

refuse() {
	printf '%s\n' "$*" >&2
	exit 1
}

for range; do
	[[ $range =~ ^[0-9]+\.[0-9]+\.[0-9]+\.[0-9]+/[0-9]+$ ]] || refuse "usage: pod-routes RANGE..."
done
command -v ping >/dev/null || refuse "this machine has no ping"

# shellcheck disable=SC2317 # called through xargs
answers() { if ping -n -q -c 2 -i 0.2 -W 1 -t 4 "${1%/*}" >/dev/null 2>&1; then printf '%s\n' "$1"; fi; }
export -f answers
(($# == 0)) || mapfile -t kept < <(printf '%s\n' "$@" | xargs -P 64 -I '{}' bash -c 'answers {}')
list=$(printf ',"%s"' ${kept[@]+"${kept[@]}"})
[[ -n ${kept[*]-} ]] || list=,
printf '{"kept":[%s]}\n' "${list#,}"
exit
