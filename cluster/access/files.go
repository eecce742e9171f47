package access

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/crypto/ssh" // keys are its

	"hakube/cluster/env"
	"hakube/replicate"
)

// keyFiles are this operator's ssh key while it is exchanged for another one. The new one lies
// beside it until every master lets that in, and takes its place by one rename; the one of before is kept
// beside it then, for machines of others that know it alone. So at each moment the key in
// its place is one that masters let in, and files tell how far it has come.
type keyFiles struct{ path, id string }

func keysOf(e *env.Env, id string) keyFiles { return keyFiles{e.Deps.KeyFile, id} }

func (k keyFiles) next() string   { return k.path + ".next-" + k.id }
func (k keyFiles) before() string { return k.path + ".before-" + k.id }

func there(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// begun tells whether this operator has begun the rotation.
func (k keyFiles) begun() bool { return there(k.next()) || there(k.before()) }

// taken tells whether the new key has taken its place.
func (k keyFiles) taken() bool { return there(k.before()) && !there(k.next()) }

// fresh is the new key, nil where none was made yet.
func (k keyFiles) fresh() (ssh.Signer, error) {
	switch {
	case there(k.next()):
		return replicate.LoadKey(k.next(), false)
	case there(k.before()):
		return replicate.LoadKey(k.path, false)
	}
	return nil, nil
}

// make makes it, if there is none.
func (k keyFiles) make() error {
	if k.begun() {
		return nil
	}
	_, err := replicate.LoadKey(k.next(), true)
	return err
}

// old are the keys that are to be let in no more: that of before, and those which rotations before
// this one have left beside it.
func (k keyFiles) old() (keys []ssh.PublicKey, err error) {
	paths, err := filepath.Glob(globbed(k.path) + ".before-*")
	if err != nil {
		return nil, err
	}
	if !k.taken() {
		paths = append(paths, k.path)
	}
	for _, path := range paths {
		if strings.HasSuffix(path, ".pub") {
			continue
		}
		signer, err := replicate.LoadKey(path, false)
		if err != nil {
			return nil, err
		}
		keys = append(keys, signer.PublicKey())
	}
	return keys, nil
}

// globbed is a path as a pattern that matches it alone.
func globbed(path string) string {
	var b strings.Builder
	for _, c := range path {
		if strings.ContainsRune(`*?[\`, c) {
			b.WriteByte('\\')
		}
		b.WriteRune(c)
	}
	return b.String()
}

// whole tells whether the public half of the new key is beside it.
func (k keyFiles) whole() bool {
	signer, err := replicate.LoadKey(k.path, false)
	if err != nil {
		return false
	}
	is, err := os.ReadFile(k.path + ".pub")
	return err == nil && bytes.Equal(is, publicLine(signer)) && !there(k.next()+".pub")
}

// take has the new key take its place.
func (k keyFiles) take() error {
	if there(k.next()) {
		if err := os.Link(k.path, k.before()); err != nil && !errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("keeping the ssh key of before: %w", err)
		}
		if err := os.Rename(k.next(), k.path); err != nil {
			return fmt.Errorf("putting the new ssh key in its place: %w", err)
		}
	}
	// The public halves follow: who makes a new pair where one half is missing would lock this one out.
	for _, path := range []string{k.before(), k.path} {
		signer, err := replicate.LoadKey(path, false)
		if err != nil {
			return err
		}
		if err := wholly(path+".pub", publicLine(signer)); err != nil {
			return fmt.Errorf("writing the public half of the ssh key: %w", err)
		}
	}
	if err := os.Remove(k.next() + ".pub"); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func publicLine(s ssh.Signer) []byte {
	_, line, _ := strings.Cut(replicate.AuthorizedLine("", s), ":")
	return []byte(line + "\n")
}

// wholly has a file say that, or what it said before.
func wholly(path string, text []byte) error {
	if is, err := os.ReadFile(path); err == nil && bytes.Equal(is, text) {
		return nil
	}
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	err = errors.Join(err, f.Chmod(0o644), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		err = errors.Join(err, os.Remove(f.Name()))
	}
	return err
}

// without is the value of ssh-keys without lines that have one of the keys, whoever they let in.
func without(lines string, keys []ssh.PublicKey) string {
	var kept []string
	for line := range strings.Lines(lines) {
		line = strings.TrimRight(line, "\r\n")
		if line != "" && !lets(line, keys) {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "\n")
}

// lets tells whether a line of ssh-keys has one of the keys.
func lets(line string, keys []ssh.PublicKey) bool {
	_, text, is := strings.Cut(line, ":")
	if !is {
		return false
	}
	known, _, _, _, err := ssh.ParseAuthorizedKey([]byte(text))
	if err != nil {
		return false
	}
	for _, k := range keys {
		if bytes.Equal(known.Marshal(), k.Marshal()) {
			return true
		}
	}
	return false
}

// letsAny tells whether some line of ssh-keys does.
func letsAny(lines string, keys []ssh.PublicKey) bool {
	for line := range strings.Lines(lines) {
		if lets(strings.TrimSpace(line), keys) {
			return true
		}
	}
	return false
}
