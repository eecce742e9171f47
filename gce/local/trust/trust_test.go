package trust

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func save(path string, text []byte) error { return os.WriteFile(path, text, 0o600) }

func open(t *testing.T, path string) *Authority {
	t.Helper()
	a, err := Open(path, save)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// TestAuthority: each directory has its own, the same at each start; what is in the file
// and is none is an error, and nothing of it is read by others.
func TestAuthority(t *testing.T) {
	path := filepath.Join(t.TempDir(), "authority.pem")
	first := open(t, path)
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if again := open(t, path); !bytes.Equal(first.Certificate(), again.Certificate()) {
		t.Error("another authority after a restart")
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key's file: %v, %v", info.Mode(), err)
	}
	if bytes.Contains(first.Certificate(), []byte("PRIVATE")) {
		t.Error("what machines get has the key")
	}
	if other := open(t, filepath.Join(t.TempDir(), "authority.pem")); bytes.Equal(first.Certificate(), other.Certificate()) {
		t.Error("two directories have one authority")
	}
	if err := os.WriteFile(path, []byte("nothing"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path, save); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("a file that is no authority: %v", err)
	}
}

// TestServer: who trusts the authority trusts Google's names, and nobody else's.
func TestServer(t *testing.T) {
	a := open(t, filepath.Join(t.TempDir(), "authority.pem"))
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(a.Certificate())
	for name, want := range map[string]bool{"compute.googleapis.com": true, "example.com": false} {
		config, err := a.Server([]string{name})
		if err != nil {
			t.Fatal(err)
		}
		s := httptest.NewUnstartedServer(http.NotFoundHandler())
		s.TLS = config
		s.StartTLS()
		c := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, ServerName: name}}}
		resp, err := c.Get(s.URL)
		if err == nil {
			_, _ = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
		}
		if (err == nil) != want {
			t.Errorf("%s: %v", name, err)
		}
		c.CloseIdleConnections()
		s.Close()
	}
}

// TestInstall: a file system trusts a certificate once, as OpenSSL looks for it, and
// nothing outside is touched by way of links that were left in it.
func TestInstall(t *testing.T) {
	dir, outside := t.TempDir(), filepath.Join(t.TempDir(), "secret")
	a := open(t, filepath.Join(t.TempDir(), "authority.pem"))
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	if err := Install(root, a.Certificate()); err != nil {
		t.Fatal(err)
	}
	if list, _ := os.ReadDir(dir); len(list) > 0 {
		t.Errorf("a root without certificates has got %v", list)
	}
	at := filepath.Join(dir, bundle)
	for _, err := range []error{os.MkdirAll(filepath.Dir(at), 0o755), os.WriteFile(at, []byte("others'"), 0o644), os.MkdirAll(filepath.Join(dir, own), 0o755),
		os.WriteFile(outside, []byte("mine"), 0o600), os.Symlink(outside, filepath.Join(dir, own, file))} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		if err := Install(root, a.Certificate()); err != nil {
			t.Fatal(err)
		}
	}
	if text, err := os.ReadFile(at); err != nil || string(text) != "others'\n"+string(a.Certificate()) {
		t.Errorf("the bundle: %q, %v", text, err)
	}
	if text, err := os.ReadFile(outside); err != nil || string(text) != "mine" {
		t.Errorf("outside: %q, %v", text, err)
	}
	hash, err := subjectHash(a.Certificate())
	if err != nil {
		t.Fatal(err)
	}
	if to, err := os.Readlink(filepath.Join(dir, hashed, hash+".0")); err != nil || to != "/"+own+"/"+file {
		t.Errorf("the link: %q, %v", to, err)
	}
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Skip("without openssl nobody says whether the link's name is right")
	}
	out, err := exec.CommandContext(t.Context(), "openssl", "x509", "-noout", "-hash", "-in", filepath.Join(dir, own, file)).CombinedOutput()
	if err != nil || strings.TrimSpace(string(out)) != hash {
		t.Errorf("openssl says %s, %v; want %s", out, err, hash)
	}
	// A bundle that leads out of the machine is not read, nor written.
	if err := os.Remove(at); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, at); err != nil {
		t.Fatal(err)
	}
	if err := Install(root, a.Certificate()); err == nil {
		t.Error("a bundle outside the root was taken")
	}
}
