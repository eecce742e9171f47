package replicate_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"hakube/replicate"
	"hakube/scripts"
)

// TestRings reads both rings of a master, the script and the answer included.
func TestRings(t *testing.T) {
	ctx := context.Background()
	l := newLab(t, nil)
	var failed *replicate.RunError
	if _, err := replicate.Rings(ctx, l.runner, l.host()); !errors.As(err, &failed) || failed.Name != "etcd-status" || failed.Exit != 1 {
		t.Errorf("a machine that is no master: %v", err)
	}
	l.guest.Stop()
	for k, v := range map[string]string{
		scripts.KeyStartupScript: scripts.Startup(), scripts.KeyRole: scripts.RoleMaster, scripts.KeyAddress: "198.51.100.7",
		scripts.KeyCluster: "local/kubernetes", scripts.KeyClusterName: "kubernetes", scripts.KeyPodRange: "10.64.0.0/14",
		scripts.KeyDNSIP: "10.0.0.10", scripts.KeyServiceRange: "10.0.0.0/16",
	} {
		l.meta.Set(k, v)
	}
	l.start()
	for deadline := time.Now().Add(10 * time.Second); l.guest.Phase() != scripts.PhaseRunning; {
		if time.Sleep(time.Millisecond); time.Now().After(deadline) {
			t.Fatal(l.guest.Phase())
		}
	}
	rings, err := replicate.Rings(ctx, l.runner, l.host())
	if err != nil {
		t.Fatal(err)
	}
	for name, port := range map[string]string{replicate.RingMain: ":2380", replicate.RingEvents: ":2381"} {
		r := rings[name]
		m, ok := r.ByPeerURL("https://kubernetes-master.europe-west1-b.c.local.internal" + port)
		if !ok || !r.Healthy || len(r.Members) != 1 || m.ID != r.Leader || m.Name != "kubernetes-master" || m.Learner {
			t.Errorf("ring %s is %+v", name, r)
		}
	}
	if rings[replicate.RingMain].Leader == rings[replicate.RingEvents].Leader {
		t.Error("both rings have one member")
	}
	conf, err := l.runner.Run(ctx, l.host(), scripts.AdminKubeconfig)
	if err != nil || !strings.Contains(string(conf), "server: https://198.51.100.7:443\n") {
		t.Errorf("admin.conf: %s, %v", conf, err)
	}
	if page, err := l.runner.Run(ctx, l.host(), scripts.Diagnose); err != nil || !strings.Contains(string(page), "hakube: running\n") {
		t.Errorf("diagnose: %s, %v", page, err)
	}
}
