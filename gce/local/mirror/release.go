package mirror

import (
	"cmp"
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"k8s.io/apimachinery/pkg/util/version"
)

// Renumbered is a number that Kubernetes' programs can be made with besides: the sources are
// those of the version [Kubernetes], so that a patch has somewhere to go in tests. It shows
// the walk of an upgrade, and nothing of what versions differ in.
const Renumbered = "v1.36.4"

// A release is a version of Kubernetes that clusters can be made of, or brought to, besides
// [Kubernetes]. It is made when it is said: each takes as long as the first one, and a gigabyte.
type release struct {
	version string
	pins    string // the component whose modules its programs are, and its name unless name is set
	name    string
	// What its kubeadm names besides, where that is not what the first one's does
	// (cmd/kubeadm/app/constants). Its etcd is the machines' own, whatever it names.
	pause, coredns string
	numbered       bool // nothing that is published under its number is the same
}

// releasesBeside are all there are, the newest first.
func releasesBeside() []release {
	return []release{
		{version: "v1.37.2", pins: "kubernetes-1.37", pause: "3.10.2", coredns: "v1.14.6"},
		{version: Renumbered, pins: "kubernetes", name: "renumbered", numbered: true},
		{version: "v1.35.4", pins: "kubernetes-1.35", pause: "3.10.1", coredns: "v1.13.1"},
	}
}

// Versions are the releases of Kubernetes that an embedded GCE's machines can be made of, the
// oldest first. [Renumbered] is none.
func Versions() []string {
	all := []string{Kubernetes}
	for _, r := range releasesBeside() {
		if !r.numbered {
			all = append(all, r.version)
		}
	}
	return sorted(all)
}

func sorted(all []string) []string {
	slices.SortFunc(all, func(a, b string) int {
		less, _ := version.MustParseSemantic(a).Compare(b) // both are ours
		return less
	})
	return all
}

// programs are Kubernetes' own, and CoreDNS where it is of another version.
func (r release) programs() []component {
	list := []component{kubernetes(cmp.Or(r.name, r.pins), r.pins, r.version)}
	if r.coredns != "" {
		list = append(list, coredns("coredns-"+strings.TrimPrefix(r.coredns, "v")))
	}
	return list
}

// recipes are the release's images.
func (r release) recipes() []recipe {
	made := r.programs()
	list := kubernetesRecipes(made[0].name, r.version)
	if len(made) > 1 {
		list = append(list, besideRecipes(r.pause, made[1].name, r.coredns)...)
	}
	return list
}

// An other is what a mirror has of a release.
type other struct {
	release
	store *store
	parts func() (releaseParts, error) // once
	found bool                         // the mirror serves it
}

// releaseParts are a release's artefacts. Of programs and images there are two that serve the
// same, but of one that is [release.numbered].
type releaseParts struct {
	official, built         artefact
	coredns                 artefact
	pulledImages, ownImages artefact
}

func newOther(s *store, r release) *other {
	o := &other{release: r, store: s}
	o.parts = sync.OnceValues(o.artefacts)
	return o
}

func (o *other) artefacts() (p releaseParts, err error) {
	ctx := context.Background() // nothing is made here
	made := map[string]artefact{}
	var keys []string
	for _, c := range o.programs() {
		if made[c.name], err = c.built(ctx); err != nil {
			return releaseParts{}, err
		}
		keys = append(keys, made[c.name].key)
	}
	programs := o.programs()
	p.built = made[programs[0].name]
	if len(programs) > 1 {
		p.coredns = made[programs[1].name]
	}
	images := programs[0].name + "-images"
	p.ownImages = baked(images, o.recipes(), keys, func(ctx context.Context, component, program string) (string, error) {
		dir, err := o.store.cache.ensure(ctx, made[component], o.store.build(component))
		return filepath.Join(dir, "bin", program), err
	})
	if !o.numbered {
		p.official = programs[0].official(o.store.transport)
		p.pulledImages = pulled(o.store.transport, images+"-official", o.recipes())
	}
	return p, nil
}

