//go:build linux

package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"hakube/cluster/settings"
)

// policies: a NetworkPolicy that nothing enforces is told of and shuts nobody off. With a
// provider it shuts off whom it does not name, on the pod's own machine and on another;
// without it again nobody, since what its programs left would shut off all.
func (w *withAddons) policies(t *testing.T) {
	if _, err := os.Stat("/proc/net/netfilter/nfnetlink_queue"); errors.Is(err, os.ErrNotExist) {
		t.Skip("this kernel hands no packets to programs (CONFIG_NETFILTER_NETLINK_QUEUE): network policies cannot be enforced on it")
	}
	near, far := w.nodes[0], w.nodes[1]
	pod := func(name, image, node, role, command string) {
		w.apply(t, fmt.Sprintf(`{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": %q, "labels": {"role": %q}}, "spec": {"nodeName": %q, "terminationGracePeriodSeconds": 1,
			"containers": [{"name": "it", "image": %q, "imagePullPolicy": "IfNotPresent"%s}]}}`, name, role, node, image, command))
	}
	const sleep = `, "command": ["/bin/sleep", "1h"]`
	pod("shut", "nginx", near, "shut", "")
	pod("friend", "busybox", far, "friend", sleep)
	pod("near", "busybox", near, "stranger", sleep)
	pod("far", "busybox", far, "stranger", sleep)
	w.kubectl(t, "wait", "--for=condition=Ready", "pod/shut", "pod/friend", "pod/near", "pod/far", "--timeout=300s")
	w.apply(t, `{"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "shut"}, "spec": {"podSelector": {"matchLabels": {"role": "shut"}},
		"policyTypes": ["Ingress"], "ingress": [{"from": [{"podSelector": {"matchLabels": {"role": "friend"}}}]}]}}`)
	address := w.kubectl(t, "get", "pod", "shut", "-o", "jsonpath={.status.podIP}")
	reach := func(when string, want ...string) {
		t.Helper()
		eventually(t, settled, when, func() error {
			var got, not []string
			for _, from := range []string{"friend", "near", "far"} {
				if out, err := w.tryKubectl(t, "exec", from, "--", "timeout", "3", "wget", "-q", "-O-", "http://"+address); err == nil && strings.Contains(out, "nginx") {
					got = append(got, from)
				} else {
					not = append(not, fmt.Sprintf("%s: %v", from, err))
				}
			}
			if !slices.Equal(got, want) {
				return fmt.Errorf("it is reached by %v and not by %q", got, not)
			}
			return nil
		})
	}
	const told = "nothing enforces the cluster's 1 NetworkPolicy (default/shut)"
	reach("without a provider all reach the pod", "friend", "near", "far")
	becomes(t, "status tells of it", func(d *differing) {
		if page := w.ok(t, "status").stdout; !strings.Contains(page, told) {
			d.add("status does not say that %s:\n%s", told, page)
		}
	})
	begin := time.Now()
	w.ok(t, "up", "--network-policy-provider="+string(settings.KubeNetworkPolicies))
	reach("with one only who is named reaches it", "friend")
	report(t, "network policies are enforced on %d machines %.0f s after up was asked", addonNodes+1, time.Since(begin).Seconds())
	w.hasAddons(t, append(slices.Clip(addonNames), string(settings.KubeNetworkPolicies))...)
	becomes(t, "status tells of it no more", func(d *differing) {
		if page := w.ok(t, "status").stdout; strings.Contains(page, "nothing enforces") {
			d.add("status says:\n%s", page)
		}
	})
	w.ok(t, "up", "--network-policy-provider=none")
	reach("when it is gone all reach it", "friend", "near", "far")
	w.hasAddons(t, addonNames...)
	w.kubectl(t, "delete", "--now", "pod/shut", "pod/friend", "pod/near", "pod/far", "networkpolicy/shut")
}
