package scripts

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestOperatorKubeconfig: without words the script prints what there is; with them it has
// kubeadm make a certificate of the group that the masters' own is of, and refuses words
// that are none.
func TestOperatorKubeconfig(t *testing.T) {
	g := newGuest(t)
	text := strings.NewReplacer("/etc/kubernetes/", g.dir+"/disk/kubernetes/", "/run/hakube/", g.dir+"/run/").Replace(AdminKubeconfig)
	if _, stderr, err := g.pipe(text); err == nil || !strings.Contains(stderr, "this machine has no ") {
		t.Errorf("without a kubeconfig: %v, %s", err, stderr)
	}
	bin := t.TempDir()
	if err := os.WriteFile(filepath.Join(bin, "kubeadm"), []byte("#!/bin/sh\necho \"$@\"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for group, says := range map[string]string{"kubeadm:cluster-admins": "kubeadm:cluster-admins", "system:masters": "system:masters", "": ""} {
		c := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "kubernetes-admin"}, NotAfter: time.Now().Add(time.Hour)}
		if group != "" {
			c.Subject.Organization = []string{group}
		}
		der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
		if err != nil {
			t.Fatal(err)
		}
		conf := "users:\n- name: kubernetes-admin\n  user:\n    client-certificate-data: " + base64.StdEncoding.EncodeToString(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})) + "\n"
		g.write(map[string]string{"kubernetes/admin.conf": conf})
		if stdout, stderr, err := g.pipe(text); err != nil || stdout != conf {
			t.Errorf("printed %q, %v: %s", stdout, err, stderr)
		}
		stdout, stderr, err := g.pipe(text, "7", "alice@example.com")
		want := "kubeconfig user --config " + g.dir + "/run/kubeadm.yaml --client-name hakube:alice@example.com --org " + says + " --validity-period 168h\n"
		switch {
		case group == "" && (err == nil || !strings.Contains(stderr, "is of no group")):
			t.Errorf("of no group: %q, %v, %s", stdout, err, stderr)
		case group != "" && (err != nil || stdout != want):
			t.Errorf("kubeadm was asked for %q, want %q: %v, %s", stdout, want, err, stderr)
		}
		for _, args := range [][]string{{"7"}, {"0", "a"}, {"-1", "a"}, {"7", ""}, {"7", "a b"}, {"7", "$(id)"}, {"7", "a", "b"}, {"seven", "a"}} {
			if stdout, _, err := g.pipe(text, args...); err == nil || stdout != "" {
				t.Errorf("%q: printed %q, %v", args, stdout, err)
			}
		}
	}
}