// make makes programs and images, as far as they are not in the cache.
func (o *other) make(ctx context.Context) error {
	p, err := o.parts()
	if err != nil {
		return err
	}
	if o.numbered { // wherever the others come from
		for _, a := range []artefact{p.built, p.ownImages} {
			if err == nil {
				_, err = o.store.cache.ensure(ctx, a, o.store.build(a.name))
			}
		}
	} else {
		if _, err = o.store.either(ctx, p.built.name, p.official, p.built); err == nil {
			_, err = o.store.either(ctx, p.ownImages.name, p.pulledImages, p.ownImages)
		}
	}
	if err != nil {
		return fmt.Errorf("making Kubernetes %s: %w", o.version, err)
	}
	return o.store.cache.tidy(slices.DeleteFunc([]artefact{p.official, p.built, p.coredns, p.pulledImages, p.ownImages}, func(a artefact) bool { return a.name == "" })...)
}

// there returns what of it is in the cache, held: a tree and a layout, or nothing.
func (o *other) there() (tree, layout string, err error) {
	p, err := o.parts()
	if err != nil {
		return "", "", err
	}
	programs, err := o.store.cached(p.official, p.built)
	if err != nil || programs == "" {
		return "", "", err
	}
	images, err := o.store.cached(p.pulledImages, p.ownImages)
	if err != nil || images == "" {
		return "", "", err
	}
	return filepath.Join(programs, "tree"), images, nil
}

// cached is the directory of one of two that serve the same, "" if the cache has none that this
// store takes.
func (s *store) cached(official, built artefact) (string, error) {
	for _, a := range []artefact{official, built} {
		// What has no official one is built wherever the others come from.
		if a.name == "" || official.name != "" && (s.source == Build && a.name == official.name || s.source == Download && a.name == built.name) {
			continue
		}
		if held, err := s.cache.hold(a); held || err != nil {
			return s.cache.path(a), err
		}
	}
	return "", nil
}

// findOthers adds what has been made of other versions since, all of one or nothing, and
// returns where all is that the mirror has.
func (m *Mirror) findOthers() ([]string, *registry) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, o := range m.others {
		if o.found {
			continue
		}
		tree, layout, err := o.there()
		if err != nil || tree == "" {
			continue // one that cannot be read is none, and is looked for again
		}
		layouts := append(slices.Clone(m.layouts), layout)
		images, err := openRegistry(layouts...)
		if err != nil {
			continue
		}
		m.trees, m.layouts, m.registry, o.found = append(slices.Clone(m.trees), tree), layouts, images, true
	}
	return m.trees, m.registry
}

// PrepareKubernetes makes another version of Kubernetes, as far as it is not in the cache: from
// source about 20 minutes on two processors. An embedded GCE that runs has it from then on.
func (m *Mirror) PrepareKubernetes(ctx context.Context, version string) error {
	if version == Kubernetes {
		return nil
	}
	for _, o := range m.others {
		if o.version == version {
			return o.make(ctx)
		}
	}
	return &Error{fmt.Errorf("making Kubernetes %s: it is not known here how", version), "there are " + strings.Join(Versions(), ", ")}
}

// Has are the versions of Kubernetes that the mirror has by now, the oldest first.
func (m *Mirror) Has() []string {
	m.findOthers()
	m.mu.Lock()
	defer m.mu.Unlock()
	all := []string{Kubernetes}
	for _, o := range m.others {
		if o.found {
			all = append(all, o.version)
		}
	}
	return sorted(all)
}

// CachedPrograms is the directory of Kubernetes' programs of a version as they were built, ""
// where the cache has none: they come as images where they are the official ones.
func CachedPrograms(ctx context.Context, o Options, version string) (string, error) {
	s, err := o.openStore()
	if err != nil {
		return "", err
	}
	c := kubernetes("kubernetes", "kubernetes", Kubernetes)
	for _, r := range releasesBeside() {
		if r.version == version {
			c = r.programs()[0]
		}
	}
	a, err := c.built(ctx)
	if err != nil || !s.cache.has(a) {
		return "", err
	}
	return filepath.Join(s.cache.path(a), "bin"), nil
}
