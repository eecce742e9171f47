package mirror

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/gofrs/flock" // file locks: two processes may want the same artefact at once
)

// An artefact is a directory in the cache.
type artefact struct {
	name string
	key  string // of all it is made from
	make func(ctx context.Context, dir string) error
}

// A cache keeps artefacts, and those it has handed out from being removed.
type cache struct {
	root string
	say  func(string)
	mu   sync.Mutex
	held []*flock.Flock
}

// key is a short digest of what something is made from.
func key(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		fmt.Fprintf(h, "%d:%s", len(p), p)
	}
	return hex.EncodeToString(h.Sum(nil))[:16]
}

func (c *cache) path(a artefact) string { return filepath.Join(c.root, a.name+"-"+a.key) }

func (c *cache) has(a artefact) bool {
	_, err := os.Stat(c.path(a))
	return err == nil
}

// useFile is in each artefact; who uses it holds a shared lock.
const useFile = ".use"

// hold marks the artefact as used by this process until close. It tells false
// if it is not there.
func (c *cache) hold(a artefact) (bool, error) {
	use := flock.New(filepath.Join(c.path(a), useFile))
	held, err := use.TryRLock()
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("locking %s in the mirror's cache: %w", a.name, err)
	}
	// Somebody who removes it holds it, or has just done so.
	if !held || !c.has(a) {
		return false, use.Close()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.held = append(c.held, use)
	return true, nil
}

// close lets others remove what was handed out.
func (c *cache) close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	var errs []error
	for _, use := range c.held {
		errs = append(errs, use.Close())
	}
	c.held = nil
	return errors.Join(errs...)
}

