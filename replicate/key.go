package replicate

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"

	"golang.org/x/crypto/ssh"

	"hakube/scripts/cure"
)

// A KeyError is the operator's key that cannot be used.
type KeyError struct {
	Path string
	Err  error
	hint string
}

func (e *KeyError) Error() string { return fmt.Sprintf("loading the ssh key %s: %v", e.Path, e.Err) }
func (e *KeyError) Unwrap() error { return e.Err }

// Hint says what to do about it.
func (e *KeyError) Hint() string { return e.hint }

// LoadKey loads the operator's key from path. When there is none it is made, if
// keep says so, as `gcloud compute ssh` does, which keeps it in
// ~/.ssh/google_compute_engine: RSA with 3072 bits in OpenSSH's format, readable
// by its owner only, the public half beside it in path.pub; else it is one that
// ends with the process. Two processes that make it at once end up with the
// same key.
func LoadKey(path string, keep bool) (ssh.Signer, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		if !keep {
			return PassingKey()
		}
		if err := makeKey(path); err != nil {
			return nil, fmt.Errorf("making the ssh key %s: %w", path, err)
		}
		text, err = os.ReadFile(path)
	}
	if err != nil {
		return nil, fmt.Errorf("loading the ssh key: %w", err)
	}
	signer, err := ssh.ParsePrivateKey(text)
	if missing := new(ssh.PassphraseMissingError); errors.As(err, &missing) {
		return nil, &KeyError{path, errors.New("it is protected by a passphrase"),
			fmt.Sprintf("take the passphrase away with \"ssh-keygen -p -f %s\", or move the key and %s.pub elsewhere to have new ones made", path, path)}
	}
	if err != nil {
		return nil, &KeyError{path, err, fmt.Sprintf("move it and %s.pub elsewhere to have new ones made", path)}
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("loading the ssh key: %w", err)
	}
	if runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
		return nil, &KeyError{path, fmt.Errorf("others may read it, mode %04o", info.Mode().Perm()), cure.Hint("take it from the others", cure.Secret(path))}
	}
	if _, err := os.Stat(path + ".pub"); keep && errors.Is(err, fs.ErrNotExist) {
		// gcloud makes a new pair when one half is missing, and would lock this one out.
		if err := place(path+".pub", publicLine(signer), 0o644); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, fmt.Errorf("writing the public half of the ssh key %s: %w", path, err)
		}
	}
	return signer, nil
}

// PassingKey is a key that no machine knows and that ends with the process.
func PassingKey() (ssh.Signer, error) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making an ssh key: %w", err)
	}
	return ssh.NewSignerFromKey(private)
}

func makeKey(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	private, err := rsa.GenerateKey(rand.Reader, 3072)
	if err != nil {
		return err
	}
	block, err := ssh.MarshalPrivateKey(private, keyComment)
	if err != nil {
		return err
	}
	if err := alone(path); err != nil {
		return err
	}
	err = place(path, pem.EncodeToMemory(block), 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil // another process was quicker; its key is as good
	}
	return err
}

// alone refuses a public half whose private half is not there: it may be in an
// agent, on a token or on a disk that is not mounted, and is not ours to replace.
func alone(path string) error {
	for _, half := range []string{path + ".pub", path} {
		if _, err := os.Lstat(half); errors.Is(err, fs.ErrNotExist) {
			continue
		} else if err != nil {
			return err
		}
		if _, err := os.Stat(path); err == nil {
			return nil // another process was quicker
		}
		return &KeyError{path, fmt.Errorf("it is not there, but %s is", half), fmt.Sprintf("bring it back, or move that away: mv %s %s.old", half, half)}
	}
	return nil
}

// keyComment ends public keys and ssh-keys lines, for people.
const keyComment = "hakube"

// place writes a whole file or none; one that is there already stays, and is an
// error like [fs.ErrExist].
func place(path string, text []byte, mode fs.FileMode) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.Remove(f.Name())) }()
	_, err = f.Write(text)
	if err == nil {
		err = f.Chmod(mode)
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Link(f.Name(), path)
}

func publicLine(s ssh.Signer) []byte {
	return append(bytes.TrimSuffix(ssh.MarshalAuthorizedKey(s.PublicKey()), []byte("\n")), " "+keyComment+"\n"...)
}

// AuthorizedLine is the line of the metadata value ssh-keys that lets user log
// in with the key: "user:ssh-rsa AAAA… comment", without a newline.
func AuthorizedLine(user string, s ssh.Signer) string {
	return user + ":" + strings.TrimSuffix(string(publicLine(s)), "\n")
}

var (
	loginName  = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]{0,31}$`)
	notInNames = regexp.MustCompile(`[^a-z0-9_-]`)
)

// LoginName is whom to log in as on a machine, for who has the user name local
// here. As with gcloud that is the same name, so that both use one account;
// what is not a Linux user name ("CORP\Jane Doe", "jane@corp.example") is made
// one in lower case. The exception is root, whom Google's images do not let in
// over ssh: it becomes hakube.
func LoginName(local string) string {
	if i := strings.LastIndexByte(local, '\\'); i >= 0 {
		local = local[i+1:]
	}
	local, _, _ = strings.Cut(local, "@")
	if !loginName.MatchString(local) {
		local = notInNames.ReplaceAllString(strings.ToLower(local), "_")
		if local != "" && (local[0] == '-' || local[0] >= '0' && local[0] <= '9') {
			local = "_" + local
		}
		local = local[:min(len(local), 32)]
	}
	if local == "root" || strings.Trim(local, "_") == "" {
		return "hakube"
	}
	return local
}
