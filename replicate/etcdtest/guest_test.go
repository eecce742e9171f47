package etcdtest

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"hakube/replicate/etcdtest/kubeapi"
	"hakube/scripts"
)

const testLimit = time.Minute

func TestPorts(t *testing.T) {
	s := newSite(t)
	g := s.start(s.metadata("plain", ""), nil)
	if _, err := g.Dial(context.Background(), 443); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("a port where nothing listens: %v", err)
	}
	c, err := g.Dial(context.Background(), 22)
	if err != nil {
		t.Fatal(err)
	}
	banner := make([]byte, 8)
	if _, err := c.Read(banner); err != nil || string(banner) != "SSH-2.0-" {
		t.Errorf("sshd said %q, %v", banner, err)
	}
	if err := c.SetReadDeadline(time.Now()); err != nil {
		t.Error(err)
	}
	if _, err := c.Read(banner); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("reading after the deadline: %v", err)
	}
	g.Stop()
	if err := c.SetReadDeadline(time.Time{}); err != nil {
		t.Error(err)
	}
	for err = nil; err == nil; { // what was sent before comes first
		_, err = c.Read(banner)
	}
	if !errors.Is(err, io.EOF) {
		t.Errorf("a connection to a machine that stopped: %v", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	var timeout net.Error
	if _, err := g.Dial(ctx, 22); !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Errorf("a machine that is stopped: %v", err)
	}
}

// TestDiskSurvives is a master that lives on its disk: the process is killed,
// the machine made anew, and it is the same member with the same data.
func TestDiskSurvives(t *testing.T) {
	ctx := context.Background()
	s := newSite(t)
	m := s.master()
	s.reaches(m, scripts.PhaseRunning)
	if _, err := s.client(m).Secrets("kube-system").Create(ctx, joinSecret(), metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	s.reaches(s.node(m, "n1"), scripts.PhaseRunning)
	before, hostKey, conf := s.ring(m), m.HostKey(), string(s.config(m).CAData)

	s.again() // nothing was told to end
	cut(t, s.path("pd"))
	if err := DeleteDisk(s.path("boot-kubernetes-master")); err != nil {
		t.Fatal(err)
	}
	m = s.master()
	s.reaches(m, scripts.PhaseRunning)
	after := s.ring(m)
	if after.Leader != before.Leader || after.Members[0].ID != before.Members[0].ID || after.Members[0].PeerURLs[0] != "https://kubernetes-master.europe-west1-b.c.local.internal:2380" ||
		after.Revision != before.Revision+1 { // the master's kubelet registered again
		t.Errorf("before %+v, after %+v", before, after)
	}
	if string(hostKey.Marshal()) == string(m.HostKey().Marshal()) || conf != string(s.config(m).CAData) {
		t.Error("the host key lives on the data disk, or the CA on the boot disk")
	}
	all, err := s.client(m).Nodes().List(ctx, metav1.ListOptions{})
	if err != nil || len(all.Items) != 2 || !isReady(all.Items[0]) || isReady(all.Items[1]) {
		t.Errorf("nodes after: %v, %+v", err, all)
	}
	s.reaches(s.node(m, "n1"), scripts.PhaseRunning) // by its certificate
	waitReady(t, s.client(m), "n1")

	s.again()
	d := s.metadata("kubernetes-master", scripts.RoleMaster)
	d.Set(scripts.KeyCluster, "local/other")
	g := s.start(d, map[string]string{"master-pd": s.path("pd")})
	s.reaches(g, "failed: mounting the disk: the disk master-pd belongs to cluster local/kubernetes, not to local/other")
	if d.GuestAttributes()["hakube/phase"] != g.Phase() || !strings.HasPrefix(d.GuestAttributes()["hostkeys/ssh-ed25519"], "AAAA") {
		t.Errorf("guest attributes %v", d.GuestAttributes())
	}
	if _, err := g.Dial(ctx, 443); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("the API of a master that failed: %v", err)
	}
}

// ring is the state of ring main as the master tells it.
func (s *site) ring(g *Guest) statusRing {
	s.w.mu.Lock()
	defer s.w.mu.Unlock()
	return g.control.main().status()
}