// ensure returns the artefact's directory, made first unless it is there. It is
// made beside its place and renamed last, so a cut leaves nothing that looks
// whole.
func (c *cache) ensure(ctx context.Context, a artefact, doing string) (dir string, err error) {
	if held, err := c.hold(a); held || err != nil {
		return c.path(a), err
	}
	if err := os.MkdirAll(c.root, 0o755); err != nil {
		return "", fmt.Errorf("making the mirror's cache: %w", err)
	}
	lock := flock.New(filepath.Join(c.root, a.name+".lock"))
	if locked, err := lock.TryLock(); err != nil {
		return "", fmt.Errorf("locking the mirror's cache: %w", err)
	} else if !locked {
		c.say("waiting for another process that makes " + a.name)
		if _, err := lock.TryLockContext(ctx, 200*time.Millisecond); err != nil {
			return "", fmt.Errorf("waiting for %s being made: %w", a.name, err)
		}
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	if held, err := c.hold(a); held || err != nil {
		return c.path(a), err
	}
	c.say(doing)
	part := filepath.Join(c.root, a.name+".part") // the lock is ours: what lies there was cut off
	if err := os.RemoveAll(part); err != nil {
		return "", fmt.Errorf("removing what was cut off of %s: %w", a.name, err)
	}
	if err := os.Mkdir(part, 0o755); err != nil {
		return "", fmt.Errorf("making %s: %w", a.name, err)
	}
	if err := a.make(ctx, part); err != nil {
		return "", fmt.Errorf("making %s: %w", a.name, errors.Join(err, os.RemoveAll(part)))
	}
	if err := os.Rename(part, c.path(a)); err != nil {
		return "", fmt.Errorf("making %s: %w", a.name, err)
	}
	_, err = c.hold(a)
	return c.path(a), err
}

// tidy removes other versions of the artefacts, unless somebody makes or uses one.
func (c *cache) tidy(current ...artefact) error {
	var errs []error
	for _, a := range current {
		lock := flock.New(filepath.Join(c.root, a.name+".lock"))
		locked, err := lock.TryLock()
		if locked {
			err = c.removeOthers(a)
		}
		errs = append(errs, err, lock.Close())
	}
	return errors.Join(errs...)
}

// removeOthers removes the artefact's versions with other keys that nobody
// uses: each is up to a gigabyte. The artefact's lock is held.
func (c *cache) removeOthers(a artefact) error {
	all, err := filepath.Glob(filepath.Join(c.root, a.name+"-*"))
	if err != nil {
		return fmt.Errorf("looking for old versions of %s: %w", a.name, err)
	}
	for _, dir := range all {
		k := strings.TrimPrefix(filepath.Base(dir), a.name+"-")
		if k == a.key || len(k) != len(a.key) || strings.Contains(k, "-") {
			continue // this one, or of an artefact whose name begins as this one's does
		}
		use := flock.New(filepath.Join(dir, useFile))
		unused, err := use.TryLock()
		if err == nil && unused {
			// Moved first: what looks whole is whole, also if this is cut.
			part := filepath.Join(c.root, a.name+".part")
			err = errors.Join(os.Rename(dir, part), os.RemoveAll(part))
		}
		if err = errors.Join(err, use.Close()); err != nil {
			return fmt.Errorf("removing an old version of %s: %w", a.name, err)
		}
	}
	return nil
}

// CacheDir is where artefacts that take long to make are kept, this package's
// and the guest image: $HAKUBE_CACHE_DIR, or hakube in the user's cache.
func CacheDir() (string, error) {
	if d := os.Getenv("HAKUBE_CACHE_DIR"); d != "" {
		return filepath.Abs(d)
	}
	d, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	return filepath.Join(d, "hakube"), nil
}

// A store fills the cache from one source or the other.
type store struct {
	cache     *cache
	source    Source
	transport http.RoundTripper
	online    func(context.Context) bool // asked once, and only if something is missing
}

func (o Options) openStore() (*store, error) {
	s := &store{source: o.Source, transport: o.transport, cache: &cache{root: filepath.Join(o.Dir, "mirror"), say: o.Progress}}
	if s.source == "" {
		s.source = Source(os.Getenv("HAKUBE_MIRROR_SOURCE"))
	}
	switch s.source {
	case Build, Download, Auto:
	case "":
		s.source = Auto
	default:
		return nil, fmt.Errorf("HAKUBE_MIRROR_SOURCE=%q: there are auto, download and build", s.source)
	}
	if s.cache.say == nil {
		s.cache.say = func(string) {}
	}
	if s.transport == nil {
		s.transport = http.DefaultTransport
	}
	var once sync.Once
	var answer bool
	s.online = func(ctx context.Context) bool {
		once.Do(func() { answer = reachable(ctx, s.transport) })
		return answer
	}
	return s, nil
}

// minutes that a build takes on two processors, where it is more than one.
var minutes = map[string]int{"kubernetes": 13, "containerd": 2, "coredns": 5, "addons": 5, "skipper": 3, "conformance": 10, "renumbered": 4, "kubernetes-1.35": 13, "kubernetes-1.37": 13, "coredns-1.13.1": 5, "coredns-1.14.6": 5}

// build says what is being built.
func (s *store) build(name string) string {
	if m := minutes[name]; m > 0 {
		return fmt.Sprintf("building %s, about %d minutes on two processors, once", name, m)
	}
	return "building " + name + ", once"
}

// either returns the directory of one of two artefacts that serve the same. Of
// those in the cache none is left because the internet came or went.
func (s *store) either(ctx context.Context, name string, official, built artefact) (string, error) {
	if s.source == Auto {
		for _, a := range []artefact{official, built} {
			if held, err := s.cache.hold(a); held || err != nil {
				return s.cache.path(a), err
			}
		}
	}
	if s.source == Download || s.source == Auto && s.online(ctx) {
		dir, err := s.cache.ensure(ctx, official, "fetching "+name+", once")
		if err == nil || s.source == Download || ctx.Err() != nil || errors.Is(err, errRefused) {
			return dir, err
		}
		s.cache.say(fmt.Sprintf("%v; building it instead", err))
	}
	return s.cache.ensure(ctx, built, s.build(name))
}
