#!/usr/bin/env bash
# Lists everything of hakube's embedded GCE that is in this machine's kernel:
# network namespaces and links, mounts, loop devices, control groups, routes,
# processes. Nothing running and nothing leaked: no output.
set -uo pipefail
ip netns list 2>/dev/null | awk '/^hakube/ {print "namespace " $1}'
ip -o link show 2>/dev/null | awk -F': ' '$2 ~ /^hakube/ {print "link " $2}'
ip -o route show table all 2>/dev/null | awk '/198\.51\.100\./ {print "route " $0}'
awk '$2 ~ /hakube/ || $1 ~ /hakube/ {print "mount " $2}' /proc/mounts
losetup -l -n -O NAME,BACK-FILE 2>/dev/null | awk '/hakube/ {print "loop device " $0}'
find /sys/fs/cgroup -maxdepth 3 -type d -path '*/hakube/*' 2>/dev/null | sed 's/^/control group /'
for p in /proc/[0-9]*; do
  # Machines' processes are in control groups of ours, the daemon is not.
  if grep -qs '/hakube/' "$p/cgroup" || tr '\0' ' ' 2>/dev/null <"$p/cmdline" | grep -q 'hakube local serve'; then
    echo "process ${p#/proc/} $(tr '\0' ' ' 2>/dev/null <"$p/cmdline")"
  fi
done
exit 0