// cut leaves half of a line at the end, as a killed process may.
func cut(t *testing.T, path string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err == nil {
		_, err = f.WriteString(`{"ring":"main","revision":99,"put":{"/regis`)
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestRefusals(t *testing.T) {
	s := newSite(t)
	m := s.master()
	s.reaches(m, scripts.PhaseRunning)

	for phase, spoil := range map[string]func(*Metadata){
		"failed: reading metadata: the metadata server has no instance/attributes/hakube-dns-ip": func(d *Metadata) {
			delete(d.attributes, scripts.KeyDNSIP)
		},
		"failed: reading metadata: the metadata server has no instance/network-interfaces/0/ip-aliases/0": func(d *Metadata) { d.Aliases = nil },
		"failed: reading metadata: hakube-role is 'king', not master or node":                             func(d *Metadata) { d.Set(scripts.KeyRole, "king") },
		"failed: joining: cluster CA found in cluster-info configmap is invalid":                          func(d *Metadata) { d.Set(scripts.KeyCAHash, "sha256:00") },
	} {
		d := s.nodeMetadata(m, "bad")
		spoil(d)
		g := s.start(d, nil)
		s.reaches(g, phase)
		g.Stop()
	}

	// A second machine of a name waits until the first is gone.
	ctx := context.Background()
	if _, err := s.client(m).Secrets("kube-system").Create(ctx, joinSecret(), metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	first := s.node(m, "twin")
	s.reaches(first, scripts.PhaseRunning)
	if err := os.Rename(s.path("boot-twin"), s.path("boot-old")); err != nil {
		t.Fatal(err)
	}
	second := s.node(m, "twin")
	s.reaches(second, "joining")
	first.Stop()
	s.reaches(second, scripts.PhaseRunning)
	waitReady(t, s.client(m), "twin")

	plain := s.metadata("plain", "")
	plain.Set(scripts.KeyStartupScript, "#!/bin/sh\necho hello\n")
	g := s.start(plain, nil)
	for !strings.Contains(string(g.Serial(0)), "does not know this startup-script") {
		if time.Sleep(time.Millisecond); g.Phase() != "" {
			t.Fatalf("phase %q", g.Phase())
		}
	}
}

// TestBootTakesItsTime: with a boot time a machine is up, and not yet more.
func TestBootTakesItsTime(t *testing.T) {
	s := newSite(t)
	if err := s.w.Close(); err != nil {
		t.Fatal(err)
	}
	s.w = NewWorld(Options{BootTime: time.Hour})
	m := s.master()
	s.reaches(m, "mounting the disk")
	if _, err := m.Dial(context.Background(), 443); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("the API of a master that boots: %v", err)
	}
	m.Stop() // does not wait for an hour
	if m.Phase() != "mounting the disk" {
		t.Errorf("phase %q", m.Phase())
	}
}

func TestMayJoin(t *testing.T) {
	now := time.Date(2026, 7, 1, 0, 0, 0, 0, time.UTC)
	for want, spoil := range map[string]func(*corev1.Secret){
		"":               func(*corev1.Secret) {},
		"expired":        func(s *corev1.Secret) { s.StringData["expiration"] = "2026-06-30T00:00:00Z" },
		"JWS signature":  func(s *corev1.Secret) { delete(s.StringData, "usage-bootstrap-signing") },
		"Unauthorized":   func(s *corev1.Secret) { delete(s.StringData, "usage-bootstrap-authentication") },
		"is forbidden":   func(s *corev1.Secret) { s.StringData["auth-extra-groups"] = "system:masters" },
		"failed to veri": func(s *corev1.Secret) { s.StringData["token-secret"] = "0000000000000000" },
	} {
		secret := joinSecret()
		spoil(secret)
		if err := kubeapi.Secrets.Settle(secret); err != nil {
			t.Fatal(err)
		}
		value, err := kubeapi.Secrets.Value(secret)
		if err != nil {
			t.Fatal(err)
		}
		state := &kubeapi.Contents{Keys: map[string]kubeapi.Entry{kubeapi.Secrets.Key("kube-system", secret.Name): {Value: value, Mod: 1}}}
		if err := kubeapi.MayJoin(state, token, now); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}
