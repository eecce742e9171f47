#!/usr/bin/env bash
# A real one-zone Kubernetes cluster on this machine: made, used, taken down,
# and proof that nothing is left. Usage: demo.sh path/to/hakube (as root, on Linux)
set -euo pipefail
hakube=$(realpath "${1:?usage: demo.sh path/to/hakube}")
leftovers=$(dirname "$(realpath "$0")")/leftovers.sh
if [ "$(uname -s)" != Linux ] || [ "$(id -u)" != 0 ]; then
  echo "demo: real machines need Linux and root; without: $1 local start --machines=model" >&2
  exit 1
fi

# What is downloaded and built is kept where the caller's own would be: his module
# cache, his build cache, hakube's. The next demo fetches nothing.
if command -v go >/dev/null; then
  for setting in GOENV GOMODCACHE GOCACHE; do export "$setting=$(go env "$setting")"; done
fi
modules() { find "${GOMODCACHE:-/nonexistent}/cache/download" -name '*.zip' 2>/dev/null | wc -l; }
before=$(modules)
"$hakube" local prepare
cache=${HAKUBE_CACHE_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/hakube}

# All the rest is in one directory; nobody's cluster, kubeconfig or ssh key is touched.
work=$(mktemp -d /tmp/hakube-demo.XXXXXX)
export HAKUBE_LOCAL_DIR=$work/gce KUBECONFIG=$work/kubeconfig HOME=$work HAKUBE_CACHE_DIR=$cache
export KUBERNETES_PROVIDER=local KUBE_GCE_ZONE=europe-west1-b NUM_NODES=3 MULTIZONE=true ENABLE_ETCD_QUORUM_READ=true
finish() {
  if [ -d "$HAKUBE_LOCAL_DIR" ]; then "$hakube" local reset; fi
  rm -rf "$work"
}
trap finish EXIT

# The commands are shown as one would type them, and what they do comes below.
say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
typed() {
  local word line='$'
  for word; do
    case $word in *[!A-Za-z0-9_./:=,-]*) word="'$word'" ;; esac
    line+=" $word"
  done
  say "$line"
}
hakube() { typed hakube "$@" && "$hakube" "$@"; }
kubectl() { typed kubectl "$@" && "$kubectl" "$@"; }

hakube local start --machines=real
kubectl=$("$hakube" local kubectl)

say "# One master and three nodes in zone $KUBE_GCE_ZONE."
hakube up
kubectl get nodes -o wide
machines=$(cd "$HAKUBE_LOCAL_DIR/run/machines" && echo *)

say "# nginx, and its page from a busybox on another node, by the name of its Service."
kubectl run nginx --image=nginx --image-pull-policy=IfNotPresent --expose --port=80
kubectl wait --for=condition=Ready pod/nginx --timeout=120s
other=$("$kubectl" get nodes -l '!node-role.kubernetes.io/control-plane' -o name |
  grep -vx "node/$("$kubectl" get pod nginx -o 'jsonpath={.spec.nodeName}')" | head -n 1)
kubectl run test-a --image=busybox --image-pull-policy=IfNotPresent --restart=OnFailure \
  --overrides="{\"spec\": {\"nodeName\": \"${other#node/}\"}}" \
  -- wget -q -O- http://nginx.default.svc.cluster.local
kubectl wait --for=jsonpath='{.status.phase}'=Succeeded pod/test-a --timeout=120s
kubectl get pods -o wide
kubectl logs test-a
"$kubectl" logs test-a | grep -q 'Welcome to nginx'

say "# And back to nothing."
hakube down
hakube local status
objects=$("$hakube" local status --json)
hakube local stop

# Of this demo only: others on this host may come and go with theirs.
# shellcheck disable=SC2086 # a machine's number is a word
left=$("$leftovers" "$HAKUBE_LOCAL_DIR" $machines)
if [[ -n $left || $objects != *'"objects":{}'* ]]; then
  printf 'demo: something is left behind: %s\n%s\n' "$objects" "$left" >&2
  exit 1
fi
if [ -e "$work/go" ] || [ -e "$work/.cache/go-build" ]; then
  echo "demo: Go's modules or builds went into $work, which is thrown away" >&2
  exit 1
fi
say "Go modules downloaded: $(($(modules) - before)), kept for the next time."
say "Nothing is left: no object, container, namespace, mount, loop device, route or process."
