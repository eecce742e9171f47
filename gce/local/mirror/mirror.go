package mirror

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
)

// Source is where artefacts come from.
type Source string

const (
	Auto     Source = "auto"     // what is in the cache; else Download if there is internet, else Build
	Download Source = "download" // the official ones
	Build    Source = "build"    // from Go modules and Debian's packages
)

// Options say where the cache is and how it is filled.
type Options struct {
	Dir      string       // see [CacheDir]; the mirror's own is the directory mirror in it
	Source   Source       // "" is $HAKUBE_MIRROR_SOURCE, or Auto
	Progress func(string) // told what takes long; may be nil

	transport http.RoundTripper // to the official places; nil is Go's default
}

// A Mirror is everything machines fetch, on this machine's disk. It is for use
// by several goroutines.
type Mirror struct {
	cache    *cache
	store    *store
	mu       sync.Mutex // of trees and registry, which grow when another version was made
	trees    []string   // directories of HOST/PATH
	kubectl  string
	layouts  []string // what the registry has
	registry *registry
	addons   *late
	ingress  *late // of the example of an Ingress controller
	upstream *late // what Kubernetes' own tests run
	others   []*other
}

// Prepare returns the mirror, made first as far as it is not in the cache: from
// source about 20 minutes on two processors and 2 GB, once. It takes
// milliseconds when all is there. Artefacts of other versions are removed, except
// those of mirrors that are not closed yet, here or in another process.
func Prepare(ctx context.Context, o Options) (*Mirror, error) {
	s, err := o.openStore()
	if err != nil {
		return nil, err
	}
	m := &Mirror{cache: s.cache, store: s, addons: newLate(s, ofAddons()), ingress: newLate(s, ofIngress()), upstream: newLate(s, ofUpstream())}
	for _, r := range releasesBeside() {
		m.others = append(m.others, newOther(s, r))
	}
	if err := m.fill(ctx, s); err != nil {
		return nil, errors.Join(err, m.Close())
	}
	return m, nil
}

// Begun says whether some version of the last artefact is in the cache: the
// mirror was made there once.
func Begun(o Options) bool {
	made, err := filepath.Glob(filepath.Join(o.Dir, "mirror", "samples-*"))
	return err == nil && slices.ContainsFunc(made, func(path string) bool { return !strings.HasSuffix(path, ".part") })
}

// Close lets the cache go. Requests that are served after it may find nothing.
func (m *Mirror) Close() error {
	m.addons.close()
	m.ingress.close()
	m.upstream.close()
	return m.cache.close()
}

// Kubectl is the path of a kubectl of the clusters' version.
func (m *Mirror) Kubectl() string { return m.kubectl }

// fill makes what is missing.
func (m *Mirror) fill(ctx context.Context, s *store) error {
	builds := map[string]artefact{}
	var keys []string
	var current []artefact
	for _, c := range components() {
		built, err := c.built(ctx)
		if err != nil {
			return err
		}
		builds[c.name] = built
		keys = append(keys, built.key)
		current = append(current, built)
		if len(c.assets) == 0 {
			continue // only an image
		}
		official := c.official(s.transport)
		current = append(current, official)
		dir, err := s.either(ctx, c.name, official, built)
		if err != nil {
			return err
		}
		m.trees = append(m.trees, filepath.Join(dir, "tree"))
	}
	program := func(ctx context.Context, component, program string) (string, error) {
		dir, err := s.cache.ensure(ctx, builds[component], s.build(component))
		return filepath.Join(dir, "bin", program), err
	}
	official, made, extra := pulled(s.transport, "images-official", recipes()), baked("images", recipes(), keys, program), baked("samples", samples(), nil, program)
	images, err := s.either(ctx, "container images", official, made)
	if err != nil {
		return err
	}
	sample, err := s.cache.ensure(ctx, extra, "making container images of nginx and busybox, once")
	if err != nil {
		return err
	}
	m.layouts = []string{images, sample}
	if m.registry, err = openRegistry(m.layouts...); err != nil {
		return err
	}
	m.findOthers()
	if err := s.cache.tidy(append(current, official, made, extra)...); err != nil {
		s.cache.say(err.Error()) // the mirror is none the worse for it
	}
	return m.findKubectl()
}

// CachedKubectl is the path of a kubectl of the clusters' version, "" when the
// cache has none. Nothing is fetched or built.
func CachedKubectl(ctx context.Context, o Options) (string, error) {
	s, err := o.openStore()
	if err != nil {
		return "", err
	}
	m := &Mirror{}
	for _, c := range components() {
		built, err := c.built(ctx)
		if err != nil {
			return "", err
		}
		for _, a := range []artefact{c.official(s.transport), built} {
			if s.cache.has(a) {
				m.trees = append(m.trees, filepath.Join(s.cache.path(a), "tree"))
			}
		}
	}
	if err := m.findKubectl(); !errors.Is(err, errNoKubectl) {
		return m.kubectl, err
	}
	return "", nil
}

var errNoKubectl = errors.New("preparing kubectl: it is in no tree")

func (m *Mirror) findKubectl() error {
	for _, tree := range m.trees {
		m.kubectl = place(tree, k8s+"kubectl")
		info, err := os.Stat(m.kubectl)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err == nil && info.Mode().Perm() != 0o755 {
			err = os.Chmod(m.kubectl, 0o755) // the official file comes without the permission
		}
		if err != nil {
			return fmt.Errorf("preparing kubectl: %w", err)
		}
		return nil
	}
	return errNoKubectl
}

// An Error knows what the user can do about it.
type Error struct {
	Err  error
	hint string
}

func (e *Error) Error() string { return e.Err.Error() }
func (e *Error) Unwrap() error { return e.Err }

// Hint is one line of advice.
func (e *Error) Hint() string { return e.hint }
