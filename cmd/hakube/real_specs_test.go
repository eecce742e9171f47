//go:build linux

package main

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestUpstream runs some of Kubernetes' own conformance tests on a cluster of one master
// and two nodes, one or two of each kind of thing a cluster is for; "make conformance" runs
// all of them.
func TestUpstream(t *testing.T) {
	w := newWalk(t)
	u := &upstream{walk: w, tests: upstreamTests(t.Context(), t, false), out: filepath.Join(w.dir, "upstream"), procs: 4, limit: 15 * time.Minute}
	w.env = append(w.env, "NUM_NODES=2")
	w.ok(t, "local", "start", "--machines=real")
	w.ok(t, "up")
	w.machines(t)
	var focus []string
	for _, text := range someSpecs {
		focus = append(focus, "--focus="+regexp.QuoteMeta(text)+".*"+regexp.QuoteMeta("[Conformance]"))
	}
	begin := time.Now()
	ran, _ := u.run(t.Context(), t, "upstream", focus, nil)
	u.judge(t, "upstream", ran, time.Since(begin))
	for _, text := range someSpecs {
		found := false
		for _, s := range ran {
			found = found || strings.Contains(s.String(), text)
		}
		if !found {
			t.Errorf("there is no spec %q", text)
		}
	}
	w.ok(t, "down")
	w.nothingLeft(t)
}

// someSpecs are those of TestUpstream: of each kind what says most for its seconds.
var someSpecs = []string{
	"Aggregator Should be able to support the 1.17 Sample API Server using the current Aggregator",
	"AdmissionWebhook [Privileged:ClusterAdmin] should be able to deny attaching pod",
	"AdmissionWebhook [Privileged:ClusterAdmin] should mutate pod and apply defaults after mutation",
	"CustomResourceConversionWebhook [Privileged:ClusterAdmin] should be able to convert from CR v1 to CR v2",
	"Deployment RollingUpdateDeployment should delete old pods and create new ones",
	"Job should run a job to completion when tasks sometimes fail and are locally restarted",
	"StatefulSet Basic StatefulSet functionality [StatefulSetBasic] should have a working scale subresource",
	"ServiceAccounts ServiceAccountIssuerDiscovery should support OIDC discovery of service account issuer",
	"DNS should provide DNS for services",
	"DNS should provide DNS for the cluster",
	"HostPort validates that there is no conflict between pods with same hostPort but different hostIP and protocol",
	"Networking Granular Checks: Pods should function for intra-pod communication: udp",
	"Networking Granular Checks: Pods should function for node-pod communication: http",
	"Services should be able to create a functioning NodePort service",
	"Services should be able to change the type from ExternalName to NodePort",
	"Services should have session affinity work for service with type clusterIP",
	"Container Lifecycle Hook when create a pod with lifecycle hook should execute prestop http hook properly",
	"Ephemeral Containers [NodeConformance] will start an ephemeral container in an existing pod",
	"ImageVolume should succeed with pod and pull policy of Always",
	"Pods should support remote command execution over websockets",
	"Pods should support retrieving logs from the container over websockets",
	"Pod InPlace Resize Container burstable pods - extended resize with equivalents",
	"Security Context when creating containers with AllowPrivilegeEscalation should not allow privilege escalation when false",
	"Sysctls [LinuxOnly] [NodeConformance] should support sysctls",
	"Secrets should be consumable via the environment",
	"ConfigMap should be consumable via the environment",
	"Projected combined should project all components that make up the projection API",
	"Subpath Atomic writer volumes should support subpaths with projected pod",
	"EmptyDir volumes should support (non-root,0777,tmpfs)",
	"Kubectl client Update Demo should scale a replication controller",
}
