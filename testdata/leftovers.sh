#!/usr/bin/env bash
# Lists what of hakube's embedded GCE is in this machine's kernel, one a line:
# network namespaces and links, routes, mounts, loop devices, control groups,
# processes. Nothing running and nothing leaked: no output.
#
#   leftovers.sh            everybody's
#   leftovers.sh DIR ID...  what belongs to the state directory DIR and to its
#                           machines, which had these numbers (DIR/run/machines/ID)
set -uo pipefail
shopt -s nullglob
dir=${1-} ids=" ${*:2} "

# whose says whether the machine with this number is meant.
whose() { [ -z "$dir" ] || [[ $ids == *" $1 "* ]]; }
# within says whether a path is meant.
within() { [ -z "$dir" ] || [[ $1 == "$dir" || $1 == "$dir"/* ]]; }

while read -r name _; do
  # The network's own belongs to whom the host's lock names, and there is one at a time.
  if [[ $name == hakube-vpc ]]; then
    if within "$(cat /run/hakube.lock 2>/dev/null)"; then echo "namespace $name"; fi
  elif [[ $name == hakube* ]] && whose "${name#hakube-}"; then
    echo "namespace $name"
  fi
done < <(ip netns list 2>/dev/null)
if within "$(cat /run/hakube.lock 2>/dev/null)"; then
  ip -o link show 2>/dev/null | awk -F': ' '$2 ~ /^hakube/ {print "link " $2}'
  ip -o route show table all 2>/dev/null | awk '/198\.51\.100\./ && (/ dev hakube/ || !/ dev /) {print "route " $0}'
fi
while read -r from at _; do
  if [[ $from$at == *hakube* ]] && { within "$at" || [[ $at == /run/netns/hakube-* ]] && whose "${at#/run/netns/hakube-}"; }; then
    echo "mount $at"
  fi
done </proc/mounts
while read -r name file; do
  if [[ $file == *hakube* ]] && within "${file% (deleted)}"; then echo "loop device $name $file"; fi
done < <(losetup -l -n -O NAME,BACK-FILE 2>/dev/null)
for group in /sys/fs/cgroup{,/*}/hakube{,/*}/; do
  id=$(basename "$group")
  if [ -d "$group" ] && { [ -z "$dir" ] || [ "$id" != hakube ]; } && whose "$id"; then echo "control group $group"; fi
done
for p in /proc/[0-9]*; do
  # Machines' processes are in control groups of ours, the daemon is not. What
  # has no command line has ended and waits for its parent to notice.
  machine=$(grep -Eom1 '/hakube/[0-9a-z]+' "$p/cgroup" 2>/dev/null) || machine=
  command=$( (tr '\0' ' ' <"$p/cmdline") 2>/dev/null)
  [ -n "$command" ] || continue
  if [ -n "$machine" ]; then
    if whose "${machine#/hakube/}"; then echo "process ${p#/proc/} of machine $machine $command"; fi
  elif [[ $command =~ ^[^\ ]*hakube[^\ ]*\ local\ serve ]] &&
    { [ -z "$dir" ] || (tr '\0' '\n' <"$p/environ") 2>/dev/null | grep -Fqx "HAKUBE_LOCAL_DIR=$dir"; }; then
    echo "process ${p#/proc/} $command"
  fi
done
