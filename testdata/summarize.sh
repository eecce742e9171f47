#!/usr/bin/env bash
# Reads "go test -v" and shows what a person wants of it: a line a package, the
# output of what failed, what was skipped and why, and the counts.
set -euo pipefail
awk '
  /^=== (RUN|PAUSE|CONT|NAME)/ { if ($2 == "RUN") { name = $3; text[name] = "" } else if ($2 == "NAME" || $2 == "CONT") name = $3; next }
  /^ *--- PASS: / { passed++; delete text[$3]; next }
  /^ *--- SKIP: / { skipped++; why = text[$3]; gsub(/\n/, " ", why); sub(/^ *[^ ]*: /, "", why); skips[skipped] = $3 ": " why; next }
  /^ *--- FAIL: / { failed++; print; printf "%s", text[$3]; next }
  /^(ok|FAIL|panic|---|\?) / || /^FAIL/ || /^panic:/ { if ($0 !~ /no test files/) print; next }
  /^(PASS|coverage:)/ { next }
  /^REPORT / { print; next }
  { if (name != "") text[name] = text[name] $0 "\n"; else print }
  END {
    for (i = 1; i <= skipped; i++) print "skipped " skips[i]
    printf "%d passed, %d failed, %d skipped\n", passed, failed, skipped
  }'
