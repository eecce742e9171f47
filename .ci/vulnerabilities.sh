#!/usr/bin/env bash
# Looks for known vulnerabilities in what hakube imports, with the reports of the Go
# project as the module proxy has them: the module golang.org/x/vulndb. They are kept in
# Go's cache of modules, by version; nothing else is asked.
#
# It fails for a module that has one, since a newer version of it is the cure. Those of
# the standard library are of the Go that builds, and are only told. Without a proxy the
# last reports that were read are taken; without any it says "skipped".
set -euo pipefail
cd "$(dirname "$0")/.."

db=golang.org/x/vulndb
cache=$(go env GOMODCACHE)
if why=$(cd / && timeout 60 go mod download -json "$db@latest" 2>&1); then
  dir=$(sed -n 's/.*"Dir": "\(.*\)".*/\1/p' <<<"$why")
else
  dir=$(find "$cache/golang.org/x" -maxdepth 1 -name 'vulndb@*' 2>/dev/null | sort | tail -n 1) || true
  why=$(sed -n 's/.*"Error": "\(.*\)".*/\1/p' <<<"$why")
  [ -n "$dir" ] || { echo "govulncheck skipped: $db cannot be had: ${why:-no answer within a minute}"; exit; }
fi
[ -d "$dir/data/osv" ] || { echo "govulncheck skipped: $dir has no reports in data/osv"; exit; }

code=0
found=$(go tool govulncheck -db="file://$dir/data/osv" -scan=package ./... 2>&1) || code=$?
case $code in
0) ;;
3) # as govulncheck says that there are some
  if grep -q '^ *Module: ' <<<"$found"; then
    echo "$found"
    echo "govulncheck: a module that hakube imports has known vulnerabilities; \"go get MODULE@VERSION\" with the version after \"Fixed in:\", go mod tidy, make test"
    exit 1
  fi
  fixed=$(sed -n 's/.*Fixed in: .*@\(go[0-9.]*\)$/\1/p' <<<"$found" | sort -uV | tail -n 1)
  echo "govulncheck: $(grep -c '^Vulnerability' <<<"$found") known in the standard library of $(go env GOVERSION)${fixed:+, none in $fixed (GOTOOLCHAIN=$fixed make build)}; none in modules"
  ;;
*)
  echo "$found"
  echo "govulncheck: exit code $code with reports of $dir"
  exit 1
  ;;
esac
