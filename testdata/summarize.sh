#!/usr/bin/env bash
# Reads "go test -v" and shows what a person wants of it: a line a package, the
# output of what failed, what was skipped and why (once a reason), the counts, and
# last, where whoever sees only an end finds it, a line for each that failed.
# All of it is kept in the file that is named.
set -euo pipefail
mkdir -p "$(dirname "$1")"
tee "$1" | awk -v kept="$1" '
  # shown is the end of what a test printed, where it says why it failed, and a little of
  # its begin: logs of machines can be thousands of lines.
  function shown(text,   lines, n, i) {
    n = split(text, lines, "\n") - 1
    for (i = 1; i <= n; i++) {
      if (n > 60 && i == 11) { print "    (" n - 60 " lines more: " kept ")"; i = n - 49 }
      print substr(lines[i], 1, 600)
    }
  }
  # saying is the last line of it in which the test speaks, and not of a step, a clock or a log.
  function saying(text,   lines, n, i) {
    n = split(text, lines, "\n")
    for (i = n; i >= 1; i--) if (lines[i] ~ /_test\.go:[0-9]+: / && lines[i] !~ / after [0-9.]+m?s$/ && lines[i] !~ /_test\.go:[0-9]+: \[[0-9]+\/[0-9]+\] / && lines[i] !~ /_test\.go:[0-9]+: the daemon.s log:$/) { sub(/^ */, "", lines[i]); return substr(lines[i], 1, 400) }
    return "(says nothing)"
  }
  /^=== (RUN|PAUSE|CONT|NAME)/ { if ($2 == "RUN") { name = $3; text[name] = "" } else if ($2 == "NAME" || $2 == "CONT") name = $3; next }
  /^ *--- PASS: / { passed++; delete text[$3]; next }
  /^ *--- SKIP: / { skipped++; n = split(text[$3], lines, "\n"); why = lines[n - 1]; sub(/^ *[^ ]*: /, "", why); sub(/ [0-9]+ /, " N ", why); if (!skips[why]++) first[why] = $3; next }
  /^ *--- FAIL: / { failed++; print; shown(text[$3]); lost[failed] = $3 ": " saying(text[$3]); next }
  /^(ok|FAIL|panic|---|\?) / || /^FAIL/ || /^panic:/ { if ($0 !~ /no test files/) print; next }
  /^(PASS|coverage:)/ { next }
  /^REPORT / { print; next }
  { if (name != "") text[name] = text[name] $0 "\n"; else print }
  END {
    for (why in skips) print "skipped " first[why] (skips[why] > 1 ? " and " skips[why] - 1 " more" : "") ": " why
    printf "%d passed, %d failed, %d skipped\n", passed, failed, skipped
    for (i = 1; i <= failed; i++) print "failed " lost[i]
  }'
