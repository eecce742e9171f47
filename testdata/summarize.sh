#!/usr/bin/env bash
# Reads "go test -v" and shows what a person wants of it: a line a package, the
# output of what failed, what was skipped and why (once a reason), and the counts.
set -euo pipefail
awk '
  /^=== (RUN|PAUSE|CONT|NAME)/ { if ($2 == "RUN") { name = $3; text[name] = "" } else if ($2 == "NAME" || $2 == "CONT") name = $3; next }
  /^ *--- PASS: / { passed++; delete text[$3]; next }
  /^ *--- SKIP: / { skipped++; n = split(text[$3], lines, "\n"); why = lines[n - 1]; sub(/^ *[^ ]*: /, "", why); sub(/ [0-9]+ /, " N ", why); if (!skips[why]++) first[why] = $3; next }
  /^ *--- FAIL: / { failed++; print; printf "%s", text[$3]; next }
  /^(ok|FAIL|panic|---|\?) / || /^FAIL/ || /^panic:/ { if ($0 !~ /no test files/) print; next }
  /^(PASS|coverage:)/ { next }
  /^REPORT / { print; next }
  { if (name != "") text[name] = text[name] $0 "\n"; else print }
  END {
    for (why in skips) print "skipped " first[why] (skips[why] > 1 ? " and " skips[why] - 1 " more" : "") ": " why
    printf "%d passed, %d failed, %d skipped\n", passed, failed, skipped
  }'
