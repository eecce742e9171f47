package replicate

import (
	"bytes"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/crypto/ssh"
)

func TestKey(t *testing.T) {
	path := filepath.Join(t.TempDir(), "home", ".ssh", "google_compute_engine")
	if err := os.MkdirAll(filepath.Dir(filepath.Dir(path)), 0o755); err != nil {
		t.Fatal(err)
	}
	keys := make([]string, 2)
	var both sync.WaitGroup
	for i := range keys {
		both.Go(func() {
			s, err := LoadKey(path, true)
			if err != nil {
				t.Error(err)
				return
			}
			keys[i] = string(s.PublicKey().Marshal())
		})
	}
	both.Wait()
	if t.Failed() || keys[0] != keys[1] {
		t.Fatal("two at once made two keys")
	}
	s, err := LoadKey(path, true)
	if err != nil || string(s.PublicKey().Marshal()) != keys[0] || s.PublicKey().Type() != ssh.KeyAlgoRSA {
		t.Fatalf("loaded again: %v", err)
	}
	private, err := os.ReadFile(path)
	if err != nil || !bytes.HasPrefix(private, []byte("-----BEGIN OPENSSH PRIVATE KEY-----\n")) {
		t.Errorf("%v, %.40q", err, private)
	}
	for file, mode := range map[string]os.FileMode{path: 0o600, path + ".pub": 0o644, filepath.Dir(path): 0o700 | os.ModeDir} {
		if info, err := os.Stat(file); err != nil || info.Mode() != mode {
			t.Errorf("%s: %v, %v, want %v", file, err, info.Mode(), mode)
		}
	}
	if left, err := filepath.Glob(path + "*"); err != nil || len(left) != 2 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	public, err := os.ReadFile(path + ".pub")
	if line := AuthorizedLine("jane", s); err != nil || line+"\n" != "jane:"+string(public) || !strings.HasPrefix(line, "jane:ssh-rsa AAAA") || !strings.HasSuffix(line, " hakube") {
		t.Errorf("%v, line %q, file %q", err, line, public)
	}
	if err := os.Remove(path + ".pub"); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadKey(path, true); err != nil {
		t.Error(err)
	}
	if again, err := os.ReadFile(path + ".pub"); err != nil || !bytes.Equal(again, public) {
		t.Errorf("the public half was not made again: %v", err)
	}

	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	wantHint(t, path, "others may read it, mode 0640", "chmod 600 "+path)
	raw, err := ssh.ParseRawPrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKeyWithPassphrase(raw, "", []byte("secret"))
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{string(pem.EncodeToMemory(block)): "protected by a passphrase", "junk": "no key found"} {
		if err := errors.Join(os.WriteFile(path, []byte(text), 0o600), os.Chmod(path, 0o600)); err != nil {
			t.Fatal(err)
		}
		wantHint(t, path, want, path+".pub")
	}
}

// A public half, or a link, whose private key is elsewhere is somebody's.
func TestKeyKeepsAHalf(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "key")
	if err := os.WriteFile(path+".pub", []byte("ssh-rsa AAAA me"), 0o644); err != nil {
		t.Fatal(err)
	}
	wantHint(t, path, "key.pub is", "mv "+path+".pub "+path+".pub.old")
	if b, err := os.ReadFile(path + ".pub"); err != nil || string(b) != "ssh-rsa AAAA me" {
		t.Errorf("it is %q now, %v", b, err)
	}
	if err := errors.Join(os.Rename(path+".pub", path+".pub.old"), os.Symlink(filepath.Join(dir, "not", "mounted"), path)); err != nil {
		t.Fatal(err)
	}
	wantHint(t, path, "key is", "mv "+path+" "+path+".old")
	if to, err := os.Readlink(path); err != nil || to != filepath.Join(dir, "not", "mounted") {
		t.Errorf("the link leads to %q, %v", to, err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadKey(path, true); err != nil {
		t.Errorf("after the cure: %v", err)
	}
}

func wantHint(t *testing.T, path, text, hint string) {
	t.Helper()
	_, err := LoadKey(path, true)
	var bad *KeyError
	if !errors.As(err, &bad) || !strings.Contains(err.Error(), text) || !strings.Contains(bad.Hint(), hint) {
		t.Errorf("got %v, want %q with hint %q", err, text, hint)
	}
}

func TestLoginName(t *testing.T) {
	for local, want := range map[string]string{
		"jane": "jane", "Jane.Doe": "Jane.Doe", "j_d-1": "j_d-1", `CORP\Jane Doe`: "jane_doe", "jane@corp.example": "jane",
		"42": "_42", "root": "hakube", "": "hakube", "é": "hakube", "jürgen": "j_rgen",
		strings.Repeat("a", 40): strings.Repeat("a", 32),
	} {
		if got := LoginName(local); got != want {
			t.Errorf("LoginName(%q) = %q, want %q", local, got, want)
		}
	}
}

func TestParseHostKeys(t *testing.T) {
	const ed = "AAAAC3NzaC1lZDI1NTE5AAAAIBxgA1qkHJ8Fp3lJkVYcV3Yk8Zx0hOeS0dX1q2cB0f3e"
	keys, err := ParseHostKeys(map[string]string{"hostkeys/ssh-ed25519": ed, "hakube/phase": "running", "ssh-ed25519": ed})
	if err != nil || len(keys) != 2 || keys[0].Type() != "ssh-ed25519" {
		t.Errorf("%v, %v", keys, err)
	}
	if keys, err := ParseHostKeys(nil); err != nil || len(keys) != 0 {
		t.Errorf("none: %v, %v", keys, err)
	}
	for _, bad := range []map[string]string{
		{"hostkeys/ssh-rsa": ed}, {"hostkeys/ssh-ed25519": "AAAA"}, {"hostkeys/ssh-ed25519": ed + "\nssh-ed25519 " + ed},
	} {
		if keys, err := ParseHostKeys(bad); err == nil {
			t.Errorf("%v was read as %v", bad, keys)
		}
	}
}
