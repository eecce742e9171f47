#!/usr/bin/env bash
# Fetches other people's clients that the embedded GCE is tested with and that have no
# place on the system: Debian's Prometheus would begin to run when it is installed, and
# npm's package is nobody's. What cannot be had is said, and the test of it is skipped.
set -euo pipefail
to=${1:?where to}
mkdir -p "$to"
to=$(cd "$to" && pwd)
echo "module clients" >"$to/go.mod" # what npm fetches is none of this module's

if [ ! -x "$to/prometheus/usr/bin/promtool" ]; then
	scratch=$(mktemp -d)
	trap 'rm -rf "$scratch"' EXIT
	if (cd "$scratch" && apt-get download -qq prometheus) >/dev/null 2>&1; then
		dpkg-deb -x "$scratch"/prometheus_*.deb "$to/prometheus"
	else
		echo "Prometheus is skipped: apt-get has none"
	fi
fi
if [ ! -d "$to/node/node_modules/@google-cloud/compute" ]; then
	if ! command -v npm >/dev/null; then
		echo "Google's client for Node is skipped: npm is not installed"
	elif ! npm install --silent --no-audit --no-fund --prefix "$to/node" @google-cloud/compute@6.15.0 >/dev/null; then
		echo "Google's client for Node is skipped: npm cannot fetch it"
	fi
fi
# Kubernetes' cloud provider and its driver of persistent disks are Go modules: a small
# program of their own drives them, with their own versions of everything.
if [ ! -x "$to/kubernetes" ]; then
	if ! (cd "$(dirname "$0")/../gce/emulator/testdata/clients/kubernetes" && go build -ldflags "-s -w" -o "$to/kubernetes" .); then
		echo "Kubernetes' cloud provider and disk driver are skipped: their modules cannot be had, or not built"
	fi
fi
