#!/usr/bin/env bash
# A real one-zone Kubernetes cluster on this machine: made, used, taken down,
# and proof that nothing is left. Usage: demo.sh path/to/hakube (as root, on Linux)
set -euo pipefail
hakube=$(realpath "${1:?usage: demo.sh path/to/hakube}")
here=$(dirname "$(realpath "$0")")
if [ "$(uname -s)" != Linux ] || [ "$(id -u)" != 0 ]; then
  echo "demo: real machines need Linux and root; without: $hakube local start --machines=model" >&2
  exit 1
fi

work=$(mktemp -d /tmp/hakube-demo.XXXXXX)
export HAKUBE_LOCAL_DIR=$work/local KUBECONFIG=$work/kubeconfig
export KUBERNETES_PROVIDER=local NUM_NODES=3 MULTIZONE=true ENABLE_ETCD_QUORUM_READ=true KUBE_GCE_ZONE=europe-west1-b
finish() { "$hakube" local reset && rm -rf "$work"; }
trap finish EXIT

step() { printf '\n\033[1m$ %s\033[0m\n' "$*" >&2; "$@"; }

"$here/leftovers.sh" > "$work/before"
step "$hakube" local start --machines=real
kubectl=$(command -v kubectl || "$hakube" local kubectl)

step "$hakube" up
step "$kubectl" get nodes -o wide
step "$kubectl" run nginx --image=nginx --image-pull-policy=IfNotPresent --expose --port=80
step "$kubectl" wait --for=condition=Ready pod/nginx --timeout=120s
node=$("$kubectl" get pod nginx -o 'jsonpath={.spec.nodeName}')
# A busybox on any other node than nginx', so that the page crosses the network.
step "$kubectl" run test-a --image=busybox --restart=Never --image-pull-policy=IfNotPresent --overrides="
  {\"spec\": {\"affinity\": {\"nodeAffinity\": {\"requiredDuringSchedulingIgnoredDuringExecution\": {\"nodeSelectorTerms\": [
    {\"matchExpressions\": [{\"key\": \"kubernetes.io/hostname\", \"operator\": \"NotIn\", \"values\": [\"$node\"]}]}]}}}}}" \
  -- /bin/sh -c 'until timeout 5 wget -q -O- http://nginx.default.svc.cluster.local; do sleep 1; done'
"$kubectl" wait --for=jsonpath='{.status.phase}'=Succeeded pod/test-a --timeout=120s >&2
step "$kubectl" get pods -o wide
step "$kubectl" logs test-a | tee "$work/page"
grep -q 'Welcome to nginx' "$work/page"

step "$hakube" down
step "$hakube" local status
objects=$("$hakube" local status --json)
step "$hakube" local stop
"$here/leftovers.sh" > "$work/after"
if [ "${objects#*\"objects\"}" != "$objects" ] || ! diff "$work/before" "$work/after" >&2; then
  echo "demo: something is left behind: $objects" >&2
  exit 1
fi
echo "nothing is left: no object, container, namespace, mount, loop device, route or process"
