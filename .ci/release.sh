#!/usr/bin/env bash
# Makes a release of what is committed on main, for linux and darwin on amd64 and arm64, in release/VERSION. Nothing
# is uploaded and nothing is pushed.
#
#   release.sh v0.1.0            tests, CHANGELOG's Unreleased becomes v0.1.0, commit, tag, files
#   release.sh files v0.1.0 DIR  only the files, of the commit that is checked out, into DIR
#
# The same commit gives the same bytes: times are the commit's, paths are trimmed, nothing else of the machine is in it.
set -euo pipefail
cd "$(dirname "$0")/.."

die() { echo "release: $*" >&2; exit 1; }

# What is linked in, "path version directory" a line, hakube itself left out.
linked() {
  CGO_ENABLED=0 GOOS=$1 GOARCH=$2 go list -deps -f '{{with .Module}}{{if not .Main}}{{.Path}} {{.Version}} {{.Dir}}{{end}}{{end}}' ./cmd/hakube | sort -u
}

# The licences of all that is linked in on any platform; a module without one stops the release.
licences() {
  echo "hakube is under the Apache License 2.0, see LICENSE. It is linked with the following, each under its own."
  sort -u "$1" | while read -r path version dir; do
    found=$(find "$dir" -maxdepth 1 -type f \( -iname 'LICEN[CS]E*' -o -iname 'COPYING*' -o -iname 'NOTICE*' \) | sort)
    [ -n "$found" ] || die "$path $version has no licence in its top directory"
    printf '\n%s\n%s %s\n%s\n' "$(printf '=%.0s' {1..80})" "$path" "$version" "$(printf '=%.0s' {1..80})"
    for f in $found; do printf -- '-- %s\n' "$(basename "$f")"; cat "$f"; echo; done
  done
  printf '\n%s\nGo %s\n%s\n' "$(printf '=%.0s' {1..80})" "$(go env GOVERSION)" "$(printf '=%.0s' {1..80})"
  cat "$(go env GOROOT)/LICENSE"
}

# A list of what each binary is made of, as the go command recorded it, in CycloneDX's form.
sbom() { # binary name
  go version -m "$1" | jq -R -s --arg name "$2" --arg version "$version" --arg time "$(date -u -d "@$SOURCE_DATE_EPOCH" +%FT%TZ)" '
    def purl: "pkg:golang/\(.path)@\(.version)";
    [split("\n")[] | split("\t") | select(.[1] == "dep") | {path: .[2], version: .[3], sum: .[4]}] as $deps
    | {bomFormat: "CycloneDX", specVersion: "1.5", version: 1,
       metadata: {timestamp: $time, component: {type: "application", name: $name, version: $version}},
       components: [$deps[] | {type: "library", name: .path, version: .version, purl: purl, "bom-ref": purl,
         properties: [{name: "go:sum", value: .sum}]}]}'
}

