package etcdtest

import (
	"context"
	"crypto/ed25519"
	"errors"
	"net"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"hakube/scripts"
)

// A site is a world with one cluster in it, for a test.
type site struct {
	t         *testing.T
	w         *World
	dir       string
	addresses map[netip.Addr][]*Guest
	signer    ssh.Signer
}

const (
	address = "198.51.100.7"
	token   = "abcdef.0123456789abcdef"
)

func newSite(t *testing.T) *site {
	t.Helper()
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(key)
	if err != nil {
		t.Fatal(err)
	}
	s := &site{t: t, w: NewWorld(Options{}), dir: t.TempDir(), addresses: map[netip.Addr][]*Guest{}, signer: signer}
	t.Cleanup(func() { s.close() })
	return s
}

func (s *site) close() {
	if err := s.w.Close(); err != nil {
		s.t.Error(err)
	}
}

// again is the site after its process was killed: same disks, nothing else.
func (s *site) again() {
	s.close()
	s.w, s.addresses = NewWorld(Options{}), map[netip.Addr][]*Guest{}
}

func (s *site) path(disk string) string { return filepath.Join(s.dir, disk+".json") }

func (s *site) metadata(name, role string) *Metadata {
	m := &Metadata{Project: "local", Zone: "europe-west1-b", Name: name, Address: netip.MustParseAddr("10.40.0.2"), Aliases: []string{"10.64.0.0/24"}}
	for k, v := range map[string]string{
		scripts.KeyStartupScript: scripts.Startup(), scripts.KeyRole: role, scripts.KeyAddress: address,
		scripts.KeyCluster: "local/kubernetes", scripts.KeyClusterName: "kubernetes", scripts.KeyPodRange: "10.64.0.0/14",
		scripts.KeyDNSIP: "10.0.0.10", scripts.KeyServiceRange: "10.0.0.0/16", scripts.KeyKubeVersion: "v1.36.3",
		scripts.KeySSHKeys: "jane:" + string(ssh.MarshalAuthorizedKey(s.signer.PublicKey())),
	} {
		m.Set(k, v)
	}
	return m
}

func (s *site) start(m *Metadata, disks map[string]string) *Guest {
	s.t.Helper()
	boot := s.path("boot-" + m.Name)
	for _, d := range append([]string{boot}, values(disks)...) {
		if err := CreateDisk(d); err != nil {
			s.t.Fatal(err)
		}
	}
	g, err := s.w.Start(Machine{Name: m.Name, Metadata: m, Boot: boot, Disks: disks})
	if err != nil {
		s.t.Fatal(err)
	}
	return g
}

func values(m map[string]string) (all []string) {
	for _, v := range m {
		all = append(all, v)
	}
	return all
}

// master boots the first master behind the cluster's address.
func (s *site) master() *Guest {
	s.t.Helper()
	g := s.start(s.metadata("kubernetes-master", scripts.RoleMaster), map[string]string{"master-pd": s.path("pd")})
	s.addresses[netip.MustParseAddr(address)] = []*Guest{g}
	s.w.SetAddresses(s.addresses)
	return g
}

// node boots a node that has the token and the CA hash of m's cluster.
func (s *site) node(m *Guest, name string) *Guest {
	s.t.Helper()
	return s.start(s.nodeMetadata(m, name), nil)
}

func (s *site) nodeMetadata(m *Guest, name string) *Metadata {
	s.t.Helper()
	s.w.mu.Lock()
	hash, err := m.control.disk.content.PKI.hash()
	s.w.mu.Unlock()
	if err != nil {
		s.t.Fatal(err)
	}
	d := s.metadata(name, scripts.RoleNode)
	d.Set(scripts.KeyJoinToken, token)
	d.Set(scripts.KeyCAHash, hash)
	return d
}

// reaches waits until the guest reported a phase with a prefix.
func (s *site) reaches(g *Guest, phase string) {
	s.t.Helper()
	deadline := time.Now().Add(testLimit)
	for !strings.HasPrefix(g.Phase(), phase) {
		if time.Now().After(deadline) {
			s.t.Fatalf("phase %q, want %q", g.Phase(), phase)
		}
		time.Sleep(time.Millisecond) // between two looks
	}
}

// config is admin.conf, dialled in process.
func (s *site) config(g *Guest) *rest.Config {
	s.t.Helper()
	s.w.mu.Lock()
	conf := g.control.disk.content.AdminConf
	s.w.mu.Unlock()
	c, err := clientcmd.RESTConfigFromKubeConfig([]byte(conf))
	if err != nil {
		s.t.Fatal(err)
	}
	c.Dial = func(ctx context.Context, _, addr string) (net.Conn, error) {
		if addr != address+":443" {
			return nil, errors.New("dialled " + addr)
		}
		return g.Dial(ctx, 443)
	}
	c.QPS = -1
	return c
}

func (s *site) client(g *Guest) corev1client.CoreV1Interface {
	s.t.Helper()
	c, err := corev1client.NewForConfig(s.config(g))
	if err != nil {
		s.t.Fatal(err)
	}
	return c
}
