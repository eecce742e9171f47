#!/bin/bash
# Runs a command whose temporary files are in memory, and as they are where that has no room, or
# runs no programs: in many containers /dev/shm has 64 MB, and is mounted noexec.
set -euo pipefail

memory=/dev/shm room_kb=$((6 << 20))
available=$(df --output=avail "$memory" 2>/dev/null | tail -n 1 || true)
if ! [[ $available =~ [0-9] ]] || ((available < room_kb)) || ! dir=$(mktemp -d "$memory/hakube-check.XXXXXX"); then
  exec "$@"
fi
chmod 755 "$dir" # other users start programs in it
trap 'rm -rf "$dir"' EXIT
printf '#!/bin/sh\n' >"$dir/try" && chmod +x "$dir/try"
if "$dir/try" 2>/dev/null; then export TMPDIR=$dir; fi
code=0
"$@" || code=$?
exit "$code"