# A Debian package: the program, its manual page, completions and licences.
debian() { # binary arch out
  local root size
  root=$(mktemp -d)
  install -D -m 755 "$1" "$root/usr/bin/hakube"
  install -D -m 644 LICENSE "$root/usr/share/doc/hakube/copyright"
  install -D -m 644 "$out/THIRD-PARTY-LICENSES" "$root/usr/share/doc/hakube/THIRD-PARTY-LICENSES"
  install -D -m 644 CHANGELOG.md "$root/usr/share/doc/hakube/CHANGELOG.md"
  gzip -9n "$root/usr/share/doc/hakube/CHANGELOG.md" "$root/usr/share/doc/hakube/THIRD-PARTY-LICENSES"
  for shell in bash zsh fish; do "$native" completion "$shell" > "$root/$shell"; done
  install -D -m 644 "$root/bash" "$root/usr/share/bash-completion/completions/hakube"
  install -D -m 644 "$root/zsh" "$root/usr/share/zsh/vendor-completions/_hakube"
  install -D -m 644 "$root/fish" "$root/usr/share/fish/vendor_completions.d/hakube.fish"
  rm "$root"/{bash,zsh,fish}
  if "$native" help man > "$root/man" 2>/dev/null; then
    install -D -m 644 "$root/man" "$root/usr/share/man/man1/hakube.1"
    gzip -9n "$root/usr/share/man/man1/hakube.1"
  fi
  rm -f "$root/man"
  size=$(du -sk --apparent-size "$root" | cut -f1)
  mkdir "$root/DEBIAN"
  cat > "$root/DEBIAN/control" <<CONTROL
Package: hakube
Version: ${version#v}
Architecture: $2
Maintainer: the hakube authors <hakube@localhost>
Installed-Size: $size
Section: admin
Priority: optional
Recommends: kubectl
Description: grow and shrink Kubernetes clusters on Compute Engine, step by step
 hakube up stands where kube-up.sh stood: node pools and masters come and go
 by zone, by environment variables, and the API's address moves between a
 master and a load balancer. With it comes a Compute Engine of your own
 machine, to try all of it without an account.
CONTROL
  find "$root" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
  dpkg-deb --root-owner-group -Zxz --build "$root" "$3" >/dev/null
  rm -rf "$root"
}

files() {
  version=$1 out=$2
  SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
  export SOURCE_DATE_EPOCH
  for tool in jq dpkg-deb; do command -v $tool >/dev/null || die "$tool is missing; make tools installs it"; done
  mkdir -p "$out"
  [ -z "$(ls -A "$out")" ] || die "$out is not empty"
  modules=$(mktemp)
  for platform in ${PLATFORMS:-linux/amd64 linux/arm64 darwin/amd64 darwin/arm64}; do linked "${platform%/*}" "${platform#*/}"; done > "$modules"
  licences "$modules" > "$out/THIRD-PARTY-LICENSES"
  rm "$modules"
  cp LICENSE "$out/LICENSE"
  native=$out/.native # says what goes into packages of other architectures
  CGO_ENABLED=0 go build -trimpath -buildvcs=true -ldflags "-s -w -X main.linked=$version" -o "$native" ./cmd/hakube
  for platform in ${PLATFORMS:-linux/amd64 linux/arm64 darwin/amd64 darwin/arm64}; do
    os=${platform%/*} arch=${platform#*/} binary=$out/hakube-$version-$os-$arch
    CGO_ENABLED=0 GOOS=$os GOARCH=$arch go build -trimpath -buildvcs=true -ldflags "-s -w -X main.linked=$version" -o "$binary" ./cmd/hakube
    sbom "$binary" "hakube-$os-$arch" > "$binary.cdx.json"
    if [ "$os" = linux ]; then debian "$binary" "$arch" "$out/hakube_${version#v}_$arch.deb"; fi
  done
  rm "$native"
  (cd "$out" && sha256sum -- * > SHA256SUMS)
}

if [ "${1:-}" = files ]; then
  files "$2" "$3"
  exit
fi

version=${1:-}
[[ $version =~ ^v[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.]+)?$ ]] || die "VERSION=$version is not a version; one looks like v0.1.0: make release VERSION=v0.1.0"
[ -z "$(git status --porcelain)" ] || die "there are changes that are not committed: git status"
[ "$(git branch --show-current)" = main ] || die "this is not the branch main"
! git rev-parse -q --verify "refs/tags/$version" >/dev/null || die "there is a tag $version already"
grep -q '^## Unreleased$' CHANGELOG.md || die "CHANGELOG.md has no section Unreleased"
awk '/^## Unreleased$/ {inside = 1; next} /^## / {inside = 0} inside && /^- / {found = 1} END {exit !found}' CHANGELOG.md || die "CHANGELOG.md has nothing under Unreleased"
make --no-print-directory test
sed -i "s/^## Unreleased\$/## Unreleased\n\n## $version, $(date -u +%F)/" CHANGELOG.md
git commit -q -m "Release $version" CHANGELOG.md
git tag -a -m "hakube $version" "$version"
files "$version" "release/$version"
echo "release/$version:"
cat "release/$version/SHA256SUMS"
