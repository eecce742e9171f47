package mirror

import (
	"context"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
)

// Addons' images are made when a machine first asks for one: who has no addons never
// waits for them.

// A late is the registry of those images.
type late struct {
	ctx    context.Context // of the mirror, since whoever asks may give up and ask again
	cancel context.CancelFunc
	mu     sync.Mutex
	store  *store
	made   *registry
}

func newLate(s *store) *late {
	ctx, cancel := context.WithCancel(context.Background())
	return &late{ctx: ctx, cancel: cancel, store: s}
}

// close ends what is being made.
func (l *late) close() {
	l.cancel()
	l.mu.Lock()
	defer l.mu.Unlock()
}

// has tells whether a request is for one of those images.
func (l *late) has(path string) bool {
	m := registryPath.FindStringSubmatch(path)
	return m != nil && slices.ContainsFunc(addonRecipes(), func(r recipe) bool { return strings.HasPrefix(r.ref, m[1]+":") })
}

func (l *late) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	images, err := l.registry()
	if err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable) // the kubelet asks again
		return
	}
	images.ServeHTTP(w, r)
}

// PrepareAddons makes addons' images before a machine asks for one.
func (m *Mirror) PrepareAddons() error {
	_, err := m.late.registry()
	return err
}

// registry makes the images first, as far as they are not in the cache.
func (l *late) registry() (*registry, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.made != nil {
		return l.made, nil
	}
	c := addonPrograms()
	built, err := c.built(l.ctx)
	if err != nil {
		return nil, err
	}
	program := func(ctx context.Context, _, program string) (string, error) {
		dir, err := l.store.cache.ensure(ctx, built, l.store.build(c.name))
		return filepath.Join(dir, "bin", program), err
	}
	official, baked := pulled(l.store.transport, "addon-images-official", addonRecipes()), baked("addon-images", addonRecipes(), []string{built.key}, program)
	dir, err := l.store.either(l.ctx, "addons' images", official, baked)
	if err != nil {
		return nil, err
	}
	if l.made, err = openRegistry(dir); err != nil {
		return nil, err
	}
	if err := l.store.cache.tidy(built, official, baked); err != nil {
		l.store.cache.say(err.Error()) // the images are none the worse for it
	}
	return l.made, nil
}
