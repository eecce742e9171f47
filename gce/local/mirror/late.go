package mirror

import (
	"context"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
)

// Images that few need are in sets of their own: addons' are made when a machine first
// asks for one, so that who has no addons never waits for them, those of Kubernetes' own
// tests when it is said.

// A set is images, and the programs that are built for them.
type set struct {
	programs component
	recipes  []recipe
	images   string // the artefact's name
	what     string // for people
	said     bool   // made only when it is said: a machine that asks makes none
}

func ofAddons() set {
	return set{programs: addonPrograms(), recipes: addonRecipes(), images: "addon-images", what: "addons' images"}
}

func ofIngress() set {
	return set{programs: ingressProgram(), recipes: ingressRecipes(), images: "ingress-images", what: "the image of an Ingress controller"}
}

// A late is the registry of a set.
type late struct {
	set
	ctx    context.Context // of the mirror, since whoever asks may give up and ask again
	cancel context.CancelFunc
	mu     sync.Mutex
	store  *store
	found  func() (parts, error) // once
	made   *registry
	baked  bool // made are not the official ones
}

// parts are a set's artefacts: of its images there are two that serve the same.
type parts struct{ programs, official, baked artefact }

func newLate(s *store, of set) *late {
	ctx, cancel := context.WithCancel(context.Background())
	l := &late{set: of, ctx: ctx, cancel: cancel, store: s}
	l.found = sync.OnceValues(l.find)
	return l
}

// close ends what is being made.
func (l *late) close() {
	l.cancel()
	l.mu.Lock()
	defer l.mu.Unlock()
}

// has tells whether a request is for one of those images, and for one that may be had.
func (l *late) has(path string) bool {
	m := registryPath.FindStringSubmatch(path)
	if l == nil || m == nil || !slices.ContainsFunc(l.recipes, func(r recipe) bool { return strings.HasPrefix(r.ref, m[1]+":") }) {
		return false
	}
	return !l.said || l.cached()
}

// cached tells whether the images are there already.
func (l *late) cached() bool {
	p, err := l.found()
	return err == nil && (l.store.source != Build && l.store.cache.has(p.official) || l.store.source != Download && l.store.cache.has(p.baked))
}

func (l *late) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	images, err := l.registryNow(l.ctx)
	if err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable) // the kubelet asks again
		return
	}
	images.ServeHTTP(w, r)
}

// PrepareAddons makes addons' images, and that of the Ingress controller that their manual
// shows, before a machine asks for one.
func (m *Mirror) PrepareAddons(ctx context.Context) error {
	_, err := m.addons.registryNow(ctx)
	if err == nil {
		_, err = m.ingress.registryNow(ctx)
	}
	return err
}

// registryNow makes the images first, as far as they are not in the cache.
func (l *late) registryNow(ctx context.Context) (*registry, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.made != nil {
		return l.made, nil
	}
	p, err := l.found()
	if err != nil {
		return nil, err
	}
	dir, err := l.store.either(ctx, l.what, p.official, p.baked)
	if err != nil {
		return nil, err
	}
	if l.made, err = openRegistry(dir); err != nil {
		return nil, err
	}
	l.baked = dir == l.store.cache.path(p.baked)
	if err := l.store.cache.tidy(p.programs, p.official, p.baked); err != nil {
		l.store.cache.say(err.Error()) // the images are none the worse for it
	}
	return l.made, nil
}

// find says which artefacts the set's are. A recipe's program is one of the set, or of a
// component that machines run.
func (l *late) find() (p parts, err error) {
	built := map[string]artefact{}
	for _, c := range append(components(), l.programs) {
		used := func(r recipe) bool { return r.component == c.name }
		if c.name != l.programs.name && !slices.ContainsFunc(l.recipes, used) {
			continue
		}
		a, err := c.built(l.ctx)
		if err != nil {
			return parts{}, err
		}
		built[c.name] = a
	}
	p.programs = built[l.programs.name]
	keys := []string{p.programs.key}
	for _, c := range components() {
		if a, ok := built[c.name]; ok {
			keys = append(keys, a.key)
		}
	}
	p.official = pulled(l.store.transport, l.images+"-official", l.recipes)
	p.baked = baked(l.images, l.recipes, keys, func(ctx context.Context, component, program string) (string, error) {
		dir, err := l.store.cache.ensure(ctx, built[component], l.store.build(component))
		return filepath.Join(dir, "bin", program), err
	})
	return p, nil
}

// UpstreamTests are Kubernetes' own end-to-end tests, and the program that runs several of
// them at a time.
type UpstreamTests struct {
	E2E, Ginkgo string   // files
	Replaced    []string // the names of images that are made here; none where they are the official ones
}

// PrepareUpstream makes the programs of Kubernetes' own tests and the images they run, as
// far as they are not in the cache: about ten minutes on two processors, once. Machines of
// an embedded GCE that runs have the images from then on.
func (m *Mirror) PrepareUpstream(ctx context.Context) (UpstreamTests, error) {
	p, err := m.upstream.found()
	if err != nil {
		return UpstreamTests{}, err
	}
	dir, err := m.cache.ensure(ctx, p.programs, m.upstream.store.build(p.programs.name))
	if err != nil {
		return UpstreamTests{}, err
	}
	bin := filepath.Join(dir, "bin")
	tests := UpstreamTests{E2E: filepath.Join(bin, "e2e.test"), Ginkgo: filepath.Join(bin, "ginkgo")}
	if _, err = m.upstream.registryNow(ctx); err == nil && m.upstream.baked {
		for _, r := range m.upstream.recipes {
			tests.Replaced = append(tests.Replaced, r.ref)
		}
	}
	return tests, err
}

// HasUpstream tells whether that takes no making.
func (m *Mirror) HasUpstream() bool {
	p, err := m.upstream.found()
	return err == nil && m.cache.has(p.programs) && m.upstream.cached()
}
