#!/usr/bin/env bash
# hakube: diagnose
#
# Tells in a page of text why a machine of the cluster is not up: what its
# startup script said last, the services, the containers, the API server's own
# view. Changes nothing and never fails because a part is missing.
set -uo pipefail
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C

# about TITLE COMMAND... prints the command's last lines under a title.
about() {
	printf '== %s\n' "$1"
	"${@:2}" 2>&1 | tail -n 15 | cut -c 1-300
}

# shellcheck disable=SC2317 # called through about
containers() {
	ctr --namespace k8s.io --timeout 5s tasks list 2>/dev/null | awk 'NR > 1 { n[$3]++ } END { for (s in n) print s ": " n[s] }'
	grep -l . /var/log/containers/{kube-,coredns}*.log 2>/dev/null | while read -r file; do
		printf '%s: ' "${file##*/}"
		tail -n 1 "$file"
	done
}

# unready prints what of the API server's checks fails, or ok.
# shellcheck disable=SC2317
unready() {
	curl -sS -m 5 --cacert /etc/kubernetes/pki/ca.crt 'https://127.0.0.1:443/readyz?verbose' | grep -v '^\[+\]'
}

about 'startup script' cat /run/hakube/startup.log
about 'services' systemctl --no-pager --plain --no-legend list-units --all 'etcd@*' containerd.service kubelet.service
about 'disk' df -h /mnt/disks/master-pd /
about 'memory' free -m
for unit in etcd@main etcd@events containerd kubelet; do
	if ! systemctl -q is-active "$unit"; then
		about "journal of $unit" journalctl --no-pager -q -o cat -n 10 -u "$unit"
	fi
done
about 'containers' containers
if [[ -s /etc/kubernetes/pki/ca.crt && -e /mnt/disks/master-pd/hakube-cluster ]]; then
	about 'readyz' unready
fi
exit 0
