#!/usr/bin/env bash
# Runs a command, but not again on what it has passed on before: once.sh COMMAND [ARG...].
# What counts is each file that git knows or would take, the command's words, and Go's and
# hakube's tools, which are in go.mod; and the day, since a vulnerability may have become
# known since. A command that failed is run again. Where git does not tell the files, as in
# an unpacked archive, it is always run.
#
# The marks are empty files, of a week at most, in the user's cache.
set -euo pipefail
cd "$(dirname "$0")/.."

marks=${XDG_CACHE_HOME:-$HOME/.cache}/hakube-lint
if files=$(git ls-files -co --exclude-standard 2>/dev/null | sort) && [ -n "$files" ]; then
  key=$({
    go version && go env GOFLAGS GOTOOLCHAIN && date +%F && uname -s && printf '%s\n' "$@"
    while IFS= read -r f; do if [ -f "$f" ]; then printf '%s\n' "$f"; fi; done <<<"$files" | tr '\n' '\0' | xargs -0 sha256sum
  } | sha256sum | cut -d' ' -f1)
  if [ -e "$marks/$key" ]; then
    echo "$*: passed before today on the same files; rm -r $marks to have it run again"
    exit
  fi
fi
"$@"
if [ -n "${key:-}" ]; then
  mkdir -p "$marks"
  find "$marks" -type f -mtime +7 -delete
  : >"$marks/$key"
fi
