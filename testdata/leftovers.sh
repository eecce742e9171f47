#!/usr/bin/env bash
# Lists everything of hakube's embedded GCE that is in this machine's kernel, one
# a line: network namespaces and links, routes, mounts, loop devices, control
# groups, processes. Nothing running and nothing leaked: no output.
set -uo pipefail
shopt -s nullglob
ip netns list 2>/dev/null | awk '/^hakube/ {print "namespace " $1}'
ip -o link show 2>/dev/null | awk -F': ' '$2 ~ /^hakube/ {print "link " $2}'
ip -o route show table all 2>/dev/null | awk '/198\.51\.100\./ && (/ dev hakube/ || !/ dev /) {print "route " $0}'
awk '$2 ~ /hakube/ || $1 ~ /hakube/ {print "mount " $2}' /proc/mounts
losetup -l -n -O NAME,BACK-FILE 2>/dev/null | awk '/hakube/ {print "loop device " $0}'
for group in /sys/fs/cgroup{,/*}/hakube{,/*}/; do
  if [ -d "$group" ]; then echo "control group $group"; fi
done
for p in /proc/[0-9]*; do
  # Machines' processes are in control groups of ours, the daemon is not. What
  # has no command line has ended and waits for its parent to notice.
  machine=$(grep -Eom1 '/hakube/[0-9a-z]+' "$p/cgroup" 2>/dev/null) || machine=
  command=$( (tr '\0' ' ' <"$p/cmdline") 2>/dev/null)
  [ -n "$command" ] || continue
  if [ -n "$machine" ] || [[ $command =~ ^[^\ ]*hakube[^\ ]*\ local\ serve ]]; then
    echo "process ${p#/proc/} ${machine:+of machine $machine }$command"
  fi
done
